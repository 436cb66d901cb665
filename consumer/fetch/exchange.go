package fetch

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// The versions spoken. Every broker since Kafka 2.3 takes the oldest, and KIP-896 keeps
// it. Later ones have what only the flexible encoding (KIP-482) can carry.
const (
	oldestVersion   = 11
	flexibleVersion = 12 // with the last fetched epoch and the answer's divergence (KIP-595)
	newestVersion   = 13 // topics by their IDs (KIP-516)
)

// Values of the request that never change.
const (
	replicaNone   = -1 // we are a consumer, not a follower
	readAll       = 0
	readCommitted = 1
	sessionNone   = 0 // KIP-227: with epoch −1, no session
	sessionEpoch  = -1
	logStartNone  = -1 // a follower's field
)

// epochNone is the leader epoch (KIP-320) of what has none, or where none is known.
const epochNone = -1

// correlation numbers requests; only answers on one connection are told apart
// by it.
var correlation atomic.Int32

// exchange writes the request and reads the answer.
func exchange(rw io.ReadWriter, r *Request, broker int16) (*Response, error) {
	v := speak(r, broker)
	if v < oldestVersion {
		return nil, kafka.UnsupportedVersion
	}
	id := correlation.Add(1)
	frame, err := encode(r, v, id)
	if err != nil {
		return nil, err
	}
	if _, err := rw.Write(frame); err != nil {
		return nil, err
	}
	return readAnswer(rw, r, v, id)
}

// speak chooses the version: names and IDs cannot be mixed in one request.
func speak(r *Request, broker int16) int16 {
	v := min(broker, newestVersion)
	for i := range r.Partitions {
		if r.Partitions[i].TopicID == noID {
			return min(v, newestVersion-1)
		}
	}
	return v
}

// topicKey is what a topic goes by in a request and its answer: its ID from version 13
// on, its name before.
type topicKey struct {
	name string
	id   [16]byte
}

var noID [16]byte // of a topic whose ID is unknown

func keyOf(p *Partition, v int16) topicKey {
	if v >= newestVersion {
		return topicKey{id: p.TopicID}
	}
	return topicKey{name: p.Topic}
}

// encode returns the request's frame: size, header (version 1, or 2 where flexible), body.
func encode(r *Request, v int16, id int32) ([]byte, error) {
	w := &writer{b: make([]byte, 4, 128+64*len(r.Partitions))}
	w.int16(int16(protocol.Fetch))
	w.int16(v)
	w.int32(id)
	w.string(r.ClientID) // never compact (KIP-511): brokers read it before they judge the version
	w.flexible = v >= flexibleVersion
	w.tags()

	w.int32(replicaNone)
	w.int32(int32(min(max(r.MaxWait.Milliseconds(), 0), math.MaxInt32)))
	w.int32(r.MinBytes)
	w.int32(r.MaxBytes)
	if r.Peek {
		w.b = append(w.b, readAll)
	} else {
		w.b = append(w.b, readCommitted)
	}
	w.int32(sessionNone)
	w.int32(sessionEpoch)
	topics := byTopic(r.Partitions, v)
	w.count(len(topics))
	for _, t := range topics {
		if v >= newestVersion {
			w.b = append(w.b, t[0].TopicID[:]...)
		} else {
			w.string(t[0].Topic)
		}
		w.count(len(t))
		for i := range t {
			w.partition(&t[i], v)
		}
		w.tags()
	}
	w.count(0) // no forgotten topics
	w.string(r.Rack)
	w.tags()
	binary.BigEndian.PutUint32(w.b, uint32(len(w.b)-4))
	return w.b, w.err
}

func (w *writer) partition(p *Partition, v int16) {
	w.int32(p.Partition)
	w.int32(p.LeaderEpoch)
	w.int64(p.Offset)
	if v >= flexibleVersion {
		w.int32(p.LastEpoch)
	}
	w.int64(logStartNone)
	w.int32(p.MaxBytes)
	w.tags()
}

// byTopic groups partitions, topics in order of their first partition.
func byTopic(partitions []Partition, v int16) [][]Partition {
	at := make(map[topicKey]int)
	var topics [][]Partition
	for _, p := range partitions {
		k := keyOf(&p, v)
		i, ok := at[k]
		if !ok {
			i = len(topics)
			at[k] = i
			topics = append(topics, nil)
		}
		topics[i] = append(topics[i], p)
	}
	return topics
}

// writer appends the fields of a request. Lengths are compact, and each struct ends
// with its tagged fields, where the encoding is flexible.
type writer struct {
	b        []byte
	flexible bool
	err      error
}

func (w *writer) int16(v int16) { w.b = binary.BigEndian.AppendUint16(w.b, uint16(v)) }
func (w *writer) int32(v int32) { w.b = binary.BigEndian.AppendUint32(w.b, uint32(v)) }
func (w *writer) int64(v int64) { w.b = binary.BigEndian.AppendUint64(w.b, uint64(v)) }

// count writes an array's length.
func (w *writer) count(n int) {
	if w.flexible {
		w.b = binary.AppendUvarint(w.b, uint64(n)+1) // 0 is null
	} else {
		w.int32(int32(n))
	}
}

func (w *writer) string(s string) {
	switch {
	case len(s) > math.MaxInt16:
		w.err = fmt.Errorf("%w: a name of %d bytes does not fit a request", ErrMalformed, len(s))
		return
	case w.flexible:
		w.count(len(s))
	default:
		w.int16(int16(len(s)))
	}
	w.b = append(w.b, s...)
}

// tags ends a struct: we send no tagged fields.
func (w *writer) tags() {
	if w.flexible {
		w.b = append(w.b, 0)
	}
}
