package fetch

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
)

// answerSlack is how long past its MaxWait an answer may take when the caller
// set no deadline: the broker's reading from disk and the transfer itself.
const answerSlack = 10 * time.Second

// Request reads partitions whose leader is one broker.
type Request struct {
	// Broker is the ID of the leader, as the cluster's metadata gives it.
	Broker int32
	// ClientID names this client in the broker's logs and quotas.
	ClientID string
	// MaxWait is how long the broker may wait for MinBytes to come together.
	MaxWait time.Duration
	// MinBytes lets the broker wait for more; 1 answers as soon as there is
	// anything.
	MinBytes int32
	// MaxBytes bounds the whole answer, but for its first batch, which comes
	// whole whatever its size (KIP-74).
	MaxBytes int32
	// MaxAnswer is the most bytes an answer may have before it is refused
	// unread with [ErrAnswerTooLarge]; 0 means MaxBytes + 64 MiB.
	MaxAnswer int64
	// Peek asks for what lies at the offsets whether or not transactions are decided
	// there, and keeps only what [Answer.Written] needs: it is for a look, not for
	// reading.
	Peek bool
	// Partitions are what to read, each partition at most once.
	Partitions []Partition
}

// Partition is one partition to read.
type Partition struct {
	Topic     string
	Partition int32
	// Offset is the first offset wanted.
	Offset int64
	// MaxBytes bounds this partition's part of the answer, but for its first
	// batch.
	MaxBytes int32
}

// Response is the broker's answer: at most one [Answer] for each partition asked
// for, in the broker's order. A broker may leave partitions out when the answer
// is full.
type Response struct {
	// Throttle is how long the broker wants to hear nothing (quotas). It holds
	// the connection mute so long in any case, so that a request sent sooner
	// waits and may miss its deadline.
	Throttle   time.Duration
	Partitions []Answer
}

// Answer is what the broker said about one partition. Copied out of the Response
// it keeps only its own bytes in memory.
type Answer struct {
	Topic     string
	Partition int32
	// Err is nil, a kafka.Error, or [ErrOtherReplica]. With an error the rest
	// means nothing.
	Err error
	// HighWatermark is the offset behind the last record all replicas have.
	HighWatermark int64
	// LastStableOffset is the offset up to which transactions are decided: a
	// committed reader sees nothing from there on.
	LastStableOffset int64
	// LogStartOffset is the first offset of the log.
	LogStartOffset int64

	aborted []abortedTransaction
	records []byte
}

// Len returns how many bytes of the answer are held.
func (a *Answer) Len() int {
	return len(a.records) + len(a.aborted)*abortedSize
}

// FirstBatch returns how many bytes the first batch of the answer has in the log,
// whether or not all of them came, and how many records by what its header claims; 0
// where there is none, or none can be told, as of records in the formats before KIP-98.
func (a *Answer) FirstBatch() (bytes, records int) {
	const head = 8 + 4 // offset and length, in all formats
	if len(a.records) < head {
		return 0, 0
	}
	bytes = head + max(0, int(int32(binary.BigEndian.Uint32(a.records[8:]))))
	if len(a.records) >= batchHeaderSize && a.records[magicAt] == 2 {
		records = max(0, int(int32(binary.BigEndian.Uint32(a.records[batchCountAt:]))))
	}
	return bytes, records
}

// Written returns the timestamp of the first batch's first record, in milliseconds
// since 1970, by the batch's header alone: nothing is unpacked, and no checksum is
// looked at. It is −1 where there is no batch, or its format has no timestamps.
func (a *Answer) Written() int64 {
	b := a.records
	switch {
	case len(b) >= batchHeaderSize && b[magicAt] == 2:
		if binary.BigEndian.Uint16(b[batchAttributesAt:])&logAppendTime != 0 {
			return int64(binary.BigEndian.Uint64(b[batchMaxTimeAt:]))
		}
		return int64(binary.BigEndian.Uint64(b[batchBaseTimeAt:]))
	case len(b) >= messageTimeAt+8 && b[magicAt] == 1:
		return int64(binary.BigEndian.Uint64(b[messageTimeAt:]))
	}
	return noTimestamp
}

// Do sends a fetch request (version 11, read_committed unless it is a peek, without a
// KIP-227 session) to r.Broker and returns its answer. The address is the bootstrap
// address by which the round tripper knows the cluster.
//
// A deadline in ctx holds for the whole exchange; without one it is MaxWait and
// ten seconds. When ctx ends, the connection is given up at once, so that no
// answer arrives for nobody.
//
// Errors: kafka.LeaderNotAvailable if the broker is not in the cluster's
// metadata; kafka.UnsupportedVersion if it does not speak version 11;
// another kafka.Error if it refused the request as a whole; [ErrAnswerTooLarge];
// [ErrMalformed]; ctx's error; or the connection's. After all but the first the
// connection is closed.
func Do(ctx context.Context, rt kafka.RoundTripper, addr net.Addr, r *Request) (*Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.MaxWait+answerSlack)
		defer cancel()
	}
	m, err := rt.RoundTrip(ctx, addr, &exchange{ctx: ctx, request: r})
	if err != nil {
		return nil, fmt.Errorf("fetch from broker %d: %w", r.Broker, err)
	}
	a, ok := m.(*answered)
	if !ok {
		return nil, fmt.Errorf("fetch from broker %d: %w: the round tripper answered with %T", r.Broker, ErrMalformed, m)
	}
	return a.response, nil
}
