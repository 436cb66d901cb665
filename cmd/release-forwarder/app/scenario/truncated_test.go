package scenario

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// A lost end of a log. Each place is what the service believed of the log when the
// end went; each way is what became of the service meanwhile.

// cutPlace writes a log and lets the service work on it, says where to cut, and how
// many of the records that the service knew of are gone without having been sent.
type cutPlace struct {
	settings []string
	write    func(w *world) (release func())
	at       int64
	gone     int64
	// knownBy are the ways in which the service can know; nil: all. The group's commit
	// holds nothing of what is gone, so no other process can.
	knownBy []string
	// whole says that what lies below the cut may not be sent again, unless a kill
	// explains it.
	whole bool
}

var cutPlaces = map[string]cutPlace{
	// All of 100 is finished and committed.
	"below the position": {write: func(w *world) func() {
		w.singly(0, 100)
		w.Until("the commit", w.AllCommitted(1, 100))
		return func() {}
	}, at: 50, gone: 1, whole: true},
	// The last record is at 79; above it lie an aborted transaction and its marker.
	"between the last record and the position": {write: func(w *world) func() {
		w.singly(0, 80)
		w.inTransaction(kgo.TryAbort, 500, 519)
		w.Until("the commit", w.AllCommitted(1, 100))
		return func() {}
	}, at: 80, gone: 1, whole: true},
	// The first record is held, all others are finished, the commit says so.
	"below what is finished beyond the commit": {write: func(w *world) func() {
		release := w.holding("F-0-0")
		w.singly(0, 100)
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 99 })
		time.Sleep(5 * time.Second)
		return release
	}, at: 80, gone: 1},
	// The last record is held, what lies before it is finished and committed.
	"below an unfinished record": {write: func(w *world) func() {
		release := w.holding("F-90-0")
		w.singly(0, 100)
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 99 })
		time.Sleep(5 * time.Second)
		return release
	}, at: 50, gone: 1},
	// Reading pauses at 50 unfinished.
	"below the end of which is known, reading paused": {settings: []string{"CONSUMER_MAX_PENDING", "50"}, write: func(w *world) func() {
		w.FailFlows(func(string) bool { return true })
		w.singly(0, 100)
		time.Sleep(30 * time.Second)
		return func() { w.Platform.Script(nil) }
	}, at: 30, gone: 50, knownBy: []string{runsOn}},
	// The commit stands at 50, what was finished since could not be committed.
	"below what is finished and could not be committed": {write: func(w *world) func() {
		w.singly(0, 50)
		w.Until("the commit", w.AllCommitted(1, 50))
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Err: kerr.CoordinatorNotAvailable, Count: -1})
		w.singly(50, 100)
		w.Until("all", func() bool { return w.Platform.Stats().Accepted == 100 })
		return func() {}
	}, at: 70, gone: 1, knownBy: []string{runsOn, joinsAgain}},
	// To nothing.
	"at its first record": {write: func(w *world) func() {
		w.singly(0, 100)
		w.Until("the commit", w.AllCommitted(1, 100))
		return func() {}
	}, at: 0, gone: 1},
}

const runsOn, joinsAgain = "it runs on", "it joins again"

// What became of the replica: lose cuts the log and writes another one over it.
var cutWays = map[string]func(w *world, m mortal, settings []string, lose func()) mortal{
	// The heartbeat comes later than the first fetch: the generation goes on.
	runsOn: func(w *world, m mortal, _ []string, lose func()) mortal {
		lose()
		time.Sleep(time.Minute)
		return m
	},
	joinsAgain: func(w *world, m mortal, _ []string, lose func()) mortal {
		w.betweenGenerations() // what refuses its join goes with the brokers
		lose()
		time.Sleep(time.Minute)
		return m
	},
	"it is stopped before and started after": func(w *world, m mortal, settings []string, lose func()) mortal {
		w.End(m.Replica)
		lose()
		return w.startMortal(settings...)
	},
	"it is killed before and another started after": func(w *world, m mortal, settings []string, lose func()) mortal {
		w.kill(m)
		lose()
		return w.startMortal(settings...)
	},
	"it notices, and is restarted": func(w *world, m mortal, settings []string, lose func()) mortal {
		lose()
		w.noticed()
		w.End(m.Replica)
		return w.startMortal(settings...)
	},
	"it notices, and is killed before it can commit": func(w *world, m mortal, settings []string, lose func()) mortal {
		lose()
		commits := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Err: kerr.CoordinatorNotAvailable, Count: -1})
		w.noticed()
		w.kill(m)
		commits.Remove()
		return w.startMortal(settings...)
	},
	"another replica takes the partition": func(w *world, m mortal, settings []string, lose func()) mortal {
		lose()
		other := w.startMortal(settings...)
		w.kill(m)
		return other
	},
}

