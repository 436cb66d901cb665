package dlq

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// DeskConfig is what a Desk needs.
type DeskConfig struct {
	// Client sends to the cluster. Its transport must know the topics: the dead
	// letters', their ledger and those replayed to.
	Client   *kafka.Client
	ClientID string
	Topic    string // the dead letters
	// Group is the consumer group whose letters are seen; "" sees all groups'. A
	// letter whose group cannot be read is seen always, lest it be forgotten.
	Group string
	// By names who decides, for the ledger and for others who wait.
	By string
	// Session gives the session of an event, within which order is kept, "" where
	// it cannot be read; nil: every event is a session of its own.
	Session func(value []byte) string
	// Lot gives the lot of an event, "" where it cannot be read.
	Lot func(value []byte) string
}

// Desk is where dead letters are worked off: read, replayed, closed. It is used
// by one goroutine at a time.
type Desk struct {
	cfg DeskConfig
	source
}

// NewDesk makes a desk. It contacts nothing.
func NewDesk(cfg DeskConfig) *Desk {
	return &Desk{cfg: cfg, source: source{client: cfg.Client, clientID: cfg.ClientID, topic: cfg.Topic}}
}

// Spans looks at what the dead-letter topic holds, ordered by partition. The
// offsets are more than the letters where the topic has gaps.
func (d *Desk) Spans(ctx context.Context) ([]Span, error) { return d.spans(ctx) }

// Ledger reads what was decided. Of the letters watched the whole entries are
// kept. One that does not exist is empty.
func (d *Desk) Ledger(ctx context.Context, watch ...ID) (*Ledger, error) {
	return openLedger(ctx, d.cfg.Client, d.cfg.ClientID, d.cfg.Topic, watch...)
}

// Letters yields the letters of spans that the desk sees and the filter lets
// through, in the order of the spans and in each by offset. One is in memory at a
// time, beside one answer of a broker. An error ends it.
func (d *Desk) Letters(ctx context.Context, spans []Span, f *Filter) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		for _, span := range spans {
			if !f.partition(span.Partition) {
				continue
			}
			for rec, err := range d.read(ctx, span.Partition, span.First, span.End) {
				if err != nil {
					yield(nil, err)
					return
				}
				s := parse(d.topic, span.Partition, &rec)
				if d.sees(s) && f.match(s, d.cfg.Lot) && !yield(s, nil) {
					return
				}
			}
		}
	}
}

func (d *Desk) sees(s *Stored) bool {
	return d.cfg.Group == "" || s.Group == "" || s.Group == fit(d.cfg.Group)
}

// Pick reads letters by their IDs, in the order in which they lie. One that is not
// there is a [*MissingError], one that the desk does not see a [*OtherGroupError].
func (d *Desk) Pick(ctx context.Context, ids ...ID) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		spans, err := d.spans(ctx)
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
		if a.Partition != b.Partition {
			return int(a.Partition) - int(b.Partition)
		}
		return int(min(max(a.Offset-b.Offset, -1), 1))
	})
	return slices.Compact(ids)
}

func (d *Desk) pick(ctx context.Context, spans []Span, id ID) (*Stored, error) {
	missing := &MissingError{ID: id}
	for _, span := range spans {
		if span.Partition != id.Partition {
			continue
		}
		missing.First, missing.End = span.First, span.End
		if id.Offset < span.First || id.Offset >= span.End {
			break
		}
		for rec, err := range d.read(ctx, id.Partition, id.Offset, id.Offset+1) {
			if err != nil {
				return nil, err
			}
			s := parse(d.topic, id.Partition, &rec)
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
}

func (f *Filter) partition(n int32) bool {
	return f == nil || !f.ByPartition || n >= f.FirstPartition && n <= f.LastPartition
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

// Close enters into the ledger that letters were dealt with otherwise: why says
// how. It closes those that are open and returns how many. One that is being
// replayed right now is an error.
func (d *Desk) Close(ctx context.Context, ids []ID, why string) (closed int, err error) {
	if why == "" || len(why) > MaxWhy {
		return 0, fmt.Errorf("a letter is closed for a reason of 1 to %d bytes", MaxWhy)
	}
	// All are looked up first: a mistyped ID closes nothing.
	var letters []*Stored
	for s, err := range d.Pick(ctx, ids...) {
		if err != nil {
			return 0, err
		}
		s.Value, s.Key, s.Headers = nil, nil, nil
		letters = append(letters, s)
	}
	ledger, err := d.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	if err := ledger.ensure(ctx); err != nil {
		return 0, err
	}
	by, sending := ledger.holder()
	now := time.Now().UTC()
	for chunk := range slices.Chunk(letters, batchMost) {
		var entries []keyed
		for _, s := range chunk {
			if slices.Contains(sending, s.ID.Short()) {
				return closed, fmt.Errorf("letter %s is being replayed by %s right now", s.ID, by)
			}
			if ledger.State(s) != Open {
				continue
			}
			key, value := encodeLetter(s.ID, s.Written, Entry{State: Closed, At: now, By: d.cfg.By, Why: why})
			entries = append(entries, keyed{key, value})
		}
		if len(entries) == 0 {
			continue
		}
		if err := again(ctx, func() error { return ledger.append(ctx, entries...) }); err != nil {
			return closed, err
		}
		closed += len(entries)
	}
	return closed, nil
}

// Destination tells into which partition of a topic a replay sends a letter.
func (d *Desk) Destination(ctx context.Context, to string, s *Stored) (partition int32, err error) {
	if err := s.Unfit(); err != nil {
		return 0, err
	}
	target := source{client: d.client, clientID: d.clientID, topic: to}
	partitions, err := target.partitions(ctx)
	if err != nil {
		return 0, topicError("write to", to, err)
	}
	return s.Partition % int32(len(partitions)), nil
}
