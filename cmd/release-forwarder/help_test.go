package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/testkit/repo"
)

// helpPage is what --help says of each command on dead letters.
func helpPage(t *testing.T) string {
	t.Helper()
	var page bytes.Buffer
	for _, command := range []string{"dlq", "dlq list", "dlq show", "dlq replay", "dlq close", "dlq export", "dlq stats"} {
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
	repo.Generated(t, "docs/dlq.md", "<!-- begin: help -->\n", "<!-- end: help -->\n", helpPage(t), *repo.Update)
}
