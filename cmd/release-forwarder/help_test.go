package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

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

// tried fails for each command that is in none of the command lines that a test tries.
func tried(t *testing.T, lines []string) {
	t.Helper()
	for _, command := range commandLines(t, "", false) {
		if command != "run" && !slices.ContainsFunc(lines, func(line string) bool { return line == command || strings.HasPrefix(line, command+" ") }) {
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

func TestTheDLQPageIsTheHelp(t *testing.T) {
	repo.Generated(t, "docs/reference/dlq.md", "<!-- begin: help -->\n", "<!-- end: help -->\n", helpPage(t), *repo.Update)
}
