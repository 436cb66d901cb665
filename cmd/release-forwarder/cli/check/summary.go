package check

import (
	"bufio"
	"fmt"
	"strings"

	"release-forwarder/cmd/release-forwarder/cli/check/examine"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/mapping"
)

// summary counts what became of many events. It has no values of theirs.
type summary struct {
	Events      int            `json:"events"`
	Sent        int            `json:"would_be_sent"`
	DeadLetters map[string]int `json:"dead_letters"` // by reason
	Ignored     map[string]int `json:"ignored"`      // by profile
	Held        int            `json:"would_be_held,omitempty"`
	Fits        map[string]int `json:"fits"`      // by profile; 0 too
	NeverSet    []string       `json:"never_set"` // fields
	Warnings    map[string]int `json:"warnings"`  // by kind
	Unread      map[string]int `json:"not_read"`  // names that no profile reads: events by path
	More        int            `json:"not_read_more,omitempty"`

	fields   []string        // of the endpoint
	examined int             // events of which the fields are known
	set      map[string]bool // fields
	paths    map[string]int  // as Unread, all that are remembered
}

const (
	mostPaths  = 1000 // that are remembered
	shownPaths = 20
)

// newSummary begins a summary of events that are mapped by a file; nil: the built-in contract.
func newSummary(f *mapping.File, e *mapping.Endpoint) *summary {
	s := &summary{fields: e.Names(), DeadLetters: map[string]int{}, Ignored: map[string]int{}, Fits: map[string]int{}, Warnings: map[string]int{}, set: map[string]bool{}, paths: map[string]int{}}
	if f != nil {
		for _, name := range f.Profiles {
			s.Fits[name] = 0
		}
	}
	return s
}

// add counts an event.
func (s *summary) add(m *mapping.Mapper, rec *mapping.Record, x *examine.Examination) {
	s.Events++
	if x.Profile != "" {
		s.Fits[x.Profile]++
	}
	switch {
	case x.Release != nil:
		s.Sent++
	case len(x.Faults) > 0:
		s.DeadLetters[string(x.Faults[0].Reason)]++
	case x.Unlisted != nil:
		s.Held++
	default:
		s.Ignored[x.Profile]++
		return // what stands in it is of no use
	}
	kinds := map[string]bool{}
	for _, w := range x.Warnings {
		kinds[string(w.Suspicion)] = true
	}
	for kind := range kinds {
		s.Warnings[kind]++
	}
	if len(x.Steps) == 0 {
		return
	}
	s.examined++
	for _, step := range x.Steps {
		if step.Sent != "" {
			s.set[step.Field] = true
		}
	}
	s.unread(m, rec.Value)
}

// unread counts the names in a value that nothing reads, each once.
func (s *summary) unread(m *mapping.Mapper, value []byte) {
	seen := map[string]bool{}
	examine.Unread(m, value, func(path string) {
		if _, known := s.paths[path]; !seen[path] && len(seen) < mostPaths && (known || len(s.paths) < mostPaths) {
			seen[path] = true
			s.paths[path]++
		}
	})
}

// closed fills in what is known at the end alone: of names that are not read all, or how many they are.
func (s *summary) closed(names bool) *summary {
	s.NeverSet, s.Unread = []string{}, map[string]int{}
	for _, name := range s.fields {
		if s.examined > 0 && !s.set[name] {
			s.NeverSet = append(s.NeverSet, name)
		}
	}
	paths := console.SortedByCount(s.paths)
	if !names {
		paths = nil
	}
	for _, path := range paths[:min(len(paths), shownPaths)] {
		s.Unread[path] = s.paths[path]
	}
	s.More = len(s.paths) - len(s.Unread)
	return s
}

// text prints it for people.
func (s *summary) text(out *bufio.Writer, lang language) {
	fmt.Fprintln(out, fmt.Sprintf(wordSummary.in(lang), console.Number(s.Events)))
	row(out, wordSent.in(lang), console.Number(s.Sent))
	for _, c := range []struct {
		label  phrase
		counts map[string]int
	}{{wordDeadCount, s.DeadLetters}, {wordIgnoring, s.Ignored}} {
		if n := total(c.counts); n > 0 {
			row(out, c.label.in(lang), console.Number(n)+wordColon.in(lang)+counted(c.counts))
		}
	}
	if s.Held > 0 {
		row(out, wordHeldCount.in(lang), console.Number(s.Held))
	}
	if len(s.Fits) > 0 {
		row(out, wordFits.in(lang), counted(s.Fits))
	}
	if len(s.NeverSet) > 0 {
		row(out, wordNeverSet.in(lang), strings.Join(s.NeverSet, ", "))
	}
	if len(s.Warnings) > 0 {
		row(out, wordSuspicious.in(lang), counted(s.Warnings))
	}
	more := fmt.Sprintf(wordMore.in(lang), console.Number(s.More))
	switch {
	case len(s.Unread) == 0 && s.More > 0:
		row(out, wordUnread.in(lang), fmt.Sprintf(wordHiddenNames.in(lang), console.Number(s.More)))
	case s.More > 0:
		row(out, wordUnread.in(lang), counted(s.Unread)+", "+more)
	case len(s.Unread) > 0:
		row(out, wordUnread.in(lang), counted(s.Unread))
	}
}

// counted lists counts, the largest first, as "plate 3, reason 1".
func counted(counts map[string]int) string {
	var parts []string
	for _, name := range console.SortedByCount(counts) {
		parts = append(parts, visible.Value(name)+" "+console.Number(counts[name]))
	}
	return strings.Join(parts, ", ")
}

func total(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}
