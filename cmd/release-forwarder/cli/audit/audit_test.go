package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/platform"
)

// The tests of this file run the service until it has written receipts, and hold what audit makes of them against
// what happened.

// lived lets a service finish events of partition 0: 0 accepted; 1 refused; 2 no event; 3 ignored; 4 the flow number
// of 1 again, accepted; 5 accepted, its receipt of a newer key; 6 is held.
func (w *world) lived() {
	w.T.Helper()
	keyFile := w.receiptsOn()
	refused := false
	w.Platform.Script(func(r *platform.Request) *platform.Reply {
		switch flow := r.Params["flow_no"]; {
		case flow == "F-2-0" && !refused:
			refused = true
			return &platform.Reply{Status: 400, Body: `{"code":"400","seqno":"s-9"}`}
		case flow == "F-6-0":
			return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
		}
		return nil
	})
	r := w.Start()
	w.Produce(0, apptest.Event(1, 0), apptest.Event(2, 0))
	w.Until("the refusal", w.AllCommitted(1, 2))
	w.Produce(0, `{"park_uuid":"lot-9","plate":`, `{"kind":"entry"}`, apptest.Event(2, 0))
	w.Until("the commit", w.AllCommitted(1, 5))
	w.End(r)
	if err := os.WriteFile(keyFile, []byte("a newer key, of thirty-two characters\n"+apptest.ReceiptsKey), 0o600); err != nil {
		w.T.Fatal(err)
	}
	r = w.Start()
	w.Produce(0, apptest.Event(3, 0), apptest.Event(6, 0))
	w.Until("the commit", w.AllCommitted(1, 6))
	w.End(r)
}

// audit says of a flow number what became of each event that had it, whichever key its receipt is of.
func TestAuditSaysWhatBecameOfANumber(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.lived()
		for lot, c := range map[string]struct{ input, want string }{
			"lot-1": {"F-1-0\n", "[F-1-0 accepted null 1001 1 events/0/0]"},
			"lot-2": {"\ufeffF-2-0 \r\n\nF-2-0\n", "[F-2-0 dead-letter refused 400 1 events/0/1 F-2-0 accepted null 1001 1 events/0/4]"},
			"lot-3": {"F-3-0", "[F-3-0 accepted null 1001 1 events/0/5]"}, // of the newer key
		} {
			out, said, err := w.audit(Command{Lot: []string{lot}, Flow: []string{"-"}, JSON: true}, c.input)
			if got := fmt.Sprint(of(w.objects(out), "event", "flow_no", "verdict", "reason", "code", "attempts", "event")); err != nil || got != c.want {
				t.Errorf("%s: %s, want %s: %v\n%s", lot, got, c.want, err, said)
			}
		}
		out, said, err := w.audit(Command{Lot: []string{"lot-2"}, Flow: []string{"F-2-0"}})
		at := w.receiptOf(0, 1).Last.In(time.FixedZone("", 8*3600)).Format("2006-01-02T15:04:05.000Z07:00")
		if err != nil || said != "" || !strings.Contains(out, "\nF-2-0                 dead-letter  "+at+"  400       s-9                       refused           1         events/0/1\n") ||
			!strings.Contains(out, "\n1 number with a receipt, 0 without; 2 events: 1 accepted, 1 dead-lettered, 0 ignored; ") {
			t.Errorf("%v\n%s%s", err, out, said)
		}
	})
}

// A number without a receipt is told, with what that may mean; the exit code is 1, and the others are shown.
func TestANumberWithoutAReceiptIsTold(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.lived()
		for lot, want := range map[string]string{"lot-6": "[F-2-0 F-6-0] []", "lot-2": "[F-6-0] [F-2-0 F-2-0]"} { // F-6-0 is held
			out, said, err := w.audit(Command{Lot: []string{lot}, Flow: []string{"F-2-0", "F-6-0"}, JSON: true})
			all := w.objects(out)
			if got := fmt.Sprint(of(all, "none", "flow_no"), of(all, "event", "flow_no")); !errors.Is(err, console.ErrSomeFailed) || got != want || !strings.Contains(said, "no receipt: the event is not finished") ||
				!strings.Contains(said, "; nothing of the topic was deleted yet") {
				t.Errorf("%s: %s, want %s: %v\n%s", lot, got, want, err, said)
			}
		}
		first := w.receiptOf(0, 0).Record
		if err := w.Cluster.DeleteRecords(apptest.ReceiptsTopic, first.Partition, first.Offset+1); err != nil {
			t.Fatal(err)
		}
		if out, said, err := w.audit(Command{Lot: []string{"lot-1"}, Flow: []string{"F-1-0"}}); !errors.Is(err, console.ErrSomeFailed) || !strings.Contains(out, "F-1-0                 no receipt") ||
			strings.Contains(said, "nothing of the topic was deleted") {
			t.Errorf("deleted: %v\n%s%s", err, out, said)
		}
	})
}

