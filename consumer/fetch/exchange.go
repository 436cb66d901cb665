package fetch

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// The version spoken: the last before flexible headers and topic IDs, which
// kafka-go's metadata does not know. Every broker since Kafka 2.3 takes it, and
// KIP-896 keeps it.
const version = 11

// Values of the request that never change.
const (
	replicaNone   = -1 // we are a consumer, not a follower
	readAll       = 0
	readCommitted = 1
	sessionNone   = 0  // KIP-227: with epoch −1, no session
	epochNone     = -1 // also: no leader epoch is known (KIP-320)
	logStartNone  = -1 // a follower's field
)

// exchange is a Request on its way through kafka-go's Transport. The Transport
// may still run RawExchange after Do returned, so it shares nothing that is
// written.
type exchange struct {
	ctx     context.Context
	request *Request
	spoken  int16 // the version the library agreed on with this broker
}

// answered carries a Response back through the Transport.
type answered struct{ response *Response }

var (
	_ protocol.RawExchanger  = (*exchange)(nil)
	_ protocol.BrokerMessage = (*exchange)(nil)
)

// correlation numbers requests; only answers on one connection are told apart
// by it.
var correlation atomic.Int32

// ApiKey names the API; the library wants the method on both messages.
func (*exchange) ApiKey() protocol.ApiKey { return protocol.Fetch }

// ApiKey names the API.
func (*answered) ApiKey() protocol.ApiKey { return protocol.Fetch }

// Broker routes the request.
func (x *exchange) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	if b, ok := cluster.Brokers[x.request.Broker]; ok {
		return b, nil
	}
	return protocol.Broker{ID: -1}, kafka.LeaderNotAvailable
}

// Required is always true: the exchange is ours. The library's choice of a
// version is noted, since it is below ours only where the broker cannot do ours.
func (x *exchange) Required(versions map[protocol.ApiKey]int16) bool {
	x.spoken = versions[protocol.Fetch]
	return true
}

// RawExchange writes the request and reads the answer. Any error makes the
// Transport close the connection, whose state nobody would know.
func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if x.spoken < version {
		return nil, kafka.UnsupportedVersion
	}
	if err := x.ctx.Err(); err != nil {
		return nil, err
	}
	if c, ok := rw.(interface{ SetDeadline(time.Time) error }); ok {
		// The Transport waits for the broker even if nobody waits for it any
		// more; a deadline in the past ends that.
		stop := context.AfterFunc(x.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
		res, err := x.exchange(rw)
		if !stop() {
			return nil, context.Cause(x.ctx)
		}
		return res, err
	}
	return x.exchange(rw)
}

func (x *exchange) exchange(rw io.ReadWriter) (protocol.Message, error) {
	id := correlation.Add(1)
	frame, err := encode(x.request, id)
	if err != nil {
		return nil, err
	}
	if _, err := rw.Write(frame); err != nil {
		return nil, err
	}
	res, err := readAnswer(rw, x.request, id)
	if err != nil {
		return nil, err
	}
	return &answered{res}, nil
}

// encode returns the request's frame: size, header version 1, body.
func encode(r *Request, id int32) ([]byte, error) {
	be := binary.BigEndian
	b := make([]byte, 4, 128+64*len(r.Partitions))
	b = be.AppendUint16(b, uint16(protocol.Fetch))
	b = be.AppendUint16(b, version)
	b = be.AppendUint32(b, uint32(id))
	b, err := appendString(b, r.ClientID)
	if err != nil {
		return nil, err
	}
	b = append32(b, replicaNone)
	b = append32(b, int32(min(max(r.MaxWait.Milliseconds(), 0), math.MaxInt32)))
	b = append32(b, r.MinBytes)
	b = append32(b, r.MaxBytes)
	if r.Peek {
		b = append(b, readAll)
	} else {
		b = append(b, readCommitted)
	}
	b = append32(b, sessionNone)
	b = append32(b, epochNone)

	topics := byTopic(r.Partitions)
	b = append32(b, int32(len(topics)))
	for _, t := range topics {
		if b, err = appendString(b, t[0].Topic); err != nil {
			return nil, err
		}
		b = append32(b, int32(len(t)))
		for _, p := range t {
			b = append32(b, p.Partition)
			b = append32(b, epochNone)
			b = append64(b, p.Offset)
			b = append64(b, logStartNone)
			b = append32(b, p.MaxBytes)
		}
	}
	b = append32(b, 0)        // no forgotten topics
	b = be.AppendUint16(b, 0) // no rack
	be.PutUint32(b, uint32(len(b)-4))
	return b, nil
}

// byTopic groups partitions, topics in order of their first partition.
func byTopic(partitions []Partition) [][]Partition {
	at := make(map[string]int)
	var topics [][]Partition
	for _, p := range partitions {
		i, ok := at[p.Topic]
		if !ok {
			i = len(topics)
			at[p.Topic] = i
			topics = append(topics, nil)
		}
		topics[i] = append(topics[i], p)
	}
	return topics
}

func append32(b []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(v))
}

func append64(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(v))
}

func appendString(b []byte, s string) ([]byte, error) {
	if len(s) > math.MaxInt16 {
		return nil, fmt.Errorf("%w: a name of %d bytes does not fit a request", ErrMalformed, len(s))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...), nil
}
