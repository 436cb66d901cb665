package docs

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/markdown"
)

// nightPages are the pages whose commands run as they are written, in both languages: a drill runs those of a heading as the role that the
// page names, with values of its own for the variables of the page's first block.
func nightPages(t *testing.T) (pages []*markdown.Page) {
	t.Helper()
	named := regexp.MustCompile(`^(docs/how-to/(night|dead-letters|find-an-event)(\.zh)?\.md|docs/how-to/night/.*|deployments/runbooks/[a-z].*)$`)
	for _, page := range markdown.Pages(t) {
		if named.MatchString(page.Name) {
			pages = append(pages, page)
		}
	}
	if len(pages) < 50 {
		t.Fatalf("only %d pages: this looks at nothing", len(pages))
	}
	return pages
}

// script is an sh block of a page.
type script struct {
	line int
	text string // without comments, continued lines joined
	bare string // and without what stands between single quotes
}

// scripts are the sh blocks of a page: the placeholders' first, then the others.
func scripts(page *markdown.Page) (placeholders *markdown.Block, others []script) {
	for i := range page.Blocks {
		b := &page.Blocks[i]
		switch {
		case b.Kind != "sh":
		case placeholders == nil:
			placeholders = b
		default:
			text, bare := strip(strings.ReplaceAll(strings.Join(b.Lines, "\n"), "\\\n", " "))
			others = append(others, script{b.Line, text, bare})
		}
	}
	return placeholders, others
}

// strip takes comments out of a script, and for the second text what stands between single quotes too.
func strip(script string) (text, bare string) {
	var all, unquoted strings.Builder
	quote, before := byte(0), byte('\n')
	for i := 0; i < len(script); i++ {
		c := script[i]
		switch {
		case quote == 0 && c == '#' && strings.IndexByte(" \n", before) >= 0:
			for i+1 < len(script) && script[i+1] != '\n' {
				i++
			}
			continue
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		}
		all.WriteByte(c)
		if quote != '\'' {
			unquoted.WriteByte(c)
		}
		before = c
	}
	return all.String(), unquoted.String()
}

var (
	placeholder = regexp.MustCompile(`^([A-Z][A-Z_]*)=("[^"]*"|[^\s"']+) +# \S.*$`)
	variable    = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)
	arithmetic  = regexp.MustCompile(`\$\(\(([^)]*)\)\)`)
	word        = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
	assigned    = regexp.MustCompile(`(?m)(?:^\s*|\bfor |\bexport (?:\S+ )*)([A-Za-z_][A-Za-z0-9_]*)(?:=| in )`)
)

// variables are those that a script uses and does not set itself.
func (s *script) variables() (names []string) {
	used := map[string]bool{}
	for _, m := range variable.FindAllStringSubmatch(s.bare, -1) {
		used[m[1]] = true
	}
	for _, m := range arithmetic.FindAllStringSubmatch(s.bare, -1) {
		for _, name := range word.FindAllString(m[1], -1) {
			used[name] = true
		}
	}
	for _, m := range assigned.FindAllStringSubmatch(s.bare, -1) {
		delete(used, m[1])
	}
	for name := range used {
		names = append(names, name)
	}
	return names
}

// TestCommandsOfTheNightAreScripts: each sh block can be parsed, and uses the variables of the page's first block alone. That one sets each
// in a line with a comment, and none that is not used.
func TestCommandsOfTheNightAreScripts(t *testing.T) {
	tried := 0
	for _, page := range nightPages(t) {
		first, others := scripts(page)
		if first == nil {
			continue
		}
		there, used := map[string]bool{}, map[string]bool{}
		for i, line := range first.Lines {
			if m := placeholder.FindStringSubmatch(line); m == nil {
				t.Errorf("%s:%d: %q is no placeholder with a comment", page.Name, first.Line+i, line)
			} else {
				there[m[1]] = true
			}
		}
		for _, s := range others {
			tried++
			parse := exec.CommandContext(t.Context(), "bash", "-n")
			parse.Stdin = strings.NewReader(s.text + "\n")
			if out, err := parse.CombinedOutput(); err != nil {
				t.Errorf("%s:%d: %v %s", page.Name, s.line, err, out)
			}
			for _, name := range s.variables() {
				if used[name] = true; !there[name] {
					t.Errorf("%s:%d: the page's first block does not set %s", page.Name, s.line, name)
				}
			}
		}
		for name := range there {
			if !used[name] {
				t.Errorf("%s: nothing uses %s", page.Name, name)
			}
		}
	}
	atLeast(t, tried, 150, "scripts")
}

var (
	kubectl   = regexp.MustCompile(`\bkubectl\b( -n "\$(?:KAFKA_)?NS" )?[^|;&\n)]*`)
	kafkaTool = regexp.MustCompile(`\bkafka-[a-z-]+\.sh[^|;&\n)]*`)
	// What does not end by itself, or needs a keyboard.
	endless = regexp.MustCompile(`kubectl -n \S+ (?:edit|attach|logs .*-f\b|logs .*--follow|exec (?:-it|-ti|-t|.*--tty)|get .*(?:-w|--watch)\b|port-forward [^&\n]*$)`)
)

