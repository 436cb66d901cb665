package main

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/repo"
)

// commandLines are the command lines of all commands below one, "" for all, as "dlq list"; with groups also those that
// only hold others.
func commandLines(t *testing.T, below string, groups bool) (lines []string) {
	t.Helper()
	var look func(node *kong.Node)
	look = func(node *kong.Node) {
		line := strings.TrimSpace(strings.TrimPrefix(node.FullPath(), "release-forwarder"))
		inside := line != "" && (below == "" || line == below || strings.HasPrefix(line, below+" "))
		if inside && !node.Hidden && (groups || len(node.Children) == 0) {
			lines = append(lines, line)
		}
		for _, child := range node.Children {
			look(child)
		}
	}
	look(kong.Must(&commands{}, kong.Name("release-forwarder")).Model.Node)
	if len(lines) == 0 {
		t.Fatalf("no command below %q", below)
	}
	return lines
}

// untilStopped are the commands that go on until a signal and print nothing of their own.
var untilStopped = []string{"run", "idle"}

// tried fails for each command that prints and is in none of the command lines that a test tries.
func tried(t *testing.T, lines []string) {
	t.Helper()
	for _, command := range commandLines(t, "", false) {
		if !slices.Contains(untilStopped, command) && !slices.ContainsFunc(lines, func(line string) bool { return line == command || strings.HasPrefix(line, command+" ") }) {
			t.Errorf("%s is not tried here", command)
		}
	}
}

// helpPage is what --help says of each command on dead letters.
func helpPage(t *testing.T) string {
	t.Helper()
	var page bytes.Buffer
	for _, command := range commandLines(t, "dlq", true) {
		var c commands
		var out bytes.Buffer
		parser := kong.Must(&c, kong.Name("release-forwarder"), kong.Writers(&out, &out), kong.Exit(func(int) { panic("help was shown") }))
		func() {
			defer func() { _ = recover() }()
			_, _ = parser.Parse(append(strings.Fields(command), "--help"))
		}()
		if out.Len() == 0 {
			t.Fatalf("%s has no help", command)
		}
		fmt.Fprintf(&page, "\n## %s\n\n```text\n%s```\n", command, out.String())
	}
	return page.String()
}

func TestEveryCommandsHelpHasAnExample(t *testing.T) {
	var look func(node *kong.Node)
	look = func(node *kong.Node) {
		if node.Parent != nil && !strings.Contains(node.Detail, "Example") {
			t.Errorf("%s --help has none", node.FullPath())
		}
		for _, child := range node.Children {
			look(child)
		}
	}
	look(kong.Must(&commands{}).Model.Node)
}

// Whoever copies an example gets no error of its flags or settings.
func TestTheExamplesOfHelpCanBeRun(t *testing.T) {
	for command, line := range examples(t) {
		words := commandWords(t, line)
		at := slices.Index(words, "release-forwarder")
		if at < 0 {
			t.Errorf("%s: no command of ours: %s", command, line)
			continue
		}
		for _, word := range words[:at] {
			if name, _, is := strings.Cut(word, "="); is && strings.ToUpper(name) == name && !slices.ContainsFunc(settings.Table(), func(s settings.Setting) bool { return s.Name == name }) {
				t.Errorf("%s: %s is no setting: %s", command, name, line)
			}
		}
		parsed, err := kong.Must(&commands{}, kong.Name("release-forwarder")).Parse(words[at+1:])
		switch {
		case err != nil:
			t.Errorf("%s: %v: %s", command, err, line)
		case !strings.HasPrefix(parsed.Command(), command):
			t.Errorf("%s: an example of %s: %s", command, parsed.Command(), line)
		}
	}
}

// examples gives the commands' lines with an example, continued lines joined.
func examples(t *testing.T) iter.Seq2[string, string] {
	t.Helper()
	return func(yield func(command, line string) bool) {
		for _, command := range commandLines(t, "", true) {
			c := found(t, command)
			_, text, _ := strings.Cut(c.Detail, "Example")
			given := 0
			for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
				if strings.HasPrefix(line, "  ") {
					if given++; !yield(command, strings.TrimSpace(line)) {
						return
					}
				}
			}
			if given == 0 {
				t.Errorf("%s has no example", command)
			}
		}
	}
}

// found is the node of a command line, as "dlq list".
func found(t *testing.T, command string) *kong.Node {
	t.Helper()
	node := kong.Must(&commands{}, kong.Name("release-forwarder")).Model.Node
	for name := range strings.FieldsSeq(command) {
		at := slices.IndexFunc(node.Children, func(child *kong.Node) bool { return child.Name == name })
		node = node.Children[at]
	}
	return node
}

// commandWords are the words of a line as a shell reads them, up to where its output or input is led elsewhere; of a
// pipe, the command that is ours.
func commandWords(t *testing.T, line string) (words []string) {
	t.Helper()
	quoted := regexp.MustCompile(`'([^']*)'|"([^"]*)"|[^\s'"]+`)
	for _, word := range quoted.FindAllStringSubmatch(line, -1) {
		text := cmp.Or(word[1], word[2], word[0])
		switch {
		case text == "|" && slices.Contains(words, "release-forwarder"), text == ">", text == "<":
			return words
		case text == "|":
			words = nil
		default:
			words = append(words, text)
		}
	}
	return words
}

// A terminal of 100 columns holds the help, and one reading is enough for each of its sentences.
func TestHelpIsShort(t *testing.T) {
	for _, command := range commandLines(t, "", true) {
		detail := found(t, command).Detail
		text, _, _ := strings.Cut(detail, "Example")
		for line := range strings.Lines(text) { // kong wraps what is not indented, and indents the rest by two more
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 98 && strings.HasPrefix(line, "  ") {
				t.Errorf("%s: %d columns: %s", command, n, line)
			}
		}
		for paragraph := range strings.SplitSeq(detail, "\n\n") {
			if strings.HasPrefix(paragraph, "  ") {
				continue
			}
			for sentence := range strings.SplitSeq(strings.Join(strings.Fields(paragraph), " "), ". ") {
				if n := len(strings.Fields(sentence)); n > 30 {
					t.Errorf("%s: %d words: %s", command, n, sentence)
				}
			}
		}
	}
}

func TestTheDLQPageIsTheHelp(t *testing.T) {
	repo.Generated(t, "docs/reference/dlq.md", "<!-- begin: help -->\n", "<!-- end: help -->\n", helpPage(t), *repo.Update)
}
