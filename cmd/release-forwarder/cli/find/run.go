package find

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
)

// mostDeadLetters bounds the dead letters kept in memory until their events are found.
const mostDeadLetters = 10_000

// finder is one search.
type finder struct {
	c           *Command
	r           *session.Session
	span        timeRange
	wanted      *criteria
	print       *printer
	deadLetters map[dlq.ID]*foundDeadLetter // those that fit, by their event's place
	numbers     map[session.Number]numbered // of the events that were found
	group       []offsets.PartitionProgress
	receipts    receipts
	failed      bool // something could not be read or is unknown
	// deadLettersSince is from when on all dead letters are there; zero: from the
	// beginning.
	deadLettersSince time.Time
}

// foundDeadLetter is a dead letter that fits.
type foundDeadLetter struct {
	id      string
	reason  string
	state   dlq.State // "" where the ledger cannot be read
	ms      int64     // when it was written, as Kafka has it
	written string
	dated   string // the record's timestamp
	event   foundEvent
	joined  bool // it was printed beside its event
}

// searched is a topic whose events are looked through.
type searched struct {
	log   *topic.Log
	name  string
	spans []topic.Span
}

// find reads the topics' ends, then the group's progress, then the dead letters,
// then the events. A dead letter is acknowledged before its record is done. So a
// record that is done, and has no dead letter among those read later, was
// accepted.
func (f *finder) find(ctx context.Context) error {
	topics, err := f.open(ctx)
	if err != nil {
		return err
	}
	if err := f.readProgress(ctx, topics); err != nil {
		return err
	}
	if err := f.readDeadLetters(ctx); err != nil {
		return err
	}
	f.openReceipts()
	for _, t := range topics {
		if more, err := f.readEvents(ctx, t); err != nil || !more {
			return errors.Join(err, f.end(ctx))
		}
	}
	f.leftDeadLetters()
	return f.end(ctx)
}

// open looks at the topics and says how far back they reach.
func (f *finder) open(ctx context.Context) ([]searched, error) {
	k := f.r.Settings.Kafka
	var topics []searched
	var first error // why an event topic cannot be searched
	events := 0     // that can
	for _, name := range f.r.Settings.Topics() {
		t, holds := searched{log: topic.NewLog(f.r.Wire, k.ClientID, name), name: name}, "events"
		if name == k.ReplayTopic {
			holds = "replays"
		}
		var err error
		t.spans, err = t.log.Spans(ctx)
		if err != nil && holds == "events" {
			first = cmp.Or(first, err)
		}
		switch {
		case err == nil:
		case errors.Is(err, kafka.UnknownTopicOrPartition) && (holds == "replays" || len(k.Topics) > 1):
			f.print.reach(topicReach{Topic: name, Holds: holds, Missing: true})
			continue
		case len(k.Topics) > 1 && ctx.Err() == nil: // it hides no other
			f.trouble("not searched: " + err.Error())
			continue
		default:
			return nil, err
		}
		if topics = append(topics, t); holds == "events" {
			events++
		}
		if err := f.reach(ctx, t, holds); err != nil {
			return nil, err
		}
	}
	if events == 0 {
		return nil, first
	}
	return topics, nil
}

// topicReach is since when a topic still holds everything.
type topicReach struct {
	Kind       string `json:"kind"` // topic
	Topic      string `json:"topic"`
	Holds      string `json:"holds"` // events, replays, letters
	Partitions int    `json:"partitions,omitempty"`
	// Whole says that nothing was deleted yet. Otherwise ReachesBack is the time of
	// the first record of the partition that reaches back least; absent if it is
	// unknown, because everything in a partition was deleted, or its first record has
	// no timestamp.
	Whole       bool   `json:"whole,omitempty"`
	ReachesBack string `json:"reaches_back,omitempty"`
	Missing     bool   `json:"missing,omitempty"`
	// Short says that it does not reach back to the beginning of the search.
	Short bool `json:"short,omitempty"`
}

