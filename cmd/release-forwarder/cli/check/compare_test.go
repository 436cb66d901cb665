package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/repo"
)

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// oldFile writes nested.yaml as it may have been before: without the codes of a lot, a reason and the colour of others,
// with the entries among the releases, another serial and operator.
func oldFile(t *testing.T, changed ...string) string {
	t.Helper()
	text := repo.Read(t, "mapping/testdata/files/nested.yaml")
	for _, pair := range [][2]string{
		{"[entry, payment]", "payment"}, {`"0755-02"`, `"0755-99"`}, {"otherwise: -1", "otherwise: 5"}, {"operator:       {const: 无人值守}", "operator:       {from: car.no}"}, {"[ticket.no, recordId]", "[ticket.no, opType]"}, {"plate:          {from: car.no, required: true}", "plate:          {from: [car.no, car.vin], required: true}"},
	} {
		replaced := strings.Replace(text, pair[0], pair[1], 1)
		if replaced == text {
			t.Fatalf("nested.yaml has no %s", pair[0])
		}
		text = replaced
	}
	name := filepath.Join(t.TempDir(), "old.yaml")
	writeFile(t, name, strings.NewReplacer(changed...).Replace(text))
	return name
}

// What --against says is in golden files: counts, and examples with their lines, redacted unless --reveal.
func TestCheckSaysWhatAnotherFileChanges(t *testing.T) {
	t.Setenv("MAPPING_FILE", repo.Path(t, "mapping/testdata/files/nested.yaml"))
	old := oldFile(t)
	var all strings.Builder
	for _, c := range []Command{{Lang: english}, {Lang: chinese}, {Lang: english, liveFlags: liveFlags{Reveal: true}}, {Lang: english, JSON: true}, {Lang: english, liveFlags: liveFlags{Against: builtInContract}}} {
		if c.Against == "" {
			c.Against = old
		}
		printed, failed := checkedBy(t, c, several)
		fmt.Fprintf(&all, "=== %d failed\n%s\n", failed, strings.ReplaceAll(printed, old, "old.yaml"))
		if hidden := !strings.Contains(printed, "粤B1234"); hidden == c.Reveal {
			t.Errorf("reveal %t:\n%s", c.Reveal, printed)
		}
	}
	golden(t, "against.golden", all.String())
}

// A file compared with itself changes nothing, and dead letters of both do not count.
func TestTheSameFileChangesNothing(t *testing.T) {
	file := repo.Path(t, "mapping/testdata/files/nested.yaml")
	t.Setenv("MAPPING_FILE", file)
	printed, failed := checkedBy(t, Command{Lang: english, liveFlags: liveFlags{Against: file}}, several)
	if failed != 0 || !strings.HasSuffix(printed, "; events: 6\n  same            6\n") {
		t.Errorf("%d failed:\n%s", failed, printed)
	}
	t.Setenv("MAPPING_FILE", "")
	if err := os.Unsetenv("MAPPING_FILE"); err != nil {
		t.Fatal(err)
	}
	const event = `{"park_uuid":"p1","flow_no":"f1","parking_serial":"s1","plate":"粤B12345"}`
	if printed, failed = checkedBy(t, Command{Lang: english, liveFlags: liveFlags{Against: builtInContract}}, event); failed != 0 || printed != "compared with built-in; events: 1\n  same            1\n" {
		t.Errorf("%d failed:\n%s", failed, printed)
	}
}

// However many events change, of each change few are shown.
func TestExamplesAreBounded(t *testing.T) {
	t.Setenv("MAPPING_FILE", repo.Path(t, "mapping/testdata/files/nested.yaml"))
	printed, failed := checkedBy(t, Command{Lang: english, liveFlags: liveFlags{Against: oldFile(t)}}, strings.Repeat(several, 100))
	if n := strings.Count(printed, "\n  example "); n < 4 || n > 8*mostExamples || failed != 200 {
		t.Errorf("%d examples, %d failed:\n%s", n, failed, printed)
	}
}

// The mistakes of the file to compare with are told as those of MAPPING_FILE.
func TestAWrongFileToCompareWithIsRefused(t *testing.T) {
	s, _, err := settings.Load(settings.GroupEvent, settings.GroupCredential)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newChecker(&Command{liveFlags: liveFlags{Against: oldFile(t, "plate:", "plat:")}}, s, nil)
	if err == nil || !strings.Contains(err.Error(), "--against: line 9, column 7: plate is missing") {
		t.Errorf("%v", err)
	}
}
