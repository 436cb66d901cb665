package topic

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

// Append writes records to one partition, all or none, acknowledged by all in-sync replicas,
// and returns the offset of the first. It tries once. [Unwritten] tells whether its error
// proves that nothing was or will be written. The broker has half of timeout to gather the
// acknowledgements.
func Append(ctx context.Context, w Wire, timeout time.Duration, topic string, partition int32, codec kafka.Compression, records []kafka.Record) (base int64, err error) {
	once := &onceRead{RecordReader: kafka.NewRecordReader(records...)}
	res, err := Client(w, timeout).Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: int(partition), RequiredAcks: kafka.RequireAll,
		Compression: codec, Records: once,
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

// Append is the function of this name for the log's topic, within [RequestTimeout].
func (l *Log) Append(ctx context.Context, partition int32, records []kafka.Record) (base int64, err error) {
	return Append(ctx, l.wire, RequestTimeout, l.topic, partition, kafka.Gzip, records)
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

// unwrittenError marks an error that proves that no record of a request was written.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string { return e.err.Error() }
func (e *unwrittenError) Unwrap() error { return e.err }

// Unwritten reports whether an error of [Append] proves that nothing was or will be written:
// the request was never sent, or the broker refused it before the append. Without the proof
// the records may be in the log now or later.
func Unwritten(err error) bool {
	_, is := errors.AsType[*unwrittenError](err)
	return is
}

// checkedFirst are the answers to a Produce request that Kafka gives only before the
// append. After any other, also an unknown one, the records may be in the log: a leader
// that loses its partition, or its disk, while the records wait for the replicas
// (acks=all) answers like one that never took them (DelayedProduce.tryComplete:
// NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR, UNKNOWN_TOPIC_OR_PARTITION,
// NOT_ENOUGH_REPLICAS_AFTER_APPEND; REQUEST_TIMED_OUT after the time-out).
var checkedFirst = []kafka.Error{
	kafka.TopicAuthorizationFailed,    // KafkaApis.handleProduceRequest
	kafka.UnsupportedCompressionType,  // ProduceRequest.validateRecords
	kafka.InvalidRequiredAcks,         // ReplicaManager.appendRecords
	kafka.InvalidTopic,                // ReplicaManager.appendToLocalLog
	kafka.NotEnoughReplicas,           // Partition.appendRecordsToLeader
	kafka.MessageSizeTooLarge,         // UnifiedLog.analyzeAndValidateRecords, and .append after recompressing
	kafka.InvalidMessage,              // UnifiedLog.analyzeAndValidateRecords: the checksum
	kafka.RecordListTooLarge,          // UnifiedLog.append: larger than a segment
	kafka.InvalidRecord,               // LogValidator, and ProduceRequest.validateRecords
	kafka.InvalidTimestamp,            // LogValidator
	kafka.UnsupportedForMessageFormat, // LogValidator
}

// RecordRefused reports whether a broker refuses a record of a request itself, for good. All of
// these are checked before the append.
func RecordRefused(err error) bool {
	code, is := errors.AsType[kafka.Error](err)
	return is && slices.Contains([]kafka.Error{kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidRecord, kafka.InvalidMessage}, code)
}
