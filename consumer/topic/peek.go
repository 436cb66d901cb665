package topic

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

// Peek reads once the batch at an offset of a partition, or the next one, even if its
// transaction is open. It returns when the batch's first record was written, in milliseconds
// since 1970 by the batch's header, or −1 if unknown, and the log's end. It keeps nothing of
// a record.
func (l *Log) Peek(ctx context.Context, partition int32, from int64) (written, end int64, err error) {
	look := func() (*fetch.Answer, error) {
		return l.ask(ctx, &fetch.Request{MaxBytes: 1, Peek: true}, fetch.Partition{Partition: partition, Offset: from, MaxBytes: 1})
	}
	a, err := look()
	if errors.Is(err, kafka.OffsetOutOfRange) { // deleted by retention
		spans, _ := l.Bounds(ctx)
		for _, s := range spans {
			if s.Partition == partition && s.First > from {
				from = s.First
				a, err = look()
			}
		}
	}
	if err != nil {
		return -1, -1, err
	}
	return a.Written(), a.HighWatermark, nil
}

const (
	// oneRecord is enough for one record of the usual size.
	oneRecord = 16 << 10
	// largestFirst bounds the size of a record that is read only for its time.
	largestFirst = 1 << 20
)

// First returns the time of a partition's first record. It is zero if there is no record or
// no plausible timestamp. A record above 1 MiB is an error.
func (l *Log) First(ctx context.Context, span Span) (time.Time, error) {
	few := *l
	few.most, few.largest = oneRecord, largestFirst
	for rec, err := range few.Read(ctx, span.Partition, span.First, span.End) {
		if err != nil {
			return time.Time{}, err
		}
		dated, _ := rec.Dated()
		return dated, nil
	}
	return time.Time{}, nil
}
