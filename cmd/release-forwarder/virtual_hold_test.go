package main

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/testkit/platform"
)

// refuseLot makes the platform refuse one lot.
func (w *world) refuseLot(lot string) {
	w.platform.Script(func(q *platform.Request) *platform.Reply {
		if q.Params["park_uuid"] == lot {
			return &platform.Reply{Status: 401, Body: `{"code":"401"}`}
		}
		return nil
	})
}

// minutes lets time pass, with a healthy record in each partition and what is to be done
// every so many minutes.
func (w *world) minutes(n int, partitions int32, each int, do func()) {
	w.t.Helper()
	for m := 1; m <= n; m++ {
		time.Sleep(time.Minute)
		for p := range partitions {
			w.produce(p, ofLot("good", 1000+2*m))
		}
		if each > 0 && m%each == 0 {
			do()
		}
	}
}

func since(t *testing.T, l *kgo.Record, name string, begun time.Time) time.Duration {
	t.Helper()
	at, err := time.Parse(time.RFC3339, header(l, name))
	if err != nil {
		t.Fatalf("header %s: %v", name, err)
	}
	return at.Sub(begun)
}

// LOT_HOLD_MAX counts from when the record began to wait for its lot, however many
// generations that takes.
func TestALotsRecordsAreGivenUpInTimeThroughRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.refuseLot("bad")
		r := w.start("LOT_HOLD_MAX", "1h")
		w.produce(0, ofLot("good", 0))
		time.Sleep(time.Second)
		begun := time.Now()
		w.produce(0, ofLot("bad", 0), ofLot("bad", 1), ofLot("bad", 2), ofLot("good", 10))
		w.minutes(30, 1, 7, w.rebalance)
		generation := r.Snapshot().Engine.Generation
		w.produce(0, ofLot("bad", 4)) // begins to wait later
		w.minutes(28, 1, 7, w.rebalance)
		if n := w.deadLetterCount(); n != 0 {
			t.Errorf("%d dead letters before LOT_HOLD_MAX", n)
		}
		w.minutes(5, 1, 0, nil)
		if n := w.deadLetterCount(); n != 3 {
			t.Errorf("%d dead letters after LOT_HOLD_MAX, want 3", n)
		}
		w.minutes(25, 1, 7, w.rebalance)
		if n := w.deadLetterCount(); n != 3 {
			t.Errorf("%d dead letters before that of the record that came later", n)
		}
		w.minutes(5, 1, 0, nil)
		if n := r.Snapshot().Engine.Generation - generation; n < 6 {
			t.Fatalf("%d generations", n)
		}
		w.end(r)
		deadLetters := w.deadLetters()
		if len(deadLetters) != 4 {
			t.Fatalf("%d dead letters, want 4", len(deadLetters))
		}
		for _, l := range deadLetters {
			if header(l, "reason") != "lot-refused" {
				t.Errorf("reason %s", header(l, "reason"))
			}
		}
		if first := since(t, deadLetters[0], "first.attempt", begun); first > time.Minute {
			t.Errorf("the dead letter's first attempt was %s after the record came", first)
		}
	})
}

// Where a partition moves the wait begins again, also where it comes back: it cannot be
// told what the other replica knew.
func TestTheWaitForALotBeginsAgainWhereItsPartitionMoves(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.refuseLot("bad")
		first := w.start("LOT_HOLD_MAX", "1h")
		w.produce(0, ofLot("good", 0))
		time.Sleep(time.Second)
		for p := range int32(2) {
			w.produce(p, ofLot("bad", int(p)), ofLot("good", 10))
		}
		w.minutes(20, 2, 0, nil)
		second := w.start("LOT_HOLD_MAX", "1h")
		w.until("each has one", func() bool {
			return len(first.Snapshot().Engine.Partitions) == 1 && len(second.Snapshot().Engine.Partitions) == 1
		}, 2*time.Minute)
		moved := second.Snapshot().Engine.Partitions[0].Partition
		time.Sleep(20 * time.Minute)
		w.end(second)
		w.until("it has come back", func() bool { return len(first.Snapshot().Engine.Partitions) == 2 }, 2*time.Minute)
		w.minutes(15, 2, 0, nil)
		if n := w.deadLetterCount(); n != 0 {
			t.Errorf("%d dead letters before LOT_HOLD_MAX", n)
		}
		w.minutes(10, 2, 0, nil)
		deadLetters := w.deadLetters()
		if len(deadLetters) != 1 || header(deadLetters[0], "partition") == strconv.Itoa(int(moved)) {
			t.Fatalf("after 65 minutes %d dead letters, want that of the partition that stayed", len(deadLetters))
		}
		w.minutes(30, 2, 0, nil)
		if n := w.deadLetterCount(); n != 1 {
			t.Errorf("%d dead letters, 55 minutes after the partition came back", n)
		}
		w.minutes(10, 2, 0, nil)
		if n := w.deadLetterCount(); n != 2 {
			t.Errorf("%d dead letters, 65 minutes after the partition came back", n)
		}
		w.end(first)
	})
}

