package scenario

import (
	"strconv"
	"testing"
	"time"
)

// Reading begins where a tool has set the group's offset, if that lies in the log.
//
// A tool's commit carries no leader epoch: it is believed in whatever epoch that is now.
func TestAToolsCommitInTheLogIsUsed(t *testing.T) {
	for _, at := range []int64{0, 30, 100} {
		t.Run(strconv.Itoa(int(at)), func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start()
				w.orderKeys(0, 100)
				w.Until("the commit", w.AllCommitted(1, 100))
				w.End(r)
				w.moveLeader()
				w.CommitAsTool(w.Kafka, at, "")
				r = w.Start()
				time.Sleep(time.Minute)
				w.orderKeys(newFrom, newFrom+10)
				w.caughtUp()
				w.End(r)
				w.witness(0)
				if n := w.Platform.Stats().Repeated; int64(n) != 100-at {
					t.Errorf("%d were sent again, want those from %d on", n, at)
				}
			})
		})
	}
}

// A tool's offset beyond the log's end skips nothing that is written meanwhile.
func TestAToolsCommitBeyondTheLogSkipsNothing(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.orderKeys(0, 50)
		w.CommitAsTool(w.Kafka, 1000, "")
		r := w.Start()
		time.Sleep(10 * time.Second)
		w.orderKeys(50, 100)
		w.caughtUp()
		w.End(r)
		w.witness(1)
	})
}

// A commit that a tool restores with its metadata skips nothing in a log that was truncated since.
//
// It carries no epoch, so what its metadata says beyond the commit cannot be verified.
func TestRestoredMetadataIsNotUsedInAnotherLog(t *testing.T) {
	onDisk(t, func(w *world) {
		m := w.startMortal()
		release := w.heldInFront()
		w.End(m.Replica)
		c := w.CommitOf(w.Kafka, 0)
		w.truncate(80)
		w.singly(newFrom, newFrom+50)
		w.CommitAsTool(w.Kafka, c.At, c.Metadata)
		release()
		m = w.startMortal()
		w.caughtUp()
		w.End(m.Replica)
		w.witness(unknownLoss)
	})
}

// A wrong leader epoch in a commit whose metadata is right delays nothing.
//
// The epoch is another program's (kafka-go's 0): the runs are verified, and the position's epoch diverges with each fetch.
func TestAWrongEpochBesideRunsDelaysNothing(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.orderKeys(0, 5)
		w.RaiseEpoch(3)
		release := w.holding("F-10-0")
		r := w.Start()
		w.orderKeys(5, 100)
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 99 })
		time.Sleep(5 * time.Second)
		w.End(r)
		c := w.CommitOf(w.Kafka, 0)
		w.CommitWithEpoch(w.Kafka, c.At, 0, c.Metadata)
		w.Epochs.Mu.Lock()
		w.Epochs.ReportDivergence = true
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
