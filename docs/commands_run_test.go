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

// notRun are the places whose commands neither the drill nor `make test-roles` runs. Each page says why, by the words given here.
var notRun = map[place]string{
	{"docs/how-to/alerts-to-chat.md", "Configure Alertmanager"}: "`make test-alerts` runs this by the `amtool` of Alertmanager 0.35",
	{"docs/how-to/alerts-to-chat.md", "Try it"}:                 "No test runs the commands below: our test cluster has no Alertmanager",
	{"docs/how-to/alerts-to-chat.md", "Silence a pause"}:        "No test runs the commands below: our test cluster has no Alertmanager",
}

// TestCommandsAreRun: each sh block of the pages for operators stands under a heading that the drill or `make test-roles` follows, or the
// page says why not.
func TestCommandsAreRun(t *testing.T) {
	run := placesRun(t)
	pages, blocks := operatorsPages(t), 0
	for _, page := range pages {
		if !page.Chinese() {
			blocks += len(commandPlaces(page))
		}
		for _, wrong := range unrun(page, run, notRun) {
			t.Error(wrong)
		}
	}
	for p, why := range notRun {
		if run[p] {
			t.Errorf("%s, %s: it is run, and excepted", p.page, p.heading)
		}
		if !strings.Contains(strings.Join(strings.Fields(repo.Read(t, p.page)), " "), why) {
			t.Errorf("%s does not say why its commands are not run: %s", p.page, why)
		}
	}
	atLeast(t, blocks, 100, "blocks of commands")
	atLeast(t, len(run), 80, "headings that are run")
}

// TestACommandThatIsNotRunIsFound: under a new heading, under one that only another page's has, and an exception for nothing.
func TestACommandThatIsNotRunIsFound(t *testing.T) {
	const text = "# A\n\n```sh\nNS=x # the namespace\n```\n\n## Run\n\n```sh\ntrue\n```\n\n## Not run\n\n```sh\nfalse\n```\n"
	page := markdown.Parse("a.md", text)
	run := map[place]bool{{"a.md", "Run"}: true, {"b.md", "Not run"}: true}
	if wrong := unrun(page, run, nil); len(wrong) != 1 || !strings.Contains(wrong[0], "a.md:16") {
		t.Errorf("found: %q", wrong)
	}
	if wrong := unrun(page, run, map[place]string{{"a.md", "Not run"}: "why"}); len(wrong) != 0 {
		t.Errorf("excepted, and found: %q", wrong)
	}
	if wrong := unrun(page, run, map[place]string{{"a.md", "Not run"}: "why", {"a.md", "Gone"}: "why"}); len(wrong) != 1 {
		t.Errorf("an exception for nothing: %q", wrong)
	}
	first := markdown.Parse("a.md", strings.Replace(text, "NS=x # the namespace", "kubectl apply -f x", 1))
	if wrong := unrun(first, run, map[place]string{{"a.md", "Not run"}: "why"}); len(wrong) != 1 {
		t.Errorf("a first block that is none of placeholders: %q", wrong)
	}
}

// unrun lists what of a page is neither run nor excepted, and exceptions for what is not there.
func unrun(page *markdown.Page, run map[place]bool, excepted map[place]string) (wrong []string) {
	if page.Chinese() {
		return nil // it has the same blocks, as another test sees
	}
	there := map[place]bool{}
	for _, b := range commandPlaces(page) {
		there[b.place] = true
		if _, is := excepted[b.place]; !run[b.place] && !is {
			wrong = append(wrong, fmt.Sprintf("%s:%d: nothing runs the commands under %q", page.Name, b.line, b.heading))
		}
	}
	for p := range excepted {
		if p.page == page.Name && !there[p] {
			wrong = append(wrong, fmt.Sprintf("%s has no commands under %q, which is excepted", p.page, p.heading))
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

// placesRun are those that the drill and `make test-roles` say they follow.
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
	return run
}
