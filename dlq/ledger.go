package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
)

// Ledger holds the decisions about letters, read from Kafka. Use it from one goroutine at
// a time.
type Ledger struct {
	log      *topic.Log
	letters  *topic.Log // the dead letters
	wire     topic.Wire
	brokers  []string
	exists   bool
	position int64                    // the next offset to read; everything below it is in marks and chain
	marks    map[int32]map[int64]mark // by partition and offset of the letter
	chain    chain
	// PassedOver counts records that a later version wrote or that cannot be read. They
	// are left unchanged.
	PassedOver int
	// watched are letters whose whole entries are kept; for others only the state is kept.
	watched map[ID]*Entry
}

// largeLedger is how many entries can be read in about half a second.
const largeLedger = 100_000

// newLedger makes a ledger of which nothing was read.
func newLedger(cfg ReaderConfig, watch ...ID) *Ledger {
	l := &Ledger{
		log: topic.NewLog(cfg.Wire, cfg.ClientID, LedgerTopic(cfg.Topic)), letters: topic.NewLog(cfg.Wire, cfg.ClientID, cfg.Topic),
		wire: cfg.Wire, brokers: cfg.Brokers,
		marks: map[int32]map[int64]mark{}, chain: chain{head: -1}, watched: map[ID]*Entry{},
	}
	for _, id := range watch {
		l.watched[id] = nil
	}
	return l
}

// openLedger reads the whole ledger. A missing ledger is empty.
func openLedger(ctx context.Context, cfg ReaderConfig, watch ...ID) (*Ledger, error) {
	l := newLedger(cfg, watch...)
	_, err := l.log.Describe(ctx)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		return l, nil
	}
	l.exists = true
	span, err := l.span(ctx)
	if err != nil {
		return l, err
	}
	if n := span.End - span.First; n >= largeLedger && cfg.LargeLedger != nil {
		cfg.LargeLedger(n)
	}
	return l, l.followTo(ctx, span.End)
}

// span returns the ledger's offsets.
func (l *Ledger) span(ctx context.Context) (topic.Span, error) {
	spans, err := l.log.Spans(ctx)
	if err != nil {
		return topic.Span{}, err
	}
	if len(spans) == 0 || spans[0].Partition != ledgerPartition {
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
		return &LedgerError{Topic: l.log.Topic(), Why: "was truncated or made anew while it was read; start again"}
	}
	return l.followTo(ctx, span.End)
}

func (l *Ledger) followTo(ctx context.Context, end int64) error {
	for rec, err := range l.log.Read(ctx, ledgerPartition, l.position, end) {
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
	if d.letter.State == Open {
		delete(l.marks[d.partition], d.offset)
	} else {
		l.marks[d.partition][d.offset] = mark{uint32(d.letter.Written), d.letter.State == Closed}
	}
	id := ID{l.letters.Topic(), d.partition, d.offset}
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
func (l *Ledger) State(s *Stored) State {
	switch m, decided := l.marks[s.ID.Partition][s.ID.Offset]; {
	case !decided || m.written != uint32(s.Written):
		return Open
	case m.closed:
		return Closed
	}
	return Replayed
}

// before returns letters of a partition that lie before an offset and are not open, at most
// the first most.
func (l *Ledger) before(partition int32, offset int64, most int) (letters []int64) {
	for o := range l.marks[partition] {
		if o < offset {
			letters = append(letters, o)
		}
	}
	slices.Sort(letters)
	return letters[:min(most, len(letters))]
}

// Entry returns the entry of a watched letter, or nil.
func (l *Ledger) Entry(s *Stored) *Entry {
	if l.State(s) == Open {
		return nil
	}
	return l.watched[s.ID]
}

// keyed is a record to be written to the ledger.
type keyed struct{ key, value []byte }

// enter writes letters' entries, and retries even if they may have been written: the
// content is the same.
func (l *Ledger) enter(ctx context.Context, entries ...keyed) error {
	return topic.RetryIf(ctx, func(err error) bool { return topic.Retriable(err) || !topic.Unwritten(err) }, func() error { return l.append(ctx, entries...) })
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
	base, err := l.log.Append(ctx, ledgerPartition, records)
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

// ensure creates the ledger if it is missing, and checks that Kafka will keep its records.
func (l *Ledger) ensure(ctx context.Context) error {
	if !l.exists {
		if err := l.create(ctx); err != nil {
			return err
		}
	}
	conf, err := l.log.Configs(ctx, "cleanup.policy")
	if err != nil {
		return nil //nolint:nilerr // no right to look is no fault of the ledger
	}
	if policy := conf["cleanup.policy"]; policy != "" && !strings.Contains(policy, "compact") || strings.Contains(policy, "delete") {
		return &LedgerError{
			Topic: l.log.Topic(), Why: "is not kept: its cleanup.policy is " + policy + ", so that it would forget what was replayed",
			Command: fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --topic %s --add-config cleanup.policy=compact", l.bootstrap(), l.log.Topic()),
		}
	}
	return nil
}

func (l *Ledger) bootstrap() string { return strings.Join(l.brokers, ",") }

// Configuration of a new ledger. Records younger than the lag are not compacted, so that
// the chain of locks is complete while it matters.
const (
	ledgerPolicy = "compact"
	ledgerLag    = "86400000"
)

// create creates the ledger with as many replicas as the dead-letter topic.
func (l *Ledger) create(ctx context.Context) error {
	replicas, err := l.replicas(ctx)
	if err != nil {
		return topic.Explain("read", l.letters.Topic(), err)
	}
	refused := &LedgerError{
		Topic: l.log.Topic(), Why: "does not exist and cannot be made",
		Command: fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions 1 --replication-factor %d --config cleanup.policy=%s --config min.compaction.lag.ms=%s",
			l.bootstrap(), l.log.Topic(), replicas, ledgerPolicy, ledgerLag),
	}
	res, err := topic.Client(l.wire, topic.RequestTimeout).CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: l.log.Topic(), NumPartitions: 1, ReplicationFactor: replicas,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: ledgerPolicy}, {ConfigName: "min.compaction.lag.ms", ConfigValue: ledgerLag}},
	}}})
	if err == nil {
		err = res.Errors[l.log.Topic()]
	}
	if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		refused.Err = err
		return refused
	}
	// The cluster's metadata may be old, and the leader may not know the topic yet.
	for n := range 4 * topic.Tries {
		if _, err = l.log.Describe(ctx); err == nil {
			l.exists = true
			if err = l.follow(ctx); !errors.Is(err, kafka.UnknownTopicOrPartition) {
				return err
			}
		}
		if err := topic.Pause(ctx, topic.TryPause*time.Duration(min(n+1, 4))); err != nil {
			return err
		}
	}
	return topic.Explain("read", l.log.Topic(), err)
}

// replicas returns the number of replicas of the dead-letter topic. If it is unknown, no
// ledger is created: one with a single replica would stay so.
func (l *Ledger) replicas(ctx context.Context) (most int, err error) {
	err = topic.Retry(ctx, func() error {
		t, err := l.letters.Describe(ctx)
		if err != nil {
			return err
		}
		for _, p := range t.Partitions {
			most = max(most, p.Replicas)
		}
		if most == 0 {
			return kafka.LeaderNotAvailable
		}
		return nil
	})
	return most, err
}
