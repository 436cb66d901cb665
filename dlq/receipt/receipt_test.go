package receipt

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// odd are texts that a writer of JSON can get wrong.
var odd = []string{
	"", "lot-1", `"`, `\`, "\\u0041", "a\x00b\x1f\x7f", "\n\r\t\b\f", "<>&", "粤B12345", "\u2028\u2029", "😀", "\xff", "a\xc3", "\xed\xa0\x80", "\ufffd",
	strings.Repeat("x", 300),
}

// What is written by hand reads as encoding/json writes it, whatever texts, numbers and times are in it.
func TestAValueIsAsEncodingJSONWritesIt(t *testing.T) {
	const day = "2026-11-30T23:59:59.987Z"
	var all []Receipt
	for _, text := range odd {
		all = append(all,
			Receipt{Lot: text, Verdict: Accepted}, Receipt{Place: Place{Topic: text}}, Receipt{Verdict: Verdict(text)}, Receipt{Reason: text},
			Receipt{Code: text}, Receipt{Seqno: text}, Receipt{Trace: text}, Receipt{Signed: text},
			Receipt{Place: Place{Time: text}}, Receipt{Attempted: Attempted{First: text}}, Receipt{Attempted: Attempted{Last: text}})
	}
	all = append(all,
		Receipt{Place: Place{Partition: math.MaxInt32, Offset: math.MaxInt64}, Attempted: Attempted{Attempts: math.MaxInt}},
		Receipt{Lot: "l", Place: Place{"t", 1, 2, day}, Verdict: DeadLetter, Reason: "r", Code: "c", Seqno: "s", Attempted: Attempted{3, day, day}, Trace: "t", Signed: "d"})
	for _, r := range all {
		right, err := json.Marshal(struct {
			V int `json:"v"`
			*Receipt
		}{Version, &r})
		if err != nil {
			t.Fatal(err)
		}
		m := r.Message()
		var got, want map[string]any
		if err := json.Unmarshal(right, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(m.both[:m.value], &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\n got %s\nwant %s", err, m.both[:m.value], right)
		}
	}
}

// A time is written in UTC and with three digits of the second, cut off, as package time writes them.
func TestStamp(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 12, 1, 7, 59, 59, 120_999_999, time.FixedZone("", 8*3600)), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		time.Date(1999, 12, 31, 23, 59, 59, 7e6, time.FixedZone("", -90*60)), time.UnixMilli(0), time.UnixMilli(-1), time.UnixMilli(1234567890123),
	} {
		if got, want := Stamp(at), at.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := Stamp(time.Time{}); got != "" {
		t.Errorf("no time is %q", got)
	}
}

// A key lies where another client's default partitioner puts it; a receipt without one by its event's partition.
func TestAReceiptsPartition(t *testing.T) {
	twelve := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	d := NewDigester("a key")
	for _, flow := range odd[1:] {
		m := (&Receipt{Key: d.Key("lot", flow)}).Message()
		want := kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(&kgo.Record{Key: m.key()}, 12)
		if got := m.Partition(twelve); got != want || len(m.key()) != 32 {
			t.Errorf("%q: partition %d, want %d, key %x", flow, got, want, m.key())
		}
	}
	m := (&Receipt{Place: Place{Partition: 17}}).Message()
	if got := m.Partition(twelve); got != 5 || m.key() == nil {
		t.Errorf("without a key: partition %d, key %v", got, m.key())
	}
}

// A digest is its own: the next that is made changes none before.
func TestDigestsAreNotShared(t *testing.T) {
	d := NewDigester("a key")
	first := d.Key("lot", "1")
	before := string(first)
	if second := d.Key("lot", "2"); string(first) != before || string(second) == before {
		t.Errorf("%x, then %x", before, first)
	}
	if d.Key("", "1") != nil || d.Key("lot", "") != nil {
		t.Error("a key of an event that is not known")
	}
}
