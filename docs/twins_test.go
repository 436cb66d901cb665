package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/markdown"
	"release-forwarder/cmd/testkit/repo"
)

// TestTwinsSayTheSame: a page and its Chinese twin have headings of the same levels, the same command lines in blocks,
// name the same settings, and have tables of the same shape, all in the same order.
func TestTwinsSayTheSame(t *testing.T) {
	pages := map[string]*markdown.Page{}
	for _, page := range markdown.Pages(t) {
		pages[page.Name] = page
	}
	compared := 0
	for name, chinese := range pages {
		english := pages[strings.TrimSuffix(name, ".zh.md")+".md"]
		if !chinese.Chinese() {
			continue
		}
		if english == nil {
			t.Errorf("%s is the twin of no page", name)
			continue
		}
		compared++
		differ := ""
		for what, of := range twinParts {
			if a, b := of(t, english), of(t, chinese); !slices.Equal(a, b) {
				differ += "\n" + what + ": " + difference(a, b)
			}
		}
		if differ != "" {
			t.Errorf("%s and its twin differ%s", english.Name, differ)
		}
	}
	if compared < 15 {
		t.Errorf("only %d pages were compared: this looks at nothing", compared)
	}
	t.Logf("%d pages with twins", compared)
}

var (
	setting  = regexp.MustCompile(`\b(KAFKA|UPSTREAM|DLQ|CONSUMER|EVENT|ADMIN|LOG|RETRY|LOT)_[A-Z0-9_]*[A-Z0-9]\b`)
	foreign  = regexp.MustCompile(`[^\x00-\x7f]+`)
	language = regexp.MustCompile(` --lang (zh|en)\b`)
)

// twinParts are what twins have in common.
var twinParts = map[string]func(*testing.T, *markdown.Page) []string{
	"headings": func(_ *testing.T, p *markdown.Page) (levels []string) {
		for _, h := range p.Headings {
			levels = append(levels, strings.Repeat("#", h.Level))
		}
		return levels
	},
	// Texts for people within a command may differ, and the language that it is told to speak.
	"commands": func(_ *testing.T, p *markdown.Page) (lines []string) {
		blocks := &markdown.Page{Name: p.Name, Blocks: p.Blocks}
		for _, c := range blocks.Commands() {
			if len(c.Words) < 2 && c.Words[0] != "release-forwarder" {
				continue
			}
			line := language.ReplaceAllString(strings.Join(append(c.Env, c.Words...), " "), "")
			lines = append(lines, foreign.ReplaceAllString(line, "…"))
		}
		return lines
	},
	"settings": func(t *testing.T, p *markdown.Page) []string {
		names := setting.FindAllString(repo.Read(t, p.Name), -1)
		slices.Sort(names)
		return slices.Compact(names)
	},
	"tables": func(_ *testing.T, p *markdown.Page) (shapes []string) {
		for _, table := range p.Tables {
			for _, row := range table.Rows {
				shapes = append(shapes, strings.Repeat("|", len(row)))
			}
			shapes = append(shapes, "")
		}
		return shapes
	},
}

// difference is the first one of two lists.
func difference(a, b []string) string {
	for i := range max(len(a), len(b)) {
		at := func(list []string) string {
			if i < len(list) {
				return "\"" + list[i] + "\""
			}
			return "nothing"
		}
		if at(a) != at(b) {
			return at(a) + " in English, " + at(b) + " in Chinese"
		}
	}
	return ""
}
