package scenario

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// A transaction that reading has not reached is not reported: held records that fill a bound are the cause.
func TestATransactionNotYetReachedIsNotReported(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(string) bool { return true })
		r := w.Start("CONSUMER_MAX_PENDING", "20", "RETRY_BUDGET", "0")
		w.Until("the start", func() bool { return w.Committed(0) == 0 })
		w.Backlog(1, 100)
		p := w.transactional("lanes")
		defer p.Close()
		w.begin(p, apptest.Event(1000, 0))
		w.orderKeys(2000, 2010)
		time.Sleep(5 * time.Minute)
		if s := r.Snapshot().Partitions[0]; s.HeldBack != 0 || s.Blocked != "" || s.Paused != "records" {
			t.Errorf("%+v", s)
		}
		w.FailFlows(func(string) bool { return false })
		w.Until("what comes before it", func() bool { return w.Committed(0) == 100 }, 5*time.Minute)
		// It has stood for minutes, and now is what is in the way.
		time.Sleep(time.Minute)
		if s := r.Snapshot().Partitions[0]; s.HeldBack != 11 || s.Blocked != "transaction" || time.Since(s.Since) < 5*time.Minute {
			t.Errorf("%+v", s)
		}
		w.finish(p, kgo.TryCommit)
		w.Until("all", func() bool { return w.Committed(0) >= 111 })
		w.End(r)
	})
}

// The age of an open transaction survives a rebalance; a replica that keeps its partition reports it once.
func TestAnOpenTransactionOutlivesARebalance(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		first := w.Start()
		w.Backlog(1, 10)
		w.Until("what comes before", w.AllCommitted(1, 10))
		p := w.transactional("lanes")
		defer p.Close()
		began := time.Now()
		w.begin(p, apptest.Event(1000, 0))
		w.orderKeys(2000, 2010)
		time.Sleep(5 * time.Minute)
		second := w.Start() // one of them is a standby from now on
		time.Sleep(2 * time.Minute)
		owner := first
		if len(second.Snapshot().Engine.Partitions) > 0 {
			owner = second
		}
		if !owner.IsAbout(blockedByTransaction, time.Since(began)) || !owner.IsAbout("oldest_unfinished_seconds", time.Since(began)) {
			t.Errorf("after the rebalance %v and %v", owner.Seconds(blockedByTransaction), owner.Seconds("oldest_unfinished_seconds"))
		}
		if n := len(w.said("open-transaction")); owner == first && n != 1 || n > 2 {
			t.Errorf("said %d times", n)
		}
		if n := len(w.said("open-transaction-over")); n != 0 {
			t.Errorf("it has ended %d times", n)
		}
		w.End(first)
		time.Sleep(time.Minute)
		if !second.IsAbout(blockedByTransaction, time.Since(began)) {
			t.Errorf("the next owner: %v", second.Seconds(blockedByTransaction))
		}
		w.finish(p, kgo.TryCommit)
		w.Until("all", func() bool { return w.Platform.Stats().Accepted == 21 })
		w.End(second)
	})
}

// Where timestamps cannot be believed, a transaction's age counts from when reading stopped at it.
func TestATransactionWithoutABelievableTime(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		l := &apptest.CraftedLog{LastStable: 5} // its batches are of 2025, ahead of this clock
		l.GrowTo(20)
		w.ServeLogs(l)
		r := w.Start()
		time.Sleep(10 * time.Minute)
		if !r.IsAbout(blockedByTransaction, 10*time.Minute) || !r.IsAbout("oldest_unfinished_seconds", 10*time.Minute) {
			t.Errorf("%v and %v", r.Seconds(blockedByTransaction), r.Seconds("oldest_unfinished_seconds"))
		}
		// It ends, and the next one has stood since then.
		l.Update(func() { l.LastStable = 12 })
		time.Sleep(2 * time.Minute)
		if !r.IsAbout(blockedByTransaction, 2*time.Minute) || !r.IsAbout("oldest_unfinished_seconds", 2*time.Minute) {
			t.Errorf("the next: %v and %v", r.Seconds(blockedByTransaction), r.Seconds("oldest_unfinished_seconds"))
		}
		if n, m := len(w.said("open-transaction")), len(w.said("open-transaction-over")); n != 2 || m != 1 {
			t.Errorf("said %d and %d times", n, m)
		}
		l.Update(func() { l.LastStable = 0 })
		w.Until("all", w.AllCommitted(1, 20))
		w.End(r)
		apptest.EndLongPolls()
	})
}

// Where a topic is recreated its open transaction is no longer reported.
func TestATransactionOfARecreatedTopic(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start()
		w.orderKeys(0, 100)
		w.Until("the commit", w.AllCommitted(1, 100))
		p := w.transactional("lanes")
		defer p.Close()
		w.begin(p, apptest.Event(5000, 0))
		time.Sleep(5 * time.Minute)
		if got := r.Seconds(blockedByTransaction); got < 0 {
			t.Error("nothing is said of the transaction")
		}
		w.recreate(1000, 1250)
		w.Until("every new event", w.AllCommitted(1, 250), 5*time.Minute)
		time.Sleep(time.Minute)
		if got := r.Seconds(blockedByTransaction); got != -1 {
			t.Errorf("blocked for %v", got)
		}
		if got := r.Seconds("oldest_unfinished_seconds"); got != 0 {
			t.Errorf("oldest_unfinished_seconds %v", got)
		}
		w.End(r)
	})
}

// Held records before an open transaction give the oldest age; both are reported.
func TestATransactionBehindHeldRecords(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.ConfigureTopic("retention.ms", "36000000")
		began := time.Now()
		r := w.StartWithHeldRecords()
		time.Sleep(10 * time.Minute)
		p := w.transactional("lanes")
		defer p.Close()
		opened := time.Now()
		w.begin(p, apptest.Event(1000, 0))
		w.orderKeys(2000, 2010)
		time.Sleep(10 * time.Minute)
		if !r.IsAbout("oldest_unfinished_seconds", time.Since(began)) || !r.IsAbout(leftOfPartition0, 10*time.Hour-time.Since(began)) {
			t.Errorf("oldest %v, left %v", r.Seconds("oldest_unfinished_seconds"), r.Seconds(leftOfPartition0))
		}
		if !r.IsAbout(blockedByTransaction, time.Since(opened)) {
			t.Errorf("blocked for %v", r.Seconds(blockedByTransaction))
		}
		if s := r.Snapshot().Partitions[0]; s.HeldBack != 11 || s.Held != 2 || time.Since(s.Unread) > time.Since(opened)+time.Second {
			t.Errorf("%+v", s)
		}
		w.finish(p, kgo.TryAbort)
		w.Platform.Script(nil)
		w.Until("all but the aborted one", func() bool { return w.Platform.Stats().Accepted == 15 })
		w.End(r)
	})
}
