package find

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/dlq/receipt"
)

// A receipt says when an event was accepted and what the platform answered. With RECEIPTS_TOPIC find shows those of the
// done events that it has shown, in a part of its own: which partitions hold them is known only then.

// mostReceipts bounds the done events whose receipts are looked for.
const mostReceipts = 10_000

// receipts are the done events that were shown, and their receipts.
type receipts struct {
	reader *receipt.Reader // nil: none are looked for
	ring   receipt.Ring
	order  []receipt.Place // with the records' times
	first  map[receipt.Place]*receipt.Stored
	keys   map[string]bool // "": of an event without one
	oldest time.Time       // the least record time
	dated  bool            // each record has one
	more   bool            // there were more done events than are looked for
}

// openReceipts makes ready to look for receipts, or says why it cannot.
func (f *finder) openReceipts() {
	reader := f.r.Receipts()
	if reader == nil {
		return
	}
	ring, err := f.r.Ring()
	if err != nil {
		f.r.Say("receipts are not shown: %v", err)
		return
	}
	f.receipts = receipts{reader: reader, ring: ring, first: map[receipt.Place]*receipt.Stored{}, keys: map[string]bool{}, dated: true}
}

// await notes a done event that was shown.
func (f *finder) await(at dlq.ID, rec *fetch.Record) {
	r := &f.receipts
	if r.reader == nil {
		return
	}
	if r.more = r.more || len(r.order) == mostReceipts; r.more {
		return
	}
	place := receipt.Place{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset}
	if t, believable := rec.Dated(); !believable {
		r.dated = false
	} else if place.Time = receipt.Stamp(t); r.oldest.IsZero() || t.Before(r.oldest) {
		r.oldest = t
	}
	keys := f.r.ReceiptKeys(r.ring, at.Topic, rec)
	for _, key := range keys {
		r.keys[string(key)] = true
	}
	if len(keys) == 0 {
		r.keys[""] = true
	}
	r.order = append(r.order, place)
}

// readReceipts looks for the receipts, in the partitions that the keys name and then, if one has none there, in the
// others.
func (f *finder) readReceipts(ctx context.Context) error {
	r := &f.receipts
	spans, err := r.reader.Spans(ctx)
	if err != nil {
		return err
	}
	named := map[int32]bool{}
	for key := range r.keys {
		if key != "" {
			named[receipt.PartitionOf([]byte(key), len(spans))] = true
		}
	}
	for _, place := range r.order {
		if r.keys[""] {
			named[place.Partition%int32(len(spans))] = true
		}
		r.first[place] = nil
	}
	if r.dated {
		if spans, err = r.reader.Between(ctx, spans, r.oldest.Add(-receipt.Slack), time.Time{}); err != nil {
			return err
		}
	}
	likely, others := receipt.Split(spans, named)
	look := func(spans []topic.Span) error {
		_, err := r.reader.Each(ctx, spans, func(key []byte) bool { return r.keys[string(key)] }, func(s *receipt.Stored, err error) {
			if err != nil {
				return // audit tells those
			}
			if first, is := r.first[s.Place]; is && (first == nil || s.Before(first)) {
				r.first[s.Place] = s
			}
		})
		return err
	}
	err = look(likely)
	if err == nil && slices.Contains(slices.Collect(maps.Values(r.first)), nil) {
		err = look(others)
	}
	return err
}

// foundReceipt is the first receipt of a done event.
type foundReceipt struct {
	Kind     string          `json:"kind"` // receipt
	At       string          `json:"at"`   // of the event
	Verdict  receipt.Verdict `json:"verdict,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Last     string          `json:"last_attempt,omitempty"`
	Code     string          `json:"code,omitempty"`
	Seqno    string          `json:"seqno,omitempty"`
	Attempts int             `json:"attempts,omitempty"`
	Receipt  string          `json:"receipt,omitempty"` // where it is; "": there is none
}

// showReceipts prints when each done event was accepted, and what the platform answered. What it cannot read it says;
// all else is as without receipts.
func (f *finder) showReceipts(ctx context.Context) {
	r := &f.receipts
	if r.reader == nil || len(r.order) == 0 {
		return
	}
	if err := f.readReceipts(ctx); err != nil {
		f.r.Say("receipts are not shown: %v", err)
		return
	}
	widths := []int{f.print.widths[0], 11, f.print.widths[1], 8, 24, 8}
	f.print.line(nil, "\n"+redact.Columns(widths, "RECEIPT OF", "VERDICT", "LAST ATTEMPT", "CODE", "SEQNO", "ATTEMPTS"))
	for _, place := range r.order {
		s := r.first[place]
		if s == nil {
			f.print.line(foundReceipt{Kind: "receipt", At: place.Path()}, redact.Columns(widths, place.Path(), "none"))
			continue
		}
		text := redact.Columns(widths, place.Path(), string(s.Verdict), cmp.Or(f.r.Local(s.Last), "-"), cmp.Or(s.Code, "-"), cmp.Or(s.Seqno, "-"), strconv.Itoa(s.Attempts))
		if s.Verdict == receipt.DeadLetter {
			text += fmt.Sprintf("\n  dead-lettered for %s, and its dead letter is gone", redact.Clean(cmp.Or(s.Reason, "a reason unknown")))
		}
		f.print.line(foundReceipt{"receipt", place.Path(), s.Verdict, s.Reason, s.Last, s.Code, s.Seqno, s.Attempts, s.At.Path()}, text)
	}
	if r.more {
		f.r.Say("receipts are shown of the first %s done events only", console.Number(mostReceipts))
	}
}
