package account

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

// headerPrefix begins the headers that a dead letter carries beside the
// record's own.
const headerPrefix = "__forwarder.errors."

// Print is the fingerprint of a record's key, value and headers.
type Print [sha256.Size]byte

// Record is a record of the event topic, as read back.
type Record struct {
	Place Place
	Print Print
	// Flow and Order key are what its value holds; zero where it cannot be read.
	Flow     platform.Flow
	OrderKey string
}

// DeadLetter is a record of the dead-letter topic.
type DeadLetter struct {
	// Of is the place of the record it is the dead letter of, in Topic.
	Topic string
	Of    Place
	// Print leaves out the headers that a dead letter adds.
	Print         Print
	Stage, Reason string
}

// The verdicts of a receipt that come about here.
const (
	verdictAccepted   = "accepted"
	verdictDeadLetter = "dead-letter"
)

// Receipt is a record of the receipts' topic (docs/reference/receipts.md).
type Receipt struct {
	// Of is the place of the event that it is the receipt of, in Topic.
	Of      Place
	Topic   string
	Verdict string
	// Seqno and Attempts are as the receipt says: the platform's number of its answer, and HTTP requests.
	Seqno    string
	Attempts int
}

// Evidence is what Kafka holds.
type Evidence struct {
	Records     []Record // by partition, in order of offsets
	DeadLetters []DeadLetter
	Receipts    []Receipt // in order of offsets within each partition
	// Receipted: receipts are written, so that each event must have one.
	Receipted bool
	// Committed is each partition's committed offset; one without has none.
	// End is where each partition ends.
	Committed, End map[int32]int64
}

// newRecord reads a record of the event topic.
func newRecord(r *kgo.Record) Record {
	out := Record{Place: Place{r.Partition, r.Offset}, Print: printOf(r)}
	var event struct {
		Lot    string `json:"park_uuid"`
		Flow   string `json:"flow_no"`
		Serial string `json:"parking_serial"`
	}
	if json.Unmarshal(r.Value, &event) == nil {
		lot, serial := strings.TrimSpace(event.Lot), strings.TrimSpace(event.Serial)
		out.Flow = platform.Flow{Lot: lot, No: strings.TrimSpace(event.Flow)}
		if lot != "" && serial != "" {
			out.OrderKey = orderKeyOf(lot, serial)
		}
	}
	return out
}

// newDeadLetter reads a record of the dead-letter topic. One without the headers
// of a dead letter is the dead letter of no record.
func newDeadLetter(r *kgo.Record) DeadLetter {
	l := DeadLetter{Of: Place{Partition: -1, Offset: -1}, Print: printOf(r)}
	for _, h := range r.Headers {
		name, ours := strings.CutPrefix(h.Key, headerPrefix)
		if !ours {
			continue
		}
		value := string(h.Value)
		switch name {
		case "topic":
			l.Topic = value
		case "partition":
			if n, err := strconv.ParseInt(value, 10, 32); err == nil {
				l.Of.Partition = int32(n)
			}
		case "offset":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				l.Of.Offset = n
			}
		case "stage":
			l.Stage = value
		case "reason":
			l.Reason = value
		}
	}
	return l
}

// newReceipt reads a record of the receipts' topic. One that cannot be read is the receipt of no event.
func newReceipt(r *kgo.Record) Receipt {
	var value struct {
		Topic, Verdict, Seqno string
		Partition             int32
		Offset                int64
		Attempts              int
	}
	if json.Unmarshal(r.Value, &value) != nil {
		return Receipt{Of: Place{Partition: -1, Offset: -1}}
	}
	return Receipt{Place{value.Partition, value.Offset}, value.Topic, value.Verdict, value.Seqno, value.Attempts}
}

// printOf tells null from empty, and where one part ends and the next begins.
func printOf(r *kgo.Record) Print {
	h := sha256.New()
	part := func(b []byte) {
		size := int64(len(b))
		if b == nil {
			size = -1
		}
		_ = binary.Write(h, binary.BigEndian, size) // a hash takes everything
		h.Write(b)
	}
	part(r.Key)
	part(r.Value)
	for _, header := range r.Headers {
		if !strings.HasPrefix(header.Key, headerPrefix) {
			part([]byte(header.Key))
			part(header.Value)
		}
	}
	return Print(h.Sum(nil))
}
