package dlq

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

// produce writes records to one partition, all or none, and returns the offset of the first.
// Its error is an unwrittenError if it is proven that nothing was or will be written.
func produce(ctx context.Context, client *kafka.Client, topic string, partition int32, records []kafka.Record) (base int64, err error) {
	once := &onceRead{RecordReader: kafka.NewRecordReader(records...)}
	res, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: int(partition), RequiredAcks: kafka.RequireAll,
		Compression: kafka.Gzip, Records: once,
	})
	if err == nil {
		err = res.Error
	}
	if err == nil {
		return res.BaseOffset, nil
	}
	code, _ := errors.AsType[kafka.Error](err)
	if once.withdraw() || slices.Contains(checkedFirst, code) {
		return 0, &unwrittenError{err}
	}
	return 0, err
}

// onceRead tells whether its records were read. The transport reads them right before it
// sends a request on an open connection. If they were not read (no leader, a failed dial, a
// time-out before), nothing was sent, whatever the error is.
type onceRead struct {
	kafka.RecordReader
	state atomic.Int32 // unread, then one of the others
}

const (
	unread int32 = iota
	wasRead
	withdrawn
)

// withdraw reports whether nothing was read, and prevents a later read: the transport may
// still hold a request that its caller has cancelled.
func (o *onceRead) withdraw() bool { return o.state.CompareAndSwap(unread, withdrawn) }

// ReadRecord implements kafka.RecordReader. The transport sends no request without records.
func (o *onceRead) ReadRecord() (*kafka.Record, error) {
	if !o.state.CompareAndSwap(unread, wasRead) && o.state.Load() == withdrawn {
		return nil, io.EOF
	}
	return o.RecordReader.ReadRecord()
}
