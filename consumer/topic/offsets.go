package topic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

// Span is the range of a partition's offsets at one moment.
type Span struct {
	Partition int32
	First     int64 // the first offset of the log
	End       int64 // the offset after the last record that a committed reader sees
}

// Spans returns the offsets of the topic, ordered by partition. It retries retriable errors.
// There are fewer records than offsets if the topic has gaps.
func (l *Log) Spans(ctx context.Context) (spans []Span, err error) {
	err = Retry(ctx, func() error { spans, err = l.Bounds(ctx); return err })
	if err != nil {
		return nil, Explain("read", l.topic, err)
	}
	return spans, nil
}

// Bounds is Spans without retries. With an error it returns the partitions whose leaders
// answered.
func (l *Log) Bounds(ctx context.Context) ([]Span, error) {
	told, err := l.offsets(ctx, fetch.FirstOffsets, ends(true))
	if err != nil {
		return nil, err
	}
	spans := make([]Span, 0, len(told))
	for n, t := range told {
		switch {
		case t.err == nil:
			spans = append(spans, Span{Partition: n, First: t.offsets[0], End: t.offsets[1]})
		case err == nil || !Retriable(t.err):
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
func (l *Log) Since(ctx context.Context, spans []Span, at time.Time) ([]Span, error) {
	later := slices.Clone(spans)
	err := Retry(ctx, func() error {
		all, err := l.offsets(ctx, firstsSince(at))
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
	return later, Explain("read", l.topic, err)
}

// begin is the beginning of a span that is read from offset on. An offset below 0 means that
// none of it is read.
func begin(span Span, offset int64) int64 {
	if offset < 0 {
		return span.End
	}
	return max(span.First, offset)
}

// End returns where a partition ends, for readers of committed records or for all. It retries
// retriable errors.
func (l *Log) End(ctx context.Context, partition int32, committed bool) (end int64, err error) {
	err = Retry(ctx, func() error { end, err = l.EndOnce(ctx, partition, committed); return err })
	return end, err
}

// EndOnce is End without retries.
func (l *Log) EndOnce(ctx context.Context, partition int32, committed bool) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	_, led, err := l.led(ctx, partition)
	if err != nil {
		return 0, err
	}
	told, err := fetch.EndOffsets(ctx, l.wire, led.Leader, committed, []fetch.OffsetAsk{{Topic: l.topic, Partition: partition, LeaderEpoch: led.Epoch}})
	if err != nil {
		return 0, l.refused(err)
	}
	return told[0].Offset, l.refused(told[0].Err)
}

// question asks a leader for one offset of each log.
type question func(ctx context.Context, to fetch.Sender, broker int32, asks []fetch.OffsetAsk) ([]fetch.OffsetTold, error)

// ends asks where logs end, for a reader of committed records or for any.
func ends(committed bool) question {
	return func(ctx context.Context, to fetch.Sender, broker int32, asks []fetch.OffsetAsk) ([]fetch.OffsetTold, error) {
		return fetch.EndOffsets(ctx, to, broker, committed, asks)
	}
}

// firstsSince asks for the first committed records with a timestamp at or after a time.
func firstsSince(at time.Time) question {
	return func(ctx context.Context, to fetch.Sender, broker int32, asks []fetch.OffsetAsk) ([]fetch.OffsetTold, error) {
		return fetch.OffsetsSince(ctx, to, broker, at, asks)
	}
}

// told holds a leader's answers about one partition, in the order of the questions, as far as
// it answered.
type told struct {
	offsets []int64
	err     error
}

// offsets asks the leaders of all partitions, each about its own. One that does not answer
// does not block the others.
func (l *Log) offsets(ctx context.Context, questions ...question) (map[int32]told, error) {
	topic, err := l.Describe(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	all, led := map[int32]told{}, map[int32][]fetch.OffsetAsk{}
	for n, p := range topic.Partitions {
		if p.Err != nil {
			all[n] = told{err: p.Err}
			continue
		}
		led[p.Leader] = append(led[p.Leader], fetch.OffsetAsk{Topic: l.topic, Partition: n, LeaderEpoch: p.Epoch})
	}
	answers := make(chan map[int32]told)
	for broker, asks := range led {
		go func() { answers <- l.offsetsAt(ctx, broker, asks, questions) }()
	}
	for range led {
		maps.Copy(all, <-answers)
	}
	return all, nil
}

// offsetsAt asks one leader.
func (l *Log) offsetsAt(ctx context.Context, broker int32, asks []fetch.OffsetAsk, questions []question) map[int32]told {
	all := map[int32]told{}
	for _, ask := range questions {
		answers, err := ask(ctx, l.wire, broker, asks)
		for i, a := range asks {
			t := all[a.Partition]
			if err != nil {
				t.err = l.refused(err)
			} else {
				t.offsets, t.err = append(t.offsets, answers[i].Offset), cmp.Or(t.err, l.refused(answers[i].Err))
			}
			all[a.Partition] = t
		}
		if err != nil {
			break
		}
	}
	return all
}
