package events

import (
	"flag"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/logs.md anew")

const (
	referenceBegin = "<!-- begin: generated from the lists of events that cmd/release-forwarder/events gathers -->\n"
	referenceEnd   = "<!-- end: generated -->\n"
)

// TestThePageIsTheEvents fails where docs/logs.md and the code have parted.
// `go test ./cmd/release-forwarder/events -update` writes the page anew.
func TestThePageIsTheEvents(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "logs.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), referenceBegin)
	table, after, ends := strings.Cut(rest, referenceEnd)
	switch says := Reference(); {
	case !begins || !ends:
		t.Fatalf("%s lacks the markers %q and %q", path, referenceBegin, referenceEnd)
	case table == says:
	case !*update:
		t.Errorf("%s is not what the code says; run this test with -update", path)
	default:
		if err := os.WriteFile(path, []byte(before+referenceBegin+says+referenceEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryListIsGathered finds the packages that declare events by their file events.go.
func TestEveryListIsGathered(t *testing.T) {
	gathered, err := os.ReadFile("events.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, root := range []string{"consumer", "dlq", "mapping", "upstream", "cmd"} {
		err := filepath.WalkDir(filepath.Join("..", "..", "..", root), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || e.Name() != "events.go" {
				return err
			}
			text, err := os.ReadFile(path)
			if !strings.Contains(string(text), "\nvar events logevent.List\n") {
				return err
			}
			found++
			if list := filepath.Base(filepath.Dir(path)) + ".Events()"; !strings.Contains(string(gathered), list) {
				t.Errorf("All lacks %s", list)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 {
		t.Error("no list was found: this looked at nothing")
	}
}

func TestEveryEventIsWhole(t *testing.T) {
	names, messages, form := map[string]bool{}, map[string]bool{}, regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, e := range All() {
		if names[e.Name] || !form.MatchString(e.Name) {
			t.Errorf("%s: a name is there twice, or is not of small letters and dashes", e.Name)
		}
		if messages[e.Message] || e.Message == "" {
			t.Errorf("%s: the limit of repeats counts by message, and another event has %q", e.Name, e.Message)
		}
		names[e.Name], messages[e.Message] = true, true
		if e.Level == slog.LevelError && e.Remedy == "" {
			t.Errorf("%s: an error says what to do", e.Name)
		}
		if e.Runbook != "" && e.Remedy == "" {
			t.Errorf("%s: a runbook without a remedy", e.Name)
		}
	}
}
