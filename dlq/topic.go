package dlq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	// fetch is Kafka's log format and nothing of the engine above it: reading
	// letters needs the same decoding of batches (any codec, transaction markers,
	// checksums, bounds) as reading events, and kafka-go's own is not fit for it.
	// It comes over package wire, as all that is asked of brokers. Package consumer
	// itself is not imported, nor does it import this one.
	"release-forwarder/consumer/fetch"
)

// Span is what a partition held when it was looked at.
type Span struct {
	Partition int32
	First     int64 // the first offset of the log
	End       int64 // the offset behind the last record a committed reader sees
}

// source reads one topic as a committed reader, from its leaders, without a group.
type source struct {
	wire     Wire
	clientID string
	topic    string
	most     int32 // bytes of one answer; 0: answerBytes
	largest  int   // bytes that a record may unpack to; 0: maxRecordBytes
}

const (
	// requestTimeout bounds one request beside what it waits for on purpose.
	requestTimeout = 10 * time.Second
	// answerBytes is what one fetch may bring, before unpacking, but for a larger
	// first batch. A reader holds one answer.
	answerBytes = 1 << 20
	// maxRecordBytes is the most one record may unpack to.
	maxRecordBytes = 128 << 20
	// tries is how often in a row a request may fail for reasons that pass.
	tries = 8
	// tryPause grows with each failure, up to 8 times itself.
	tryPause = 250 * time.Millisecond
)

// Spans looks at what the topic holds, ordered by partition, again where an error passes.
// The offsets are more than the records where the topic has gaps.
func (s *source) Spans(ctx context.Context) (spans []Span, err error) {
	err = again(ctx, func() error { spans, err = s.Bounds(ctx); return err })
	if err != nil {
		return nil, topicError("read", s.topic, err)
	}
	return spans, nil
}

// Bounds looks once. With an error it gives the partitions whose leaders answered.
func (s *source) Bounds(ctx context.Context) ([]Span, error) {
	told, err := s.offsets(ctx, fetch.FirstOffsets, ends(true))
	if err != nil {
		return nil, err
	}
	spans := make([]Span, 0, len(told))
	for n, t := range told {
		switch {
		case t.err == nil:
			spans = append(spans, Span{Partition: n, First: t.offsets[0], End: t.offsets[1]})
		case err == nil || !passing(t.err):
			err = fmt.Errorf("partition %d: %w", n, t.err)
		}
	}
	slices.SortFunc(spans, func(a, b Span) int { return int(a.Partition) - int(b.Partition) })
	return spans, err
}

// Since lets spans begin at their first record that is dated at a time or later:
// none before it is. One without such a record ends where it begins. Records
// without a timestamp are never found.
//
// The time is asked for as it is: the broker answers with the first offset whose
// timestamp is at or after it (KIP-79). Its index of times is sparse, but it only
// tells from where the broker looks at the records themselves.
func (s *source) Since(ctx context.Context, spans []Span, at time.Time) ([]Span, error) {
	later := slices.Clone(spans)
	err := again(ctx, func() error {
		all, err := s.offsets(ctx, firstsSince(at))
		if err != nil {
			return err
		}
		for i, span := range spans {
			switch t, told := all[span.Partition]; {
			case !told:
				return kafka.UnknownTopicOrPartition
			case t.err != nil && !errors.Is(t.err, fetch.ErrNoOffset):
				return t.err
			default:
				later[i].First = begin(span, t.offsets[0])
			}
		}
		return nil
	})
	return later, topicError("read", s.topic, err)
}

// begin is where a span begins that is read from an offset on; below 0, none of it
// is.
func begin(span Span, offset int64) int64 {
	if offset < 0 {
		return span.End
	}
	return max(span.First, offset)
}

