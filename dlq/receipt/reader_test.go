package receipt_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic/topictest"
	"release-forwarder/dlq/receipt"
)

// The tests of this file hold what a reader makes of a topic: receipts, records of a later version, strangers'.

const receipts = "events.receipts"

// whole is a receipt with every member, and one that this version does not know.
const whole = `{"v":1,"lot":"lot-1","topic":"events","partition":2,"offset":7,"record_time":"2026-01-02T03:04:05.000Z","verdict":"accepted",` +
	`"code":"1001","seqno":"s-1","attempts":2,"first_attempt":"2026-01-02T03:04:06.000Z","last_attempt":"2026-01-02T03:04:07.000Z","trace":"t","signed":"ab","later":[1]}`

func TestAReceiptIsReadAsItsPageSays(t *testing.T) {
	got, err := receipt.Parse(receipts, 3, &fetch.Record{Offset: 9, Timestamp: 5, Key: []byte("key"), Value: []byte(whole)})
	if err != nil {
		t.Fatal(err)
	}
	want := receipt.Receipt{Key: []byte("key"), Lot: "lot-1", Place: receipt.Place{Topic: "events", Partition: 2, Offset: 7, Time: "2026-01-02T03:04:05.000Z"},
		Verdict: receipt.Accepted, Code: "1001", Seqno: "s-1", Attempted: receipt.Attempted{Attempts: 2, First: "2026-01-02T03:04:06.000Z", Last: "2026-01-02T03:04:07.000Z"},
		Trace: "t", Signed: "ab"}
	if !reflect.DeepEqual(got.Receipt, want) || got.At.Path() != "events.receipts/3/9" || got.Path() != "events/2/7" || got.Written != 5 {
		t.Errorf("%+v", got)
	}
}

// What the writer makes is what the reader takes.
func TestAReceiptIsReadAsItWasWritten(t *testing.T) {
	written := receipt.Receipt{Key: []byte("k"), Lot: "l", Place: receipt.Place{Topic: "e", Partition: 1, Offset: 2, Time: "x"}, Verdict: receipt.DeadLetter,
		Reason: "refused", Code: "400", Seqno: "s", Attempted: receipt.Attempted{Attempts: 3, First: "f", Last: "l"}, Trace: "t", Signed: "s"}
	message := written.Message()
	rec := message.Record()
	value := make([]byte, rec.Value.Len())
	if _, err := rec.Value.Read(value); err != nil {
		t.Fatal(err)
	}
	got, err := receipt.Parse(receipts, 0, &fetch.Record{Key: []byte("k"), Value: value})
	if err != nil || !reflect.DeepEqual(got.Receipt, written) {
		t.Errorf("%v\n%+v, want\n%+v", err, got, written)
	}
}

