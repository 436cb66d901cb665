package docs

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"release-forwarder/cmd/testkit/markdown"
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
			} else if anchor != "" && !anchors(markdown.Parse(target, repo.Read(t, target)))[anchor] {
				t.Errorf("%s: the link %s leads to no heading", file, m[1])
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links were found: this looks at nothing", checked)
	}
	t.Logf("%d links", checked)
}

// anchors are those of a document's headings, as GitHub makes them: what is neither of an alphabet, a digit nor one of "-_" goes,
// spaces become "-"; the second heading of a name gets "-1", and so on.
func anchors(page *markdown.Page) map[string]bool {
	there := map[string]bool{}
	for _, h := range page.Headings {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, linkText.ReplaceAllString(h.Text, "$1"))
		again := anchor
		for n := 1; there[again]; n++ {
			again = anchor + "-" + strconv.Itoa(n)
		}
		there[again] = true
	}
	return there
}

func TestAnchorsAreAsOnGitHub(t *testing.T) {
	page := markdown.Parse("", "# 1. What `dlq list` shows: A, b_c\n\n```sh\n# no heading\n```\n\n## 常见问题（FAQ）：再均衡\n\n## Check\n\n## Check\n\n## [A](b.md) link\n\n### Check\n")
	want := map[string]bool{"1-what-dlq-list-shows-a-b_c": true, "常见问题faq再均衡": true, "check": true, "check-1": true, "check-2": true, "a-link": true}
	if got := anchors(page); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
