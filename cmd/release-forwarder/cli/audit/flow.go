package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq/receipt"
)

// mostEvents bounds the events that are kept until they are shown.
const mostEvents = 100_000

// number is a flow number that is asked for.
type number struct {
	flow   string
	events map[receipt.Place]*event
}

// event is what the receipts of one event say.
type event struct {
	first   *receipt.Stored
	repeats int             // further receipts that say the same
	other   *receipt.Stored // the first one that says otherwise
}

// add notes a receipt, in whatever order they come.
func (e *event) add(s *receipt.Stored) {
	late := s
	if s.Before(e.first) {
		late, e.first = e.first, s
	}
	switch {
	case late.Verdict == e.first.Verdict:
		e.repeats++
	case e.other == nil || late.Before(e.other):
		e.other = late
	}
}

// byNumber says what became of the events with flow numbers of a lot.
func (a *audit) byNumber(ctx context.Context, flows []string) error {
	ring, err := a.r.Ring()
	if err != nil {
		return fmt.Errorf("%w; without the keys no receipt is found by its flow number", err)
	}
	spans, err := a.receipts.Spans(ctx)
	if err != nil {
		return err
	}
	within, err := a.receipts.Between(ctx, spans, a.span.since, a.span.until)
	if err != nil {
		return err
	}
	numbers := make([]*number, len(flows))
	byKey := map[string]*number{}
	named := map[int32]bool{}
	for i, flow := range flows {
		numbers[i] = &number{flow: flow, events: map[receipt.Place]*event{}}
		for _, key := range ring.Keys(a.c.Lot[0], flow) {
			byKey[string(key)] = numbers[i]
			named[receipt.PartitionOf(key, len(spans))] = true
		}
	}
	likely, others := receipt.Split(within, named)
	err = a.look(ctx, likely, byKey)
	// The topic may have had fewer partitions when they were written.
	maps.DeleteFunc(byKey, func(_ string, n *number) bool { return len(n.events) > 0 })
	if len(byKey) > 0 && err == nil {
		err = a.look(ctx, others, byKey)
	}
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, errTooMany) {
			return err
		}
		a.trouble(err.Error())
	}
	a.unreadSum()
	return a.showNumbers(ctx, numbers, spans)
}

var errTooMany = fmt.Errorf("more than %s events have these numbers; ask for fewer, or narrow the search with --since and --until", console.Number(mostEvents))

// look reads spans for the receipts of numbers.
func (a *audit) look(ctx context.Context, spans []topic.Span, byKey map[string]*number) error {
	kept := 0
	read, err := a.receipts.Each(ctx, spans, func(key []byte) bool { return byKey[string(key)] != nil }, func(s *receipt.Stored, err error) {
		if err != nil {
			a.notRead(err)
			return
		}
		if !a.span.has(s.Written) {
			return
		}
		n := byKey[string(s.Key)]
		if e := n.events[s.Place]; e != nil {
			e.add(s)
		} else if kept < mostEvents {
			kept++
			n.events[s.Place] = &event{first: s}
		} else {
			kept = mostEvents + 1
		}
	})
	a.read += read
	if kept > mostEvents {
		return errTooMany
	}
	return err
}

// shownReceipt is a receipt as --json shows it.
type shownReceipt struct {
	Verdict receipt.Verdict `json:"verdict"`
	Reason  string          `json:"reason,omitempty"`
	Code    string          `json:"code,omitempty"`
	Seqno   string          `json:"seqno,omitempty"`
	Receipt string          `json:"receipt"` // its topic/partition/offset
	Written string          `json:"written,omitempty"`
}

func showReceipt(s *receipt.Stored) shownReceipt {
	return shownReceipt{s.Verdict, s.Reason, s.Code, s.Seqno, s.At.Path(), stampOf(s.Written)}
}

// shownEvent is an event that had a number.
type shownEvent struct {
	Kind       string `json:"kind"` // event
	Flow       string `json:"flow_no"`
	Lot        string `json:"lot,omitempty"`
	Event      string `json:"event"` // topic/partition/offset
	RecordTime string `json:"record_time,omitempty"`
	shownReceipt
	Attempts int    `json:"attempts"`
	First    string `json:"first_attempt,omitempty"`
	Last     string `json:"last_attempt,omitempty"`
	Trace    string `json:"trace,omitempty"`
	Signed   string `json:"signed,omitempty"`
	Repeats  int    `json:"repeats,omitempty"` // further receipts that say the same
	// Otherwise is a later receipt of the event with another verdict.
	Otherwise *shownReceipt `json:"otherwise,omitempty"`
}