// Only the partition that the key names is read, unless nothing is found there.
func TestAuditReadsThePartitionThatTheKeyNames(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.lived()
		mine := w.receiptOf(0, 0)
		newer := w.receiptOf(0, 5)
		fetched := map[int32]bool{}
		w.Cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster.KeepControl()
			for _, topic := range r.(*kmsg.FetchRequest).Topics {
				for _, p := range topic.Partitions {
					fetched[p.Partition] = true
				}
			}
			return nil, nil, false
		})
		file := w.keyFile(apptest.ReceiptsKey)
		if _, said, err := w.audit(Command{Lot: []string{"lot-1"}, Flow: []string{"F-1-0"}}); err != nil || len(fetched) != 1 || !fetched[mine.Record.Partition] {
			t.Errorf("partitions %v were read, and it is in %d: %v\n%s", fetched, mine.Record.Partition, err, said)
		}
		// A receipt that was written when the topic had other partitions is found all the same.
		elsewhere := (mine.Record.Partition + 1) % 3
		w.put(&kgo.Record{Partition: elsewhere, Key: hmacOf(apptest.ReceiptsKey, "lot-5\x00F-5-0"), Value: slices.Clone(mine.Record.Value)})
		w.keyFile("a newer key, of thirty-two characters")
		if _, _, err := w.audit(Command{Lot: []string{"lot-1"}, Flow: []string{"F-1-0"}}); !errors.Is(err, console.ErrSomeFailed) {
			t.Errorf("found with another key: %v", err)
		}
		if _, said, err := w.audit(Command{Lot: []string{"lot-3"}, Flow: []string{"F-3-0"}}); err != nil {
			t.Errorf("%v, of the newer key in %d\n%s", err, newer.Record.Partition, said)
		}
		w.keyFile(apptest.ReceiptsKey)
		out, said, err := w.audit(Command{Lot: []string{"lot-5"}, Flow: []string{"F-5-0"}})
		if err != nil || !strings.Contains(out, "accepted") {
			t.Errorf("%v in %s\n%s%s", err, file, out, said)
		}
	})
}

// keyFile sets RECEIPTS_KEY_FILE to a file with one key.
func (w *world) keyFile(key string) string {
	w.T.Helper()
	file := w.T.TempDir() + "/key"
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		w.T.Fatal(err)
	}
	w.T.Setenv("RECEIPTS_KEY_FILE", file)
	return file
}

// Of an event's receipts the first is valid. Others are counted, and told where they say otherwise.
func TestTheFirstReceiptIsTheValidOne(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.lived()
		first := w.receiptOf(0, 0)
		time.Sleep(time.Second)
		w.writeAgain(first, nil)
		w.writeAgain(first, func(v map[string]any) { v["verdict"], v["reason"], v["seqno"] = "dead-letter", "refused", "s-later" })
		out, _, err := w.audit(Command{Lot: []string{"lot-1"}, Flow: []string{"F-1-0"}, JSON: true})
		got := of(w.objects(out), "event", "verdict", "seqno", "repeats", "otherwise")
		if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "accepted "+first.Seqno+" 1 ") || !strings.Contains(got[0], `"s-later"`) {
			t.Errorf("%v: %s", err, got)
		}
		out, _, err = w.audit(Command{Lot: []string{"lot-1"}, Flow: []string{"F-1-0"}})
		if err != nil || !strings.Contains(out, "\n  1 further receipt of it, with the same verdict\n  contradiction: the later receipt events.receipts/") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// What is no receipt of this version is told, and does not hide the others.
func TestWhatIsNoReceiptIsTold(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.lived()
		x := w.receiptOf(0, 0)
		w.writeAgain(x, func(v map[string]any) { v["v"] = 2 })
		w.put(&kgo.Record{Partition: x.Record.Partition, Key: x.Record.Key, Value: []byte("x")})
		for _, c := range []Command{{Lot: []string{"lot-1"}, Flow: []string{"F-1-0"}}, {Since: "24h"}, {Verify: true, Since: "24h"}} {
			out, said, err := w.audit(c)
			if !errors.Is(err, console.ErrSomeFailed) || !strings.Contains(said, "is a receipt of version 2, and this program reads version 1") || !strings.Contains(said, "is no receipt") || out == "" {
				t.Errorf("%+v: %v\n%s%s", c, err, out, said)
			}
		}
		for range 20 {
			w.put(&kgo.Record{Partition: 0, Value: []byte("x")})
		}
		if _, said, _ := w.audit(Command{Since: "24h"}); strings.Count(said, "\n") != 11 || !strings.Contains(said, "12 further records of events.receipts cannot be read as receipts") {
			t.Errorf("%s", said)
		}
	})
}

