package dlq

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"release-forwarder/consumer/topic"
)

// ReaderConfig configures a Reader.
type ReaderConfig struct {
	// Wire must keep the metadata of these topics: the dead letters, the ledger, and the
	// target of replays.
	Wire     topic.Wire
	ClientID string
	// Brokers are the addresses to show in a command for a person to run.
	Brokers []string
	Topic   string // the dead letters
	// Group is the consumer group whose letters are seen; "" sees all groups'. A letter
	// whose group cannot be read is always seen, so that it is not forgotten.
	Group string
	// By names the person who decides, for the ledger and for others who wait.
	By string
	// Replays is the topic that replays are sent to. The headers of a replay (redrives,
	// origin) are used only if the record was in that topic: whoever may write a record
	// may write these headers. "" uses them for every record.
	Replays string
	// OrderKey returns the order key of an event, within which order is kept, or "" if it
	// cannot be read. nil: every event is an order key of its own.
	OrderKey func(value []byte) string
	// Lot returns the lot of an event, or "" if it cannot be read.
	Lot func(value []byte) string
	// LargeLedger, if set, is called with the highest possible number of entries before a
	// ledger is read that takes long.
	LargeLedger func(entries int64)
}

// Reader reads, replays and closes dead letters. Use it from one goroutine at a time.
type Reader struct {
	cfg ReaderConfig
	log *topic.Log
}

// NewReader makes a reader. It opens no connection.
func NewReader(cfg ReaderConfig) *Reader {
	return &Reader{cfg: cfg, log: topic.NewLog(cfg.Wire, cfg.ClientID, cfg.Topic)}
}

// Spans returns the offsets of the dead-letter topic, ordered by partition.
func (d *Reader) Spans(ctx context.Context) ([]topic.Span, error) { return d.log.Spans(ctx) }

// Retention returns how long Kafka keeps dead letters.
func (d *Reader) Retention(ctx context.Context) (topic.Retention, error) { return d.log.Retention(ctx) }

// Ledger reads the ledger. It keeps the whole entries of the letters watched. A missing
// ledger is empty.
func (d *Reader) Ledger(ctx context.Context, watch ...ID) (*Ledger, error) {
	return openLedger(ctx, d.cfg, watch...)
}

// Letters yields the letters of spans that the reader sees and the filter chooses, in the
// order of the spans and then by offset. It keeps one letter and one answer of a broker in
// memory. An error ends it.
func (d *Reader) Letters(ctx context.Context, spans []topic.Span, f *Filter) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		for _, span := range d.from(ctx, spans, f) {
			if !f.partition(span.Partition) {
				continue
			}
			for rec, err := range d.log.Read(ctx, span.Partition, span.First, span.End) {
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

// from moves the beginning of spans to the first letter that the filter can choose. If Kafka
// does not tell, they stay the same: the filter checks each letter anyway.
func (d *Reader) from(ctx context.Context, spans []topic.Span, f *Filter) []topic.Span {
	if f == nil || f.Since.IsZero() {
		return spans
	}
	if later, err := d.log.Since(ctx, spans, f.Since); err == nil {
		return later
	}
	return spans
}

func (d *Reader) sees(s *Stored) bool {
	return d.cfg.Group == "" || s.Group == "" || s.Group == truncate(d.cfg.Group)
}

// Pick reads letters by their IDs, in the order of the topic. A missing one is a
// [*MissingError], one that the reader does not see a [*OtherGroupError].
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

// ordered returns the IDs in the order of the topic, each once.
func ordered(ids []ID) []ID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b ID) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return slices.Compact(ids)
}

func (d *Reader) pick(ctx context.Context, spans []topic.Span, id ID) (*Stored, error) {
	missing := &MissingError{ID: id}
	for _, span := range spans {
		if span.Partition != id.Partition {
			continue
		}
		missing.First, missing.End = span.First, span.End
		if id.Offset < span.First || id.Offset >= span.End {
			break
		}
		for rec, err := range d.log.Read(ctx, id.Partition, id.Offset, id.Offset+1) {
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

// Filter chooses letters. The zero value chooses all. All fields that are set must match; of
// a list one value is enough.
type Filter struct {
	Reasons, Stages, Codes, Lots []string
	// Since (included) and Until (not included) bound when the letter was written.
	Since, Until time.Time
	// FirstPartition and LastPartition bound the letters' partitions if ByPartition is
	// set.
	ByPartition                   bool
	FirstPartition, LastPartition int32
	// Passed, if set, is called for each letter of a span that the filter chooses. own
	// says whether the reader sees it: it may be another group's.
	Passed func(s *Stored, own bool)
}

func (f *Filter) partition(n int32) bool {
	return f == nil || !f.ByPartition || n >= f.FirstPartition && n <= f.LastPartition
}

// fits reports whether the filter chooses a letter that was read by its ID.
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

// Target describes a topic that replays may send to.
func (d *Reader) Target(ctx context.Context, to string) (Target, error) {
	t, err := topic.NewLog(d.cfg.Wire, d.cfg.ClientID, to).Describe(ctx)
	if err != nil {
		return Target{}, topic.Explain("write to", to, err)
	}
	return Target{to, int32(len(t.Partitions))}, nil
}

// Partition returns the partition for a letter's event: its original partition, modulo the
// topic's partitions. A letter that cannot be replayed has none.
func (t Target) Partition(s *Stored) (int32, error) {
	if err := s.Unfit(); err != nil {
		return 0, err
	}
	return s.Partition % t.Partitions, nil
}
