package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"release-forwarder/cmd/testkit/repo"
)

// TestLinksOfTheDocumentsLeadSomewhere: a relative link in a document names a file of
// the repository, and after # one of its headings.
func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]*)\)`)
	checked := 0
	for _, file := range repo.Files(t, ".md") {
		text := shown.ReplaceAllStringFunc(repo.Read(t, file), func(s string) string {
			if strings.HasPrefix(s, "](") {
				return s
			}
			return ""
		})
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			checked++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(repo.Path(t, target)); err != nil {
				t.Errorf("%s: the link %s leads to no file", file, m[1])
			} else if anchor != "" && !headings(repo.Read(t, target))[anchor] {
				t.Errorf("%s: the link %s leads to no heading", file, m[1])
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links were found: this looks at nothing", checked)
	}
}

// headings are the anchors of a document's headings, as GitHub makes them.
func headings(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchors[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])] = true
	}
	return anchors
}
