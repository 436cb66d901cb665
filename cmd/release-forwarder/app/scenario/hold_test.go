package scenario

import (
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/memnet"
)

// minutes lets time pass, with a healthy record in each partition and what is to be done
// every so many minutes.
func (w *world) minutes(n int, partitions int32, each int, do func()) {
	w.T.Helper()
	for m := 1; m <= n; m++ {
		time.Sleep(time.Minute)
		for p := range partitions {
			w.Produce(p, apptest.EventOfLot("good", 1000+2*m))
		}
		if each > 0 && m%each == 0 {
			do()
		}
	}
}

func since(t *testing.T, l *kgo.Record, name string, begun time.Time) time.Duration {
	t.Helper()
	at, err := time.Parse(time.RFC3339, apptest.DeadLetterHeader(l, name))
	if err != nil {
		t.Fatalf("header %s: %v", name, err)
	}
	return at.Sub(begun)
}

// LOT_HOLD_MAX counts from when a record began to wait for its lot, through any number of rebalances.
func TestLotHoldMaxCountsThroughRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.RefuseLot("bad")
		r := w.Start("LOT_HOLD_MAX", "1h")
		w.Produce(0, apptest.EventOfLot("good", 0))
		time.Sleep(time.Second)
		begun := time.Now()
		w.Produce(0, apptest.EventOfLot("bad", 0), apptest.EventOfLot("bad", 1), apptest.EventOfLot("bad", 2), apptest.EventOfLot("good", 10))
		w.minutes(30, 1, 7, w.Rebalance)
		generation := r.Snapshot().Engine.Generation
		w.Produce(0, apptest.EventOfLot("bad", 4)) // begins to wait later
		w.minutes(28, 1, 7, w.Rebalance)
		if n := w.DeadLetterCount(); n != 0 {
			t.Errorf("%d dead letters before LOT_HOLD_MAX", n)
		}
		w.minutes(5, 1, 0, nil)
		if n := w.DeadLetterCount(); n != 3 {
			t.Errorf("%d dead letters after LOT_HOLD_MAX, want 3", n)
		}
		w.minutes(25, 1, 7, w.Rebalance)
		if n := w.DeadLetterCount(); n != 3 {
			t.Errorf("%d dead letters before that of the record that came later", n)
		}
		w.minutes(5, 1, 0, nil)
		if n := r.Snapshot().Engine.Generation - generation; n < 6 {
			t.Fatalf("%d generations", n)
		}
		w.End(r)
		deadLetters := w.DeadLetters()
		if len(deadLetters) != 4 {
			t.Fatalf("%d dead letters, want 4", len(deadLetters))
		}
		for _, l := range deadLetters {
			if apptest.DeadLetterHeader(l, "reason") != "lot-refused" {
				t.Errorf("reason %s", apptest.DeadLetterHeader(l, "reason"))
			}
		}
		if first := since(t, deadLetters[0], "first.attempt", begun); first > time.Minute {
			t.Errorf("the dead letter's first attempt was %s after the record came", first)
		}
	})
}

// Where a partition moves to another replica LOT_HOLD_MAX begins again, also where it comes back.
//
// A commit cannot carry what the other replica knew.
func TestLotHoldMaxBeginsAgainOnAnotherReplica(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.RefuseLot("bad")
		first := w.Start("LOT_HOLD_MAX", "1h")
		w.Produce(0, apptest.EventOfLot("good", 0))
		time.Sleep(time.Second)
		for p := range int32(2) {
			w.Produce(p, apptest.EventOfLot("bad", int(p)), apptest.EventOfLot("good", 10))
		}
		w.minutes(20, 2, 0, nil)
		second := w.Start("LOT_HOLD_MAX", "1h")
		w.Until("each has one", func() bool {
			return len(first.Snapshot().Engine.Partitions) == 1 && len(second.Snapshot().Engine.Partitions) == 1
		}, 2*time.Minute)
		moved := second.Snapshot().Engine.Partitions[0].Partition
		time.Sleep(20 * time.Minute)
		w.End(second)
		w.Until("it has come back", func() bool { return len(first.Snapshot().Engine.Partitions) == 2 }, 2*time.Minute)
		w.minutes(15, 2, 0, nil)
		if n := w.DeadLetterCount(); n != 0 {
			t.Errorf("%d dead letters before LOT_HOLD_MAX", n)
		}
		w.minutes(10, 2, 0, nil)
		deadLetters := w.DeadLetters()
		if len(deadLetters) != 1 || apptest.DeadLetterHeader(deadLetters[0], "partition") == strconv.Itoa(int(moved)) {
			t.Fatalf("after 65 minutes %d dead letters, want that of the partition that stayed", len(deadLetters))
		}
		w.minutes(30, 2, 0, nil)
		if n := w.DeadLetterCount(); n != 1 {
			t.Errorf("%d dead letters, 55 minutes after the partition came back", n)
		}
		w.minutes(10, 2, 0, nil)
		if n := w.DeadLetterCount(); n != 2 {
			t.Errorf("%d dead letters, 65 minutes after the partition came back", n)
		}
		w.End(first)
	})
}