// shownNone is a number without a receipt.
type shownNone struct {
	Kind string `json:"kind"` // none
	Flow string `json:"flow_no"`
}

// numbersSum is the last line.
type numbersSum struct {
	Kind     string                  `json:"kind"` // end
	Found    int                     `json:"found"`
	None     int                     `json:"none"`
	Events   int                     `json:"events"`
	Verdicts map[receipt.Verdict]int `json:"verdicts"`
	Read     int64                   `json:"read"`
}

func (a *audit) showNumbers(ctx context.Context, numbers []*number, spans []topic.Span) error {
	sum := numbersSum{Kind: "end", Verdicts: map[receipt.Verdict]int{receipt.Accepted: 0, receipt.DeadLetter: 0, receipt.Ignored: 0}}
	widths := []int{20, 11, len("2006-01-02T15:04:05.000+08:00"), 8, 24, 16, 8, 10}
	a.line(nil, redact.Columns(widths, "FLOW_NO", "VERDICT", "LAST ATTEMPT", "CODE", "SEQNO", "REASON", "ATTEMPTS", "EVENT"))
	for _, n := range numbers {
		if len(n.events) == 0 {
			sum.None++
			a.line(shownNone{"none", n.flow}, redact.Columns(widths, n.flow, "no receipt"))
			continue
		}
		sum.Found++
		for _, e := range slices.SortedFunc(maps.Values(n.events), byWriting) {
			sum.Events++
			sum.Verdicts[e.first.Verdict]++
			a.showEvent(widths, n, e)
		}
	}
	a.line(sum, fmt.Sprintf("\n%s with a receipt, %s without; %s: %s accepted, %s dead-lettered, %s ignored; %s read", console.Count(sum.Found, "number"), console.Number(sum.None),
		console.Count(sum.Events, "event"), console.Number(sum.Verdicts[receipt.Accepted]), console.Number(sum.Verdicts[receipt.DeadLetter]), console.Number(sum.Verdicts[receipt.Ignored]), console.Count(a.read, "record")))
	if sum.None > 0 {
		a.failed = true
		a.sayWhyNone(ctx, spans)
	}
	return nil
}

// byWriting orders events by their first receipts.
func byWriting(x, y *event) int {
	return cmp.Or(cmp.Compare(x.first.Written, y.first.Written), cmp.Compare(x.first.At.Partition, y.first.At.Partition), cmp.Compare(x.first.At.Offset, y.first.At.Offset))
}

func (a *audit) showEvent(widths []int, n *number, e *event) {
	s := e.first
	shown := shownEvent{
		Kind: "event", Flow: n.flow, Lot: s.Lot, Event: s.Path(), RecordTime: s.Time, shownReceipt: showReceipt(s),
		Attempts: s.Attempts, First: s.First, Last: s.Last, Trace: s.Trace, Signed: s.Signed, Repeats: e.repeats,
	}
	text := redact.Columns(widths, n.flow, string(s.Verdict), cmp.Or(a.r.Local(s.Last), "-"), cmp.Or(s.Code, "-"), cmp.Or(s.Seqno, "-"), cmp.Or(s.Reason, "-"), strconv.Itoa(s.Attempts), s.Path())
	if e.repeats > 0 {
		text += "\n  " + console.Count(e.repeats, "further receipt") + " of it, with the same verdict"
	}
	if e.other != nil {
		other := showReceipt(e.other)
		shown.Otherwise = &other
		text += fmt.Sprintf("\n  contradiction: the later receipt %s says %s; the first one is valid", other.Receipt, redact.Clean(string(other.Verdict)))
	}
	a.line(shown, text)
}

// sayWhyNone says what a missing receipt can mean.
func (a *audit) sayWhyNone(ctx context.Context, spans []topic.Span) {
	back := "how far back the topic reaches is unknown"
	switch since, known, err := a.receipts.ReachesBack(ctx, spans); {
	case err != nil || !known:
	case since.IsZero():
		back = "nothing of the topic was deleted yet"
	default:
		back = "the topic reaches back to " + a.r.Time(since)
	}
	a.r.Say("no receipt: the event is not finished, was finished without one, has another lot or number, or its key is not in RECEIPTS_KEY_FILE; %s", back)
}
