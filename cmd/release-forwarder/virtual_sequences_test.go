package main

import (
	"strings"
	"testing"
	"time"
)

// kafka-go's Client.OffsetCommit, by which the version before committed, speaks version 6 or 7
// and leaves the leader epoch at 0: that is no evidence.
func TestEpochZeroOfTheVersionBeforeIsNone(t *testing.T) {
	for name, metadata := range map[string]string{"its own metadata": versionBefore, "bare": ""} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.orderKeys(0, 5)
				w.raise(3)
				w.orderKeys(5, 15)
				w.commitWith(w.kafka, 10, 0, metadata)
				r := w.start()
				time.Sleep(30 * time.Second)
				w.end(r)
				if n := w.platform.Stats().Received; n != 5 {
					t.Errorf("%d requests, want those from the commit on", n)
				}
				if strings.Contains(w.log.String(), anotherLog) {
					t.Error("the log is said to be another one")
				}
			})
		})
	}
}

// Made anew, noticed; records of the first log are open for minutes; made anew once more.
func TestATopicMadeAnewAgainBeforeTheFirstIsFinishedWith(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.failing(func(f string) bool { return f == "F-0-0" })
		r := w.start()
		w.orderKeys(0, 100)
		time.Sleep(30 * time.Second)
		for n := 1; n <= 2; n++ {
			w.anew(nil)
			w.orderKeys(n*newFrom, n*newFrom+40)
			time.Sleep(time.Minute)
		}
		w.platform.Script(nil)
		w.caughtUp()
		if p := r.Snapshot().Engine.Partitions[0]; p.Phase != "reading" {
			t.Errorf("phase %s after the platform came back", p.Phase)
		}
		w.end(r)
	})
}

func TestResetNoneWaitsThroughRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.start("KAFKA_OFFSET_RESET", "none")
		w.orderKeys(0, 100)
		w.until("the commit", w.allCommitted(1, 100))
		w.anew(nil)
		w.orderKeys(newFrom, newFrom+40)
		time.Sleep(time.Minute)
		for range 4 {
			if p := r.Snapshot().Engine.Partitions[0]; p.Phase != "parked" {
				t.Errorf("phase %s", p.Phase)
			}
			w.rebalance()
			time.Sleep(time.Minute)
		}
		if n := w.platform.Stats().Accepted; n != 100 {
			t.Errorf("%d accepted: the new log was read though nobody set the offset", n)
		}
		if n := strings.Count(w.log.String(), anotherLog); n != 1 {
			t.Errorf("said %d times", n)
		}
		w.end(r)
	})
}

// A commit whose leader epoch is another program's (kafka-go's 0), beside metadata that
// fits: the runs are verified, the position's epoch diverges with each fetch.
func TestAWrongEpochBesideVerifiedRunsHoldsNothingUp(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.orderKeys(0, 5)
		w.raise(3)
		release := w.holding("F-10-0")
		r := w.start()
		w.orderKeys(5, 100)
		w.until("the neighbours", func() bool { return w.platform.Stats().Accepted == 99 })
		time.Sleep(5 * time.Second)
		w.end(r)
		c := w.commitOf(w.kafka, 0)
		w.commitWith(w.kafka, c.At, 0, c.Metadata)
		w.epochs.mu.Lock()
		w.epochs.diverging = true
		w.epochs.mu.Unlock()
		release()
		r = w.start()
		w.until("the commit", w.allCommitted(1, 100), 5*time.Minute)
		w.end(r)
		if n := w.platform.Stats().Received - w.platform.Stats().Repeated; n < 100 {
			t.Errorf("%d received", n)
		}
	})
}

// What was cut is counted once, whatever the group does until what was read above is finished.
func TestATruncationIsCountedOnceThroughRebalances(t *testing.T) {
	onDisk(t, func(w *world) {
		m := w.startMortal(inGeneration...)
		release := cutPlaces["below an unfinished record"].write(w)
		w.truncate(50)
		w.singly(newFrom, newFrom+10)
		time.Sleep(time.Minute)
		for range 3 {
			w.rebalance()
			time.Sleep(time.Minute)
		}
		if n := m.Snapshot().Dropped; n != 50 || strings.Count(w.log.String(), anotherLog) != 1 {
			t.Errorf("%d counted, said %d times; want 50, once", n, strings.Count(w.log.String(), anotherLog))
		}
		release()
		w.caughtUp()
		w.end(m.replica)
	})
}
