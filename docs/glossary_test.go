package docs

import (
	"bytes"
	"go/scanner"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

const (
	glossaryPage = "docs/glossary.md"
	mostTerms    = 40
)

// kept are the places in which a retired word means something else: what it is part of.
var kept = map[string]*regexp.Regexp{
	// Kafka's sessions of a member.
	"session": regexp.MustCompile(`(?i)session[ _\n\t/]*time|session's end|within the session|silent for its session|keeps its session|its session goes on`),
	// Letters of the alphabet, a command of cmd/bench, the first column of `find`, and the alert of the hourly check.
	"letter": regexp.MustCompile(`(?i)(small|full-width|latin|other|by|plate) ?letters|letters? (in either|missing|and a port|for a digit|and digits|A to Z)|one or two\s+letters|(before a|the same[\s/]+) ?letter|bench letters|letters  events|letters: does not exist|of small letters|letter-[a-z]|letters-check|LettersCheckFailed|letters\.jsonl|events, replays, letters`),
	// The header that counts replays, and what is named for it.
	"redrive": regexp.MustCompile(`(?i)redrives`),
	// A mask of bits.
	"mask": regexp.MustCompile(`codecMask`),
}

// A retired word, and where it is not to be used any more.
type retired struct {
	in, outside []string // folders; with /... those beneath, too
}

func (r retired) counts(folder string) bool {
	lies := func(list []string) bool {
		for _, f := range list {
			beneath, all := strings.CutSuffix(f, "/...")
			if folder == beneath || all && strings.HasPrefix(folder, beneath+"/") {
				return true
			}
		}
		return false
	}
	return (len(r.in) == 0 || lies(r.in)) && !lies(r.outside)
}

// readGlossary gives the terms and the words that they replace.
func readGlossary(t *testing.T) (terms []string, words map[string]retired) {
	t.Helper()
	page := repo.Read(t, glossaryPage)
	words = map[string]retired{}
	entry := regexp.MustCompile(`([a-z]+)(?: \((in|outside) ([^)]*)\))?(?:, |$)`)
	for _, line := range strings.Split(page, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.Contains(line, "---") || strings.TrimSpace(cells[1]) == "term" {
			continue
		}
		terms = append(terms, strings.TrimSpace(cells[1]))
		for i := 2; i < 4; i++ {
			if strings.TrimSpace(cells[i]) == "" {
				t.Errorf("%s lacks a column", terms[len(terms)-1])
			}
		}
		not := strings.TrimSpace(cells[4])
		if strings.HasPrefix(not, `"`) { // for people
			continue
		}
		for _, m := range entry.FindAllStringSubmatch(not, -1) {
			r := retired{}
			switch folders := strings.Split(m[3], ", "); m[2] {
			case "in":
				r.in = folders
			case "outside":
				r.outside = folders
			}
			words[m[1]] = r
		}
	}
	return terms, words
}

// glossaryCheck looks through texts for terms and retired words.
type glossaryCheck struct {
	t     *testing.T
	words map[string]retired
	// terms are those that were met nowhere yet; known are the words of all of them, and those retired.
	terms, known map[string]bool
}

func newGlossaryCheck(t *testing.T, terms []string, words map[string]retired) *glossaryCheck {
	c := &glossaryCheck{t: t, words: words, terms: map[string]bool{}, known: map[string]bool{}}
	for _, term := range terms {
		c.terms[strings.ToLower(term)] = true
		for word := range strings.FieldsSeq(strings.ToLower(term)) {
			c.known[word] = true
		}
	}
	for word := range words {
		c.known[word] = true
	}
	return c
}

// text looks at the words of a text, and at the parts of the names in it.
func (c *glossaryCheck) text(file, folder, text string, line func(offset int) int) {
	before := ""
	for i := 0; i < len(text); {
		begin := i
		for i < len(text) && 'A' <= text[i] && text[i] <= 'Z' {
			i++
		}
		if capitals := i - begin; capitals > 1 && i < len(text) && 'a' <= text[i] && text[i] <= 'z' {
			i-- // as in ADeadLetter
		}
		if i-begin <= 1 {
			for i < len(text) && 'a' <= text[i] && text[i] <= 'z' {
				i++
			}
		}
		if i == begin {
			i++
			continue
		}
		c.word(file, folder, text, begin, i, before, line)
		before = text[begin:i]
	}
}

func (c *glossaryCheck) word(file, folder, text string, begin, end int, before string, line func(offset int) int) {
	if end-begin > 20 {
		return
	}
	var lower [20]byte
	for i := range end - begin {
		lower[i] = text[begin+i] | 0x20
	}
	word := lower[:end-begin]
	if !c.known[string(word)] {
		if word = bytes.TrimSuffix(word, []byte("s")); !c.known[string(word)] {
			return
		}
	}
	w := string(word)
	delete(c.terms, w)
	delete(c.terms, strings.ToLower(before)+" "+w)
	r, is := c.words[w]
	if !is || !r.counts(folder) || w == "letter" && strings.EqualFold(before, "dead") {
		return
	}
	if k := kept[w]; k != nil && k.MatchString(text[max(0, begin-30):min(len(text), end+30)]) {
		return
	}
	c.t.Errorf("%s:%d: %q is retired; docs/glossary.md has the word for it", file, line(begin), w)
}

// source looks at a Go file: at comments, at names where they are declared, and at strings that are
// more than a name.
func (c *glossaryCheck) source(file, folder string, src []byte) {
	fset := token.NewFileSet()
	f := fset.AddFile(file, -1, len(src))
	var s scanner.Scanner
	s.Init(f, src, nil, scanner.ScanComments)
	var comment strings.Builder // lines that follow one another are one text
	var begins token.Pos
	flush := func() {
		if comment.Len() > 0 {
			first := f.Line(begins)
			text := comment.String()
			c.text(file, folder, text, func(at int) int { return first + strings.Count(text[:at], "\n") })
			comment.Reset()
		}
	}
	before := token.ILLEGAL
	for {
		pos, kind, text := s.Scan()
		if kind == token.COMMENT {
			if comment.Len() == 0 {
				begins = pos
			}
			comment.WriteString(text + "\n")
			continue
		}
		if kind != token.SEMICOLON || text != "\n" {
			flush()
		}
		here := func(at int) int { return f.Line(pos) + strings.Count(text[:at], "\n") }
		switch {
		case kind == token.EOF:
			return
		case kind == token.IDENT && before != token.PERIOD, kind == token.STRING && strings.Contains(text, " "):
			c.text(file, folder, text, here)
		}
		before = kind
	}
}

var (
	shown = regexp.MustCompile("(?ms)^```.*?^```|^    .*?$|<!--.*?-->|`[^`\\s]+`|\\]\\([^)]*\\)")
	ink   = regexp.MustCompile(`[^\n]`)
)

// page looks at a document, but not at what it shows of output, names of files and the like.
func (c *glossaryCheck) page(file, folder, text string) {
	text = shown.ReplaceAllStringFunc(text, func(s string) string { return ink.ReplaceAllString(s, " ") })
	c.text(file, folder, text, func(at int) int { return 1 + strings.Count(text[:at], "\n") })
}

func TestTheGlossaryIsKept(t *testing.T) {
	terms, words := readGlossary(t)
	if len(terms) == 0 || len(terms) > mostTerms {
		t.Errorf("%d terms, at most %d are meant", len(terms), mostTerms)
	}
	c := newGlossaryCheck(t, terms, words)
	for _, name := range slices.Concat(repo.Files(t, ".go"), repo.Files(t, ".md")) {
		switch file := path.Base(name); {
		case file == "CHANGELOG.md", file == "glossary.md", file == "glossary_test.go", strings.Contains(name, "testdata/"):
		case strings.HasSuffix(name, ".go"):
			c.source(name, path.Dir(name), []byte(repo.Read(t, name)))
		default:
			c.page(name, path.Dir(name), repo.Read(t, name))
		}
	}
	for term := range c.terms {
		t.Errorf("nothing is called %q: take it out of the glossary", term)
	}
}
