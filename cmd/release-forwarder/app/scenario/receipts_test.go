package scenario

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

const (
	receiptsWritten = "release_forwarder_receipts_written_total"
	receiptsMissing = "release_forwarder_receipts_missing_total"
	receiptsBlocked = "release_forwarder_receipts_blocked"
)

// hmacOf is an HMAC-SHA256 with the receipts' key.
func hmacOf(text string) []byte {
	h := hmac.New(sha256.New, []byte(apptest.ReceiptsKey))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Each finished record has one receipt, where Kafka's own partitioner puts its key, and nothing of a person is in it.
func TestEachFinishedRecordHasOneReceipt(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.CreateReceipts()
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if r.Params["flow_no"] == "F-2-0" {
				return &platform.Reply{Status: 400, Body: `{"code":"400","message":"PLANTED","seqno":"s-9"}`}
			}
			return nil
		})
		r := w.Start(w.ReceiptsSettings()...)
		w.Produce(0, apptest.Event(1, 0), apptest.Event(2, 0))
		w.Produce(1, `{"park_uuid":"lot-9","plate":"粤PLANTED"`, apptest.PlantedEvent, `{"park_uuid":"lot-9","flow_no":"F-9","parking_serial":"S","plate":"粤PLANTED","leave_time":"soon"}`)
		w.Until("all commits", func() bool { return w.Committed(0) == 2 && w.Committed(1) == 3 })
		if n := r.Sample(receiptsWritten); n != "5" {
			t.Errorf("%s written", n)
		}
		w.End(r)

		got := map[string]apptest.Receipt{}
		for _, x := range w.Receipts() {
			if bytes.Contains(x.Record.Value, []byte("PLANTED")) || bytes.Contains(x.Record.Value, []byte("粤")) {
				t.Errorf("something of a person in %s", x.Record.Value)
			}
			got[fmt.Sprintf("%d/%d", x.Partition, x.Offset)] = x
		}
		if n := len(w.Receipts()); n != 5 || len(got) != 5 {
			t.Fatalf("%d receipts, of %d records; want 5 of 5", n, len(got))
		}
		accepted, refused, broken, planted, spoilt := got["0/0"], got["0/1"], got["1/0"], got["1/1"], got["1/2"]
		for name, c := range map[string]struct {
			got                            apptest.Receipt
			verdict, reason, code, lot, id string
		}{
			"accepted":     {accepted, "accepted", "", "1001", "lot-1", "lot-1\x00F-1-0"},
			"refused":      {refused, "dead-letter", "refused", "400", "lot-2", "lot-2\x00F-2-0"},
			"no event":     {broken, "dead-letter", "invalid-json", "", "", ""},
			"a bad time":   {spoilt, "dead-letter", "bad-time", "", "lot-9", "lot-9\x00F-9"},
			"accepted too": {planted, "accepted", "", "1001", "lot-1", "lot-1\x00F1"},
		} {
			x := c.got
			if x.V != 1 || x.Verdict != c.verdict || x.Reason != c.reason || x.Code != c.code || x.Lot != c.lot || x.Topic != apptest.EventTopic {
				t.Errorf("%s: %s", name, x.Record.Value)
			}
			key, partition := []byte{}, int(x.Partition)%3
			if c.id != "" {
				key = hmacOf(c.id)
				partition = kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(&kgo.Record{Key: key}, 3)
			}
			if !bytes.Equal(x.Record.Key, key) || x.Record.Key == nil || int(x.Record.Partition) != partition {
				t.Errorf("%s: key %x in partition %d, want %x in %d", name, x.Record.Key, x.Record.Partition, key, partition)
			}
			if sent := c.code != ""; sent != (x.Attempts == 1) || sent == x.First.IsZero() || sent == x.Last.IsZero() || sent == (x.Signed == "") {
				t.Errorf("%s: attempts in %s", name, x.Record.Value)
			}
		}
		const toSign = "flow_no=F-1-0&park_uuid=lot-1&parking_serial=S-1&plate=粤B00001&app_secret=***"
		if accepted.Signed != hex.EncodeToString(hmacOf(toSign)) {
			t.Errorf("digest of what was signed: %s", accepted.Signed)
		}
		if refused.Seqno != "s-9" || accepted.Seqno == "" {
			t.Errorf("seqno %q and %q", refused.Seqno, accepted.Seqno)
		}
	})
}

