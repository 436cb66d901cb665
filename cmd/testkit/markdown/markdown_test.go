package markdown

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const document = "# A `b`\n" + `
Two lines
of text. <!-- not
this -->

    make test    # four spaces
    make lint

1. An item, with ` + "`check a\\|b.json`" + `:

       kafka-topics.sh --list \
         --topic t

   - inner

| a | b |
| --- | --- |
| ` + "`x\\|y`" + ` | z |

<!-- begin: help -->
generated
<!-- end: help -->

` + "```console first.txt" + `
$ A=1 echo 'a  b' "c \"d" | tail -n 1 >/dev/null 2>&1 # comment
> && echo more
printed

$ next
` + "```\n"

func TestADocumentIsTakenApart(t *testing.T) {
	want := &Page{
		Name:     "a.md",
		Headings: []Heading{{1, "A `b`", 1}},
		Blocks: []Block{
			{Line: 7, Lines: []string{"make test    # four spaces", "make lint"}},
			{Line: 12, Lines: []string{`kafka-topics.sh --list \`, "  --topic t"}},
			{Kind: "console", Title: "first.txt", Line: 26, Lines: []string{`$ A=1 echo 'a  b' "c \"d" | tail -n 1 >/dev/null 2>&1 # comment`, "> && echo more", "printed", "", "$ next"}},
		},
		Tables: []Table{{Line: 17, Rows: [][]string{{"a", "b"}, {"`x|y`", "z"}}}},
		Prose:  []Text{{Line: 3, Text: "Two lines of text."}, {Line: 10, Text: "An item, with `check a\\|b.json`:"}, {Line: 15, Text: "inner"}, {Line: 22, Text: "generated", Generated: true}},
	}
	if diff := cmp.Diff(want, Parse("a.md", document)); diff != "" {
		t.Error(diff)
	}
}

func TestCommandsOfADocument(t *testing.T) {
	var got [][]string
	for _, c := range Parse("a.md", document).Commands() {
		got = append(got, append(c.Env, c.Words...))
	}
	want := [][]string{
		{"make", "test"}, {"make", "lint"},
		{"kafka-topics.sh", "--list", "--topic", "t"},
		{"A=1", "echo", "a  b", `c "d`}, {"tail", "-n", "1"}, {"echo", "more"}, {"next"},
		{"check", "a|b.json"}, {"x"}, {"y"}, {"b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEntriesOfAConsoleBlock(t *testing.T) {
	b := Block{Line: 5, Lines: []string{"$ one \\", "  more", "> and", "out", "> out too", "$ two"}}
	want := []Entry{{5, "one \\\n  more\nand", "out\n> out too\n"}, {10, "two", ""}}
	if diff := cmp.Diff(want, b.Entries()); diff != "" {
		t.Error(diff)
	}
}

func TestBlocksUnderAHeading(t *testing.T) {
	page := Parse("a.md", "# A\n\n    a\n\n## B\n\n    b\n\n### C\n\n    c\n\n## D\n\n    d\n")
	for heading, want := range map[string][]string{"A": {"a"}, "B": {"b"}, "C": {"c"}, "D": {"d"}} {
		blocks, found := page.Under(heading)
		var got []string
		for _, b := range blocks {
			got = append(got, b.Lines...)
		}
		if diff := cmp.Diff(want, got); diff != "" || !found {
			t.Errorf("%s: %s", heading, diff)
		}
	}
	if _, found := page.Under("E"); found {
		t.Error("a heading that is not there was found")
	}
}
