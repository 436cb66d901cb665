package dlq

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
)

// A new ledger is compacted and has one partition.
func TestTheLedgerIsMadeSoThatItIsKept(t *testing.T) {
	inHall(t, func(h *hall) {
		h.ledger()
		admin := kadm.NewClient(h.observer)
		configs, err := admin.DescribeTopicConfigs(h.ctx, LedgerTopic(letterTopic))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range configs[0].Configs {
			got[c.Key] = c.MaybeValue()
		}
		if got["cleanup.policy"] != "compact" || got["min.compaction.lag.ms"] != "86400000" {
			t.Errorf("made with %v", got)
		}
		topics, err := admin.ListTopics(h.ctx, LedgerTopic(letterTopic))
		if err != nil || len(topics[LedgerTopic(letterTopic)].Partitions) != 1 {
			t.Errorf("%v %v", topics, err)
		}
	})
}

// The leader of a new ledger may not know the topic yet, although another broker named it as
// the leader.
func TestALedgerThatItsLeaderDoesNotKnowYetIsWaitedFor(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letters(10)...)
		fault := h.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: LedgerTopic(letterTopic), Err: kerr.UnknownTopicOrPartition, Count: 6})
		if err := h.reader("alice").Replay(h.ctx, all()); err != nil {
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
		h.post(letters(n)...)
		h.ledger()
		later := []*kgo.Record{
			{Key: []byte("2/letter/0/1"), Value: []byte(`{"v":2,"state":"replayed"}`)},
			{Key: []byte("2/lock"), Value: []byte(`{"v":2,"holder":"x"}`)},
			{Key: []byte("notes"), Value: []byte{0xff, 0}},
			{Key: nil, Value: []byte("x")},
			{Key: []byte("1/lock"), Value: []byte(`{"v":2,"holder":"x","after":-1}`)},
		}
		for _, r := range later {
			r.Topic = LedgerTopic(letterTopic)
			if err := h.observer.ProduceSync(h.ctx, r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if l, err := h.reader("alice").Ledger(h.ctx); err != nil || l.PassedOver != len(later) {
			t.Errorf("%d passed over: %v", l.PassedOver, err)
		}
		if err := h.reader("alice").Replay(h.ctx, all()); err != nil {
			t.Fatal(err)
		}
		if missing, repeated := h.account(n); missing != 0 || repeated != 0 {
			t.Errorf("%d missing, %d repeated", missing, repeated)
		}
		for i, r := range h.read(LedgerTopic(letterTopic))[:len(later)] {
			if !bytes.Equal(r.Key, later[i].Key) || !bytes.Equal(r.Value, later[i].Value) {
				t.Errorf("%q %q, want %q %q", r.Key, r.Value, later[i].Key, later[i].Value)
			}
		}
		if got := h.states(); got[Replayed] != n {
			t.Errorf("%v", got)
		}
	})
}

// A recreated dead-letter topic has other letters at the same offsets: the old ledger must not
// hide them.
func TestALedgerOfAnEarlierTopicHidesNoLetter(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letters(6)...)
		if err := h.reader("alice").Replay(h.ctx, all()); err != nil {
			t.Fatal(err)
		}
		admin := kadm.NewClient(h.observer)
		if _, err := admin.DeleteTopic(h.ctx, letterTopic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := admin.CreateTopic(h.ctx, 2, 1, nil, letterTopic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		h.post(letters(4)...)
		if got := h.states(); got[Open] != 4 || got[Replayed] != 0 {
			t.Errorf("%v, want all open", got)
		}
	})
}

// The ledger deletes entries of letters that retention has deleted.
func TestTheLedgerForgetsWhatRetentionTook(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letters(300)...)
		if err := h.reader("alice").Replay(h.ctx, all()); err != nil {
			t.Fatal(err)
		}
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: letterTopic, Partition: 0, At: 120, LeaderEpoch: -1})
		if _, err := kadm.NewClient(h.observer).DeleteRecords(h.ctx, offsets); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := h.reader("alice").Replay(h.ctx, all()); err != nil {
				t.Fatal(err)
			}
		}
		taken := map[string]int{}
		for _, r := range h.read(LedgerTopic(letterTopic)) {
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
		l := letter(0, "PLANTED", 1)
		l.Key, l.Message, l.Headers = []byte("PLANTED"), "PLANTED", headersOf("h", "PLANTED")
		h.post(l)
		r := all()
		r.Change = func(s *Stored) ([]byte, error) { return append([]byte("x"), s.Value...), nil }
		if err := h.reader("alice").Replay(h.ctx, r); err != nil {
			t.Fatal(err)
		}
		for _, r := range h.read(LedgerTopic(letterTopic)) {
			if strings.Contains(string(r.Key)+string(r.Value), "PLANTED") {
				t.Errorf("%s %s", r.Key, r.Value)
			}
		}
	})
}

// Before a ledger is read that takes long, the person is told.
func TestALargeLedgerIsSaidBeforeItIsRead(t *testing.T) {
	inHall(t, func(h *hall) {
		h.ledger()
		said := int64(0)
		d := h.reader("alice")
		d.cfg.LargeLedger = func(entries int64) { said = entries }
		for _, c := range []struct {
			more int
			said bool
		}{{largeLedger - 1, false}, {1, true}} {
			entries := make([]*kgo.Record, c.more)
			for i := range entries {
				entries[i] = &kgo.Record{Topic: LedgerTopic(letterTopic), Key: fmt.Appendf(nil, "9/%d", i)}
			}
			if err := h.observer.ProduceSync(h.ctx, entries...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			l, err := d.Ledger(h.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if (said > 0) != c.said || said > 0 && said != l.position {
				t.Errorf("%d entries were said, of %d", said, l.position)
			}
		}
	})
}
