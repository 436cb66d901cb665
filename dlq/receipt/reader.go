package receipt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
)

// Stored is a receipt as it lies in its topic.
type Stored struct {
	Receipt
	At      Place // of its own record, without a time
	Written int64 // its record's timestamp, in milliseconds since 1970; −1: none
}

// Before reports whether a receipt was written before another. Between partitions the time decides, which two
// replicas can have from different clocks.
func (s *Stored) Before(other *Stored) bool {
	if s.Written != other.Written {
		return s.Written < other.Written
	}
	return s.At.Partition == other.At.Partition && s.At.Offset < other.At.Offset
}

// Path returns topic/partition/offset.
func (p Place) Path() string { return fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset) }

// VersionError says that a receipt is of a version that this program does not read.
type VersionError struct {
	At      Place
	Version int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s is a receipt of version %d, and this program reads version %d; use a newer one", e.At.Path(), e.Version, Version)
}

// ForeignError says that a record of the topic is no receipt.
type ForeignError struct{ At Place }

func (e *ForeignError) Error() string { return e.At.Path() + " is no receipt" }

// Parse reads a record of the topic. Members that it does not know do not matter. Its error is a *VersionError or
// a *ForeignError.
func Parse(name string, partition int32, rec *fetch.Record) (*Stored, error) {
	s := &Stored{At: Place{Topic: name, Partition: partition, Offset: rec.Offset}, Written: rec.Timestamp}
	value := struct {
		V int `json:"v"`
		*Receipt
	}{Receipt: &s.Receipt}
	err := json.Unmarshal(rec.Value, &value)
	if value.V > Version { // then also a member may be of another form
		return nil, &VersionError{s.At, value.V}
	}
	if err != nil || value.V < 1 || s.Topic == "" || !slices.Contains([]Verdict{Accepted, DeadLetter, Ignored}, s.Verdict) {
		return nil, &ForeignError{s.At}
	}
	s.Key = bytes.Clone(rec.Key)
	return s, nil
}

// Ring makes digests with all keys of RECEIPTS_KEY_FILE.
type Ring []*Digester

// NewRing makes one of keys, the newest first.
func NewRing(keys ...string) (r Ring) {
	for _, key := range keys {
		r = append(r, NewDigester(key))
	}
	return r
}

// Keys are the keys that an event's receipts may have, the newest first: see [Digester.Key].
func (r Ring) Keys(lot, flowNo string) (keys [][]byte) {
	for _, d := range r {
		if key := d.Key(lot, flowNo); key != nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// PartitionOf is where a key's receipts are, unless the topic had other partitions when they were written.
func PartitionOf(key []byte, partitions int) int32 {
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	return int32(choose(key, all))
}

// Split parts spans into those of the named partitions and the others.
func Split(spans []topic.Span, named map[int32]bool) (in, others []topic.Span) {
	for _, span := range spans {
		if named[span.Partition] {
			in = append(in, span)
		} else {
			others = append(others, span)
		}
	}
	return in, others
}

// Reader reads a topic of receipts. It keeps [AtOnce] answers of a broker in memory.
type Reader struct{ log *topic.Log }

// NewReader makes a reader. It opens no connection. The wire must keep the metadata of the topic.
func NewReader(w topic.Wire, clientID, name string) *Reader {
	return &Reader{topic.NewLog(w, clientID, name)}
}

// Slack is how far receipts may lie out of the order of their timestamps: clocks of replicas differ, and a request
// may be tried again.
const Slack = time.Hour

// Spans returns the offsets of the topic, ordered by partition.
func (r *Reader) Spans(ctx context.Context) ([]topic.Span, error) { return r.log.Spans(ctx) }

// ReachesBack returns since when the topic has all receipts: the time of the first one of the partition that
// reaches back least. It is zero if nothing was deleted yet; known is false if Kafka does not tell.
func (r *Reader) ReachesBack(ctx context.Context, spans []topic.Span) (since time.Time, known bool, err error) {
	for _, span := range spans {
		if span.First == 0 {
			continue
		}
		first, err := r.log.First(ctx, span)
		if err != nil || first.IsZero() {
			return time.Time{}, false, err
		}
		if first.After(since) {
			since = first
		}
	}
	return since, true, nil
}

// Between shortens spans to what holds all receipts that were written from since on and before until, and some
// others. A zero time bounds nothing.
func (r *Reader) Between(ctx context.Context, spans []topic.Span, since, until time.Time) ([]topic.Span, error) {
	if !since.IsZero() {
		later, err := r.log.Since(ctx, spans, since)
		if err != nil {
			return nil, err
		}
		spans = later
	}
	if until.IsZero() {
		return spans, nil
	}
	after, err := r.log.Since(ctx, spans, until.Add(Slack))
	if err != nil {
		return nil, err
	}
	spans = slices.Clone(spans)
	for i := range spans {
		spans[i].End = after[i].First
	}
	return spans, nil
}

// AtOnce is how many partitions are read at a time.
const AtOnce = 4

// Each reads spans, several partitions at a time, each in its order. Of the records whose key is wanted (nil: all)
// it calls got with the receipt, or with why the record cannot be read as one. Calls of wanted overlap, those of got
// do not. It returns how many records were read, and the errors of the partitions that could not be read whole.
func (r *Reader) Each(ctx context.Context, spans []topic.Span, wanted func(key []byte) bool, got func(*Stored, error)) (read int64, err error) {
	var mu sync.Mutex
	var errs []error
	var reading sync.WaitGroup
	slots := make(chan struct{}, AtOnce)
	for _, span := range spans {
		if span.First >= span.End {
			continue
		}
		reading.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			n, err := r.one(ctx, span, wanted, func(s *Stored, err error) {
				mu.Lock()
				defer mu.Unlock()
				got(s, err)
			})
			mu.Lock()
			defer mu.Unlock()
			read += n
			if err != nil {
				errs = append(errs, fmt.Errorf("not all receipts of partition %d were read: %w", span.Partition, err))
			}
		})
	}
	reading.Wait()
	if ctx.Err() != nil {
		return read, ctx.Err()
	}
	return read, errors.Join(errs...)
}

// one reads one partition.
func (r *Reader) one(ctx context.Context, span topic.Span, wanted func(key []byte) bool, got func(*Stored, error)) (read int64, err error) {
	for rec, err := range r.log.Read(ctx, span.Partition, span.First, span.End) {
		if err != nil {
			return read, err
		}
		read++
		if wanted == nil || wanted(rec.Key) { // before JSON is parsed: most receipts are not wanted
			got(Parse(r.log.Topic(), span.Partition, &rec))
		}
	}
	return read, nil
}
