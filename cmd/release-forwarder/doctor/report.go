package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"release-forwarder/cmd/release-forwarder/visible"
)

// Verdict is the result of a check.
type Verdict string

// The verdicts, from the best to the worst.
const (
	OK      Verdict = "ok"
	Unknown Verdict = "unknown" // it could not be seen; nothing is said about it
	Warning Verdict = "warning" // works now, and fails in a case that does occur
	Wrong   Verdict = "wrong"   // does not work, or loses records
)

// Area is a part of what the service depends on.
type Area string

// The areas, in the order of a report.
const (
	Brokers     Area = "brokers"
	Topics      Area = "topics"
	Rights      Area = "rights"
	Group       Area = "group"
	Credential  Area = "credentials"
	ThePlatform Area = "platform"
)

var areas = []Area{Brokers, Topics, Rights, Group, Credential, ThePlatform}

// Finding is the outcome of one check. Programs may rely on Area and Check; Text and Remedy are for people and
// may change.
type Finding struct {
	Area    Area    `json:"area"`
	Subject string  `json:"subject"` // a broker's address, a topic, the group, a lot
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`             // what was found
	Remedy  string  `json:"remedy,omitempty"` // what to do; empty: nothing
}

// Report is what was found, in the order of the areas.
type Report []Finding

// Count returns how many findings have a verdict.
func (r Report) Count(v Verdict) int {
	n := 0
	for _, f := range r {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// Verdict returns wrong if any finding is, else warning if any is, else ok. Unknown findings do not count.
func (r Report) Verdict() Verdict {
	switch {
	case r.Count(Wrong) > 0:
		return Wrong
	case r.Count(Warning) > 0:
		return Warning
	}
	return OK
}

// JSON writes the report as one object.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Verdict  Verdict `json:"verdict"`
		Findings Report  `json:"findings"`
	}{r.Verdict(), r})
}

// Text writes the report for people: an area, its subject, a line for each check and one for its remedy, and
// the sum at the end.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	for _, area := range areas {
		r.area(&b, area)
	}
	warnings := "warnings"
	if r.Count(Warning) == 1 {
		warnings = "warning"
	}
	fmt.Fprintf(&b, "%d ok, %d unknown, %d %s, %d wrong\n", r.Count(OK), r.Count(Unknown), r.Count(Warning), warnings, r.Count(Wrong))
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) area(b *strings.Builder, area Area) {
	subject, width := "", 0
	for _, f := range r {
		if f.Area == area {
			width = max(width, len(f.Check))
		}
	}
	for _, f := range r {
		if f.Area != area {
			continue
		}
		if subject == "" {
			fmt.Fprintf(b, "%s\n", area)
		}
		if f.Subject != subject {
			subject = f.Subject
			fmt.Fprintf(b, "  %s\n", visible.Line(subject))
		}
		fmt.Fprintf(b, "    %-7s  %-*s  %s\n", f.Verdict, width, f.Check, visible.Line(f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(b, "    %-7s  %-*s  -> %s\n", "", width, "", visible.Line(f.Remedy))
		}
	}
	if subject != "" {
		b.WriteByte('\n')
	}
}

// findings collects what is found about one subject.
type findings struct {
	area    Area
	subject string
	list    Report
}

func (f *findings) add(check string, v Verdict, text, remedy string) {
	f.list = append(f.list, Finding{Area: f.area, Subject: f.subject, Check: check, Verdict: v, Text: text, Remedy: remedy})
}

func (f *findings) ok(check, format string, args ...any) {
	f.add(check, OK, fmt.Sprintf(format, args...), "")
}

func (f *findings) unknown(check, text, remedy string) { f.add(check, Unknown, text, remedy) }
func (f *findings) warn(check, text, remedy string)    { f.add(check, Warning, text, remedy) }
func (f *findings) wrong(check, text, remedy string)   { f.add(check, Wrong, text, remedy) }