// Receipts that are not required hold up a commit for 5 s. They are counted, and said once; so is their return.
func TestACommitPassesAReceiptThatIsMissing(t *testing.T) {
	for name, away := range map[string]func(w *world){
		"no topic":  func(*world) {},
		"no answer": func(w *world) { w.CreateReceipts(); w.hangReceipts() },
		"no rights": func(w *world) {
			w.CreateReceipts()
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.ReceiptsTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		},
		"too large": func(w *world) {
			w.CreateReceipts()
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.ReceiptsTopic, Err: kerr.MessageTooLarge, Count: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				away(w)
				r := w.Start(w.ReceiptsSettings()...)
				w.Until("the group", func() bool { return w.Committed(0) == 0 })
				w.Produce(0, apptest.Event(1, 0), apptest.Event(1, 1), apptest.Event(2, 0))
				time.Sleep(4500 * time.Millisecond)
				if n, c := w.Platform.Stats().Accepted, w.Committed(0); n != 3 || c != 0 {
					t.Errorf("after 4.5 s %d accepted, committed %d; want 3 and 0: no record waits, the commit does", n, c)
				}
				w.Until("the commit", w.AllCommitted(1, 3), 3*time.Second)
				if n, k := r.Sample(receiptsMissing), r.ConditionKind(); n != "3" || k != admin.ReceiptsLate {
					t.Errorf("%s missing, the page says %s", n, k)
				}
				if n := w.Platform.Stats().Received; n != 3 {
					t.Errorf("%d requests", n)
				}
				if n := len(w.LogLines("receipts-late")); n != 1 {
					t.Errorf("said %d times", n)
				}
				w.End(r)
			})
		})
	}
}

// hangReceipts leaves each request to write a receipt without an answer.
func (w *world) hangReceipts() {
	w.Cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		return nil, nil, req.(*kmsg.ProduceRequest).Topics[0].Topic == apptest.ReceiptsTopic
	})
}

// Once the topic is there, receipts are written again, and that is said.
func TestReceiptsReturn(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start(w.ReceiptsSettings()...)
		w.Produce(0, apptest.Event(1, 0))
		w.Until("the line", func() bool { return len(w.LogLines("receipts-late")) == 1 })
		w.CreateReceipts()
		time.Sleep(10 * time.Second)
		w.Produce(0, apptest.Event(2, 0))
		w.Until("the other line", func() bool { return len(w.LogLines("receipts-again")) == 1 })
		w.Until("the commit", w.AllCommitted(1, 2))
		if k := r.ConditionKind(); k != admin.Well {
			t.Errorf("the page says %s", k)
		}
		w.End(r)
		if got := w.Receipts(); len(got) != 1 || got[0].Offset != 1 {
			t.Errorf("%d receipts", len(got))
		}
	})
}

// The commit waits for a receipt that is required, and nothing else does: the records behind it are sent, and none
// is sent again, nor a dead letter written again, also when the group forgets the replica meanwhile.
func TestACommitWaitsForARequiredReceipt(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start(append(w.ReceiptsSettings(), "RECEIPTS_REQUIRED", "true")...)
		w.Until("the group", func() bool { return w.Committed(0) == 0 })
		w.Produce(0, apptest.Event(1, 0), "no event", apptest.Event(1, 1), apptest.Event(2, 0))
		time.Sleep(time.Minute)
		w.Rebalance()
		time.Sleep(time.Minute)
		w.ForgetMember()
		time.Sleep(time.Minute)
		if n, c := w.Platform.Stats().Received, w.Committed(0); n != 3 || c != 0 {
			t.Errorf("%d requests, committed %d; want 3 and 0", n, c)
		}
		if n, k := r.Sample(receiptsBlocked), r.ConditionKind(); n != "4" || k != admin.ReceiptsLate {
			t.Errorf("%s blocked, the page says %s", n, k)
		}
		if n := len(w.LogLines("receipts-late")); n != 1 {
			t.Errorf("said %d times", n)
		}
		if ok, why := r.Live(); !ok {
			t.Errorf("not alive: %s", why)
		}
		w.CreateReceipts()
		w.Until("the commit", w.AllCommitted(1, 4))
		if n := r.Sample(receiptsMissing); n != "0" {
			t.Errorf("%s missing", n)
		}
		w.End(r)
		offsets := map[int64]bool{}
		for _, x := range w.Receipts() {
			offsets[x.Offset] = true
		}
		if n := w.Platform.Stats().Received; n != 3 || len(offsets) != 4 || w.DeadLetterCount() != 1 {
			t.Errorf("%d requests, receipts of %d records, %d dead letters; want 3, 4, 1", n, len(offsets), w.DeadLetterCount())
		}
	})
}

