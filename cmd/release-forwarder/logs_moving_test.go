package main

import (
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
)

// change changes a log while it is served.
func (l *handLog) change(to func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to()
}

// grow appends an event at each offset from the end up to one.
func (l *handLog) grow(to int64) {
	l.change(func() {
		for ; l.end < to; l.end++ {
			l.pieces = append(l.pieces, batch(l.end, l.end).inEpoch(l.epoch))
		}
	})
}

// A new leader may not know yet up to where its log is committed, and believe that it
// ends earlier. Where no leader epoch tells, only time does.
func TestALeaderThatLagsIsBelievedOnlyWhenItHasSaidSoForHalfAMinute(t *testing.T) {
	for _, c := range []struct {
		name    string
		lasts   time.Duration
		dropped int64 // what counts as missing: from the end it states to the position
	}{
		{"it has caught up after 25s: nothing is missing, nothing repeats", 25 * time.Second, 0},
		{"it stands by it: the log was truncated", 40 * time.Second, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				l := &handLog{epoch: -1}
				l.grow(100)
				w.serve(l)
				r := w.start()
				w.until("the commit", w.allCommitted(1, 100))
				l.change(func() { l.lagging = 40 })
				time.Sleep(c.lasts)
				l.change(func() { l.lagging = 0 })
				l.grow(110)
				w.until("the rest", w.allCommitted(1, 110))
				w.end(r)
				if n := r.Snapshot().Dropped; n != c.dropped {
					t.Errorf("%d counted as dropped, want %d", n, c.dropped)
				}
				if s := w.platform.Stats(); s.Accepted != 110 || c.dropped == 0 && s.Repeated > 0 {
					t.Errorf("%d accepted, %d repeated", s.Accepted, s.Repeated)
				}
				if n := strings.Count(w.log.String(), "above the log's end"); n != 1 {
					t.Errorf("%d lines say so, want 1", n)
				}
				settle()
			})
		})
	}
}

// Half a minute counts from the last time the leader knew the position.
func TestALeaderThatLagsAgainAndAgainIsNotBelieved(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		l := &handLog{epoch: -1}
		l.grow(100)
		w.serve(l)
		r := w.start()
		w.until("the commit", w.allCommitted(1, 100))
		for range 5 {
			l.change(func() { l.lagging = 40 })
			time.Sleep(20 * time.Second)
			l.change(func() { l.lagging = 0 })
			time.Sleep(5 * time.Second)
		}
		l.grow(110)
		w.until("the rest", w.allCommitted(1, 110))
		w.end(r)
		if s := w.platform.Stats(); s.Received != 110 {
			t.Errorf("%d requests for 110 events", s.Received)
		}
		settle()
	})
}

// Where epochs tell, nothing waits for time to tell: what the leader's epoch still holds is
// waited for, however long, and what it does not is known to be gone at once.
func TestALeaderEpochTellsALaggingLeaderFromATruncatedLog(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(l *handLog)
		lasts   time.Duration
		dropped int64
		sent    int // of 110 events; those that were truncated are written anew
	}{
		{"its log holds all: it is waited for", func(l *handLog) { l.lagging = 40 }, 10 * time.Minute, 0, 110},
		{"its log ends below: the rest is gone", func(l *handLog) { l.end, l.pieces = 40, l.pieces[:40] }, time.Second, 60, 170},
	} {
		t.Run(c.name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				l := &handLog{}
				l.grow(100)
				w.serve(l)
				r := w.start()
				w.until("the commit", w.allCommitted(1, 100))
				l.change(func() { c.change(l) })
				time.Sleep(c.lasts)
				if n := r.Snapshot().Dropped; n != c.dropped {
					t.Errorf("%d counted as dropped after %s, want %d", n, c.lasts, c.dropped)
				}
				l.change(func() { l.lagging = 0 })
				l.grow(110)
				w.until("the rest", w.allCommitted(1, 110))
				w.end(r)
				if s := w.platform.Stats(); s.Received != c.sent {
					t.Errorf("%d requests, want %d", s.Received, c.sent)
				}
				if n := strings.Count(w.log.String(), anotherLog); n != int(min(c.dropped, 1)) {
					t.Errorf("%d lines say that the log is another one", n)
				}
				if n := l.fetches(); n > 3000 {
					t.Errorf("%d fetches", n)
				}
				settle()
			})
		})
	}
}

func TestRetentionThatOvertakesThePositionWhileReadingIsPausedIsCounted(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.failing(func(string) bool { return true })
		l := &handLog{}
		l.grow(500)
		w.serve(l)
		r := w.start("CONSUMER_MAX_PENDING", "100")
		w.until("reading pauses", func() bool {
			p := r.Snapshot().Engine.Partitions
			return len(p) == 1 && p[0].Paused == "records"
		})
		position := r.Snapshot().Engine.Partitions[0].Position
		l.change(func() {
			l.start = 300
			l.pieces = l.pieces[300:]
		})
		time.Sleep(time.Minute)
		w.failing(func(string) bool { return false })
		w.until("the rest", w.allCommitted(1, 500), 5*time.Minute)
		w.end(r)
		if n := r.Snapshot().Dropped; n != 300-position {
			t.Errorf("%d counted as dropped, want those from %d to 300", n, position)
		}
		if s := w.platform.Stats(); s.Accepted != int(position)+200 || s.Repeated != 0 {
			t.Errorf("%d accepted, want the %d that had been read and the last 200; %d repeated", s.Accepted, position, s.Repeated)
		}
		settle()
	})
}

// A partition that cannot be read goes on by itself when it can be.
func TestADamagedBatchStopsItsPartitionAloneAndGoesOnWhenItIsMended(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		bad := logOf(batch(0, 0), flipped(batch(1, 1)), batch(2, 2))
		good := &handLog{start: 1000, end: 1000} // events that bad does not hold
		w.serve(bad, good)
		r := w.start()
		for to := int64(1010); to < 1600; to += 10 {
			good.grow(to)
			time.Sleep(time.Second)
		}
		w.until("the other partition", func() bool { return w.committed(1) == 1590 })
		if at := w.committed(0); at != 1 {
			t.Errorf("committed %d, want 1: nothing of the damaged batch", at)
		}
		if n := strings.Count(w.log.String(), cannot); n == 0 || n > 60 {
			t.Errorf("%d lines in a minute", n)
		}
		if kind := r.Status().Condition.Kind; kind != admin.PartitionUnreadable {
			t.Errorf("the status page says %q", kind)
		}
		bad.change(func() { bad.pieces[1] = batch(1, 1) })
		w.until("the mended one", func() bool { return w.committed(0) == 3 })
		if kind := r.Status().Condition.Kind; kind != admin.Well {
			t.Errorf("then the status page says %q", kind)
		}
		w.end(r)
		settle()
	})
}
