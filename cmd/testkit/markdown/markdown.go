// Package markdown takes a document of this repository apart, so that tests can hold its parts to the code: headings,
// blocks, tables, prose, and the command lines in them. It knows the Markdown that is written here, no more.
package markdown

import (
	"regexp"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// Page is a document.
type Page struct {
	Name     string
	Headings []Heading
	Blocks   []Block
	Tables   []Table
	Prose    []Text // paragraphs and items of lists
}

// Heading is a heading, its text with the marks for code and links.
type Heading struct {
	Level int
	Text  string
	Line  int
}

// Block is what is shown as it is: between fences, or indented.
type Block struct {
	Kind      string // the first word after the fence; "" for an indented block
	Title     string // the rest of that line
	Line      int    // of its first line
	Lines     []string
	Generated bool // between marks that a test writes between
}

// Table is a table; its first row is the heading.
type Table struct {
	Line      int
	Rows      [][]string
	Generated bool
}

// Text is a paragraph in one line, without comments.
type Text struct {
	Line      int
	Text      string
	Generated bool
}

// Pages are all documents of the repository, but not the log of changes: it tells of what was.
func Pages(t testing.TB) (pages []*Page) {
	t.Helper()
	for _, name := range repo.Files(t, ".md") {
		if name != "CHANGELOG.md" && !strings.Contains(name, "testdata/") {
			pages = append(pages, Parse(name, repo.Read(t, name)))
		}
	}
	if len(pages) < 50 {
		t.Fatalf("only %d documents", len(pages))
	}
	return pages
}

var (
	comment = regexp.MustCompile(`<!--.*?-->`)
	// A part that a test writes begins and ends with a comment of its own: "bench:latency" and "bench:end",
	// "begin: help" and "end: help", "table" and "/table".
	begins  = regexp.MustCompile(`^<!-- (begin:.*|\w+:begin.*|bench:[^e].*|table) -->$`)
	ends    = regexp.MustCompile(`^<!-- (end:.*|\w+:end|/table) -->$`)
	item    = regexp.MustCompile(`^( *)([-*]|[0-9]+\.) +`)
	heading = regexp.MustCompile(`^(#+) +(.*)$`)
	divider = regexp.MustCompile(`^\|[ :|-]+\|$`)
)

// reader is a page in the making.
type reader struct {
	page      *Page
	fence     bool
	generated bool
	indent    int // of the text of the item of a list that the lines belong to
	margin    int // of the fence
	blank     bool
	// What the next line may be added to, nil after anything else.
	block *Block
	table *Table
	text  *Text
}

// Parse takes a document apart.
func Parse(name, text string) *Page {
	r := &reader{page: &Page{Name: name}, blank: true}
	for i, line := range strings.Split(text, "\n") {
		r.line(i+1, strings.TrimRight(line, "\r"))
	}
	r.flush()
	return r.page
}

func (r *reader) line(n int, line string) {
	bare := strings.TrimSpace(line)
	switch {
	case r.fence:
		if bare == "```" {
			r.flush()
			r.fence = false
		} else {
			r.block.Lines = append(r.block.Lines, unindent(line, r.margin))
		}
		return
	case strings.HasPrefix(bare, "```"):
		r.flush()
		kind, title, _ := strings.Cut(strings.TrimPrefix(bare, "```"), " ")
		r.fence, r.margin = true, indentOf(line)
		r.block = &Block{Kind: kind, Title: title, Line: n + 1, Generated: r.generated}
		return
	case bare == "":
		r.blank = true
		if r.block != nil {
			r.block.Lines = append(r.block.Lines, "")
			return
		}
		r.flush()
		return
	}
	r.full(n, line, bare)
	r.blank = false
}

// full looks at a line that is neither blank nor within fences.
func (r *reader) full(n int, line, bare string) {
	if r.blank && indentOf(line) < r.indent { // the list is left, or its inner one
		r.indent = indentOf(line)
	}
	within := r.indent
	switch m := item.FindStringSubmatch(line); {
	case begins.MatchString(bare) || ends.MatchString(bare):
		r.flush()
		r.generated = begins.MatchString(bare)
	case r.text == nil && (r.blank || r.block != nil) && indentOf(line) >= within+4:
		if r.block == nil {
			r.flush()
			r.block = &Block{Line: n, Generated: r.generated}
		}
		r.block.Lines = append(r.block.Lines, unindent(line, within+4))
	case heading.MatchString(line):
		r.flush()
		m := heading.FindStringSubmatch(line)
		r.page.Headings = append(r.page.Headings, Heading{len(m[1]), strings.TrimSpace(m[2]), n})
	case strings.HasPrefix(bare, "|"):
		r.row(n, bare)
	case m != nil:
		r.flush()
		r.indent = len(m[0])
		r.add(n, line[len(m[0]):])
	default:
		r.add(n, strings.TrimLeft(bare, "> "))
	}
}

func (r *reader) add(n int, text string) {
	if r.text == nil {
		r.flush()
		r.text = &Text{Line: n, Generated: r.generated}
	}
	r.text.Text += " " + text
}

func (r *reader) row(n int, line string) {
	if r.table == nil {
		r.flush()
		r.table = &Table{Line: n, Generated: r.generated}
	}
	if divider.MatchString(line) {
		return
	}
	line = strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00")
	var cells []string
	for cell := range strings.SplitSeq(line, "|") {
		cells = append(cells, strings.TrimSpace(strings.ReplaceAll(cell, "\x00", "|")))
	}
	r.table.Rows = append(r.table.Rows, cells)
}

// flush ends what was being read.
func (r *reader) flush() {
	if b := r.block; b != nil {
		for len(b.Lines) > 0 && b.Lines[len(b.Lines)-1] == "" {
			b.Lines = b.Lines[:len(b.Lines)-1]
		}
		r.page.Blocks = append(r.page.Blocks, *b)
	}
	if r.table != nil {
		r.page.Tables = append(r.page.Tables, *r.table)
	}
	if r.text != nil {
		if r.text.Text = strings.TrimSpace(comment.ReplaceAllString(r.text.Text, "")); r.text.Text != "" {
			r.page.Prose = append(r.page.Prose, *r.text)
		}
	}
	r.block, r.table, r.text = nil, nil, nil
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func unindent(line string, by int) string { return line[min(by, indentOf(line)):] }

// Chinese is true of the Chinese twin of a page.
func (p *Page) Chinese() bool { return strings.HasSuffix(p.Name, ".zh.md") }

// Under gives the blocks below a heading, up to the next one; false where there is no such heading.
func (p *Page) Under(heading string) (blocks []Block, found bool) {
	for i, h := range p.Headings {
		if h.Text != heading {
			continue
		}
		for _, b := range p.Blocks {
			if b.Line > h.Line && (i+1 == len(p.Headings) || b.Line < p.Headings[i+1].Line) {
				blocks = append(blocks, b)
			}
		}
		return blocks, true
	}
	return nil, false
}
