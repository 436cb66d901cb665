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
)

var kafkaJars = flag.String("kafka.jars", "", "the folder of Kafka's jars: its tools are asked for the flags that documents name")

// TestKafkasToolsKnowTheFlags asks each tool, by its --help, for the flags in its lines. .ci/kafka/test.sh runs it, with
// the tag kafka: it needs Java and Kafka.
func TestKafkasToolsKnowTheFlags(t *testing.T) {
	known, checked := map[string][]string{}, 0
	flags := regexp.MustCompile(`--[a-z][a-z0-9-]*`)
	for _, line := range toolLines(t) {
		asked := strings.TrimSpace(line.tool + " " + line.command)
		if known[asked] == nil {
			args := append([]string{"-XX:TieredStopAtLevel=1", "-cp", filepath.Join(*kafkaJars, "*"), kafkaTools[line.tool]}, strings.Fields(line.command)...)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			help, _ := exec.CommandContext(ctx, "java", append(args, "--help")...).CombinedOutput() // some end with 1 after it
			cancel()
			if known[asked] = flags.FindAllString(string(help), -1); len(known[asked]) < 3 {
				t.Fatalf("%s --help says\n%s", asked, help)
			}
		}
		for _, name := range line.flags {
			checked++
			if !slices.Contains(known[asked], name) {
				t.Errorf("%s: %s has no flag %s", line.where, asked, name)
			}
		}
	}
	t.Logf("%d flags of %d tools and their commands", checked, len(known))
}
