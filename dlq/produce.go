package dlq

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

// produce writes records to one partition, together or not at all, and returns
// the offset of the first. Its error is an unwrittenError where it is proven that
// nothing was written, nor will be.
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

// onceRead tells whether records were read, which is done right before a request
// is sent, on a connection that is up. Unread, as where no leader is known, the
// dial fails or time is over before, nothing was sent, whatever the error is.
type onceRead struct {
	kafka.RecordReader
	state atomic.Int32 // unread, then one of the others
}

const (
	unread int32 = iota
	wasRead
	withdrawn
)

// withdraw tells whether nothing was read, and sees to it that nothing will be: the
// transport may hold a request that its caller has given up.
func (o *onceRead) withdraw() bool { return o.state.CompareAndSwap(unread, withdrawn) }

// ReadRecord implements kafka.RecordReader. A request without records is not sent.
func (o *onceRead) ReadRecord() (*kafka.Record, error) {
	if !o.state.CompareAndSwap(unread, wasRead) && o.state.Load() == withdrawn {
		return nil, io.EOF
	}
	return o.RecordReader.ReadRecord()
}
