package scenario

import (
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// Leader epoch 0 in a commit of the version before is ignored: the log is read on from the commit.
//
// kafka-go's Client.OffsetCommit, by which that version committed, speaks version 6 or 7 and leaves the epoch at 0.
func TestEpochZeroOfTheVersionBeforeIsIgnored(t *testing.T) {
	for name, metadata := range map[string]string{"its own metadata": versionBefore, "bare": ""} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.orderKeys(0, 5)
				w.Raise(3)
				w.orderKeys(5, 15)
				w.CommitWith(w.Kafka, 10, 0, metadata)
				r := w.Start()
				time.Sleep(30 * time.Second)
				w.End(r)
				if n := w.Platform.Stats().Received; n != 5 {
					t.Errorf("%d requests, want those from the commit on", n)
				}
				if strings.Contains(w.Log.String(), apptest.AnotherLog) {
					t.Error("the log is said to be another one")
				}
			})
		})
	}
}

// A topic that is recreated again, while records of the first log are open, is read in the end.
func TestATopicRecreatedAgainIsReadInTheEnd(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Failing(func(f string) bool { return f == "F-0-0" })
		r := w.Start()
		w.orderKeys(0, 100)
		time.Sleep(30 * time.Second)
		for n := 1; n <= 2; n++ {
			w.anew(nil)
			w.orderKeys(n*newFrom, n*newFrom+40)
			time.Sleep(time.Minute)
		}
		w.Platform.Script(nil)
		w.caughtUp()
		if p := r.Snapshot().Engine.Partitions[0]; p.Phase != "reading" {
			t.Errorf("phase %s after the platform came back", p.Phase)
		}
		w.End(r)
	})
}

// With KAFKA_OFFSET_RESET=none a partition waits for an operator through rebalances, and one log line says so.
func TestResetNoneWaitsThroughRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start("KAFKA_OFFSET_RESET", "none")
		w.orderKeys(0, 100)
		w.Until("the commit", w.AllCommitted(1, 100))
		w.anew(nil)
		w.orderKeys(newFrom, newFrom+40)
		time.Sleep(time.Minute)
		for range 4 {
			if p := r.Snapshot().Engine.Partitions[0]; p.Phase != "parked" {
				t.Errorf("phase %s", p.Phase)
			}
			w.Rebalance()
			time.Sleep(time.Minute)
		}
		if n := w.Platform.Stats().Accepted; n != 100 {
			t.Errorf("%d accepted: the new log was read though nobody set the offset", n)
		}
		if n := strings.Count(w.Log.String(), apptest.AnotherLog); n != 1 {
			t.Errorf("said %d times", n)
		}
		w.End(r)
	})
}

// A wrong leader epoch in a commit whose metadata is right delays nothing.
//
// The epoch is another program's (kafka-go's 0): the runs are verified, and the position's epoch diverges with each fetch.
func TestAWrongEpochBesideRunsDelaysNothing(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.orderKeys(0, 5)
		w.Raise(3)
		release := w.holding("F-10-0")
		r := w.Start()
		w.orderKeys(5, 100)
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 99 })
		time.Sleep(5 * time.Second)
		w.End(r)
		c := w.CommitOf(w.Kafka, 0)
		w.CommitWith(w.Kafka, c.At, 0, c.Metadata)
		w.Epochs.Mu.Lock()
		w.Epochs.Diverging = true
		w.Epochs.Mu.Unlock()
		release()
		r = w.Start()
		w.Until("the commit", w.AllCommitted(1, 100), 5*time.Minute)
		w.End(r)
		if n := w.Platform.Stats().Received - w.Platform.Stats().Repeated; n < 100 {
			t.Errorf("%d received", n)
		}
	})
}

// What a truncation took is counted once, whatever the group does until the records above it are finished.
func TestATruncationIsCountedOnce(t *testing.T) {
	onDisk(t, func(w *world) {
		m := w.startMortal(inGeneration...)
		release := cutPlaces["below an unfinished record"].write(w)
		w.truncate(50)
		w.singly(newFrom, newFrom+10)
		time.Sleep(time.Minute)
		for range 3 {
			w.Rebalance()
			time.Sleep(time.Minute)
		}
		if n := m.Snapshot().Dropped; n != 50 || strings.Count(w.Log.String(), apptest.AnotherLog) != 1 {
			t.Errorf("%d counted, said %d times; want 50, once", n, strings.Count(w.Log.String(), apptest.AnotherLog))
		}
		release()
		w.caughtUp()
		w.End(m.Replica)
	})
}
