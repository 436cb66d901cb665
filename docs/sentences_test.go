package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/markdown"
)

// mostWords is the length of a sentence that is read once.
const mostWords = 30

// TestSentencesAreShort: no sentence in prose or in a cell of a table has more than mostWords words. Not looked at are
// Chinese pages and what is generated from the code.
func TestSentencesAreShort(t *testing.T) {
	sentences := 0
	for _, page := range markdown.Pages(t) {
		if page.Chinese() {
			continue
		}
		texts := slices.Clone(page.Prose)
		for _, table := range page.Tables {
			for i, row := range table.Rows {
				for _, cell := range row {
					texts = append(texts, markdown.Text{Line: table.Line + i, Text: cell, Generated: table.Generated})
				}
			}
		}
		var long []string
		for _, text := range texts {
			if text.Generated {
				continue
			}
			for _, sentence := range sentencesOf(text.Text) {
				sentences++
				if words := len(strings.Fields(sentence)); words > mostWords {
					long = append(long, sentence)
				}
			}
		}
		if len(long) > 0 {
			t.Errorf("%s has sentences of more than %d words:\n\t%s", page.Name, mostWords, strings.Join(long, "\n\t"))
		}
	}
	if sentences < 1000 {
		t.Errorf("only %d sentences were found: this looks at nothing", sentences)
	}
	t.Logf("%d sentences", sentences)
}

var (
	linkText = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	spans    = regexp.MustCompile("`[^`]+`")
	stop     = regexp.MustCompile(`([.?!][")*_]*) +([A-Z"(*_\x60~0-9<]|$)`)
	abbrev   = regexp.MustCompile(`\b(e\.g|i\.e|vs|etc|No)\. `)
)

// sentencesOf splits a text. A piece of code and a link are the words that are seen of them; code is one word.
func sentencesOf(text string) []string {
	text = linkText.ReplaceAllString(text, "$1")
	text = spans.ReplaceAllString(text, "`code`")
	text = strings.ReplaceAll(text, "<br>", " ")
	text = abbrev.ReplaceAllString(text, "$1 ")
	text = stop.ReplaceAllString(text, "$1\n$2")
	return strings.Split(text, "\n")
}
