//go:build kafka

package docs

import (
	"context"
	"flag"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/repo"
)

var kafkaJars = flag.String("kafka.jars", "", "the folder of Kafka's jars: its tools are given the lines that documents name")

// placeholders are what a line leaves to the reader, and what is put there.
var placeholders = map[string]string{
	"BROKERS": "kafka-1:9092", "BOOTSTRAP": "kafka-1:9092",
	"PARTITION": "0", "PARTITIONS": "3", "OFFSET": "42", "REPLICAS": "3", "BROKER_ID": "1", "RETENTION_MS": "604800000", "%D": "1000",
	"TIME":  "2026-01-02T15:04:05.000",
	"TOPIC": "abnormal-release", "GROUP": "release-forwarder", "TRANSACTIONAL_ID": "lane-1", "LOT": "p1", "ID": "lane-1", "%S": "kafka",
}

var placeholder = regexp.MustCompile(`\$\{?[A-Za-z_]+\}?|%[ds]|\b[A-Z][A-Z_]+\b`)

// filled is a word with something in each placeholder that is known.
func filled(word string) string {
	return placeholder.ReplaceAllStringFunc(word, func(found string) string {
		if value, known := placeholders[strings.ToUpper(strings.Trim(found, "${}"))]; known {
			return value
		}
		return found
	})
}

var address = regexp.MustCompile(`^([\w.-]+:\d+)(,[\w.-]+:\d+)*$`)

// given are the arguments that a tool gets: at a closed port, with a client's properties that give up at once.
func (l *toolLine) given(t *testing.T) []string {
	t.Helper()
	args := []string{"--command-config", "CONFIG"}
	if l.tool == "kafka-console-consumer.sh" {
		args = append(args, "--timeout-ms", "1")
	}
	if l.tool == "kafka-consumer-groups.sh" {
		args = append(args, "--timeout", "1")
	}
	if l.part { // what a sentence leaves out
		if !slices.Contains(l.args, "--bootstrap-server") {
			args = append(args, "--bootstrap-server", "kafka-1:9092")
		}
		if l.tool == "kafka-consumer-groups.sh" && !slices.Contains(l.args, "--group") {
			args = append(args, "--group", "g", "--topic", "t")
		}
	}
	for _, word := range l.args {
		if name, value, both := strings.Cut(word, "="); both && strings.HasPrefix(name, "--") {
			args, word = append(args, name), value
		}
		args = append(args, filled(word))
	}
	for i := 2; i+1 < len(args); i++ {
		switch args[i] {
		case "--bootstrap-server":
			if !address.MatchString(args[i+1]) {
				t.Errorf("%s: %s: %s is no address", l.where, l.text(), args[i+1])
			}
			args[i+1] = "127.0.0.1:1"
		case "--command-config":
			args = slices.Delete(args, i, i+2) // ours goes before
		}
	}
	return args
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