// Read yields the records of a partition from an offset up to, without, end. One
// answer of a broker is in memory at a time. An error ends it. What retention
// takes meanwhile is passed over.
func (s *source) Read(ctx context.Context, partition int32, from, end int64) iter.Seq2[fetch.Record, error] {
	return func(yield func(fetch.Record, error) bool) {
		for from < end {
			a, err := s.fetch(ctx, partition, from)
			if errors.Is(err, kafka.OffsetOutOfRange) {
				if from, err = s.firstAfter(ctx, partition, from); err == nil {
					continue
				}
			}
			if err != nil {
				yield(fetch.Record{}, topicError("read", s.topic, err))
				return
			}
			next, more, err := s.deliver(a, from, end, yield)
			switch {
			case !more:
				return
			case err == nil && next == from && a.LastStableOffset > from:
				err = fmt.Errorf("partition %d: nothing can be read at offset %d", partition, from)
			}
			if err != nil {
				yield(fetch.Record{}, topicError("read", s.topic, err))
				return
			}
			if next == from {
				return // truncated, or an open transaction: there is nothing more to see
			}
			from = next
		}
	}
}

// deliver yields the records of one answer.
func (s *source) deliver(a *fetch.Answer, from, end int64, yield func(fetch.Record, error) bool) (next int64, more bool, err error) {
	rd := a.Records(from, fetch.Limits{MaxRecordBytes: cmp.Or(s.largest, maxRecordBytes), MaxBlockBytes: s.largest})
	defer rd.Close()
	for {
		rec, err := rd.Next()
		switch {
		case errors.Is(err, io.EOF):
			return rd.Position(), true, nil
		case err != nil:
			return 0, true, err
		case rec.Offset >= end || !yield(rec, nil):
			return 0, false, nil
		}
	}
}

// fetch asks the leader, again where the error passes.
func (s *source) fetch(ctx context.Context, partition int32, from int64) (a *fetch.Answer, err error) {
	most := cmp.Or(s.most, answerBytes)
	err = again(ctx, func() error {
		a, err = s.ask(ctx, &fetch.Request{MaxBytes: most}, fetch.Partition{Partition: partition, Offset: from, MaxBytes: most})
		return err
	})
	return a, err
}

// ask sends a fetch of one partition to its leader, once.
func (s *source) ask(ctx context.Context, r *fetch.Request, p fetch.Partition) (*fetch.Answer, error) {
	id, led, err := s.led(ctx, p.Partition)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	p.Topic, p.TopicID, p.LeaderEpoch, p.LastEpoch = s.topic, id, led.Epoch, -1
	r.Broker, r.ClientID, r.MinBytes, r.Partitions = led.Leader, s.clientID, 1, []fetch.Partition{p}
	res, err := fetch.Do(ctx, s.wire, r)
	if err != nil {
		return nil, s.refused(err)
	}
	for i := range res.Partitions {
		if a := &res.Partitions[i]; a.Topic == s.topic && a.Partition == p.Partition {
			return a, s.refused(a.Err)
		}
	}
	return nil, fmt.Errorf("partition %d: %w", p.Partition, fetch.ErrLeftOut)
}

// firstAfter finds where a partition begins now that an offset is not in it.
func (s *source) firstAfter(ctx context.Context, partition int32, from int64) (int64, error) {
	spans, err := s.Spans(ctx)
	if err != nil {
		return 0, err
	}
	for _, span := range spans {
		if span.Partition == partition && span.First > from {
			return span.First, nil
		}
	}
	return 0, fmt.Errorf("partition %d, offset %d: %w", partition, from, kafka.OffsetOutOfRange)
}

// again repeats what fails for reasons that pass.
func again(ctx context.Context, try func() error) error { return repeat(ctx, passing, try) }

// repeat repeats what fails for reasons that are worth it.
func repeat(ctx context.Context, worth func(error) bool, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if n == tries || !worth(err) {
			return err
		}
		if err := pause(ctx, tryPause*time.Duration(min(n, 8))); err != nil {
			return err
		}
	}
}

// pause waits, or returns the context's error as soon as it ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
