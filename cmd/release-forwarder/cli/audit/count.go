package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"text/tabwriter"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/dlq/receipt"
)

const (
	// mostRemembered bounds the events that are remembered, so that each counts once: some 100 MB.
	mostRemembered = 2_000_000
	// mostCells bounds the lots times days.
	mostCells = 200_000
)

// cell is what is counted of a lot on one day.
type cell struct{ lot, day string }

// counts are events by verdict.
type counts struct{ accepted, deadLetter, ignored int64 }

func (c *counts) of(v verdictCode) *int64 { return []*int64{&c.accepted, &c.deadLetter, &c.ignored}[v] }

// remembered is how an event was counted: at the first of its receipts so far.
type remembered struct {
	written int64
	in      int32 // the index of its cell; −1: its first receipt lies outside of the range
	verdict verdictCode
}

// verdictCode is a verdict in one byte.
type verdictCode uint8

const (
	codeAccepted verdictCode = iota
	codeDeadLetter
	codeIgnored
)

func codeOf(v receipt.Verdict) verdictCode {
	switch v {
	case receipt.Accepted:
		return codeAccepted
	case receipt.DeadLetter:
		return codeDeadLetter
	case receipt.Ignored:
	}
	return codeIgnored
}

// tally counts events, each at its first receipt.
type tally struct {
	in     func(ms int64) bool // whether a receipt written then counts
	zone   *time.Location
	most   int // events to remember
	seed   maphash.Seed
	cells  map[cell]int32 // indexes of counts
	counts []counts
	// events are those seen, by a digest of place and record time: one in a million ranges of a million events holds two
	// that are taken for one. A topic that was created again has the same places with other times.
	events map[uint64]remembered

	repeats        int64
	contradictions int64
	examples       []string // of contradictions
	unchecked      int64    // receipts whose event was not remembered, and may count again
	tooMany        bool     // more cells than are kept
}

func newTally(in func(int64) bool, zone *time.Location, most int) *tally {
	return &tally{in: in, zone: zone, most: most, seed: maphash.MakeSeed(), cells: map[cell]int32{}, events: map[uint64]remembered{}}
}

// add counts a receipt, in whatever order they come.
func (t *tally) add(s *receipt.Stored) {
	id := maphash.Comparable(t.seed, s.Place)
	verdict := codeOf(s.Verdict)
	before, again := t.events[id]
	if again {
		if t.repeats++; before.verdict != verdict {
			if t.contradictions++; len(t.examples) < mostNamed {
				t.examples = append(t.examples, s.Path())
			}
		}
		if s.Written >= before.written {
			return
		}
		if before.in >= 0 {
			*t.counts[before.in].of(before.verdict)--
		}
	}
	now := remembered{s.Written, t.cellOf(s), verdict}
	if now.in >= 0 {
		*t.counts[now.in].of(verdict)++
	}
	if again || len(t.events) < t.most {
		t.events[id] = now
	} else if now.in >= 0 {
		t.unchecked++
	}
}

// cellOf is the index of where a receipt counts, −1 if it does not.
func (t *tally) cellOf(s *receipt.Stored) int32 {
	if !t.in(s.Written) {
		return -1
	}
	at := cell{s.Lot, time.UnixMilli(s.Written).In(t.zone).Format(time.DateOnly)}
	i, is := t.cells[at]
	if !is {
		if len(t.cells) == mostCells {
			t.tooMany = true
			return -1
		}
		i = int32(len(t.counts))
		t.cells[at], t.counts = i, append(t.counts, counts{})
	}
	return i
}

// shownCount is a lot's day.
type shownCount struct {
	Kind       string `json:"kind"` // count
	Lot        string `json:"lot"`  // "": it could not be read
	Day        string `json:"day"`  // in the sum's zone
	Accepted   int64  `json:"accepted"`
	DeadLetter int64  `json:"dead_letter"`
	Ignored    int64  `json:"ignored"`
}

// countSum is the last line.
type countSum struct {
	Kind           string `json:"kind"` // end
	Since          string `json:"since"`
	Until          string `json:"until,omitempty"`
	Zone           string `json:"zone"` // of the days
	Accepted       int64  `json:"accepted"`
	DeadLetter     int64  `json:"dead_letter"`
	Ignored        int64  `json:"ignored"`
	Repeats        int64  `json:"repeats"` // receipts of events that were counted
	Contradictions int64  `json:"contradictions"`
	// Unchecked are events that may be counted twice: too many were counted before them.
	Unchecked int64 `json:"unchecked"`
	Unread    int   `json:"unread"` // records that are no receipts of this version
	Read      int64 `json:"read"`
}