func TestWhatIsNoReceiptIsNamed(t *testing.T) {
	for value, want := range map[string]string{
		"":                                      "events.receipts/0/9 is no receipt",
		"{":                                     "events.receipts/0/9 is no receipt",
		"[1]":                                   "events.receipts/0/9 is no receipt",
		`{"verdict":"accepted"}`:                "events.receipts/0/9 is no receipt",
		`{"v":1}`:                               "events.receipts/0/9 is no receipt",
		`{"v":1,"topic":"e","verdict":"other"}`: "events.receipts/0/9 is no receipt",
		`{"v":"1"}`:                             "events.receipts/0/9 is no receipt",
		`{"v":2,"verdict":{"a":1}}`:             "events.receipts/0/9 is a receipt of version 2, and this program reads version 1; use a newer one",
	} {
		if _, err := receipt.Parse(receipts, 0, &fetch.Record{Offset: 9, Value: []byte(value)}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}

// All keys of the file are tried, the newest first.
func TestARingHasTheDigestsOfAllKeys(t *testing.T) {
	ring := receipt.NewRing("new", "old")
	keys := ring.Keys("lot", "F1")
	if len(keys) != 2 || string(keys[0]) != string(receipt.NewDigester("new").Key("lot", "F1")) || string(keys[1]) != string(receipt.NewDigester("old").Key("lot", "F1")) {
		t.Errorf("%x", keys)
	}
	if keys := ring.Keys("lot", ""); keys != nil {
		t.Errorf("%x", keys)
	}
}

// Each reads all partitions; only what is wanted is parsed, and of what cannot be parsed it says so.
func TestEachReadsWhatIsWanted(t *testing.T) {
	topictest.In(t, func(h *topictest.Hall) {
		var records []*kgo.Record
		for p := range int32(6) {
			for i, value := range []string{strings.Replace(whole, `"offset":7`, fmt.Sprintf(`"offset":%d`, p), 1), "no receipt", `{"v":9}`} {
				records = append(records, &kgo.Record{Topic: receipts, Partition: p, Key: []byte{byte('a' + i)}, Value: []byte(value)})
			}
		}
		h.Produce(records...)
		r := receipt.NewReader(h.Wire(receipts), "", receipts)
		spans, err := r.Spans(h.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		for wanted, want := range map[string]string{"a": "6 0 0", "b": "0 6 0", "ac": "6 0 6", "": "0 0 0", "abc": "6 6 6"} {
			var receipts, foreign, later int
			var asked atomic.Int64
			read, err := r.Each(h.Ctx, spans, func(key []byte) bool { asked.Add(1); return strings.Contains(wanted, string(key)) }, func(s *receipt.Stored, err error) {
				switch e := err.(type) { //nolint:errorlint // not wrapped
				case nil:
					receipts++
				case *receipt.ForeignError:
					foreign++
				case *receipt.VersionError:
					if later++; e.Version != 9 {
						t.Errorf("%v", e)
					}
				}
			})
			if got := fmt.Sprint(receipts, foreign, later); err != nil || read != 18 || got != want {
				t.Errorf("%q: %d read, %s, want %s: %v", wanted, read, got, want, err)
			}
		}
	}, kfake.SeedTopics(6, receipts))
}

// A partition that cannot be read hides none of the others, and is named.
func TestAPartitionThatCannotBeReadIsNamed(t *testing.T) {
	topictest.In(t, func(h *topictest.Hall) {
		for p := range int32(3) {
			h.Produce(&kgo.Record{Topic: receipts, Partition: p, Value: []byte(whole)})
		}
		r := receipt.NewReader(h.Wire(receipts), "", receipts)
		spans, err := r.Spans(h.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		spans[1].Partition = 7 // which is not there
		n := 0
		_, err = r.Each(h.Ctx, spans, nil, func(*receipt.Stored, error) { n++ })
		if n != 2 || err == nil || !strings.Contains(err.Error(), "not all receipts of partition 7 were read: ") {
			t.Errorf("%d receipts: %v", n, err)
		}
	}, kfake.SeedTopics(3, receipts))
}

// A range of time holds all that was written in it, also where clocks differ.
func TestBetweenHoldsAllOfARange(t *testing.T) {
	topictest.In(t, func(h *topictest.Hall) {
		base := time.UnixMilli(1_700_000_000_000)
		for _, minutes := range []int{0, 60, 50, 130, 115, 190, 250, 300} {
			h.Produce(&kgo.Record{Topic: receipts, Timestamp: base.Add(time.Duration(minutes) * time.Minute), Value: []byte(whole)})
		}
		r := receipt.NewReader(h.Wire(receipts), "", receipts)
		spans, err := r.Spans(h.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		spans, err = r.Between(h.Ctx, spans, base.Add(55*time.Minute), base.Add(120*time.Minute))
		if err != nil || spans[0].First != 1 || spans[0].End != 5 {
			t.Errorf("%+v %v", spans, err)
		}
		if _, err := r.Between(h.Ctx, slices.Clone(spans), time.Time{}, time.Time{}); err != nil {
			t.Error(err)
		}
	}, kfake.SeedTopics(1, receipts))
}
