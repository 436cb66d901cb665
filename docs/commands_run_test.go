package docs

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/markdown"
	"release-forwarder/cmd/testkit/repo"
)

// place is where commands stand: a page of the repository and the heading above them.
type place struct{ page, heading string }

// TestCommandsAreRun: each sh block of the pages for operators stands under a heading that the drill, `make test-roles` or
// `make test-alerts` follows.
func TestCommandsAreRun(t *testing.T) {
	run := placesRun(t)
	pages, blocks := operatorsPages(t), 0
	for _, page := range pages {
		if !page.Chinese() {
			blocks += len(commandPlaces(page))
		}
		for _, wrong := range unrun(page, run) {
			t.Error(wrong)
		}
	}
	atLeast(t, blocks, 100, "blocks of commands")
	atLeast(t, len(run), 80, "headings that are run")
}

// TestACommandThatIsNotRunIsFound: under a new heading, and under one that only another page's has.
func TestACommandThatIsNotRunIsFound(t *testing.T) {
	const text = "# A\n\n```sh\nNS=x # the namespace\n```\n\n## Run\n\n```sh\ntrue\n```\n\n## Not run\n\n```sh\nfalse\n```\n"
	page := markdown.Parse("a.md", text)
	run := map[place]bool{{"a.md", "Run"}: true, {"b.md", "Not run"}: true}
	if wrong := unrun(page, run); len(wrong) != 1 || !strings.Contains(wrong[0], "a.md:16") {
		t.Errorf("found: %q", wrong)
	}
	first := markdown.Parse("a.md", strings.Replace(text, "NS=x # the namespace", "kubectl apply -f x", 1))
	if wrong := unrun(first, run); len(wrong) != 2 {
		t.Errorf("a first block that is none of placeholders: %q", wrong)
	}
}

// unrun lists what of a page is not run.
func unrun(page *markdown.Page, run map[place]bool) (wrong []string) {
	if page.Chinese() {
		return nil // it has the same blocks, as another test sees
	}
	for _, b := range commandPlaces(page) {
		if !run[b.place] {
			wrong = append(wrong, fmt.Sprintf("%s:%d: nothing runs the commands under %q", page.Name, b.line, b.heading))
		}
	}
	return wrong
}

type commandPlace struct {
	place
	line int
}

// commandPlaces are the sh blocks of a page, but the first one where it is of placeholders.
func commandPlaces(page *markdown.Page) (all []commandPlace) {
	first := true
	for _, b := range page.Blocks {
		if b.Kind != "sh" {
			continue
		}
		if !first || !onlyPlaceholders(b) {
			at := commandPlace{place{page: page.Name}, b.Line}
			for _, h := range page.Headings {
				if h.Line < b.Line {
					at.heading = h.Text
				}
			}
			all = append(all, at)
		}
		first = false
	}
	return all
}

func onlyPlaceholders(b markdown.Block) bool {
	for _, line := range b.Lines {
		if !placeholder.MatchString(line) {
			return false
		}
	}
	return true
}

func operatorsPages(t *testing.T) (pages []*markdown.Page) {
	t.Helper()
	for _, page := range markdown.Pages(t) {
		if strings.HasPrefix(page.Name, "docs/how-to/") || strings.HasPrefix(page.Name, "deployments/") {
			pages = append(pages, page)
		}
	}
	atLeast(t, len(pages), 60, "pages for operators")
	return pages
}

// placesRun are those that the drill, `make test-roles` and `make test-alerts` say they follow.
func placesRun(t *testing.T) map[place]bool {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "run", "./.ci/kube/drill", "-steps")
	list.Dir = repo.Path(t, ".")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	run := map[place]bool{}
	for line := range strings.Lines(string(out)) {
		page, heading, _ := strings.Cut(strings.TrimSpace(line), "\t")
		run[place{page, heading}] = true
	}
	quoted := regexp.MustCompile(`'([^']+)'`)
	for line := range strings.Lines(repo.Read(t, ".ci/kube/roles.sh")) {
		if _, headings, is := strings.Cut(line, "follow '"); is {
			for _, m := range quoted.FindAllStringSubmatch("'"+headings, -1) {
				run[place{"docs/how-to/deploy-kubernetes.md", m[1]}] = true
			}
		}
	}
	follow := regexp.MustCompile(`follow\(t, p, "([^"]+)"`)
	for _, m := range follow.FindAllStringSubmatch(repo.Read(t, ".ci/telemetry/chat/page_test.go"), -1) {
		run[place{"docs/how-to/alerts-to-chat.md", m[1]}] = true
	}
	return run
}