// count counts events by lot and day.
func (a *audit) count(ctx context.Context) error {
	spans, err := a.receipts.Spans(ctx)
	if err == nil { // from before the range, so that a repeat behind its beginning is known as one
		spans, err = a.receipts.Between(ctx, spans, a.span.since.Add(-receipt.Slack), a.span.until)
	}
	if err != nil {
		return err
	}
	t := newTally(a.span.has, a.r.Settings.Event.Location, mostRemembered)
	read, err := a.receipts.Each(ctx, spans, nil, func(s *receipt.Stored, err error) {
		switch {
		case err != nil:
			a.notRead(err)
		case len(a.c.Lot) == 0 || slices.Contains(a.c.Lot, s.Lot):
			t.add(s)
		}
	})
	a.read += read
	if err != nil { // half a count must not look like a whole one
		return err
	}
	if t.tooMany {
		return errors.New("more lots and days than can be counted at once; narrow the range with --since and --until, or give --lot")
	}
	a.unreadSum()
	return a.showCounts(t)
}

func (a *audit) showCounts(t *tally) error {
	sum := countSum{
		Kind: "end", Since: redact.Stamp(a.span.since), Until: redact.Stamp(a.span.until), Zone: t.zone.String(),
		Repeats: t.repeats, Contradictions: t.contradictions, Unchecked: t.unchecked, Unread: a.unread, Read: a.read,
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	a.line(nil, fmt.Sprintf("events by the day of their receipt, in %s, from %s%s", t.zone, a.r.Time(a.span.since), a.untilText()))
	row := func(day, lot string, c counts) {
		if !a.c.JSON {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", day, redact.Clean(lot), console.Number(c.accepted), console.Number(c.deadLetter), console.Number(c.ignored))
		}
	}
	if !a.c.JSON {
		fmt.Fprintln(table, "DAY\tLOT\tACCEPTED\tDEAD-LETTER\tIGNORED")
	}
	for _, at := range t.sorted() {
		c := t.counts[t.cells[at]]
		if c == (counts{}) {
			continue // all of its events have an earlier receipt
		}
		sum.Accepted, sum.DeadLetter, sum.Ignored = sum.Accepted+c.accepted, sum.DeadLetter+c.deadLetter, sum.Ignored+c.ignored
		a.line(shownCount{"count", at.lot, at.day, c.accepted, c.deadLetter, c.ignored}, "")
		row(at.day, cmp.Or(at.lot, "-"), c)
	}
	row("all", "", counts{sum.Accepted, sum.DeadLetter, sum.Ignored})
	if err := table.Flush(); err != nil {
		return err
	}
	a.line(sum, fmt.Sprintf("\n%s read, %s", console.Count(a.read, "record"), console.Count(sum.Repeats, "repeat")))
	if sum.Contradictions > 0 {
		a.r.Say("warning: %s of events that an other receipt contradicts; the first one counts: %s", console.Count(sum.Contradictions, "receipt"), examples(t.examples, sum.Contradictions))
	}
	if sum.Unchecked > 0 {
		a.r.Say("warning: only %s are remembered: of %s more each counts as often as it has receipts; narrow the range, or give --lot", console.Count(t.most, "event"), console.Number(sum.Unchecked))
	}
	return nil
}

// sorted are the cells by day, then by lot.
func (t *tally) sorted() []cell {
	all := make([]cell, 0, len(t.cells))
	for at := range t.cells {
		all = append(all, at)
	}
	slices.SortFunc(all, func(x, y cell) int { return cmp.Or(cmp.Compare(x.day, y.day), cmp.Compare(x.lot, y.lot)) })
	return all
}

func (a *audit) untilText() string {
	if a.span.until.IsZero() {
		return ""
	}
	return " to before " + a.r.Time(a.span.until)
}

// examples names some of many.
func examples[N int | int64](names []string, all N) string {
	text := ""
	for i, name := range names {
		if i > 0 {
			text += ", "
		}
		text += redact.Clean(name)
	}
	if int64(len(names)) < int64(all) {
		text += ", …"
	}
	return text
}
