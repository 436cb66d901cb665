package admin

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// pages is the status page in each language. Style and script stand in the page
// itself, so that it is one request and works where nothing else can be reached;
// the policy names their hashes, so that no other runs.
var pages = func() (all [languages]*template.Template) {
	for l := range languages {
		t := func(key string) string {
			p, known := words[key]
			if !known {
				panic("admin: the page uses a word that has no text: " + key)
			}
			return p[l]
		}
		all[l] = template.Must(template.New("status").Funcs(template.FuncMap{
			"t": t,
			// of is a word that goes by a number before it.
			"of":     func(n any, key string) string { return ofNumber(fmt.Sprint(n) == "1", t(key)) },
			"lang":   l.tag,
			"mark":   mark,
			"word":   l.word,
			"before": func(key string) string { before, _, _ := strings.Cut(t(key), "{time}"); return before },
			"after":  func(key string) string { _, after, _ := strings.Cut(t(key), "{time}"); return after },
			"offset": offset,
			"style":  func() template.CSS { return template.CSS(pageStyle) }, //nolint:gosec // embedded, a constant
			"script": func() template.JS { return template.JS(pageScript) },  //nolint:gosec // embedded, a constant
		}).Parse(pageSource))
	}
	return all
}()

// view is a snapshot as the page shows it, in one language.
type view struct {
	Status
	Sentence, Advice, Runbook string

	language language
}

// Clock is a time in the page's zone.
func (v view) Clock(t time.Time) string { return clock(t, v.Zone) }

// For is how long something has lasted that began at a time.
func (v view) For(since time.Time) string { return v.language.span(v.Now.Sub(since)) }

// Ago is how long ago a time is.
func (v view) Ago(t time.Time) string {
	return fmt.Sprintf(phrase{"%s ago", "%s前"}[v.language], v.For(t))
}

func (s Status) in(l language) view {
	v := view{Status: s, Sentence: s.State, language: l}
	if s.Condition.Kind != "" {
		c := s.Condition
		row := c.row()
		v.Sentence, v.Advice, v.Runbook = c.fill(l, row.says), c.fill(l, row.remedy), row.runbook
	}
	return v
}

// policy is the Content-Security-Policy of every answer.
var policy = "default-src 'none'; style-src 'sha256-" + hash(pageStyle) + "'; script-src 'sha256-" + hash(pageScript) +
	"'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func hash(of string) string {
	sum := sha256.Sum256([]byte(of))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// mark distinguishes the levels without colour, and in the browser's tab.
func mark(l Level) string {
	switch l {
	case LevelOK:
		return "✓"
	case LevelWaiting:
		return "…"
	case LevelTrouble:
	}
	return "✗"
}

func offset(n int64) string {
	if n == Unknown {
		return "–"
	}
	return strconv.FormatInt(n, 10)
}
