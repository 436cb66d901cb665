package admin

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"strconv"
	"time"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

// page is the status page. The style stands in the page itself, so that it is
// one request and works where nothing else can be reached; the policy names its
// hash, so that no other style and no script runs.
var page = template.Must(template.New("status").Funcs(template.FuncMap{
	"clock":  clock,
	"offset": offset,
	"style":  func() template.CSS { return template.CSS(pageStyle) }, //nolint:gosec // embedded, a constant
}).Parse(pageSource))

// policy is the Content-Security-Policy of every answer.
var policy = "default-src 'none'; style-src 'sha256-" + styleHash() +
	"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func styleHash() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// clock is a time as the page shows it; a person compares it with log lines,
// which are in UTC too.
func clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func offset(n int64) string {
	if n == Unknown {
		return "–"
	}
	return strconv.FormatInt(n, 10)
}