// unfit says what of a command line a person at night, or the drill, cannot run as it stands; "" for nothing.
func unfit(text string) string {
	for _, m := range kubectl.FindAllStringSubmatch(text, -1) {
		if m[1] == "" {
			return "no namespace first: " + m[0]
		}
	}
	for _, line := range kafkaTool.FindAllString(text, -1) {
		if !strings.Contains(line, " --command-config ") {
			return "no log-in: " + line
		}
	}
	for line := range strings.Lines(text) {
		if endless.MatchString(strings.TrimSpace(line)) {
			return "does not end: " + line
		}
	}
	return ""
}

// TestCommandsOfTheNightNameNamespaceAndLogin: each kubectl has its namespace, each of Kafka's tools its log-in, and each ends by itself;
// so do those in sentences that name an object.
func TestCommandsOfTheNightNameNamespaceAndLogin(t *testing.T) {
	for _, wrong := range []string{"kubectl get pods", `kubectl -n "$NS" get pods; kubectl get pods`, `kubectl get pods -n "$NS"`, "a | kubectl apply -f -",
		"kafka-topics.sh --bootstrap-server b --list", `kubectl -n "$NS" logs x -f`, `kubectl -n "$NS" port-forward pod/x 8081`, `kubectl -n "$NS" exec -it pod/x -- sh`} {
		if unfit(wrong) == "" {
			t.Errorf("%s is taken", wrong)
		}
	}
	tried := 0
	for _, page := range nightPages(t) {
		_, others := scripts(page)
		for _, s := range others {
			tried++
			if why := unfit(s.text); why != "" {
				t.Errorf("%s:%d: %s", page.Name, s.line, why)
			}
		}
		for _, c := range page.Codes() {
			object := strings.HasPrefix(c.Text, "kubectl ") && strings.Contains(c.Text, "/") && !strings.Contains(c.Text, "port-forward")
			if object || strings.HasPrefix(c.Text, "kafka-") && strings.Contains(c.Text, "--bootstrap-server") {
				if why := unfit(c.Text); why != "" {
					t.Errorf("%s:%d: %s", page.Name, c.Line, why)
				}
			}
		}
	}
	atLeast(t, tried, 150, "scripts")
}

// TestTwinsHaveTheSameScripts: an English page and its Chinese twin have the same blocks in the same order, but for comments; and
// no page has two headings of one name, by which the drill finds them.
func TestTwinsHaveTheSameScripts(t *testing.T) {
	of := map[string][]string{}
	for _, page := range operatorsPages(t) {
		first, others := scripts(page)
		if first != nil {
			text, _ := strip(strings.Join(first.Lines, "\n"))
			others = append([]script{{first.Line, text, ""}}, others...)
		}
		for _, s := range others {
			of[page.Name] = append(of[page.Name], regexp.MustCompile(` *\n`).ReplaceAllString(s.text+"\n", "\n"))
		}
		seen := map[string]bool{}
		for _, h := range page.Headings {
			if seen[h.Text] {
				t.Errorf("%s: two headings %q", page.Name, h.Text)
			}
			seen[h.Text] = true
		}
	}
	compared := 0
	for name, english := range of {
		chinese, is := of[strings.TrimSuffix(name, ".md")+".zh.md"]
		if strings.HasSuffix(name, ".zh.md") || !is {
			continue
		}
		compared++
		if !slices.Equal(english, chinese) {
			t.Errorf("%s and its twin: %s", name, difference(english, chinese))
		}
	}
	atLeast(t, compared, 20, "pages with commands in both languages")
}

// changes matches a command that changes something.
var changes = regexp.MustCompile(`kubectl -n \S+ (?:scale|annotate|patch|set|delete|apply|create|rollout (?:undo|restart))\b|--execute\b|--alter\b|--create\b| abort |dlq (?:replay|close)\b`)

// TestNoChangeStandsOnTwoPages: what changes something stands on one page, and the others link to it. What only looks may stand again.
func TestNoChangeStandsOnTwoPages(t *testing.T) {
	on, found := map[string]string{}, 0
	for _, page := range nightPages(t) {
		if page.Chinese() {
			continue
		}
		_, others := scripts(page)
		for _, s := range others {
			for line := range strings.Lines(s.text) {
				if line = strings.Join(strings.Fields(line), " "); !changes.MatchString(line) {
					continue
				}
				found++
				if before := on[line]; before != "" && before != page.Name {
					t.Errorf("%s and %s: %s", before, page.Name, line)
				}
				on[line] = page.Name
			}
		}
	}
	atLeast(t, found, 30, "commands that change something")
}