// A record's budget is not given back with each generation as long as its partition stays.
func TestABudgetSurvivesRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.refuse("S-1")
		r := w.start("RETRY_BUDGET", "6", "RETRY_BACKOFF_MAX", "10s")
		w.until("the group", w.allCommitted(1, 0))
		begun := time.Now()
		w.produce(0, event(1, 0))
		for n := range 60 {
			for i := range 20 {
				w.produce(0, event(100+i, n))
			}
			time.Sleep(3 * time.Second)
			if n%4 == 3 {
				w.rebalance()
			}
		}
		w.end(r)
		deadLetters := w.deadLetters()
		if len(deadLetters) != 1 || header(deadLetters[0], "reason") != "budget-exhausted" {
			t.Fatalf("%d dead letters, want one", len(deadLetters))
		}
		// Six failures that count, and two quick retries of the first.
		if n, err := strconv.Atoi(header(deadLetters[0], "attempts")); err != nil || n < 8 {
			t.Errorf("the dead letter tells of %d attempts, %v", n, err)
		}
		if first := since(t, deadLetters[0], "first.attempt", begun); first > time.Second {
			t.Errorf("the dead letter's first attempt was %s after the record came", first)
		}
		if took := since(t, deadLetters[0], "last.attempt", begun); took < 24*time.Second {
			t.Errorf("the last attempt was after %s: within a generation or two", took)
		}
	})
}

// What has no believable timestamp is as old as since it was first read.
func TestTheAgeOfWhatHasNoTimestampSurvivesRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.refuse("S-1")
		r := w.start()
		w.until("the group", w.allCommitted(1, 0))
		w.produceDated(0, event(1, 0), time.UnixMilli(1)) // of 1970
		for range 6 {
			time.Sleep(10 * time.Minute)
			w.rebalance()
		}
		time.Sleep(time.Minute)
		if age := r.Snapshot().OldestUnfinished().Seconds(); age < 3600 {
			t.Errorf("the oldest unfinished record is %v s old, an hour after it came", age)
		}
		w.end(r)
	})
}

// However long a lot's records have waited, and in however many generations: without an
// acceptance since they began to, nothing proves that the lot alone is refused still.
func TestNothingIsGivenUpForItsLotWhileNoOtherIsAccepted(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.refuseLot("bad")
		r := w.start("LOT_HOLD_MAX", "1h", "RETRY_BACKOFF_MIN", "5s")
		w.produce(0, ofLot("bad", 0))
		time.Sleep(time.Second)
		w.produce(0, ofLot("good", 10))
		w.until("the lot is refused", func() bool { return len(r.Snapshot().RefusedLots) == 1 })
		for range 6 {
			time.Sleep(25 * time.Minute)
			w.rebalance()
		}
		if n := w.deadLetterCount(); n != 0 {
			t.Errorf("%d dead letters while nothing was accepted", n)
		}
		w.produce(0, ofLot("good", 12))
		w.until("the dead letter", func() bool { return w.deadLetterCount() == 1 }, 35*time.Second)
		w.end(r)
	})
}

// A broker may forget commits by their age, so all are sent again every six hours: also
// where no generation lasts so long.
func TestCommitsAreRenewedThroughRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.start()
		w.until("the group", w.allCommitted(1, 0))
		w.produce(0, ofLot("good", 0))
		w.until("the commit", w.allCommitted(1, 1))
		var commits atomic.Int32
		w.cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			commits.Add(1)
			return nil, nil, false
		})
		for range 3 {
			time.Sleep(4*time.Hour + 10*time.Minute)
			w.rebalance()
		}
		if n := commits.Load(); n != 2 {
			t.Errorf("%d commits in twelve and a half hours without a record, want 2", n)
		}
		w.end(r)
	})
}
