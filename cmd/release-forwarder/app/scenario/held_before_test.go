package scenario

import (
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// DLQ_HELD_BEFORE makes a dead letter of each failing record that is older, and of no other.
func TestAnOperatorGivesUpWhatIsOld(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(string) bool { return true })
		w.Produce(0, apptest.EventOfLot("a", 0), apptest.EventOfLot("a", 2))
		time.Sleep(time.Hour)
		w.Produce(0, apptest.EventOfLot("a", 4))
		r := w.Start("DLQ_HELD_BEFORE", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
		w.Until("the commit", func() bool { return w.Committed(0) == 2 })
		time.Sleep(time.Minute)
		w.End(r)
		if l := w.DeadLetters(); len(l) != 2 || apptest.DeadLetterHeader(l[0], "reason") != "by-operator" || apptest.DeadLetterHeader(l[0], "code") != "500" {
			t.Errorf("dead letters %v", l)
		}
	})
}

// What an operator gives up is not paced by a storm: it becomes a dead letter at its next failure.
func TestWhatAnOperatorGivesUpIsNotPaced(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(string) bool { return true })
		const old = 200
		w.Backlog(1, old)
		time.Sleep(time.Hour)
		r := w.Start("DLQ_HELD_BEFORE", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "DLQ_STORM_LIMIT", "10")
		w.Until("the commit", func() bool { return w.Committed(0) == old }, 20*time.Second)
		if n := r.Snapshot().Storms; n != 0 {
			t.Errorf("%d storms", n)
		}
		w.End(r)
		deadLetters := w.DeadLetters()
		for _, l := range deadLetters {
			if reason := apptest.DeadLetterHeader(l, "reason"); reason != "by-operator" {
				t.Fatalf("reason %s", reason)
			}
		}
		if len(deadLetters) != old {
			t.Errorf("%d dead letters of %d", len(deadLetters), old)
		}
	})
}
