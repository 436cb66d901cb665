package page

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

const text = `# Title

<!-- bench:one -->
old
<!-- bench:end -->
between
<!-- bench:two -->
<!-- bench:end -->
`

func TestOnlyTheNamedPartChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again changes nothing
		if err := Write(file, "two", "new\n\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `# Title

<!-- bench:one -->
old
<!-- bench:end -->
between
<!-- bench:two -->
new
<!-- bench:end -->
`
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
	parts, err := Parts(string(got))
	if err != nil || !maps.Equal(parts, map[string]string{"one": "old\n", "two": "new\n"}) {
		t.Error(parts, err)
	}
}

func TestAPageWithBadMarkersIsLeftAlone(t *testing.T) {
	const one, end = "<!-- bench:one -->\n", "<!-- bench:end -->\n"
	for what, bad := range map[string]string{
		"no such part": "nothing\n", "no end": one, "no beginning": end, "one within another": one + "<!-- bench:two -->\n" + end,
		"twice": one + end + one + end,
	} {
		if _, err := Replace(bad, "one", "x"); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
