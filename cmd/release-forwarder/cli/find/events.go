package find

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/offsets"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
)

// What became of an event.
const (
	outcomeDone       = "done"
	outcomeDeadLetter = "dead-lettered"
	outcomeWaiting    = "waiting"
	outcomeUnknown    = "unknown"
)

// foundMatch is an event that fits, as it is shown.
type foundMatch struct {
	Kind       string `json:"kind"` // match
	At         string `json:"at"`   // topic/partition/offset
	Dated      string `json:"dated,omitempty"`
	Outcome    string `json:"fate"`
	Reason     string `json:"reason,omitempty"` // of the dead letter
	DeadLetter string `json:"letter,omitempty"`
	// DeadLetterState is open, replayed or closed.
	DeadLetterState dlq.State `json:"letter_state,omitempty"`
	Written         string    `json:"written,omitempty"`   // when the dead letter was
	ReplayOf        string    `json:"replay_of,omitempty"` // where a replayed event began, as its record says
	// ClaimedOrigin is what a record outside the topic of replays says of its origin.
	ClaimedOrigin string   `json:"origin_claimed,omitempty"`
	AsStated      []string `json:"as_stated,omitempty"` // the members that only the record's writer states
	Note          string   `json:"note,omitempty"`
	// OtherContent is an event before with the same number.
	OtherContent *otherContent `json:"other_content,omitempty"`
	foundEvent
}

// readEvents looks through a topic and prints what fits; more is false where the
// limit was reached.
func (f *finder) readEvents(ctx context.Context, t searched) (more bool, err error) {
	spans, err := t.log.Since(ctx, t.spans, f.span.since)
	if err != nil {
		return false, err
	}
	for _, span := range spans {
		for rec, err := range t.log.Read(ctx, span.Partition, span.First, span.End) {
			if err != nil {
				if ctx.Err() != nil {
					return false, err
				}
				f.trouble(fmt.Sprintf("%s/%d: not all events were read: %v", t.name, span.Partition, err))
				break
			}
			f.print.read++
			if !f.span.has(rec.Timestamp) || !f.wanted.match(f.plain(t.name, &rec)) {
				continue
			}
			if f.print.matches == f.c.Limit {
				f.print.limited = true
				return false, nil
			}
			at := dlq.ID{Topic: t.name, Partition: span.Partition, Offset: rec.Offset}
			m := f.judge(at, &rec)
			f.compare(&m, t.name, &rec)
			f.print.match(m)
			if m.Outcome == outcomeDone {
				f.await(at, &rec)
			}
		}
	}
	return true, nil
}

// judge says what became of an event.
func (f *finder) judge(at dlq.ID, rec *fetch.Record) foundMatch {
	m := foundMatch{At: at.String(), Dated: dlq.Stamp(rec.Timestamp), foundEvent: describeEvent(f.r.Mapper.Endpoint(), f.plain(at.Topic, rec), f.c.Reveal)}
	if origin := originOf(rec); slices.Contains(session.Target(f.r.Settings, ""), at.Topic) {
		if m.ReplayOf = origin; origin != "" {
			m.AsStated = []string{"replay_of"}
		}
	} else {
		m.ClaimedOrigin = origin
	}
	done := session.GroupProgress(f.group).Done(at.Topic, at.Partition, at.Offset)
	if l := f.deadLetters[at]; l != nil {
		l.joined = true
		m.add(l)
		if !done {
			m.Note = "the group has not committed it yet"
		}
		return m
	}
	p := f.progressOf(at)
	switch {
	case p == nil || p.Err != nil:
		m.Outcome = outcomeUnknown
	case done:
		m.Outcome = outcomeDone
		if dated, _ := rec.Dated(); !f.deadLettersSince.IsZero() && dated.Before(f.deadLettersSince) {
			m.Note = "accepted, unless its dead letter was deleted: the dead letters do not reach back so far"
		}
	default:
		m.Outcome = outcomeWaiting
		m.Note = whyWaiting(p, at.Offset)
		_, err := f.r.Mapper.Map(session.RecordOf(at.Topic, rec))
		if unlisted, is := errors.AsType[*mapping.Unlisted](err); is {
			m.Note = "held: " + unlisted.Error()
		}
	}
	return m
}

// add puts a dead letter beside its event.
func (m *foundMatch) add(l *foundDeadLetter) {
	m.Outcome, m.Reason, m.DeadLetter, m.DeadLetterState, m.Written = outcomeDeadLetter, l.reason, l.id, l.state, l.written
}

func (f *finder) progressOf(at dlq.ID) *offsets.PartitionProgress {
	i := slices.IndexFunc(f.group, func(p offsets.PartitionProgress) bool { return p.Topic == at.Topic && p.Partition == at.Partition })
	if i < 0 {
		return nil
	}
	return &f.group[i]
}

// plain is a record's event as the built-in contract has it.
func (f *finder) plain(topic string, rec *fetch.Record) []byte {
	return f.r.Mapper.Plain(session.RecordOf(topic, rec))
}

// whyWaiting says what is known from the group's commit of an offset that is not done.
func whyWaiting(p *offsets.PartitionProgress, offset int64) string {
	switch {
	case p.Committed < 0:
		return "the group has no commit for this partition"
	case offset < p.End:
		return "held, or behind a held one of its parking: later events are done"
	}
	return "under way or not read yet"
}

// originOf returns where a record says that its event began, "" if it says nothing.
func originOf(rec *fetch.Record) string {
	for key, value := range rec.Headers.All() {
		if string(key) == dlq.HeaderPrefix+"origin" {
			return string(value[:min(len(value), redact.MaxShown*utf8.UTFMax)])
		}
	}
	return ""
}

// leftDeadLetters prints the dead letters whose events were not found: they are no
// longer in their topic, or dated outside of the range.
func (f *finder) leftDeadLetters() {
	var left []dlq.ID
	for at, l := range f.deadLetters {
		if !l.joined {
			left = append(left, at)
		}
	}
	slices.SortFunc(left, func(a, b dlq.ID) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	for _, at := range left {
		if f.print.matches == f.c.Limit {
			f.print.limited = true
			return
		}
		l := f.deadLetters[at]
		m := foundMatch{At: at.String(), Dated: l.dated, foundEvent: l.event, Note: "only the dead letter was found: the event is gone, or dated outside of the range"}
		m.add(l)
		f.print.match(m)
	}
}

// end prints the sum.
func (f *finder) end(ctx context.Context) error {
	f.showReceipts(ctx)
	if err := f.print.end(); err != nil {
		return err
	}
	if f.failed {
		return console.ErrSomeFailed
	}
	return nil
}
