package replay

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
)

// The leader of a new ledger may not know the topic yet, although another broker named it as
// the leader.
func TestALedgerThatItsLeaderDoesNotKnowYetIsWaitedFor(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(10)...)
		fault := h.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: dlqtest.Ledger, Err: kerr.UnknownTopicOrPartition, Count: 6})
		if err := h.person("alice").Run(h.Ctx, all()); err != nil {
			t.Fatal(err)
		}
		if fault.Hits() == 0 {
			t.Error("the leader was never asked")
		}
		if missing, repeated := h.account(10); missing != 0 || repeated != 0 {
			t.Errorf("%d missing, %d repeated", missing, repeated)
		}
	})
}

// Entries of a later version are skipped and left unchanged: at worst a letter is sent again.
func TestEntriesOfALaterVersionAreKeptAndPassedOver(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 10
		h.Post(dlqtest.Many(n)...)
		h.ledger()
		later := []*kgo.Record{
			{Key: []byte("2/letter/0/1"), Value: []byte(`{"v":2,"state":"replayed"}`)},
			{Key: []byte("2/lock"), Value: []byte(`{"v":2,"holder":"x"}`)},
			{Key: []byte("notes"), Value: []byte{0xff, 0}},
			{Key: nil, Value: []byte("x")},
			{Key: []byte("1/lock"), Value: []byte(`{"v":2,"holder":"x","after":-1}`)},
		}
		for _, r := range later {
			r.Topic = dlqtest.Ledger
			if err := h.Observer.ProduceSync(h.Ctx, r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if l, err := h.person("alice").ledger(h.Ctx); err != nil || l.PassedOver != len(later) {
			t.Errorf("%d passed over: %v", l.PassedOver, err)
		}
		if err := h.person("alice").Run(h.Ctx, all()); err != nil {
			t.Fatal(err)
		}
		if missing, repeated := h.account(n); missing != 0 || repeated != 0 {
			t.Errorf("%d missing, %d repeated", missing, repeated)
		}
		for i, r := range h.Read(dlqtest.Ledger)[:len(later)] {
			if !bytes.Equal(r.Key, later[i].Key) || !bytes.Equal(r.Value, later[i].Value) {
				t.Errorf("%q %q, want %q %q", r.Key, r.Value, later[i].Key, later[i].Value)
			}
		}
		if got := h.states(); got[dlq.Replayed] != n {
			t.Errorf("%v", got)
		}
	})
}

// A recreated dead-letter topic has other letters at the same offsets: the old ledger must not
// hide them.
func TestALedgerOfAnEarlierTopicHidesNoLetter(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(6)...)
		if err := h.person("alice").Run(h.Ctx, all()); err != nil {
			t.Fatal(err)
		}
		admin := kadm.NewClient(h.Observer)
		if _, err := admin.DeleteTopic(h.Ctx, dlqtest.Letters); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := admin.CreateTopic(h.Ctx, 2, 1, nil, dlqtest.Letters); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		h.Post(dlqtest.Many(4)...)
		if got := h.states(); got[dlq.Open] != 4 || got[dlq.Replayed] != 0 {
			t.Errorf("%v, want all open", got)
		}
	})
}

// The ledger deletes entries of letters that retention has deleted.
func TestTheLedgerForgetsWhatRetentionTook(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(300)...)
		if err := h.person("alice").Run(h.Ctx, all()); err != nil {
			t.Fatal(err)
		}
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: dlqtest.Letters, Partition: 0, At: 120, LeaderEpoch: -1})
		if _, err := kadm.NewClient(h.Observer).DeleteRecords(h.Ctx, offsets); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := h.person("alice").Run(h.Ctx, all()); err != nil {
				t.Fatal(err)
			}
		}
		taken := map[string]int{}
		for _, r := range h.Read(dlqtest.Ledger) {
			if r.Value == nil {
				taken[string(r.Key)]++
			}
		}
		if len(taken) != 120 {
			t.Errorf("%d entries were taken out, want 120", len(taken))
		}
		for key, times := range taken {
			var offset int
			if _, err := fmt.Sscanf(key, "1/letter/0/%d", &offset); err != nil || offset >= 120 || times != 1 {
				t.Errorf("%s was taken out %d times", key, times)
			}
		}
		if _, repeated := h.account(300); repeated != 0 {
			t.Errorf("%d repeated", repeated)
		}
	})
}

// The ledger holds nothing of an event, because more people may read it.
func TestTheLedgerHoldsNothingOfAnEvent(t *testing.T) {
	inHall(t, func(h *hall) {
		l := dlqtest.Letter(0, "PLANTED", 1)
		l.Key, l.Message, l.Headers = []byte("PLANTED"), "PLANTED", dlqtest.HeadersOf("h", "PLANTED")
		h.Post(l)
		r := all()
		r.Change = func(s *dlq.Stored) ([]byte, error) { return append([]byte("x"), s.Value...), nil }
		if err := h.person("alice").Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		for _, r := range h.Read(dlqtest.Ledger) {
			if strings.Contains(string(r.Key)+string(r.Value), "PLANTED") {
				t.Errorf("%s %s", r.Key, r.Value)
			}
		}
	})
}
