package admin

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strconv"
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
			"clock":  clock,
			"age":    age,
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
}

func (s Status) in(l language) view {
	v := view{Status: s, Sentence: s.State}
	if s.Condition.Kind != "" {
		row := s.Condition.row()
		v.Sentence, v.Advice, v.Runbook = s.Condition.fill(row.says[l]), s.Condition.fill(row.remedy[l]), row.runbook
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

// clock is a time as the page shows it; a person compares it with log lines,
// which are in UTC too.
func clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// age is how long ago a time is, as exactly as a person wants to know it.
func age(now, t time.Time) string {
	d := max(0, now.Sub(t))
	switch {
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h" + strconv.Itoa(int(d.Minutes())%60) + "m"
	}
	return strconv.Itoa(int(d.Hours())/24) + "d" + strconv.Itoa(int(d.Hours())%24) + "h"
}

func offset(n int64) string {
	if n == Unknown {
		return "–"
	}
	return strconv.FormatInt(n, 10)
}
