package dlq

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

// Log reads any topic as a Reader reads the dead letters: as a committed
// reader, from the partitions' leaders, without a group. It changes nothing.
// The user needs Read on the topic.
type Log struct{ source }

// NewLog makes a log of a topic. It contacts nothing.
func NewLog(w Wire, clientID, topic string) *Log {
	return &Log{source{wire: w, clientID: clientID, topic: topic}}
}

// Peek looks once at what lies at an offset of a partition or next after it, whether or
// not its transaction is decided: when its first record was written, in milliseconds
// since 1970 by the batch's header, −1 where that is not told; and the offset behind the
// log's last record. Nothing of a record is kept.
func (l *Log) Peek(ctx context.Context, partition int32, from int64) (written, end int64, err error) {
	look := func() (*fetch.Answer, error) {
		return l.ask(ctx, &fetch.Request{MaxBytes: 1, Peek: true}, fetch.Partition{Partition: partition, Offset: from, MaxBytes: 1})
	}
	a, err := look()
	if errors.Is(err, kafka.OffsetOutOfRange) { // retention took it
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
	// oneRecord is enough for one record of the usual size, however many follow.
	oneRecord = 16 << 10
	// largestFirst bounds what a record takes whose time alone is wanted.
	largestFirst = 1 << 20
)

// First gives the time of a partition's first record, zero where there is none or
// it has no timestamp that can be believed; an error where the record takes more than 1 MiB.
func (l *Log) First(ctx context.Context, span Span) (time.Time, error) {
	few := l.source
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

// Topic is the topic's name.
func (l *Log) Topic() string { return l.topic }
