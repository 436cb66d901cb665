package fetch

import (
	"io"
	"math"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The versions in use. Every broker since Kafka 2.3 takes the oldest, and KIP-896 keeps it. Later ones carry
// what needs the flexible encoding (KIP-482).
const (
	oldestVersion   = 11
	flexibleVersion = 12 // with the last fetched epoch and the answer's divergence (KIP-595)
	newestVersion   = 13 // topics by their IDs (KIP-516)
)

const (
	replicaNone   = -1 // we are a consumer, not a follower
	readCommitted = 1
	sessionEpoch  = -1 // KIP-227: no session
)

// epochNone is the leader epoch (KIP-320) if there is none, or it is not known.
const epochNone = -1

// correlation numbers requests; it need only distinguish the answers on one connection.
var correlation atomic.Int32

func exchange(rw io.ReadWriter, r *Request, broker int16) (*Response, error) {
	v := speak(r, broker)
	if v < oldestVersion {
		return nil, kafka.UnsupportedVersion
	}
	id := correlation.Add(1)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID(r.ClientID)).AppendRequest(nil, request(r, v), id)
	if _, err := rw.Write(frame); err != nil {
		return nil, err
	}
	return readAnswer(rw, r, v, id)
}

// speak chooses the version: one request cannot mix names and IDs.
func speak(r *Request, broker int16) int16 {
	v := min(broker, newestVersion)
	for i := range r.Partitions {
		if r.Partitions[i].TopicID == noID {
			return min(v, newestVersion-1)
		}
	}
	return v
}

// topicKey is a topic in a request and its answer: its ID from version 13 on, its name before.
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

func request(r *Request, v int16) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(v)
	req.MaxWaitMillis = int32(min(max(r.MaxWait.Milliseconds(), 0), math.MaxInt32))
	req.MinBytes, req.MaxBytes = r.MinBytes, r.MaxBytes
	if !r.Peek {
		req.IsolationLevel = readCommitted
	}
	req.SessionEpoch, req.Rack = sessionEpoch, r.Rack
	for key, of := range grouped(r.Partitions, func(p Partition) topicKey { return keyOf(&p, v) }) {
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = key.name, key.id
		for _, ask := range of {
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.FetchOffset = ask.Partition, ask.LeaderEpoch, ask.Offset
			p.LastFetchedEpoch, p.PartitionMaxBytes = ask.LastEpoch, ask.MaxBytes
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	return req
}
