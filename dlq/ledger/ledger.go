package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
)

// Config says which ledger to open, and for whom.
type Config struct {
	// Wire must keep the metadata of the dead letters and of the ledger.
	Wire     topic.Wire
	ClientID string
	// Brokers are the addresses to show in a command for a person to run.
	Brokers []string
	Topic   string // the dead letters
	// By names the person who decides, for the ledger and for others who wait.
	By string
	// Large, if set, is called with the highest possible number of entries before a ledger
	// is read that takes long.
	Large func(entries int64)
}

// Ledger holds the decisions about letters, read from Kafka. Use it from one goroutine at
// a time.
type Ledger struct {
	cfg      Config
	log      *topic.Log
	exists   bool
	position int64                    // the next offset to read; everything below it is in marks and chain
	marks    map[int32]map[int64]mark // by partition and offset of the letter
	chain    chain
	// PassedOver counts records that a later version wrote or that cannot be read. They
	// are left unchanged.
	PassedOver int
	// watched are letters whose whole entries are kept; for others only the state is kept.
	watched map[dlq.ID]*Entry
}

// largeLedger is how many entries can be read in about half a second.
const largeLedger = 100_000

// Open reads the whole ledger. It keeps the whole entries of the letters watched. A missing
// ledger is empty.
func Open(ctx context.Context, cfg Config, watch ...dlq.ID) (*Ledger, error) {
	l := unread(cfg, watch...)
	_, err := l.log.Describe(ctx)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		return l, nil
	}
	l.exists = true
	span, err := l.span(ctx)
	if err != nil {
		return l, err
	}
	if n := span.End - span.First; n >= largeLedger && cfg.Large != nil {
		cfg.Large(n)
	}
	return l, l.followTo(ctx, span.End)
}

// unread makes a ledger of which nothing was read.
func unread(cfg Config, watch ...dlq.ID) *Ledger {
	l := &Ledger{
		cfg: cfg, log: topic.NewLog(cfg.Wire, cfg.ClientID, Topic(cfg.Topic)),
		marks: map[int32]map[int64]mark{}, chain: chain{head: -1}, watched: map[dlq.ID]*Entry{},
	}
	for _, id := range watch {
		l.watched[id] = nil
	}
	return l
}

// span returns the ledger's offsets.
func (l *Ledger) span(ctx context.Context) (topic.Span, error) {
	spans, err := l.log.Spans(ctx)
	if err != nil {
		return topic.Span{}, err
	}
	if len(spans) == 0 || spans[0].Partition != onlyPartition {
		return topic.Span{}, topic.Explain("read", l.log.Topic(), kafka.UnknownTopicOrPartition)
	}
	return spans[0], nil
}

// follow reads up to the ledger's current end.
func (l *Ledger) follow(ctx context.Context) error {
	span, err := l.span(ctx)
	if err != nil {
		return err
	}
	if l.position > span.End {
		return &Error{Topic: l.log.Topic(), Why: "was truncated or recreated while it was read; start again"}
	}
	return l.followTo(ctx, span.End)
}

func (l *Ledger) followTo(ctx context.Context, end int64) error {
	for rec, err := range l.log.Read(ctx, onlyPartition, l.position, end) {
		if err != nil {
			return err
		}
		if d, ok := decode(&rec); ok {
			l.apply(rec.Offset, &d)
		} else {
			l.PassedOver++
		}
		l.position = rec.Offset + 1
	}
	// After the last record there may be offsets without one: compacted, or markers.
	l.position = max(l.position, end)
	return nil
}

func (l *Ledger) apply(offset int64, d *decoded) {
	if d.lock != nil {
		l.chain.apply(offset, d.lock)
		return
	}
	if l.marks[d.partition] == nil {
		l.marks[d.partition] = map[int64]mark{}
	}
	if d.letter.State == dlq.Open {
		delete(l.marks[d.partition], d.offset)
	} else {
		l.marks[d.partition][d.offset] = mark{uint32(d.letter.Written), d.letter.State == dlq.Closed}
	}
	id := dlq.ID{Topic: l.cfg.Topic, Partition: d.partition, Offset: d.offset}
	if _, watched := l.watched[id]; watched {
		e := d.letter.Entry
		l.watched[id] = &e
	}
}

// mark is the newest state of a letter that is not open. There may be a million.
type mark struct {
	written uint32 // the low bits of the letter's timestamp
	closed  bool   // else replayed
}

// State returns the state of a letter.
func (l *Ledger) State(s *dlq.Stored) dlq.State {
	switch m, decided := l.marks[s.ID.Partition][s.ID.Offset]; {
	case !decided || m.written != uint32(s.Written):
		return dlq.Open
	case m.closed:
		return dlq.Closed
	}
	return dlq.Replayed
}

// Entry returns the entry of a watched letter, or nil.
func (l *Ledger) Entry(s *dlq.Stored) *Entry {
	if l.State(s) == dlq.Open {
		return nil
	}
	return l.watched[s.ID]
}

// Decision is an entry to be written about a letter. Enter fills in when and who.
type Decision struct {
	Letter *dlq.Stored
	Entry
}

// Enter writes entries of letters, and retries even if they may have been written: the
// content is the same.
func (l *Ledger) Enter(ctx context.Context, decisions ...Decision) error {
	now := time.Now().UTC()
	entries := make([]keyed, len(decisions))
	for i, d := range decisions {
		d.At, d.By = now, l.cfg.By
		key, value := encodeLetter(d.Letter.ID, d.Letter.Written, d.Entry)
		entries[i] = keyed{key, value}
	}
	return l.enter(ctx, entries...)
}

// entriesMost is how many entries Close and Forget write in one request.
const entriesMost = 100

// keyed is a record to be written to the ledger.
type keyed struct{ key, value []byte }

func (l *Ledger) enter(ctx context.Context, entries ...keyed) error {
	again := func(err error) bool { return topic.Retriable(err) || !topic.Unwritten(err) }
	return topic.RetryIf(ctx, again, func() error { return l.append(ctx, entries...) })
}

// append writes records, in order and together, acknowledged by all in-sync replicas. If no
// other run wrote meanwhile they are applied at once; otherwise the next follow reads them
// with the others.
func (l *Ledger) append(ctx context.Context, entries ...keyed) error {
	records := make([]kafka.Record, len(entries))
	now := time.Now()
	for i, e := range entries {
		records[i] = kafka.Record{Time: now, Key: protocol.NewBytes(e.key), Value: protocol.NewBytes(e.value)}
	}
	base, err := l.log.Append(ctx, onlyPartition, records)
	if err != nil {
		return topic.Explain("write to", l.log.Topic(), err)
	}
	if base != l.position {
		return nil
	}
	for i, e := range entries {
		rec := fetch.Record{Offset: base + int64(i), Key: e.key, Value: e.value}
		if d, ok := decode(&rec); ok {
			l.apply(rec.Offset, &d)
		}
	}
	l.position += int64(len(entries))
	return nil
}
