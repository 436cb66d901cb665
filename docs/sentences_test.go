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

// longSentences are pages that are not held to mostWords yet. An entry whose page has no long sentence any
// more fails the test: take it out.
var longSentences = []string{
	"CONTRIBUTING.md",
}

// TestSentencesAreShort: no sentence in prose or in a cell of a table has more than mostWords words. Not looked at are
// Chinese pages and what is generated from the code.
func TestSentencesAreShort(t *testing.T) {
	sentences, unheld := 0, 0
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
		exempt := slices.Contains(longSentences, page.Name)
		if exempt {
			unheld++
		}
		switch {
		case exempt && len(long) == 0:
			t.Errorf("%s has no long sentence: take it out of longSentences", page.Name)
		case !exempt && len(long) > 0:
			t.Errorf("%s has sentences of more than %d words:\n\t%s", page.Name, mostWords, strings.Join(long, "\n\t"))
		}
	}
	if unheld != len(longSentences) {
		t.Errorf("longSentences names pages that are not there")
	}
	t.Logf("%d sentences; %d pages are not held yet", sentences, unheld)
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
