package fetch

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// Exchanger lends connections to brokers.
type Exchanger interface {
	// Exchange lends a connection to the broker, by its ID, for one exchange. version is the newest version of
	// the API that the broker takes. The connection is buffered: answers are read in small pieces. It is
	// closed if exchange returns an error, and when ctx ends, which ends the exchange at once.
	Exchange(ctx context.Context, broker int32, key int16, exchange func(conn io.ReadWriter, version int16) error) error
}

// Request reads partitions of one broker: their leader, or a replica near the reader.
type Request struct {
	// Broker is the broker's ID in the cluster's metadata.
	Broker int32
	// ClientID names this client in the broker's logs and quotas.
	ClientID string
	// MaxWait is how long the broker may wait for MinBytes.
	MaxWait time.Duration
	// MinBytes is how many bytes the broker may wait for; 1: it answers as soon as there is any record.
	MinBytes int32
	// MaxBytes bounds the whole answer except its first batch, which comes whole whatever its size (KIP-74).
	// An answer that is 64 MiB larger is refused unread with [ErrAnswerTooLarge].
	MaxBytes int32
	// Rack is the reader's rack, for a leader that knows a nearer replica (KIP-392); empty: the leader itself
	// must answer.
	Rack string
	// Peek asks for what lies at the offsets whether its transactions are decided or not, and keeps only what
	// [Answer.Written] needs. It is not for reading.
	Peek bool
	// Partitions are what to read, each partition at most once.
	Partitions []Partition
}

// Partition is one partition to read.
type Partition struct {
	Topic string
	// TopicID is the topic's ID (KIP-516); zero if it is not known. A request whose topics all have an ID asks
	// by ID, so that a recreated topic of the same name is an error. Brokers before Kafka 3.1 are asked by
	// name.
	TopicID   [16]byte
	Partition int32
	// LeaderEpoch is the leader's epoch in the metadata that names it; −1 if it is not known. A broker that
	// does not lead by this epoch refuses (KIP-320).
	LeaderEpoch int32
	// LastEpoch is the leader epoch of the last record below Offset; −1 if it is not known. From Kafka 2.7 on
	// the broker compares it with its log: see [Answer.Diverges].
	LastEpoch int32
	// Offset is the first offset wanted.
	Offset int64
	// MaxBytes bounds this partition's part of the answer, except its first batch.
	MaxBytes int32
}

// Response is the broker's answer: at most one [Answer] for each requested partition, in the broker's order. A
// broker may leave partitions out when the answer is full.
type Response struct {
	// Throttle is how long the broker wants no request (quotas). It does not read the connection for that
	// time, so that an earlier request waits and may miss its deadline.
	Throttle   time.Duration
	Partitions []Answer

	// refused is why the broker answered the whole request with an error. Such an answer was read to its end
	// like any other, and the connection stays good.
	refused error
}

// Answer is what the broker answered for one partition. Copied out of the Response it keeps only its own bytes
// in memory.
type Answer struct {
	Topic     string
	Partition int32
	// Err is nil, a kafka.Error, or [ErrOtherReplica]. With an error the other fields mean nothing.
	Err error
	// Diverges is not nil if the log read so far is not the broker's: it says up to where they may agree.
	// There are then no records.
	Diverges *EpochEnd
	// Preferred is the replica that should be read instead of the leader (KIP-392), −1 if the leader names
	// none. If it names one there are no records.
	Preferred int32
	// HighWatermark is the offset behind the last record that all replicas have.
	HighWatermark int64
	// LastStableOffset is the offset up to which transactions are decided: a committed reader sees nothing
	// from there on.
	LastStableOffset int64
	// LogStartOffset is the first offset of the log.
	LogStartOffset int64

	aborted []abortedTransaction
	records []byte
}

// Len returns how many bytes the answer holds.
func (a *Answer) Len() int {
	return len(a.records) + len(a.aborted)*abortedSize
}

// FirstBatch returns the size in the log of the answer's first batch, even if it did not come whole, and the
// number of records that its header claims. They are 0 if there is no batch, or they are unknown, as in the
// formats before Kafka 0.11.
func (a *Answer) FirstBatch() (bytes, records int) {
	const head = 8 + 4 // offset and length, in all formats
	if len(a.records) < head {
		return 0, 0
	}
	bytes = head + max(0, int(int32(binary.BigEndian.Uint32(a.records[8:]))))
	if len(a.records) >= batchHeaderSize && a.records[magicAt] == batchMagic {
		records = max(0, int(int32(binary.BigEndian.Uint32(a.records[batchCountAt:]))))
	}
	return bytes, records
}

// Written returns the timestamp of the first batch's first record, in milliseconds since 1970, from the
// batch's header alone: nothing is unpacked, and the checksum is not verified. It is −1 if there is no batch,
// or its format is from before Kafka 0.11.
func (a *Answer) Written() int64 {
	b := a.records
	if len(b) < batchHeaderSize || b[magicAt] != batchMagic {
		return -1
	}
	if binary.BigEndian.Uint16(b[batchAttributesAt:])&logAppendTime != 0 {
		return int64(binary.BigEndian.Uint64(b[batchMaxTimeAt:]))
	}
	return int64(binary.BigEndian.Uint64(b[batchBaseTimeAt:]))
}

// Do sends a fetch request (version 11 to 13, read_committed unless it is a peek, without a KIP-227 session)
// to r.Broker and returns its answer. When ctx ends, the connection is closed at once.
//
// Errors: the Exchanger's; kafka.UnsupportedVersion if the broker does not take version 11; another
// kafka.Error if it refused the request as a whole; [ErrAnswerTooLarge]; [ErrMalformed]; ctx's error; or the
// connection's.
func Do(ctx context.Context, x Exchanger, r *Request) (*Response, error) {
	// An exchange may still run when its caller has gone: the two write to nothing else in common.
	answers := make(chan *Response, 1)
	err := x.Exchange(ctx, r.Broker, int16(protocol.Fetch), func(conn io.ReadWriter, version int16) error {
		res, err := exchange(conn, r, version)
		if err == nil {
			answers <- res
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fetch from broker %d: %w", r.Broker, err)
	}
	select {
	case res := <-answers:
		if res.refused != nil {
			return nil, fmt.Errorf("fetch from broker %d: %w", r.Broker, res.refused)
		}
		return res, nil
	default:
		return nil, fmt.Errorf("fetch from broker %d: %w: the exchange brought no answer", r.Broker, ErrMalformed)
	}
}