// Events are counted by lot and day, each once, at its first receipt.
func TestAuditCountsEventsByLotAndDay(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.lived()
		first := w.receiptOf(0, 0)
		w.writeAgain(first, nil)
		time.Sleep(20 * time.Hour) // the next day in EVENT_TIMEZONE
		w.writeAgain(first, func(v map[string]any) { v["verdict"] = "dead-letter" })
		w.writeAgain(first, func(v map[string]any) { v["offset"] = 1000 })
		out, said, err := w.audit(Command{Since: "48h", JSON: true})
		all := w.objects(out)
		got := fmt.Sprint(of(all, "count", "day", "lot", "accepted", "dead_letter", "ignored"))
		want := "[2000-01-01  0 1 1 2000-01-01 lot-1 1 0 0 2000-01-01 lot-2 1 1 0 2000-01-01 lot-3 1 0 0 2000-01-02 lot-1 1 0 0]"
		if sum := fmt.Sprint(of(all, "end", "accepted", "dead_letter", "ignored", "repeats", "contradictions", "unchecked", "zone")); err != nil || got != want || sum != "[4 2 1 2 1 0 Asia/Shanghai]" {
			t.Errorf("%v\n%s\n%s, want\n%s", err, sum, got, want)
		}
		if !strings.Contains(said, "1 receipt of events that an other receipt contradicts; the first one counts: events/0/0") {
			t.Errorf("%s", said)
		}
		out, _, err = w.audit(Command{Since: "48h", Lot: []string{"lot-1"}})
		if err != nil || !strings.Contains(out, "\n2000-01-02  lot-1  1         0            0\nall                2         0            0\n") {
			t.Errorf("%v\n%s", err, out)
		}
		// A range holds what was written in it.
		out, _, err = w.audit(Command{Since: "10h", JSON: true})
		if got := fmt.Sprint(of(w.objects(out), "end", "accepted", "dead_letter", "ignored")); err != nil || got != "[1 1 0]" {
			t.Errorf("%v %s", err, got) // the first receipt lies more than an hour before the range
		}
		out, _, err = w.audit(Command{Since: "48h", Until: "10h", JSON: true})
		if got := fmt.Sprint(of(w.objects(out), "end", "accepted", "dead_letter", "ignored")); err != nil || got != "[3 2 1]" {
			t.Errorf("%v %s", err, got)
		}
		if _, said, err := w.auditWithoutKey(Command{Since: "48h"}); err != nil {
			t.Errorf("without the key: %v %s", err, said)
		}
		if _, _, err := w.auditWithoutKey(Command{Lot: []string{"l"}, Flow: []string{"f"}}); err == nil || !strings.HasPrefix(err.Error(), "RECEIPTS_KEY_FILE: is not set; without the keys") {
			t.Errorf("without the key: %v", err)
		}
	})
}

func (w *world) auditWithoutKey(c Command) (out, said string, err error) {
	w.T.Setenv("RECEIPTS_KEY_FILE", "")
	return w.audit(c)
}

// A repeat just behind the beginning of a range, of an event counted before it, does not count again.
func TestARepeatAcrossTheBeginningOfARangeCountsOnce(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.lived()
		first := w.receiptOf(0, 0)
		time.Sleep(30 * time.Minute)
		w.writeAgain(first, nil)
		out, _, err := w.audit(Command{Since: "10m", JSON: true})
		if got := fmt.Sprint(of(w.objects(out), "end", "accepted", "repeats")); err != nil || got != "[0 1]" {
			t.Errorf("%v %s", err, got)
		}
	})
}