// A rebalance does not give a record its budget back, as long as its partition stays.
func TestABudgetSurvivesRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailOrderKey("S-1")
		r := w.Start("RETRY_BUDGET", "6", "RETRY_BACKOFF_MAX", "10s")
		w.Until("the group", w.AllCommitted(1, 0))
		begun := time.Now()
		w.Produce(0, apptest.Event(1, 0))
		for n := range 60 {
			for i := range 20 {
				w.Produce(0, apptest.Event(100+i, n))
			}
			time.Sleep(3 * time.Second)
			if n%4 == 3 {
				w.Rebalance()
			}
		}
		w.End(r)
		deadLetters := w.DeadLetters()
		if len(deadLetters) != 1 || apptest.DeadLetterHeader(deadLetters[0], "reason") != "budget-exhausted" {
			t.Fatalf("%d dead letters, want one", len(deadLetters))
		}
		// Six failures that count, and two quick retries of the first.
		if n, err := strconv.Atoi(apptest.DeadLetterHeader(deadLetters[0], "attempts")); err != nil || n < 8 {
			t.Errorf("the dead letter says %d attempts, %v", n, err)
		}
		if first := since(t, deadLetters[0], "first.attempt", begun); first > time.Second {
			t.Errorf("the dead letter's first attempt was %s after the record came", first)
		}
		if took := since(t, deadLetters[0], "last.attempt", begun); took < 24*time.Second {
			t.Errorf("the last attempt was after %s: within a generation or two", took)
		}
	})
}

// A record without a believable timestamp ages from when it was first read, through rebalances.
func TestAnAgeWithoutTimestampSurvivesRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailOrderKey("S-1")
		r := w.Start()
		w.Until("the group", w.AllCommitted(1, 0))
		w.ProduceAt(0, apptest.Event(1, 0), time.UnixMilli(1)) // of 1970
		for range 6 {
			time.Sleep(10 * time.Minute)
			w.Rebalance()
		}
		time.Sleep(time.Minute)
		if age := r.Snapshot().OldestUnfinished().Seconds(); age < 3600 {
			t.Errorf("the oldest unfinished record is %v s old, an hour after it came", age)
		}
		w.End(r)
	})
}

// No record is given up for its lot while no other lot is accepted, however long it has waited.
//
// Nothing proves then that the lot alone is refused.
func TestNoLotIsGivenUpWithoutAnAcceptance(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.RefuseLot("bad")
		r := w.Start("LOT_HOLD_MAX", "1h", "RETRY_BACKOFF_MIN", "5s")
		w.Produce(0, apptest.EventOfLot("bad", 0))
		time.Sleep(time.Second)
		w.Produce(0, apptest.EventOfLot("good", 10))
		w.Until("the lot is refused", func() bool { return len(r.Snapshot().RefusedLots) == 1 })
		for range 6 {
			time.Sleep(25 * time.Minute)
			w.Rebalance()
		}
		if n := w.DeadLetterCount(); n != 0 {
			t.Errorf("%d dead letters while nothing was accepted", n)
		}
		w.Produce(0, apptest.EventOfLot("good", 12))
		w.Until("the dead letter", func() bool { return w.DeadLetterCount() == 1 }, 35*time.Second)
		w.End(r)
	})
}

// A record that is held for hours delays no other, and a kill repeats nothing that was accepted.
func TestARecordHeldForHoursDelaysNoOther(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(flow string) bool { return flow == "F-0-0" })
		link := w.Net.NewLink(1)
		r := w.StartOn(link.Dial, "RETRY_BUDGET", "0")
		sent := 0
		for range 2 * 30 { // two hours, two minutes a turn
			w.orderKeys(sent, sent+10)
			sent += 10
			time.Sleep(2 * time.Minute)
		}
		if n := w.Platform.Stats().Accepted; n != sent-1 {
			t.Errorf("%d accepted of %d, want all but the held one", n, sent)
		}
		if at := w.Committed(0); at != 0 {
			t.Errorf("committed %d over the held record", at)
		}
		// Killed: nothing of it arrives any more, its connections are reset.
		link.Set(func(string) memnet.Condition { return memnet.Condition{Refuse: true} })
		link.Cut(nil)
		w.End(r)
		r = w.Start()
		time.Sleep(2 * time.Minute)
		w.FailFlows(func(string) bool { return false })
		w.Until("the held one", w.AllCommitted(1, int64(sent)), 2*time.Minute)
		w.End(r)
		if s := w.Platform.Stats(); s.Accepted != sent || s.Repeated != 0 {
			t.Errorf("%d accepted of %d, %d repeated", s.Accepted, sent, s.Repeated)
		}
	})
}