// noticed waits until a replica has said at level ERROR what is gone, or half a minute.
func (w *world) noticed() {
	w.T.Helper()
	for range 300 {
		if strings.Contains(w.Log.String(), `"partition":0,"from":`) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Nothing that is written over a truncated log is skipped, and what is gone is counted.
func TestNothingOfATruncatedLogIsSkipped(t *testing.T) {
	for place, p := range cutPlaces {
		for way, takes := range cutWays {
			sizes := map[string]int{"written over, longer": 150}
			if way == runsOn || way == joinsAgain {
				sizes["written over, shorter"] = 10
			}
			for size, n := range sizes {
				t.Run(fmt.Sprintf("%s/%s/%s", place, way, size), func(t *testing.T) {
					onDisk(t, func(w *world) {
						settings := append([]string{"KAFKA_HEARTBEAT_INTERVAL", "10s", "KAFKA_SESSION_TIMEOUT", "45s"}, p.settings...)
						m := w.startMortal(settings...)
						release := p.write(w)
						m = takes(w, m, settings, func() { w.truncate(p.at); w.singly(newFrom, newFrom+n) })
						release()
						w.caughtUp()
						w.End(m.Replica)
						gone := p.gone
						if p.knownBy != nil && !slices.Contains(p.knownBy, way) {
							gone = unknownLoss
						}
						w.witness(gone)
						if n := w.Platform.Stats().Repeated; p.whole && n > 0 && !strings.Contains(way, "kill") && !strings.Contains(way, "another") {
							t.Errorf("%d repeated of what was finished below the cut", n)
						}
					})
				})
			}
		}
	}
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
		if n := m.Snapshot().Dropped; n != 50 || strings.Count(w.Log.String(), apptest.AnotherLogLine) != 1 {
			t.Errorf("%d counted, said %d times; want 50, once", n, strings.Count(w.Log.String(), apptest.AnotherLogLine))
		}
		release()
		w.caughtUp()
		w.End(m.Replica)
	})
}

// onDisk runs a test in a bubble, on brokers that keep their logs in a folder: they
// can be stopped and started again, at the same addresses. A read or write of a file
// does not hold up virtual time.
func onDisk(t *testing.T, test func(w *world)) {
	t.Helper()
	folder := t.TempDir()
	inVirtualTimeWith(t, 1, platform.Config{}, func(w *world) {
		w.LogFolder = folder
		test(w)
	}, kfake.DataDir(folder), kfake.Ports(9001, 9002, 9003))
}

// truncate is what an unclean election does to partition 0: the brokers stop, its log
// loses all from an offset on, and when they are there again another one leads, in an
// epoch that is new.
func (w *world) truncate(to int64) {
	w.T.Helper()
	before := w.Cluster.PartitionInfo(apptest.EventTopic, 0).Epoch
	w.Cluster.Close()
	w.cut(to)
	w.StartBrokers()
	w.RaiseEpoch(before + 1)
	w.ReconnectObserver()
}

func (w *world) cut(to int64) {
	w.T.Helper()
	end, err := apptest.TruncateLog(w.LogFolder, 0, to)
	if err != nil {
		w.T.Fatal(err)
	}
	w.Epochs.Truncated(apptest.Partition{Topic: apptest.EventTopic}, end)
}
