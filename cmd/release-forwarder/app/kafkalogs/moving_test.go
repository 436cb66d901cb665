package kafkalogs

import (
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// Without a leader epoch a log that ends below the position is believed after 30 s, not before.
//
// A new leader may not know yet up to where its log is committed, and answer that it ends earlier.
func TestALeaderThatLagsIsBelievedAfter30s(t *testing.T) {
	for _, c := range []struct {
		name    string
		lasts   time.Duration
		dropped int64 // what counts as missing: from the end it states to the position
	}{
		{"it has caught up after 25s: nothing is missing, nothing repeats", 25 * time.Second, 0},
		{"it stands by it: the log was truncated", 40 * time.Second, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			apptest.InVirtualTime(t, 1, func(w *apptest.World) {
				l := &apptest.CraftedLog{Epoch: -1}
				l.GrowTo(100)
				w.ServeLogs(l)
				r := w.Start()
				w.Until("the commit", w.AllCommitted(1, 100))
				l.Update(func() { l.LaggingEnd = 40 })
				time.Sleep(c.lasts)
				l.Update(func() { l.LaggingEnd = 0 })
				l.GrowTo(110)
				w.Until("the rest", w.AllCommitted(1, 110))
				w.End(r)
				if n := r.Snapshot().Dropped; n != c.dropped {
					t.Errorf("%d counted as dropped, want %d", n, c.dropped)
				}
				if s := w.Platform.Stats(); s.Accepted != 110 || c.dropped == 0 && s.Repeated > 0 {
					t.Errorf("%d accepted, %d repeated", s.Accepted, s.Repeated)
				}
				if n := strings.Count(w.Log.String(), "above the log's end"); n != 1 {
					t.Errorf("%d lines say so, want 1", n)
				}
				apptest.EndLongPolls()
			})
		})
	}
}

// The 30 s begin again each time the leader knows the position.
func TestALeaderThatLagsAgainAndAgainIsNotBelieved(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		l := &apptest.CraftedLog{Epoch: -1}
		l.GrowTo(100)
		w.ServeLogs(l)
		r := w.Start()
		w.Until("the commit", w.AllCommitted(1, 100))
		for range 5 {
			l.Update(func() { l.LaggingEnd = 40 })
			time.Sleep(20 * time.Second)
			l.Update(func() { l.LaggingEnd = 0 })
			time.Sleep(5 * time.Second)
		}
		l.GrowTo(110)
		w.Until("the rest", w.AllCommitted(1, 110))
		w.End(r)
		if s := w.Platform.Stats(); s.Received != 110 {
			t.Errorf("%d requests for 110 events", s.Received)
		}
		apptest.EndLongPolls()
	})
}

// With leader epochs a lagging leader is waited for, however long, and a truncated log is noticed at once.
func TestALeaderEpochTellsLagFromTruncation(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(l *apptest.CraftedLog)
		lasts   time.Duration
		dropped int64
		sent    int // of 110 events; those that were truncated are written again
	}{
		{"its log holds all: it is waited for", func(l *apptest.CraftedLog) { l.LaggingEnd = 40 }, 10 * time.Minute, 0, 110},
		{"its log ends below: the rest is gone", func(l *apptest.CraftedLog) { l.End, l.Batches = 40, l.Batches[:40] }, time.Second, 60, 170},
	} {
		t.Run(c.name, func(t *testing.T) {
			apptest.InVirtualTime(t, 1, func(w *apptest.World) {
				l := &apptest.CraftedLog{}
				l.GrowTo(100)
				w.ServeLogs(l)
				r := w.Start()
				w.Until("the commit", w.AllCommitted(1, 100))
				l.Update(func() { c.change(l) })
				time.Sleep(c.lasts)
				if n := r.Snapshot().Dropped; n != c.dropped {
					t.Errorf("%d counted as dropped after %s, want %d", n, c.lasts, c.dropped)
				}
				l.Update(func() { l.LaggingEnd = 0 })
				l.GrowTo(110)
				w.Until("the rest", w.AllCommitted(1, 110))
				w.End(r)
				if s := w.Platform.Stats(); s.Received != c.sent {
					t.Errorf("%d requests, want %d", s.Received, c.sent)
				}
				if n := strings.Count(w.Log.String(), apptest.AnotherLogLine); n != int(min(c.dropped, 1)) {
					t.Errorf("%d lines say that the log is another one", n)
				}
				if n := l.Fetches(); n > 3000 {
					t.Errorf("%d fetches", n)
				}
				apptest.EndLongPolls()
			})
		})
	}
}

// Records that retention takes while reading pauses are counted; all others are sent once.
func TestRetentionThatOvertakesThePositionIsCounted(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.FailFlows(func(string) bool { return true })
		l := &apptest.CraftedLog{}
		l.GrowTo(500)
		w.ServeLogs(l)
		r := w.Start("CONSUMER_MAX_PENDING", "100")
		w.Until("reading pauses", func() bool {
			p := r.Snapshot().Engine.Partitions
			return len(p) == 1 && p[0].Paused == "records"
		})
		position := r.Snapshot().Engine.Partitions[0].Position
		l.Update(func() {
			l.Start = 300
			l.Batches = l.Batches[300:]
		})
		time.Sleep(time.Minute)
		w.FailFlows(func(string) bool { return false })
		w.Until("the rest", w.AllCommitted(1, 500), 5*time.Minute)
		w.End(r)
		if n := r.Snapshot().Dropped; n != 300-position {
			t.Errorf("%d counted as dropped, want those from %d to 300", n, position)
		}
		if s := w.Platform.Stats(); s.Accepted != int(position)+200 || s.Repeated != 0 {
			t.Errorf("%d accepted, want the %d that had been read and the last 200; %d repeated", s.Accepted, position, s.Repeated)
		}
		apptest.EndLongPolls()
	})
}

// A damaged batch stops its partition alone, until it can be read.
func TestADamagedBatchStopsItsPartitionAlone(t *testing.T) {
	apptest.InVirtualTime(t, 2, func(w *apptest.World) {
		bad := apptest.NewCraftedLog(apptest.EventBatch(0, 0), apptest.Corrupted(apptest.EventBatch(1, 1)), apptest.EventBatch(2, 2))
		good := &apptest.CraftedLog{Start: 1000, End: 1000} // events that bad does not hold
		w.ServeLogs(bad, good)
		r := w.Start()
		for to := int64(1010); to < 1600; to += 10 {
			good.GrowTo(to)
			time.Sleep(time.Second)
		}
		w.Until("the other partition", func() bool { return w.Committed(1) == 1590 })
		if at := w.Committed(0); at != 1 {
			t.Errorf("committed %d, want 1: nothing of the damaged batch", at)
		}
		if n := strings.Count(w.Log.String(), cannot); n == 0 || n > 60 {
			t.Errorf("%d lines in a minute", n)
		}
		if kind := r.Status().Condition.Kind; kind != admin.PartitionUnreadable {
			t.Errorf("the status page says %q", kind)
		}
		bad.Update(func() { bad.Batches[1] = apptest.EventBatch(1, 1) })
		w.Until("the repaired one", func() bool { return w.Committed(0) == 3 })
		if kind := r.Status().Condition.Kind; kind != admin.Well {
			t.Errorf("then the status page says %q", kind)
		}
		w.End(r)
		apptest.EndLongPolls()
	})
}
