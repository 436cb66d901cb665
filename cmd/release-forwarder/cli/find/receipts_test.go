package find

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// Of done events find shows when they were accepted and the platform's answer, from their receipts; without the key or
// the right it says so, and all else is as before.
func TestFindShowsWhenADoneEventWasAccepted(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.T.Setenv("RECEIPTS_TOPIC", "")
		r := w.Start()
		w.Produce(0, apptest.Event(1, 0)) // before there were receipts
		w.Until("the commit", w.AllCommitted(1, 1))
		w.End(r)
		w.CreateReceipts()
		w.FailOrderKey("S-4")
		r = w.Start(w.ReceiptsSettings()...)
		w.Produce(0, apptest.Event(2, 0), `{"plate":"粤B00002"`, apptest.Event(3, 0), apptest.Event(4, 0))
		w.Until("the commit", w.AllCommitted(1, 4))
		w.End(r)
		c := Command{Lot: []string{"lot-1", "lot-2", "lot-3", "lot-4"}}
		out, said, err := w.find(c, "")
		want := regexp.MustCompile(`(?m)^RECEIPT OF .*\nevents/0/0 +none\nevents/0/1 +accepted +2000-01-01T08:00:\d\d\.\d{3}\+08:00  1001 +\S+ +1\nevents/0/3 +accepted .*\n\n4 matches: 3 done, 0 dead-lettered, 1 waiting`)
		if err != nil || said != "" || !want.MatchString(out) {
			t.Errorf("%v\n%s%s", err, out, said)
		}
		seqno := map[int64]string{}
		for _, x := range w.Receipts() {
			seqno[x.Offset] = x.Seqno
		}
		c.JSON = true
		out, _, err = w.find(c, "")
		if err != nil || !strings.Contains(out, fmt.Sprintf(`"code":"1001","seqno":%q,"attempts":1,"receipt":"events.receipts/`, seqno[1])) || !strings.Contains(out, `{"kind":"receipt","at":"events/0/0"}`) || strings.Count(out, `"kind":"receipt"`) != 3 {
			t.Errorf("%v\n%s", err, out)
		}
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: apptest.ReceiptsTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		without := func(why string) {
			t.Helper()
			out, said, err := w.find(Command{Lot: c.Lot}, "")
			if err != nil || !strings.Contains(out, "4 matches: 3 done, 0 dead-lettered, 1 waiting") || strings.Contains(out, "RECEIPT") || !strings.HasPrefix(said, "receipts are not shown: ") || !strings.Contains(said, why) {
				t.Errorf("%s: %v\n%s%s", why, err, out, said)
			}
		}
		without("grant this user Read on the topic")
		w.T.Setenv("RECEIPTS_KEY_FILE", "/no/such/file")
		without("RECEIPTS_KEY_FILE: the file that it names cannot be read")
		w.T.Setenv("RECEIPTS_TOPIC", "")
		w.T.Setenv("RECEIPTS_KEY_FILE", "")
		if out, said, err := w.find(Command{Lot: c.Lot}, ""); err != nil || said != "" || strings.Contains(out, "RECEIPT") {
			t.Errorf("%v\n%s%s", err, out, said)
		}
	})
}

// Whose dead letter is gone find calls done; its receipt says what became of it. It is found by its key where lot and number
// can be read, else by its place.
func TestAReceiptTellsOfADeadLetterThatIsGone(t *testing.T) {
	for _, lacks := range []string{"flow_no", "plate"} {
		t.Run(lacks, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.CreateReceipts()
				r := w.Start(w.ReceiptsSettings()...)
				w.Produce(0, strings.Replace(apptest.Event(2, 1), `"`+lacks+`"`, `"other"`, 1))
				w.Until("the commit", w.AllCommitted(1, 1))
				w.End(r)
				for p := range int32(2) {
					if err := w.Cluster.DeleteRecords(apptest.DeadLetterTopic, p, -1); err != nil {
						t.Fatal(err)
					}
				}
				out, _, err := w.find(Command{Lot: []string{"lot-2"}}, "")
				if err != nil || !strings.Contains(out, "\n  dead-lettered for missing-field, and its dead letter is gone\n") {
					t.Errorf("%v\n%s", err, out)
				}
			})
		})
	}
}
