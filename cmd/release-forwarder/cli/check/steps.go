package check

import (
	"bufio"
	"fmt"
	"strings"
	"unicode/utf8"

	"release-forwarder/cmd/release-forwarder/cli/check/examine"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/mapping"
)

// step is how a field is made, with -v.
type step struct {
	Field   string   `json:"field"`
	Sources []looked `json:"sources,omitempty"`
	Rule    string   `json:"rule,omitempty"`
	Sent    string   `json:"sent,omitempty"`
	Refused string   `json:"refused,omitempty"`
}

// looked is a source and what was seen there.
type looked struct {
	Source string `json:"source"`
	Seen   string `json:"seen,omitempty"`
	length int    // of all that was seen, in characters
}

// steps are how the fields of an event are made.
func (j *judge) steps(x *examine.Examination) (all []step) {
	for _, s := range x.Steps {
		one := step{Field: s.Field, Rule: strings.Join(s.Rule, ", "), Sent: s.Sent}
		for _, l := range s.Looked {
			one.Sources = append(one.Sources, looked{l.Source, shortened(l.Seen), utf8.RuneCountInString(l.Seen)})
		}
		if s.Refused != nil && s.Refused.Reason != mapping.MissingField {
			one.Refused = faultText(s.Refused, j.lang)
		}
		all = append(all, one)
	}
	return all
}

// shortened is the begin of what was seen: it may be a whole object.
func shortened(seen string) string {
	const most = 60 // characters
	n := 0
	for i := range seen {
		if n++; n > most {
			return seen[:i] + "…"
		}
	}
	return seen
}

// printSteps prints a line for each field: source, what was seen there, the rule, the result.
func (r *report) printSteps(out *bufio.Writer, lang language) {
	if r.Profile != "" {
		row(out, wordProfile.in(lang), r.Profile)
	}
	for _, s := range r.Steps {
		var parts []string
		for _, l := range s.Sources {
			seen := wordNothing.in(lang)
			if l.Seen != "" {
				seen = visible.Line(l.Seen)
			}
			parts = append(parts, visible.Value(l.Source)+" = "+seen)
		}
		if s.Rule != "" {
			parts = append(parts, visible.Value(s.Rule))
		}
		result := wordNotSent.in(lang)
		switch {
		case s.Refused != "":
			result = visible.Line(s.Refused)
		case s.Sent != "":
			result = visible.Value(s.Sent)
		}
		row(out, s.Field, fmt.Sprintf("← %s → %s", strings.Join(parts, "; "), result))
	}
}
