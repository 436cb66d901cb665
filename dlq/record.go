package dlq

import (
	"bytes"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"release-forwarder/consumer/fetch"
)

// OriginalHeader is the name of the header with the original value of a record that a person
// changed before a replay. It does not begin with [HeaderPrefix], so that it stays with the
// record if it fails again.
const OriginalHeader = "__forwarder.original"

// Record is the record that a replay sends for a letter.
type Record struct {
	Key, Value []byte
	Headers    []kafka.Header
}

// Record returns the record that a replay sends: the original key, value and headers, the
// count of replays plus one, and the event's origin. A changed value replaces the letter's,
// and the original goes into a header.
func (s *Stored) Record(value []byte, changed bool) *Record {
	r := &Record{Key: s.Key, Value: s.Value}
	r.Headers = make([]kafka.Header, 0, s.Headers.Len()+3) // checked to be few
	kept := false
	for key, value := range s.Own() {
		r.Headers = append(r.Headers, kafka.Header{Key: string(key), Value: value})
		kept = kept || string(key) == OriginalHeader
	}
	if changed {
		r.Value = value
		if !kept {
			r.Headers = append(r.Headers, kafka.Header{Key: OriginalHeader, Value: s.Value})
		}
	}
	r.Headers = append(r.Headers,
		kafka.Header{Key: HeaderPrefix + "redrives", Value: strconv.AppendInt(nil, min(int64(s.Redrives)+1, 1<<countBits-1), 10)},
		kafka.Header{Key: HeaderPrefix + "origin", Value: []byte(s.Origin)})
	return r
}

// ToSend returns the record for one request, with the current time.
func (r *Record) ToSend() kafka.Record {
	return kafka.Record{Time: time.Now(), Key: protocol.NewBytes(r.Key), Value: protocol.NewBytes(r.Value), Headers: r.Headers}
}

// Size is about the memory of the record in a request, before compression.
func (r *Record) Size() int {
	n := len(r.Key) + len(r.Value) + 64
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value) + headerCost
	}
	return n
}

// Is reports whether a record of a log is this one.
func (r *Record) Is(rec *fetch.Record) bool {
	if !bytes.Equal(r.Key, rec.Key) || !bytes.Equal(r.Value, rec.Value) || len(r.Headers) != rec.Headers.Len() {
		return false
	}
	n := 0
	for key, value := range rec.Headers.All() {
		if r.Headers[n].Key != string(key) || !bytes.Equal(r.Headers[n].Value, value) {
			return false
		}
		n++
	}
	return true
}
