package main

import (
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/testkit/markdown"
)

// standIns are what pages write where a value belongs, with a value that the flag takes.
var standIns = map[string]string{
	"$RATE": "10", "TIME": "2026-03-01T08:00:00+08:00", "N": "1", "DURATION": "1h", "REASON": "refused", "STAGE": "mapping", "FIELD=VALUE": "plate=A12345",
}

// object is how kubectl names what it changed: it is printed, not typed.
var object = regexp.MustCompile(`^[a-z]+\.[a-z.]+/`)

// argumentsOf gives the arguments of a command line that runs the forwarder: by its name, as `dlq list` between backticks,
// or in a container behind "--".
func argumentsOf(c markdown.Command, names []string) (args []string, is bool) {
	for i, word := range c.Words {
		base := path.Base(strings.TrimSuffix(word, ".exe"))
		named := base == "release-forwarder" && word != "cmd/release-forwarder" || strings.HasPrefix(word, ".") && strings.HasSuffix(base, "release-forwarder")
		if named && !object.MatchString(word) && (i == 0 || c.Words[i-1] == "--") {
			return c.Words[i+1:], true
		}
	}
	return c.Words, len(c.Words) > 1 && slices.Contains(names, c.Words[0])
}

// TestCommandLinesOfThePagesAreTaken: what any page tells to type is a command line that the forwarder takes.
func TestCommandLinesOfThePagesAreTaken(t *testing.T) {
	all, names := commandLines(t, "", true), []string{}
	for _, line := range all {
		names = append(names, strings.Fields(line)[0])
	}
	taken := 0
	for _, page := range markdown.Pages(t) {
		for _, c := range page.Commands() {
			args, is := argumentsOf(c, names)
			if !is {
				continue
			}
			taken++
			if c.Inline && slices.Contains(all, strings.Join(args, " ")) { // that it is there is all that is said
				continue
			}
			for i, arg := range args {
				flag, value, with := strings.Cut(arg, "=")
				if real := standIns[arg]; real != "" {
					args[i] = real
				} else if real := standIns[value]; with && real != "" {
					args[i] = flag + "=" + real
				}
			}
			err := parsed(args)
			if c.Inline && err != nil && strings.HasPrefix(args[len(args)-1], "--") { // a flag without its value
				err = parsed(append(args, "1"))
			}
			if err != nil {
				t.Errorf("%s:%d: %s: %v", c.Page, c.Line, c.Shown, err)
			}
		}
	}
	if taken < 80 {
		t.Errorf("only %d command lines were found: this looks at nothing", taken)
	}
	t.Logf("%d command lines", taken)
}

// parsed parses a command line, and does nothing else.
func parsed(args []string) (err error) {
	const help = "help was shown"
	parser := kong.Must(&commands{}, kong.Name("release-forwarder"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) { panic(help) }))
	defer func() {
		if r := recover(); r != nil && r != help {
			panic(r)
		}
	}()
	_, err = parser.Parse(args)
	return err
}

// othersFlags are flags of the sandbox, of Kafka's tools and of kubectl that pages name alone.
var othersFlags = []string{"--add", "--add-config", "--command-config", "--delete-config", "--execute", "--for", "--force-conflicts", "--remove", "--server-side", "--to", "--to-offset", "--to-revision", "--transactional-id", "--validate"}

// TestFlagsThatDocumentsNameAreThere: a flag that stands alone between backticks is one of a command.
func TestFlagsThatDocumentsNameAreThere(t *testing.T) {
	known := slices.Clone(othersFlags)
	var look func(node *kong.Node)
	look = func(node *kong.Node) {
		for _, flag := range node.Flags {
			known = append(known, "--"+flag.Name)
		}
		for _, child := range node.Children {
			look(child)
		}
	}
	look(kong.Must(&commands{}).Model.Node)
	named := 0
	for _, page := range markdown.Pages(t) {
		for _, code := range page.Codes() {
			flag, _, _ := strings.Cut(strings.ReplaceAll(code.Text, "=", " "), " ")
			if !strings.HasPrefix(flag, "--") || flag == "--" {
				continue
			}
			if named++; !slices.Contains(known, flag) {
				t.Errorf("%s:%d: no command has the flag %s", page.Name, code.Line, flag)
			}
		}
	}
	if named < 40 {
		t.Errorf("only %d flags are named: this looks at nothing", named)
	}
	t.Logf("%d flags", named)
}
