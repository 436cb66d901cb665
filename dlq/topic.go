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

	// fetch is only Kafka's log format, nothing of the engine above it. Letters need the
	// same decoding of batches as events (any codec, transaction markers, checksums,
	// bounds), and kafka-go's decoder is not good enough. Requests go over package wire.
	// Package consumer itself is not imported and does not import this one.
	"release-forwarder/consumer/fetch"
)

// Span is the range of a partition's offsets at one moment.
type Span struct {
	Partition int32
	First     int64 // the first offset of the log
	End       int64 // the offset after the last record that a committed reader sees
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
	// requestTimeout bounds one request, in addition to the wait that it asks for.
	requestTimeout = 10 * time.Second
	// answerBytes bounds one fetch before unpacking; only a first batch may be larger. A
	// reader holds one answer.
	answerBytes = 1 << 20
	// maxRecordBytes bounds one record after unpacking.
	maxRecordBytes = 128 << 20
	// tries is how often in a row a request may fail with passing errors.
	tries = 8
	// tryPause grows with each failure, up to 8 times itself.
	tryPause = 250 * time.Millisecond
)

// Spans returns the offsets of the topic, ordered by partition. It retries passing errors.
// There are fewer records than offsets if the topic has gaps.
func (s *source) Spans(ctx context.Context) (spans []Span, err error) {
	err = again(ctx, func() error { spans, err = s.Bounds(ctx); return err })
	if err != nil {
		return nil, topicError("read", s.topic, err)
	}
	return spans, nil
}

// Bounds is Spans without retries. With an error it returns the partitions whose leaders
// answered.
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

// Since moves the beginning of spans to their first record with a timestamp at or after a
// time. All earlier records are older. A span without such a record becomes empty. Records
// without a timestamp are never found.
//
// The broker answers with the first offset whose timestamp is at or after the time (KIP-79).
// Its time index is sparse, but the broker uses it only to find where to read the records.
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

// begin is the beginning of a span that is read from offset on. An offset below 0 means that
// none of it is read.
func begin(span Span, offset int64) int64 {
	if offset < 0 {
		return span.End
	}
	return max(span.First, offset)
}

// Read yields the records of a partition from an offset up to but excluding end. It keeps one
// answer of a broker in memory. An error ends it. Records that retention deletes meanwhile
// are skipped.
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
				return // truncated, or an open transaction: no more can be read
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

// fetch asks the leader, and retries passing errors.
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

// firstAfter returns where a partition begins, after an offset was not in it.
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

// again retries passing errors.
func again(ctx context.Context, try func() error) error { return repeat(ctx, passing, try) }

// repeat retries errors for which worth returns true.
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

// pause waits, and returns the context's error if it ends before.
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