// verify names each finished event without a receipt or a dead letter, and tells open events apart.
func TestVerifyNamesWhatIsMissing(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.T.Setenv("RECEIPTS_TOPIC", "")
		r := w.Start()
		w.Produce(0, apptest.Event(1, 5), `no event`) // finished while no receipts were written
		w.Until("the commit", w.AllCommitted(1, 2))
		w.End(r)
		w.receiptsOn()
		w.FailOrderKey("S-6")
		r = w.Start()
		w.Produce(0, apptest.Event(1, 0), apptest.Event(6, 0), apptest.Event(6, 1), apptest.Event(2, 0), `no event`, `{"kind":"entry"}`)
		w.Until("the commit", func() bool { return w.Committed(0) == 3 && len(w.Receipts()) == 4 })
		time.Sleep(10 * time.Second)
		for _, running := range []bool{true, false} {
			out, said, err := w.audit(Command{Verify: true, Since: "24h", JSON: true})
			all := w.objects(out)
			if got := fmt.Sprint(of(all, "missing", "event"), of(all, "open", "event")); !errors.Is(err, console.ErrSomeFailed) || got != "[events/0/0] [events/0/3 events/0/4]" {
				t.Errorf("running %t: %v %s\n%s%s", running, err, got, out, said)
			}
			if got := fmt.Sprint(of(all, "end", "events", "accepted", "dead_letter", "ignored", "no_receipt", "open", "missing", "unknown", "contradictions")); got != "[8 2 1 1 1 2 1 0 0]" {
				t.Errorf("running %t: %s", running, got)
			}
			if running {
				w.End(r)
			}
		}
		out, said, err := w.audit(Command{Verify: true, From: []string{"events/0/1"}})
		if err != nil || said != "" || !strings.Contains(out, "\nevents  0          1     8   7       2         1            1        1           2     0        0\n") ||
			!strings.Contains(out, "\n7 events: 5 accounted for, 2 open, 0 missing; 4 records read\n") || !strings.HasPrefix(out, "open     events/0/3\nopen     events/0/4\n\n") {
			t.Errorf("%v\n%s%s", err, out, said)
		}
		out, said, err = w.audit(Command{Verify: true, From: []string{"events/0/2"}, To: []string{"events/0/5"}, Limit: 1})
		if err != nil || !strings.Contains(out, "3 events: 1 accounted for, 2 open") || said != "only the first 1 open events are named: --limit names more\n" {
			t.Errorf("%v\n%s%s", err, out, said)
		}
	})
}

// A receipt of an event in an earlier topic of the same name accounts for none of the present one.
func TestVerifyKnowsARecreatedTopic(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.receiptsOn()
		r := w.Start()
		w.Produce(0, apptest.Event(1, 0))
		w.Until("the commit", w.AllCommitted(1, 1))
		w.End(r)
		time.Sleep(time.Second)
		w.RecreateTopic(nil)
		w.Produce(0, apptest.Event(2, 0))
		out, _, err := w.audit(Command{Verify: true, Since: "24h", JSON: true})
		if all := w.objects(out); err != nil || fmt.Sprint(of(all, "end", "accepted", "open", "missing")) != "[0 1 0]" {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A lane whose clock is ahead dates its events later than their receipts: these are found all the same.
func TestVerifyFindsReceiptsOlderThanTheirEvents(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.receiptsOn()
		r := w.Start()
		w.ProduceAt(0, apptest.Event(1, 0), time.Now().Add(48*time.Hour))
		w.Until("the commit", w.AllCommitted(1, 1))
		w.End(r)
		out, _, err := w.audit(Command{Verify: true, Since: "24h", JSON: true})
		if all := w.objects(out); err != nil || fmt.Sprint(of(all, "end", "accepted", "open", "missing")) != "[1 0 0]" {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// Markers of transactions, and records of those that were aborted, are no events.
func TestVerifyCountsNoMarkers(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.receiptsOn()
		r := w.Start()
		producer, err := kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.TransactionalID("lane"), kgo.DefaultProduceTopic(apptest.EventTopic))
		if err != nil {
			t.Fatal(err)
		}
		defer producer.Close()
		for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
			if err := producer.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := producer.ProduceSync(context.Background(), &kgo.Record{Value: []byte(apptest.Event(i, 0))}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := producer.EndTransaction(context.Background(), end); err != nil {
				t.Fatal(err)
			}
		}
		w.Until("the receipts", func() bool { return len(w.Receipts()) == 2 })
		w.End(r)
		out, _, err := w.audit(Command{Verify: true, Since: "24h", JSON: true})
		if all := w.objects(out); err != nil || fmt.Sprint(of(all, "end", "events", "accepted", "open", "missing")) != "[2 2 0 0]" {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A dead letter of an event that a receipt calls accepted is a contradiction: told, and no event is missing.
func TestVerifyTellsContradictions(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.lived()
		x := w.receiptOf(0, 1)
		out, said, err := w.audit(Command{Verify: true, Since: "24h"})
		if err != nil || said != "" {
			t.Fatalf("%v\n%s%s", err, out, said)
		}
		w.writeAgain(x, func(v map[string]any) { v["verdict"] = "accepted" })
		if _, said, err = w.audit(Command{Verify: true, Since: "24h"}); err != nil || said != "warning: 1 receipt or dead letter of events contradict one another; the first receipt is valid: events/0/1\n" {
			t.Errorf("%v\n%s", err, said)
		}
	})
}

// Without rights, or without the topic, it says what to do; nothing that is half is printed as whole.
func TestAuditNamesWhatItLacks(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.T.Setenv("RECEIPTS_TOPIC", "")
		wrong := new(settings.Invalid)
		if _, _, err := w.audit(Command{Since: "1h"}); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "RECEIPTS_TOPIC: is not set") {
			t.Errorf("%v", err)
		}
		keys := w.ReceiptsSettings()
		w.T.Setenv(keys[0], keys[1])
		w.T.Setenv(keys[2], keys[3])
		if _, _, err := w.audit(Command{Since: "1h"}); err == nil || !strings.HasSuffix(err.Error(), "it does not exist, or this user may not describe it; check RECEIPTS_TOPIC") {
			t.Errorf("%v", err)
		}
		w.CreateReceipts()
		w.put(&kgo.Record{Value: []byte("x")})
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: apptest.ReceiptsTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		for _, c := range []Command{{Since: "1h"}, {Lot: []string{"l"}, Flow: []string{"f"}}} {
			out, said, err := w.audit(c)
			if text := fmt.Sprint(said, err); err == nil || !strings.Contains(text, "grant this user Read on the topic") || c.Flow == nil && out != "" {
				t.Errorf("%+v: %s\n%s", c, text, out)
			}
		}
	})
}

