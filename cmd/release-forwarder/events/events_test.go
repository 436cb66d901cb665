package events

import (
	"log/slog"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

const (
	referenceBegin = "<!-- begin: generated from the lists of events that cmd/release-forwarder/events gathers -->\n"
	referenceEnd   = "<!-- end: generated -->\n"
)

// TestThePageIsTheEvents fails where docs/reference/logs.md and the code have parted.
// `go test ./cmd/release-forwarder/events -update` writes the page.
func TestThePageIsTheEvents(t *testing.T) {
	repo.Generated(t, "docs/reference/logs.md", referenceBegin, referenceEnd, Reference(), *repo.Update)
}

// TestEveryListIsGathered finds the packages that declare events by their file events.go.
func TestEveryListIsGathered(t *testing.T) {
	gathered, err := os.ReadFile("events.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range repo.Files(t, "/events.go") {
		if !strings.Contains(repo.Read(t, file), "\nvar events logevent.List\n") {
			continue
		}
		found++
		if list := path.Base(path.Dir(file)) + ".Events()"; !strings.Contains(string(gathered), list) {
			t.Errorf("All lacks %s", list)
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
