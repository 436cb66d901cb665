package dlq

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
)

// ReaderConfig configures a Reader.
type ReaderConfig struct {
	// Wire must keep the metadata of the topic.
	Wire     topic.Wire
	ClientID string
	Topic    string // the dead letters
	// Group is the consumer group whose letters are seen; "" sees all groups'. A letter
	// whose group cannot be read is always seen, so that it is not forgotten.
	Group string
	// Replays are the topics that replays are sent to. The headers of a replay (redrives,
	// origin) are used only if the record was in one of them: whoever may write a record
	// may write these headers. Without any they are used for every record.
	Replays []string
	// Lot returns the lot of an event, or "" if it cannot be read.
	Lot func(*Stored) string
}

// Reader reads the letters of a topic. Use it from one goroutine at a time.
type Reader struct {
	cfg ReaderConfig
	log *topic.Log
}

// NewReader makes a reader. It opens no connection.
func NewReader(cfg ReaderConfig) *Reader {
	return &Reader{cfg: cfg, log: topic.NewLog(cfg.Wire, cfg.ClientID, cfg.Topic)}
}

// Topic is the dead-letter topic.
func (d *Reader) Topic() string { return d.cfg.Topic }

// Spans returns the offsets of the dead-letter topic, ordered by partition.
func (d *Reader) Spans(ctx context.Context) ([]topic.Span, error) { return d.log.Spans(ctx) }

// Retention returns how long Kafka keeps dead letters.
func (d *Reader) Retention(ctx context.Context) (topic.Retention, error) { return d.log.Retention(ctx) }

// Letters yields the letters of spans that the reader sees and the filter chooses, in the
// order of the spans and then by offset. It keeps one letter and one answer of a broker in
// memory. An error ends it.
func (d *Reader) Letters(ctx context.Context, spans []topic.Span, f *Filter) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		for _, span := range d.from(ctx, spans, f) {
			if !f.partition(span.Partition) {
				continue
			}
			for s, err := range d.Between(ctx, span.Partition, span.First, span.End) {
				if err != nil {
					yield(nil, err)
					return
				}
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

// Between yields all letters of a partition from an offset up to but excluding end, those of
// other groups too. An error ends it.
func (d *Reader) Between(ctx context.Context, partition int32, from, end int64) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		for rec, err := range d.log.Read(ctx, partition, from, end) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(d.parse(partition, &rec), nil) {
				return
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

// parse reads a record of the dead-letter topic. It uses the headers of a replay only if the
// record was in a topic of replays.
func (d *Reader) parse(partition int32, rec *fetch.Record) *Stored {
	s := parse(d.cfg.Topic, partition, rec)
	if len(d.cfg.Replays) == 0 || slices.Contains(d.cfg.Replays, s.Topic) || s.Foreign {
		return s
	}
	s.ClaimedRedrives, s.Redrives = s.Redrives, 0
	if source := s.Source(); s.Origin != source {
		s.ClaimedOrigin, s.Origin = s.Origin, source
	}
	return s
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
		for s, err := range d.Between(ctx, id.Partition, id.Offset, id.Offset+1) {
			if err != nil {
				return nil, err
			}
			if !d.sees(s) {
				return nil, &OtherGroupError{ID: id, Group: s.Group}
			}
			return s, nil
		}
	}
	return nil, missing
}

// Fits reports whether a filter chooses a letter that was read by its ID.
func (d *Reader) Fits(s *Stored, f *Filter) bool {
	return f.partition(s.ID.Partition) && f.match(s, d.cfg.Lot)
}
