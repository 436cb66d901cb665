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
	command     string // of kafka-transactions.sh
	flags       []string
}

// toolLines are those of all pages and of what the service's own code says.
func toolLines(t *testing.T) (lines []toolLine) {
	t.Helper()
	add := func(where string, words []string) {
		line := toolLine{where: where, tool: path.Base(words[0])}
		for _, word := range words[1:] {
			if name, _, _ := strings.Cut(word, "="); strings.HasPrefix(name, "--") {
				line.flags = append(line.flags, name)
			}
			if line.tool == "kafka-transactions.sh" && line.command == "" && slices.Contains(ofTransactions, word) {
				line.command = word
			}
		}
		lines = append(lines, line)
	}
	tool := regexp.MustCompile(`^(.*/)?kafka-[a-z-]+\.sh$`)
	for _, page := range markdown.Pages(t) {
		for _, c := range page.Commands() {
			for i, word := range c.Words { // behind kubectl exec … --, too
				if tool.MatchString(word) {
					add(page.Name, c.Words[i:])
					break
				}
			}
		}
	}
	said := regexp.MustCompile(`kafka-[a-z-]+\.sh[^"\x60\n]*`)
	for _, name := range repo.Files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, text := range said.FindAllString(repo.Read(t, name), -1) {
			add(name, strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;:)(", r) }))
		}
	}
	if len(lines) < 30 {
		t.Errorf("only %d lines of Kafka's tools: this looks at nothing", len(lines))
	}
	return lines
}

// TestKafkasToolsAreKnown: Kafka has the tools that are named.
func TestKafkasToolsAreKnown(t *testing.T) {
	lines := toolLines(t)
	for _, line := range lines {
		if kafkaTools[line.tool] == "" {
			t.Errorf("%s: %s is no tool of Kafka that is known here", line.where, line.tool)
		}
		if line.tool == "kafka-transactions.sh" && line.command == "" && len(line.flags) > 0 {
			t.Errorf("%s: kafka-transactions.sh without a command", line.where)
		}
	}
	t.Logf("%d lines of Kafka's tools", len(lines))
}
