package receipt

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"sync"
	"time"

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

// Receipt says what became of one event.
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
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// Digester makes the digests of one key of RECEIPTS_KEY_FILE.
type Digester struct{ hashes sync.Pool }

// NewDigester makes one.
func NewDigester(key string) *Digester {
	return &Digester{sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(key)) }}}
}

// Key is the key of the receipts of an event: nil if its lot or flow_no is not known.
func (d *Digester) Key(lot, flowNo string) []byte {
	if lot == "" || flowNo == "" {
		return nil
	}
	return d.sum(lot + "\x00" + flowNo)
}

// Signed is the digest of the string that was signed, in which the secret is ***, as
// release-forwarder check prints it.
func (d *Digester) Signed(signed string) string { return hex.EncodeToString(d.sum(signed)) }

func (d *Digester) sum(text string) []byte {
	h := d.hashes.Get().(hash.Hash)
	defer d.hashes.Put(h)
	h.Reset()
	_, _ = io.WriteString(h, text) // a hash takes all
	return h.Sum(nil)
}

// value is the value of a receipt's record.
func (r *Receipt) value() []byte {
	value, err := json.Marshal(struct {
		V int `json:"v"`
		*Receipt
	}{Version, r})
	if err != nil {
		panic("receipt: " + err.Error()) // texts, numbers and times always make a value
	}
	return value
}

// Record implements producer.Message.
func (r *Receipt) Record() kafka.Record {
	key := r.Key
	if key == nil {
		key = []byte{} // empty, not null
	}
	return kafka.Record{Key: protocol.NewBytes(key), Value: protocol.NewBytes(r.value())}
}

// Size implements producer.Message.
func (r *Receipt) Size() int { return 512 + len(r.Topic) }

// Partition implements producer.Message: where Kafka's own clients look for the key.
func (r *Receipt) Partition(partitions int) int {
	if len(r.Key) == 0 {
		return int(r.Place.Partition) % partitions
	}
	all := make([]int, partitions)
	for n := range all {
		all[n] = n
	}
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: r.Key}, all...)
}
