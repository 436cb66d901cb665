package receipt

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Version is the version of the value that this package writes.
const Version = 1

// Verdict is what became of an event.
type Verdict string

// The verdicts.
const (
	Accepted   Verdict = "accepted"
	DeadLetter Verdict = "dead-letter"
	Ignored    Verdict = "ignored" // a profile of MAPPING_FILE says so
)

// Receipt says what became of one event. Its members in JSON are those of docs/reference/receipts.md; times are as
// Stamp writes them.
type Receipt struct {
	// Key is the record's key: see Digester.
	Key []byte `json:"-"`

	Lot string `json:"lot,omitzero"` // "": it cannot be read
	Place
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitzero"` // of a dead letter
	Code    string  `json:"code,omitzero"`
	Seqno   string  `json:"seqno,omitzero"`
	Attempted
	Trace string `json:"trace,omitzero"` // the trace ID of the delivery that finished it
	// Signed is the HMAC of the string that was signed; "": none was. See Digester.
	Signed string `json:"signed,omitzero"`
}

// Place is where an event is.
type Place struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Time      string `json:"record_time,omitzero"` // its timestamp; "": none that is plausible
}

// Attempted is how an event was sent: HTTP requests, and when the first and the last began.
type Attempted struct {
	Attempts int    `json:"attempts"`
	First    string `json:"first_attempt,omitzero"`
	Last     string `json:"last_attempt,omitzero"`
}

// Stamp writes a time for a receipt: RFC 3339 in UTC with milliseconds; "" for none.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	// Package time is quick with this layout alone: the milliseconds are put in by hand.
	var room [40]byte
	b := t.UTC().AppendFormat(room[:0], time.RFC3339)
	ms := t.Nanosecond() / int(time.Millisecond)
	return string(append(b[:len(b)-1], '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10), 'Z'))
}

// Digester makes the digests of one key of RECEIPTS_KEY_FILE.
type Digester struct{ pool sync.Pool }

// digest makes one digest after the other.
type digest struct {
	hash.Hash
	text, made []byte
}

// NewDigester makes one.
func NewDigester(key string) *Digester {
	return &Digester{sync.Pool{New: func() any { return &digest{Hash: hmac.New(sha256.New, []byte(key))} }}}
}

// Key is the key of the receipts of an event: nil if its lot or flow_no is not known.
func (d *Digester) Key(lot, flowNo string) []byte {
	if lot == "" || flowNo == "" {
		return nil
	}
	h := d.sum(lot, "\x00", flowNo)
	defer d.pool.Put(h)
	return bytes.Clone(h.made)
}

// Signed is the digest of the string that was signed, in which the secret is ***, as
// release-forwarder check prints it.
func (d *Digester) Signed(signed string) string {
	h := d.sum(signed)
	defer d.pool.Put(h)
	h.text = hex.AppendEncode(h.text[:0], h.made)
	return string(h.text)
}

// sum makes the digest of texts, one behind the other. Put it back into the pool.
func (d *Digester) sum(texts ...string) *digest {
	h := d.pool.Get().(*digest)
	h.text = h.text[:0]
	for _, text := range texts {
		h.text = append(h.text, text...)
	}
	h.Reset()
	_, _ = h.Write(h.text) // a hash takes all
	h.made = h.Sum(h.made[:0])
	return h
}

// Message is a receipt as it is written.
type Message struct {
	both      []byte // the value and behind it the key
	value     int    // the value's length
	partition int32  // the event's
}

// Message writes a receipt down.
func (r *Receipt) Message() Message {
	both := r.appendValue(make([]byte, 0, 512))
	value := len(both)
	return Message{append(both, r.Key...), value, r.Partition}
}

// appendValue appends the value of a receipt's record, as encoding/json would write it. It does not use that because each
// event would pay for it: a test holds the two together.
func (r *Receipt) appendValue(b []byte) []byte {
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, Version, 10)
	b = appendText(b, `,"lot":`, r.Lot)
	b = append(b, `,"topic":`...)
	b = appendQuoted(b, r.Topic)
	b = append(b, `,"partition":`...)
	b = strconv.AppendInt(b, int64(r.Partition), 10)
	b = append(b, `,"offset":`...)
	b = strconv.AppendInt(b, r.Offset, 10)
	b = appendText(b, `,"record_time":`, r.Time)
	b = append(b, `,"verdict":`...)
	b = appendQuoted(b, string(r.Verdict))
	b = appendText(b, `,"reason":`, r.Reason)
	b = appendText(b, `,"code":`, r.Code)
	b = appendText(b, `,"seqno":`, r.Seqno)
	b = append(b, `,"attempts":`...)
	b = strconv.AppendInt(b, int64(r.Attempts), 10)
	b = appendText(b, `,"first_attempt":`, r.First)
	b = appendText(b, `,"last_attempt":`, r.Last)
	b = appendText(b, `,"trace":`, r.Trace)
	b = appendText(b, `,"signed":`, r.Signed)
	return append(b, '}')
}

// appendText appends a member, unless it is empty.
func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendQuoted(append(b, name...), text)
}

func appendQuoted(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text) // what is not UTF-8 becomes U+FFFD
	return b
}

// key is the record's key; empty, not null, without one.
func (m *Message) key() []byte { return m.both[m.value:] }

// Record implements producer.Message.
func (m *Message) Record() kafka.Record {
	return kafka.Record{Key: protocol.NewBytes(m.key()), Value: protocol.NewBytes(m.both[:m.value])}
}

// Size implements producer.Message.
func (m *Message) Size() int { return len(m.both) }

// Partition implements producer.Message: where Kafka's own clients look for the key.
func (m *Message) Partition(partitions []int) int {
	if len(m.key()) == 0 {
		return partitions[int(m.partition)%len(partitions)]
	}
	return choose(m.key(), partitions)
}

// choose is the partition of a key that is not empty, as Kafka's default partitioner chooses it.
func choose(key []byte, partitions []int) int {
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, partitions...)
}