func (f *finder) reach(ctx context.Context, t searched, holds string) error {
	said := topicReach{Topic: t.name, Holds: holds, Partitions: len(t.spans), Whole: true}
	var last time.Time
	known := true
	for _, span := range t.spans {
		if span.First == 0 {
			continue
		}
		said.Whole = false
		first, err := t.log.First(ctx, span)
		if err != nil && !errors.Is(err, fetch.ErrCorrupt) {
			return err
		}
		if first.IsZero() {
			known = false
		} else if first.After(last) {
			last = first
		}
	}
	if !said.Whole {
		if known {
			said.ReachesBack = redact.Stamp(last)
		}
		said.Short = !known || last.After(f.span.since)
	}
	if holds == "letters" && !said.Whole {
		f.deadLettersSince = last
		if !known {
			f.deadLettersSince = time.Now()
		}
	}
	f.print.reach(said)
	return nil
}

func (f *finder) readProgress(ctx context.Context, topics []searched) error {
	var names []string
	for _, t := range topics {
		names = append(names, t.name)
	}
	group, err := offsets.ReadProgress(ctx, f.r.Wire, f.r.Settings.Kafka.GroupID, names)
	if err != nil {
		return session.ExplainOffsets(err)
	}
	f.group = group
	for _, p := range group {
		if p.Err != nil {
			f.trouble(fmt.Sprintf("%s/%d: %v", p.Topic, p.Partition, p.Err))
		}
	}
	return nil
}

// trouble reports what could not be done; the search goes on.
func (f *finder) trouble(what string) {
	f.failed = true
	f.r.Say("warning: %v", what)
}

// readDeadLetters keeps the dead letters that fit. A dead letter is written after its
// record was sent, so none of a record dated after a time was written before that time.
// This does not hold if the producer's clock is ahead.
func (f *finder) readDeadLetters(ctx context.Context) error {
	log := topic.NewLog(f.r.Wire, f.r.Settings.Kafka.ClientID, f.r.Settings.DeadLetters.Topic)
	spans, err := log.Spans(ctx)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		f.print.reach(topicReach{Topic: f.r.Settings.DeadLetters.Topic, Holds: "letters", Missing: true})
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.reach(ctx, searched{log: log, name: f.r.Settings.DeadLetters.Topic, spans: spans}, "letters"); err != nil {
		return err
	}
	if spans, err = log.Since(ctx, spans, f.span.since); err != nil {
		return err
	}
	ledger, err := f.r.Ledger(ctx)
	if err != nil {
		ledger = nil
		f.trouble("what was replayed or closed is unknown: " + err.Error())
	}
	for _, span := range spans {
		for s, err := range f.r.Reader.Letters(ctx, []topic.Span{span}, nil) {
			if err != nil {
				if ctx.Err() != nil {
					return err
				}
				f.trouble(fmt.Sprintf("%s/%d: not all dead letters were read: %v", log.Topic(), span.Partition, err))
				break
			}
			if err := f.keep(s, ledger); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep takes a dead letter that fits.
func (f *finder) keep(s *dlq.Stored, ledger *ledger.Ledger) error {
	f.print.read++
	if _, dated := fetch.TimeOf(s.Timestamp); !f.span.has(s.Written) && (!dated || !f.span.has(s.Timestamp)) || !f.wanted.match(f.r.Plain(s)) {
		return nil
	}
	if len(f.deadLetters) == mostDeadLetters {
		return fmt.Errorf("more than %s dead letters fit; narrow the search with --since, --until or another flag", console.Number(mostDeadLetters))
	}
	l := &foundDeadLetter{id: s.ID.String(), reason: s.Reason, ms: s.Written, written: redact.Written(s), dated: s.Dated, event: describeEvent(f.r.Mapper.Endpoint(), f.r.Plain(s), f.c.Reveal)}
	if l.reason == "" {
		l.reason = "?"
	}
	if ledger != nil {
		l.state = ledger.State(s)
	}
	at := dlq.ID{Topic: s.Topic, Partition: s.Partition, Offset: s.Offset}
	if s.Topic == "" || s.Partition < 0 || s.Offset < 0 { // its place cannot be read
		at = s.ID
	}
	// A record may have two dead letters: one was written again, or its topic was
	// recreated. The later one counts, in whichever partition.
	if other := f.deadLetters[at]; other == nil || other.ms <= l.ms {
		f.deadLetters[at] = l
	}
	return nil
}
