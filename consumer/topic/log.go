package topic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/segmentio/kafka-go"

	// Package fetch and not kafka-go's decoder, because any codec, transaction markers,
	// checksums and bounds are needed here as in the engine.
	"release-forwarder/consumer/fetch"
)

// Log is the log of one topic, read as a committed reader from its leaders, without a group.
// It opens no connection of its own and may be used by several goroutines.
type Log struct {
	wire     Wire
	clientID string
	topic    string
	most     int32 // bytes of one answer; 0: answerBytes
	largest  int   // bytes that a record may unpack to; 0: maxRecordBytes
}

const (
	// RequestTimeout bounds one request, in addition to the wait that it asks for.
	RequestTimeout = 10 * time.Second
	// answerBytes bounds one fetch before unpacking; only a first batch may be larger. A
	// Log holds one answer.
	answerBytes = 1 << 20
	// maxRecordBytes bounds one record after unpacking.
	maxRecordBytes = 128 << 20
)

// NewLog makes the log of a topic.
func NewLog(w Wire, clientID, topic string) *Log {
	return &Log{wire: w, clientID: clientID, topic: topic}
}

// Topic is the topic's name.
func (l *Log) Topic() string { return l.topic }

// Read yields the records of a partition from an offset up to but excluding end. It keeps one
// answer of a broker in memory. An error ends it. Records that retention deletes meanwhile
// are skipped.
func (l *Log) Read(ctx context.Context, partition int32, from, end int64) iter.Seq2[fetch.Record, error] {
	return func(yield func(fetch.Record, error) bool) {
		for from < end {
			a, err := l.fetch(ctx, partition, from)
			if errors.Is(err, kafka.OffsetOutOfRange) {
				if from, err = l.firstAfter(ctx, partition, from); err == nil {
					continue
				}
			}
			if err != nil {
				yield(fetch.Record{}, Explain("read", l.topic, err))
				return
			}
			next, more, err := l.deliver(a, from, end, yield)
			switch {
			case !more:
				return
			case err == nil && next == from && a.LastStableOffset > from:
				err = fmt.Errorf("partition %d: nothing can be read at offset %d", partition, from)
			}
			if err != nil {
				yield(fetch.Record{}, Explain("read", l.topic, err))
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
func (l *Log) deliver(a *fetch.Answer, from, end int64, yield func(fetch.Record, error) bool) (next int64, more bool, err error) {
	rd := a.Records(from, fetch.Limits{MaxRecordBytes: cmp.Or(l.largest, maxRecordBytes), MaxBlockBytes: l.largest})
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

// fetch asks the leader, and retries retriable errors.
func (l *Log) fetch(ctx context.Context, partition int32, from int64) (a *fetch.Answer, err error) {
	most := cmp.Or(l.most, answerBytes)
	err = Retry(ctx, func() error {
		a, err = l.ask(ctx, &fetch.Request{MaxBytes: most}, fetch.Partition{Partition: partition, Offset: from, MaxBytes: most})
		return err
	})
	return a, err
}

// ask sends a fetch of one partition to its leader, once.
func (l *Log) ask(ctx context.Context, r *fetch.Request, p fetch.Partition) (*fetch.Answer, error) {
	id, led, err := l.led(ctx, p.Partition)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	p.Topic, p.TopicID, p.LeaderEpoch, p.LastEpoch = l.topic, id, led.Epoch, -1
	r.Broker, r.ClientID, r.MinBytes, r.Partitions = led.Leader, l.clientID, 1, []fetch.Partition{p}
	res, err := fetch.Do(ctx, l.wire, r)
	if err != nil {
		return nil, l.refused(err)
	}
	for i := range res.Partitions {
		if a := &res.Partitions[i]; a.Topic == l.topic && a.Partition == p.Partition {
			return a, l.refused(a.Err)
		}
	}
	return nil, fmt.Errorf("partition %d: %w", p.Partition, fetch.ErrLeftOut)
}

// firstAfter returns where a partition begins, after an offset was not in it.
func (l *Log) firstAfter(ctx context.Context, partition int32, from int64) (int64, error) {
	spans, err := l.Spans(ctx)
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
