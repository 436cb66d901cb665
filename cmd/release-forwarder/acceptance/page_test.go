package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// byThePage does what a section of docs/how-to/moving.md tells to do with Kafka: its
// commands as they stand there, or the same by requests where Kafka's tools are
// not at hand. The replicas must be stopped.
func (w *world) byThePage(section string, variables map[string]string, otherwise func()) {
	w.t.Helper()
	commands := pageCommands(w.t, section)
	if w.cluster.tool == nil {
		otherwise()
		return
	}
	for _, command := range commands {
		expanded := os.Expand(command, func(name string) string {
			switch name {
			case "BROKERS":
				return w.cluster.settings["KAFKA_BROKERS"]
			case "GROUP":
				return w.group
			case "TOPIC":
				return w.topic
			}
			value, ok := variables[name]
			if !ok {
				w.t.Fatalf("section %q: nobody knows the variable %s", section, name)
			}
			return value
		})
		out, err := w.cluster.tool(strings.Fields(expanded))
		if err != nil {
			w.t.Fatalf("%s: %v", expanded, err)
		}
		w.t.Logf("%s\n%s", expanded, out)
	}
}

// pageCommands are a section's commands of Kafka's tools, lines continued with a
// backslash joined.
func pageCommands(t testing.TB, section string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "how-to", "moving.md"))
	if err != nil {
		t.Fatal(err)
	}
	within := false
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if strings.HasPrefix(line, "#") {
			within = strings.TrimSpace(strings.TrimLeft(line, "#")) == section
		}
		if command := strings.TrimSpace(line); within && strings.HasPrefix(line, "    ") && strings.HasPrefix(command, "kafka-") {
			commands = append(commands, command)
		}
	}
	if len(commands) == 0 {
		t.Fatalf("docs/how-to/moving.md has no section %q with commands", section)
	}
	return commands
}

// pageTime is a time as the page writes it.
func pageTime(at time.Time) string {
	return at.In(time.FixedZone("", 8*3600)).Format("2006-01-02T15:04:05.000-07:00")
}
