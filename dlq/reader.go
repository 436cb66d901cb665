package dlq

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"
)

// ReaderConfig is what a Reader needs.
type ReaderConfig struct {
	// Wire must keep the metadata of the topics: the dead letters', their ledger and
	// those replayed to.
	Wire     Wire
	ClientID string
	// Brokers are the addresses to name in a command that a person is to run.
	Brokers []string
	Topic   string // the dead letters
	// Group is the consumer group whose letters are seen; "" sees all groups'. A
	// letter whose group cannot be read is seen always, lest it be forgotten.
	Group string
	// By names who decides, for the ledger and for others who wait.
	By string
	// Replays is the topic that replays are sent to. What a record says of being one
	// (redrives, origin) is believed only of a record that lay there: anybody who may
	// write a record may write that. "" believes it of every record.
	Replays string
	// OrderKey gives the order key of an event, within which order is kept, ""
	// where it cannot be read; nil: every event is an order key of its own.
	OrderKey func(value []byte) string
	// Lot gives the lot of an event, "" where it cannot be read.
	Lot func(value []byte) string
	// LargeLedger is told, where it is set, of a ledger that takes longer to read
	// than a person waits without a word: of how many entries at the most.
	LargeLedger func(entries int64)
}

// Reader is where dead letters are worked off: read, replayed, closed. It is used
// by one goroutine at a time.
type Reader struct {
	cfg ReaderConfig
	source
}

// NewReader makes a reader. It contacts nothing.
func NewReader(cfg ReaderConfig) *Reader {
	return &Reader{cfg: cfg, source: source{wire: cfg.Wire, clientID: cfg.ClientID, topic: cfg.Topic}}
}

// Ledger reads what was decided. Of the letters watched the whole entries are
// kept. One that does not exist is empty.
func (d *Reader) Ledger(ctx context.Context, watch ...ID) (*Ledger, error) {
	return openLedger(ctx, d.cfg, watch...)
}

// Letters yields the letters of spans that the reader sees and the filter lets
// through, in the order of the spans and in each by offset. One is in memory at a
// time, beside one answer of a broker. An error ends it.
func (d *Reader) Letters(ctx context.Context, spans []Span, f *Filter) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		for _, span := range d.from(ctx, spans, f) {
			if !f.partition(span.Partition) {
				continue
			}
			for rec, err := range d.Read(ctx, span.Partition, span.First, span.End) {
				if err != nil {
					yield(nil, err)
					return
				}
				s := d.parse(span.Partition, &rec)
				if !f.match(s, d.cfg.Lot) {
					continue
				}
				own := d.sees(s)
				if f != nil && f.Passed != nil {
					f.Passed(s, own)
				}
				if own && !yield(s, nil) {
					return
				}
			}
		}
	}
}

// from lets spans begin where the filter's first letter can be. Where Kafka does
// not tell, they stay: the filter looks at each letter anyway.
func (d *Reader) from(ctx context.Context, spans []Span, f *Filter) []Span {
	if f == nil || f.Since.IsZero() {
		return spans
	}
	if later, err := d.Since(ctx, spans, f.Since); err == nil {
		return later
	}
	return spans
}

func (d *Reader) sees(s *Stored) bool {
	return d.cfg.Group == "" || s.Group == "" || s.Group == truncate(d.cfg.Group)
}

// Pick reads letters by their IDs, in the order in which they lie. One that is not
// there is a [*MissingError], one that the reader does not see a
// [*OtherGroupError].
func (d *Reader) Pick(ctx context.Context, ids ...ID) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		spans, err := d.Spans(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, id := range ordered(ids) {
			s, err := d.pick(ctx, spans, id)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// ordered sorts IDs as the letters lie, each once.
func ordered(ids []ID) []ID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b ID) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return slices.Compact(ids)
}

func (d *Reader) pick(ctx context.Context, spans []Span, id ID) (*Stored, error) {
	missing := &MissingError{ID: id}
	for _, span := range spans {
		if span.Partition != id.Partition {
			continue
		}
		missing.First, missing.End = span.First, span.End
		if id.Offset < span.First || id.Offset >= span.End {
			break
		}
		for rec, err := range d.Read(ctx, id.Partition, id.Offset, id.Offset+1) {
			if err != nil {
				return nil, err
			}
			s := d.parse(id.Partition, &rec)
			if !d.sees(s) {
				return nil, &OtherGroupError{ID: id, Group: s.Group}
			}
			return s, nil
		}
	}
	return nil, missing
}

// Filter chooses letters. Its zero value lets all through. Within a list one is
// enough; all that is set must fit.
type Filter struct {
	Reasons, Stages, Codes, Lots []string
	// Since (included) and Until (not included) bound when the letter was written.
	Since, Until time.Time
	// FirstPartition and LastPartition bound the letters' partitions where
	// ByPartition is set.
	ByPartition                   bool
	FirstPartition, LastPartition int32
	// Passed is told, where it is set, of each letter of a span that the filter lets
	// through, and whether the reader sees it: it may be another group's.
	Passed func(s *Stored, own bool)
}

func (f *Filter) partition(n int32) bool {
	return f == nil || !f.ByPartition || n >= f.FirstPartition && n <= f.LastPartition
}

// fits tells whether the filter lets a letter through that was read by its ID.
func (f *Filter) fits(s *Stored, lot func([]byte) string) bool {
	return f.partition(s.ID.Partition) && f.match(s, lot)
}

func (f *Filter) match(s *Stored, lot func([]byte) string) bool {
	if f == nil {
		return true
	}
	one := func(of []string, value string) bool { return len(of) == 0 || slices.Contains(of, value) }
	if !one(f.Reasons, s.Reason) || !one(f.Stages, string(s.Stage)) || !one(f.Codes, s.Code) {
		return false
	}
	if !f.Since.IsZero() && s.WrittenAt().Before(f.Since) || !f.Until.IsZero() && !s.WrittenAt().Before(f.Until) {
		return false
	}
	return len(f.Lots) == 0 || lot != nil && slices.Contains(f.Lots, lot(s.Value))
}

// Target is a topic that replays send to.
type Target struct {
	Topic      string
	Partitions int32
}

// Target looks at a topic that replays may send to.
func (d *Reader) Target(ctx context.Context, topic string) (Target, error) {
	to := source{wire: d.wire, topic: topic}
	t, err := to.described(ctx)
	if err != nil {
		return Target{}, topicError("write to", topic, err)
	}
	return Target{topic, int32(len(t.Partitions))}, nil
}

// Partition is where a letter's event goes: into the partition that it came
// from, modulo the topic's partitions. A letter that cannot be replayed has none.
func (t Target) Partition(s *Stored) (int32, error) {
	if err := s.Unfit(); err != nil {
		return 0, err
	}
	return s.Partition % t.Partitions, nil
}