// A drain waits for receipts and no longer than for requests: at its end a receipt is missing, or, if it is
// required, its record is left to the next owner.
func TestADrainEndsWithoutReceipts(t *testing.T) {
	for required, want := range map[string]struct {
		committed int64
		said      int
	}{"false": {2, 1}, "true": {0, 0}} {
		t.Run("required "+required, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start(append(w.ReceiptsSettings(), "RECEIPTS_REQUIRED", required, "CONSUMER_DRAIN_TIMEOUT", "2s")...)
				w.Until("the group", func() bool { return w.Committed(0) == 0 })
				w.Produce(0, apptest.Event(1, 0), apptest.Event(2, 0))
				time.Sleep(time.Second)
				begun := time.Now()
				w.End(r)
				if d := time.Since(begun); d > 12*time.Second {
					t.Errorf("stopped after %s", d)
				}
				if c, n := w.Committed(0), len(w.LogLines("receipts-late")); c != want.committed || n != want.said {
					t.Errorf("committed %d, said %d times; want %d and %d", c, n, want.committed, want.said)
				}
			})
		})
	}
}

// A graceful stop with receipts repeats nothing and misses none: the drain waits for those that are on their way.
func TestAStopWaitsForReceipts(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.CreateReceipts()
		w.Cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster.KeepControl()
			if req.(*kmsg.ProduceRequest).Topics[0].Topic == apptest.ReceiptsTopic {
				w.Cluster.SleepControl(func() { time.Sleep(2 * time.Second) })
			}
			return nil, nil, false
		})
		r := w.Start(w.ReceiptsSettings()...)
		w.Produce(0, apptest.Event(1, 0))
		w.Until("the acceptance", func() bool { return w.Platform.Stats().Accepted == 1 })
		w.End(r)
		if c, n := w.Committed(0), len(w.LogLines("receipts-late")); c != 1 || n != 0 || len(w.Receipts()) != 1 {
			t.Errorf("committed %d, said %d times, %d receipts", c, n, len(w.Receipts()))
		}
	})
}

// A changed key file is used for the next receipt.
func TestReceiptsUseTheNewestKey(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.CreateReceipts()
		settings := w.ReceiptsSettings()
		r := w.Start(settings...)
		w.Produce(0, apptest.Event(1, 0))
		w.Until("the commit", w.AllCommitted(1, 1))
		newest := strings.Repeat("new", 12)
		if err := os.WriteFile(settings[3], []byte(newest+"\n"+apptest.ReceiptsKey+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		w.Produce(0, apptest.Event(1, 0))
		w.Until("the commit", w.AllCommitted(1, 2))
		w.End(r)
		h := hmac.New(sha256.New, []byte(newest))
		h.Write([]byte("lot-1\x00F-1-0"))
		for _, x := range w.Receipts() {
			if want := [][]byte{hmacOf("lot-1\x00F-1-0"), h.Sum(nil)}[x.Offset]; !bytes.Equal(x.Record.Key, want) {
				t.Errorf("offset %d has the key %x, want %x", x.Offset, x.Record.Key, want)
			}
		}
	})
}
