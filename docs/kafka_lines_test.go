//go:build kafka

package docs

import (
	"context"
	"flag"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/repo"
)

var kafkaJars = flag.String("kafka.jars", "", "the folder of Kafka's jars: its tools are given the lines that documents name")

// placeholders are what a line leaves to the reader, and what is put there unless its page says it.
var placeholders = map[string]string{
	"BROKERS": "kafka-1:9092", "BOOTSTRAP": "kafka-1:9092",
	"PARTITION": "0", "PARTITIONS": "3", "OFFSET": "42", "REPLICAS": "3", "BROKER_ID": "1", "RETENTION_MS": "604800000", "RETENTION_MS_BEFORE": "604800000", "MIN_INSYNC": "2", "MAX_MESSAGE_BYTES": "2228224",
	"%D":    "1000",
	"TIME":  "2026-01-02T15:04:05.000",
	"TOPIC": "abnormal-release", "GROUP": "release-forwarder", "TRANSACTIONAL_ID": "lane-1", "LOT": "p1", "ID": "lane-1", "%S": "kafka",
}

var anyPlaceholder = regexp.MustCompile(`\$\{?[A-Za-z_]+\}?|%[ds]|\b[A-Z][A-Z_]+\b`)

// filled is a word with something in each placeholder that is known.
func (l *toolLine) filled(word string) string {
	return anyPlaceholder.ReplaceAllStringFunc(word, func(found string) string {
		name := strings.ToUpper(strings.Trim(found, "${}"))
		if value, known := l.values[name]; known && strings.HasPrefix(found, "$") {
			return value
		}
		if value, known := placeholders[name]; known {
			return value
		}
		return found
	})
}

var address = regexp.MustCompile(`^([\w.-]+:\d+)(,[\w.-]+:\d+)*$`)

// limits are the flags of tools that bound how long they wait.
var limits = map[string]string{"kafka-console-consumer.sh": "--timeout-ms", "kafka-consumer-groups.sh": "--timeout"}

// given are the arguments that a tool gets: at a closed port, with a client's properties that give up at once.
func (l *toolLine) given(t *testing.T) []string {
	t.Helper()
	given, limit := []string{"--command-config", "CONFIG"}, limits[l.tool]
	if limit != "" {
		given = append(given, limit, "1")
	}
	args := l.words()
	for i := 0; i < len(args); i++ {
		if i+1 < len(args) {
			switch value := args[i+1]; args[i] {
			case limit, "--command-config": // ours stand for them
				if _, err := strconv.Atoi(value); err != nil && args[i] == limit {
					t.Errorf("%s: %s: %s is no number", l.where, l.text(), value)
				}
				i++
				continue
			case "--bootstrap-server":
				if !address.MatchString(value) {
					t.Errorf("%s: %s: %s is no address", l.where, l.text(), value)
				}
				args[i+1] = "127.0.0.1:1"
			}
		}
		given = append(given, args[i])
	}
	return given
}

// words are the line's arguments with all that it leaves open filled in.
func (l *toolLine) words() (words []string) {
	for _, word := range l.args {
		if name, value, both := strings.Cut(word, "="); both && strings.HasPrefix(name, "--") {
			words, word = append(words, name), value
		}
		if word == "$@" { // a function's: its callers name the topic
			words = append(words, "--topic", "t")
			continue
		}
		words = append(words, l.filled(word))
	}
	if l.part && !slices.Contains(words, "--bootstrap-server") { // a sentence leaves that out
		words = append(words, "--bootstrap-server", "kafka-1:9092")
	}
	if l.part && l.tool == "kafka-consumer-groups.sh" && !slices.Contains(words, "--group") {
		words = append(words, "--group", "g", "--topic", "t")
	}
	return words
}

// TestKafkasToolsTakeTheLines gives each line to the tool that it names, which must refuse nothing of it. .ci/kafka/test.sh
// runs it, with the tag kafka: it needs Java and Kafka.
func TestKafkasToolsTakeTheLines(t *testing.T) {
	var lines []toolLine
	var input []string
	for _, line := range toolLines(t) {
		if !slices.ContainsFunc(line.args, func(arg string) bool { return strings.HasPrefix(arg, "--") }) {
			continue // a name alone
		}
		lines = append(lines, line)
		input = append(input, strings.Join(append([]string{kafkaTools[line.tool]}, line.given(t)...), "\t"))
	}
	for i, said := range toldByKafka(t, input) {
		if said != "ok" {
			t.Errorf("%s: %s\n%s", lines[i].where, lines[i].text(), said)
		}
	}
	t.Logf("%d lines of Kafka's tools", len(lines))
}

// TestKafkasToolsRefuseFaults: what a document could have wrong is seen.
func TestKafkasToolsRefuseFaults(t *testing.T) {
	faults := []string{
		"kafka-topics.sh --bootstrap-server kafka-1:9092 --describe --topics abnormal-release",
		"kafka-topics.sh --bootstrap-server kafka-1:9092 --topic t --create --partitions TOPIC",
		"kafka-topics.sh --topic t --describe",
		"kafka-topics.sh --bootstrap-server kafka-1:9092 --create --topic t --partitions 1 --config retention=1",
		"kafka-configs.sh --bootstrap-server kafka-1:9092 --alter --entity-type topics --entity-name t --add-config retention.hours=4",
		"kafka-configs.sh --bootstrap-server kafka-1:9092 --alter --entity-type topics --entity-name t --add-config retention.ms=4d",
		"kafka-configs.sh --bootstrap-server kafka-1:9092 --alter --entity-type topic --entity-name t --add-config retention.ms=4",
		"kafka-acls.sh --bootstrap-server kafka-1:9092 --add --allow-principal User:u --operation Commit --topic t",
		"kafka-consumer-groups.sh --bootstrap-server kafka-1:9092 --group g --topic t --reset-offsets --to-earliest --to-latest --execute",
		"kafka-consumer-groups.sh --bootstrap-server kafka-1:9092 --group g --topic t --reset-offsets --to-datetime 2026-01-02 --execute",
		"kafka-console-consumer.sh --bootstrap-server kafka-1:9092 --topic t --partition 0 --offset first",
		"kafka-get-offsets.sh --bootstrap-server kafka-1:9092 --topic t --time now",
		"kafka-transactions.sh --bootstrap-server kafka-1:9092 describe-producers --topic t",
	}
	var input []string
	for _, text := range faults {
		line := toolLinesOf("a fault", text, false)[0]
		input = append(input, strings.Join(append([]string{kafkaTools[line.tool]}, line.given(t)...), "\t"))
	}
	for i, said := range toldByKafka(t, input) {
		if said == "ok" {
			t.Errorf("is taken: %s", faults[i])
		} else {
			t.Logf("%s\n    %.120s", faults[i], said)
		}
	}
}

// toldByKafka gives what Lines.java says of each of its lines.
func toldByKafka(t *testing.T, lines []string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	java := exec.CommandContext(ctx, "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=OFF", "-Dlog4j2.disableJmx=true",
		"-cp", filepath.Join(*kafkaJars, "*"), repo.Path(t, ".ci/kafka/Lines.java"))
	java.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	answers, err := java.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, answers)
	}
	said := strings.Split(strings.TrimSpace(string(answers)), "\n")
	if len(said) != len(lines) {
		t.Fatalf("%d answers to %d lines:\n%s", len(said), len(lines), answers)
	}
	return said
}
