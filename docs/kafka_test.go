package docs

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/markdown"
	"release-forwarder/cmd/testkit/repo"
)

// kafkaTools are the tools that documents and messages name, and the classes that they start.
var kafkaTools = map[string]string{
	"kafka-acls.sh":                "org.apache.kafka.tools.AclCommand",
	"kafka-configs.sh":             "kafka.admin.ConfigCommand",
	"kafka-console-consumer.sh":    "org.apache.kafka.tools.consumer.ConsoleConsumer",
	"kafka-console-producer.sh":    "org.apache.kafka.tools.ConsoleProducer",
	"kafka-consumer-groups.sh":     "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"kafka-delete-records.sh":      "org.apache.kafka.tools.DeleteRecordsCommand",
	"kafka-get-offsets.sh":         "org.apache.kafka.tools.GetOffsetShell",
	"kafka-reassign-partitions.sh": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
	"kafka-topics.sh":              "org.apache.kafka.tools.TopicCommand",
	"kafka-transactions.sh":        "org.apache.kafka.tools.TransactionsCommand",
}

// ofTransactions are the commands of kafka-transactions.sh, each with flags of its own.
var ofTransactions = []string{"abort", "describe", "describe-producers", "find-hanging", "forceTerminateTransaction", "list"}

// toolLine is a command line of one of Kafka's tools.
type toolLine struct {
	where, tool string
	args        []string
	part        bool              // in a sentence or a message, which may leave out what is the same everywhere
	values      map[string]string // of the page's own placeholders, NAME=value
}

// text is the line as it was found.
func (l *toolLine) text() string { return strings.Join(append([]string{l.tool}, l.args...), " ") }

var (
	toolName   = regexp.MustCompile(`kafka-[a-z-]+\.sh\b`)
	setInBlock = regexp.MustCompile(`^([A-Z][A-Z_]*)=("[^"$]*"|[^\s"'$]+)(?:$| +#)`)
	sumInLine  = regexp.MustCompile(`\$\(\([^()]*\)\)`)
	continued  = regexp.MustCompile(`\\\n\s*`)
	// Code says a line within a string, in which it leaves places open.
	saidByCode = regexp.MustCompile("kafka-[a-z-]+\\.sh[^\"`\n]*")
	leftByCode = strings.NewReplacer("--bootstrap-server %s", "--bootstrap-server BROKERS", "--operation %s %s", "--operation Read --topic %s",
		"--add-config %s=%s", "--add-config retention.ms=%d", "cleanup.policy=%s", "cleanup.policy=compact", ".ms=%s", ".ms=%d")
)

// toolLines are those of all pages and of what the service's own code says. A tool may stand anywhere in a line: in a
// pipe, behind kubectl exec, in a folder, in $(…).
func toolLines(t *testing.T) (lines []toolLine) {
	t.Helper()
	var values map[string]string
	add := func(where, text string, part bool) {
		for _, line := range toolLinesOf(where, text, part) {
			line.values = values
			lines = append(lines, line)
		}
	}
	for _, page := range markdown.Pages(t) {
		values = valuesOf(page)
		for _, b := range page.Blocks {
			typed := slices.Contains([]string{"sh", "bash", ""}, b.Kind)
			for line := range strings.SplitSeq(continued.ReplaceAllString(strings.Join(b.Lines, "\n"), " "), "\n") {
				prompt := b.Kind == "console" && strings.HasPrefix(line, "$ ")
				add(page.Name, line, !typed && !prompt || strings.HasPrefix(strings.TrimSpace(line), "#"))
			}
		}
		for _, code := range page.Codes() {
			add(page.Name, code.Text, true)
		}
	}
	values = nil
	for _, name := range repo.Files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, text := range saidByCode.FindAllString(repo.Read(t, name), -1) {
			add(name, leftByCode.Replace(text), true)
		}
	}
	if len(lines) < 30 {
		t.Errorf("only %d lines of Kafka's tools: this looks at nothing", len(lines))
	}
	return lines
}

// valuesOf are the values of a page's placeholders: variables that a block sets.
func valuesOf(page *markdown.Page) map[string]string {
	values := map[string]string{}
	for _, b := range page.Blocks {
		for _, line := range b.Lines {
			if m := setInBlock.FindStringSubmatch(line); m != nil && b.Kind == "sh" && values[m[1]] == "" {
				values[m[1]] = strings.Trim(m[2], `"`)
			}
		}
	}
	return values
}

// toolLinesOf are those in a line of text.
func toolLinesOf(where, text string, part bool) (lines []toolLine) {
	text = sumInLine.ReplaceAllString(text, "1")
	for _, at := range toolName.FindAllStringIndex(text, -1) {
		words := markdown.Split(text[at[0]:])[0]
		line := toolLine{where: where, tool: path.Base(words[0]), part: part}
		for _, word := range words[1:] {
			end := strings.HasSuffix(word, ")") && !strings.Contains(word, "(")
			if line.args = append(line.args, strings.TrimRight(word, ").。")); end {
				break
			}
		}
		if line.tool = toolName.FindString(line.tool); part && !strings.Contains(text, " -") {
			line.args = slices.DeleteFunc(line.args, func(arg string) bool { return !slices.Contains(ofTransactions, arg) })
		}
		lines = append(lines, line)
	}
	return lines
}

// TestKafkasToolsAreFound: whatever stands around them.
func TestKafkasToolsAreFound(t *testing.T) {
	for text, want := range map[string][]string{
		"kafka-topics.sh --list": {"kafka-topics.sh --list"},
		`kubectl -n "$NS" exec deployment/x -- /opt/kafka/bin/kafka-configs.sh --alter --topic "$TOPIC" # why`: {"kafka-configs.sh --alter --topic $TOPIC"},
		"END=$(kafka-get-offsets.sh --topic t | cut -d: -f3)":                                                  {"kafka-get-offsets.sh --topic t"},
		"END=$(bin/kafka-get-offsets.sh --topic t)":                                                            {"kafka-get-offsets.sh --topic t"},
		`kafka-consumer-groups.sh --to-offset $((OFFSET + 1)) --dry-run`:                                       {"kafka-consumer-groups.sh --to-offset 1 --dry-run"},
		"kafka-topics.sh --list && kafka-acls.sh --list":                                                       {"kafka-topics.sh --list", "kafka-acls.sh --list"},
		"reset it (kafka-consumer-groups.sh --reset-offsets --to-earliest) soon":                               {"kafka-consumer-groups.sh --reset-offsets --to-earliest"},
		"look at kafka-topics and release-forwarder":                                                           nil,
	} {
		var got []string
		for _, line := range toolLinesOf("", text, true) {
			got = append(got, line.text())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: found %q, want %q", text, got, want)
		}
	}
}

// TestKafkasToolsAreKnown: Kafka has the tools that are named.
func TestKafkasToolsAreKnown(t *testing.T) {
	lines := toolLines(t)
	for _, line := range lines {
		if kafkaTools[line.tool] == "" {
			t.Errorf("%s: %s is no tool of Kafka that is known here", line.where, line.tool)
		}
		if line.tool == "kafka-transactions.sh" && len(line.args) > 0 && !slices.ContainsFunc(line.args, func(arg string) bool { return slices.Contains(ofTransactions, arg) }) {
			t.Errorf("%s: kafka-transactions.sh without a command", line.where)
		}
	}
	t.Logf("%d lines of Kafka's tools", len(lines))
}
