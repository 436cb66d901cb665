package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// Two unclean elections skip no record of the log.
//
// The second leader's log has records of an older epoch that the first one's had not, where ours has records of a newer
// one. Leaders report the end of the older epoch in their own log, which lies above where the logs part (a follower takes
// the lesser of that and the end in its own log, KIP-101).
func TestTwoUncleanElectionsSkipNothing(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			onDisk(t, func(w *world) {
				m := w.startMortal(inGeneration...)
				w.singly(0, 50)
				w.Until("the commit", w.AllCommitted(1, 50))
				w.End(m.Replica)
				w.singly(100, 130) // at 50 to 79, which no replica has read
				first := apptest.Partition{Topic: apptest.EventTopic}
				folder := filepath.Join(w.LogFolder, "partitions", apptest.EventTopic+"-0")
				w.Epochs.Mu.Lock()
				began := slices.Clone(w.Epochs.Starts[first])
				w.Epochs.Mu.Unlock()
				w.Cluster.Close()
				saved := map[string][]byte{}
				for _, name := range []string{"0.dat", "0.idx"} { // the log, and what its batches' heads say
					b, err := os.ReadFile(filepath.Join(folder, name))
					if err != nil {
						t.Fatal(err)
					}
					saved[name] = b
				}
				w.StartBrokers()
				w.ReconnectObserver()
				w.truncate(50)
				w.singly(newFrom, newFrom+100)
				m = w.startMortal(inGeneration...)
				w.Until("the second log", w.AllCommitted(1, 150))
				if !running {
					w.End(m.Replica)
				}
				before := w.Cluster.PartitionInfo(apptest.EventTopic, 0).Epoch
				w.Cluster.Close()
				for name, b := range saved {
					if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Remove(filepath.Join(folder, "snapshot.json")); err != nil {
					t.Fatal(err)
				}
				w.Epochs.Mu.Lock()
				w.Epochs.Starts[first] = began
				w.Epochs.Mu.Unlock()
				w.StartBrokers()
				w.RaiseEpoch(before + 1)
				w.Epochs.Mu.Lock()
				// It leads in the last of these epochs alone.
				w.Epochs.Starts[first] = slices.DeleteFunc(w.Epochs.Starts[first], func(b apptest.EpochStart) bool { return b.Epoch > began[len(began)-1].Epoch && b.Epoch <= before })
				w.Epochs.Mu.Unlock()
				w.ReconnectObserver()
				w.singly(2*newFrom, 2*newFrom+5)
				if !running {
					m = w.startMortal(inGeneration...)
				}
				time.Sleep(3 * time.Minute)
				w.witness(1)
				w.End(m.Replica)
			})
		})
	}
}