// Flags that do not belong together are refused, and so is what is no number.
func TestAuditRefusesWhatMakesNoSense(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.receiptsOn()
		for _, c := range []struct {
			c     Command
			input string
			want  string
		}{
			{Command{}, "", "say what to answer"},
			{Command{Lot: []string{"l"}}, "", "say what to answer"},
			{Command{Flow: []string{"f"}}, "", "--flow: give the lot"},
			{Command{Flow: []string{"f"}, Lot: []string{"a", "b"}}, "", "--flow: give the lot"},
			{Command{Flow: []string{" "}, Lot: []string{"a"}}, "", "no number"},
			{Command{Flow: []string{"-"}, Lot: []string{"a"}}, "F1\nF\u200b2\n", "line 2 of standard input holds U+200B"},
			{Command{Flow: []string{"-"}, Lot: []string{"a"}}, strings.Repeat("x", 1<<20), "too long"},
			{Command{Flow: []string{"-"}, Lot: []string{"a"}}, numbered(mostFlows + 1), "more than 10,000 numbers"},
			{Command{Verify: true}, "", "--verify: say which events"},
			{Command{Verify: true, Since: "1h", Lot: []string{"l"}}, "", "leave --flow and --lot out"},
			{Command{From: []string{"events/0/1"}}, "", "--from and --to belong to --verify"},
			{Command{Verify: true, Since: "1h", From: []string{"events/0/1"}}, "", "not both"},
			{Command{Verify: true, From: []string{"events/1"}}, "", "is no partition of"},
			{Command{Verify: true, From: []string{"events"}}, "", "is no place"},
			{Command{Verify: true, From: []string{"events/0/1", "events/0/2"}}, "", "each partition once"},
			{Command{Verify: true, From: []string{"events/7/1"}}, "", "events/7 is no partition of"},
			{Command{Verify: true, From: []string{"events/0/1"}, To: []string{"events/0/1"}}, "", "does not lie behind --from"},
			{Command{Verify: true, From: []string{"events/0/1"}, To: []string{"events/1/1"}}, "", "--to: give --from for events/1 too"},
			{Command{Since: "1h", Until: "2h"}, "", "--since must lie before --until"},
			{Command{Since: "yesterday"}, "", "--since"},
			{Command{Since: "1h", Limit: -1}, "", "--limit"},
		} {
			if out, said, err := w.audit(c.c, c.input); err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
				t.Errorf("%+v: %v, want %q\n%s%s", c.c, err, c.want, out, said)
			}
		}
	})
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

// Partitions that were added since move keys: receipts from before are found all the same.
func TestReceiptsFromBeforeAPartitionWasAddedAreFound(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.lived()
		if answer, err := kadm.NewClient(w.Kafka).CreatePartitions(context.Background(), 8, apptest.ReceiptsTopic); err != nil || answer.Error() != nil {
			t.Fatal(err, answer.Error())
		}
		for n := range 3 {
			lot := fmt.Sprintf("lot-%d", n+1)
			if _, said, err := w.audit(Command{Lot: []string{lot}, Flow: []string{fmt.Sprintf("F-%d-0", n+1)}}); err != nil {
				t.Errorf("%s: %v\n%s", lot, err, said)
			}
		}
	})
}
