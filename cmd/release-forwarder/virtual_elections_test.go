package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Two unclean elections: the second leader's log has records of an older epoch that the
// first one's had not, where ours has records of a newer one. Leaders tell the end of the
// older epoch in their own log, which lies above where the logs part (a follower takes the
// lesser of that and the end in its own log, KIP-101).
func TestTwoUncleanElectionsPassNothingOver(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			onDisk(t, func(w *world) {
				m := w.startMortal(inGeneration...)
				w.singly(0, 50)
				w.until("the commit", w.allCommitted(1, 50))
				w.end(m.replica)
				w.singly(100, 130) // at 50 to 79, which nobody has read
				folder := filepath.Join(w.folder, "partitions", eventTopic+"-0")
				w.epochs.mu.Lock()
				began := slices.Clone(w.epochs.began[0])
				w.epochs.mu.Unlock()
				w.cluster.Close()
				saved := map[string][]byte{}
				for _, name := range []string{"0.dat", "0.idx"} { // the log, and what its batches' heads say
					b, err := os.ReadFile(filepath.Join(folder, name))
					if err != nil {
						t.Fatal(err)
					}
					saved[name] = b
				}
				w.openBrokers()
				w.renew()
				w.truncate(50)
				w.singly(newFrom, newFrom+100)
				m = w.startMortal(inGeneration...)
				w.until("the second log", w.allCommitted(1, 150))
				if !running {
					w.end(m.replica)
				}
				before := w.cluster.PartitionInfo(eventTopic, 0).Epoch
				w.cluster.Close()
				for name, b := range saved {
					if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Remove(filepath.Join(folder, "snapshot.json")); err != nil {
					t.Fatal(err)
				}
				w.epochs.mu.Lock()
				w.epochs.began[0] = began
				w.epochs.mu.Unlock()
				w.openBrokers()
				w.raise(before + 1)
				w.epochs.mu.Lock()
				// It leads in the last of these epochs alone.
				w.epochs.began[0] = slices.DeleteFunc(w.epochs.began[0], func(b beginning) bool { return b.epoch > began[len(began)-1].epoch && b.epoch <= before })
				w.epochs.mu.Unlock()
				w.renew()
				w.singly(2*newFrom, 2*newFrom+5)
				if !running {
					m = w.startMortal(inGeneration...)
				}
				time.Sleep(3 * time.Minute)
				w.witness(1)
				w.end(m.replica)
			})
		})
	}
}
