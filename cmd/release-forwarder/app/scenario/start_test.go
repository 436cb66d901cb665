package scenario

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/memnet"
)

// startFarAway starts a replica whose brokers are 10 ms away, there and back, so
// that each request to Kafka takes a moment. What it is made of ends with drop.
func (w *world) startFarAway() (r *apptest.Replica, drop func()) {
	link := w.Net.NewLink(1)
	link.Set(func(address string) memnet.Condition {
		if strings.HasSuffix(address, ":80") {
			return memnet.Condition{} // the platform
		}
		return memnet.Condition{Delay: 5 * time.Millisecond}
	})
	r = w.StartOn(link.Dial)
	return r, func() {
		w.End(r)
		time.Sleep(time.Minute) // a connection that was being made is given up
	}
}

// soon is what a handful of round trips takes, and less than a long poll.
const soon = 250 * time.Millisecond

// afterJoining waits until n events are accepted, and gives how long after joining
// the group that is.
func (w *world) afterJoining(r *apptest.Replica, n int) time.Duration {
	w.T.Helper()
	for !r.Snapshot().Engine.Joined {
		time.Sleep(time.Millisecond)
	}
	joined := time.Now()
	for w.Platform.Stats().Accepted < n && time.Since(joined) < time.Minute {
		time.Sleep(time.Millisecond)
	}
	return time.Since(joined)
}

// oneInEveryOther puts an event into every other partition. Those without any
// hold up none that has.
func (w *world) oneInEveryOther(partitions int32, orderKey int) (n int) {
	for p := int32(0); p < partitions; p += 2 {
		w.Produce(p, apptest.Event(orderKey+int(p), 0))
		n++
	}
	return n
}

// A new group reads all its partitions at once, with one first commit for each leader.
func TestANewGroupStartsAllPartitionsAtOnce(t *testing.T) {
	for _, partitions := range []int32{6, 100} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			inVirtualTime(t, partitions, func(w *world) {
				n := w.oneInEveryOther(partitions, 0)
				commits := w.asked(kmsg.OffsetCommit)
				r, drop := w.startFarAway()
				took := w.afterJoining(r, n)
				if sent := commits.Load(); took > soon || sent > 3 {
					t.Errorf("all are sent %s after joining, want %s at the most; %d commits before, want 3 at the most, one for each leader", took, soon, sent)
				}
				drop()
			})
		})
	}
}

// A restarted replica reads all its partitions at once, without a commit before.
func TestARestartReadsAllPartitionsAtOnce(t *testing.T) {
	const partitions = 50
	inVirtualTime(t, partitions, func(w *world) {
		w.Backlog(partitions, 1)
		r := w.Start()
		w.Until("the commits", w.AllCommitted(partitions, 1))
		w.End(r)
		n := partitions + w.oneInEveryOther(partitions, 1000)
		commits := w.asked(kmsg.OffsetCommit)
		r, drop := w.startFarAway()
		took := w.afterJoining(r, n)
		if sent := commits.Load(); took > soon || sent > 0 {
			t.Errorf("all are sent %s after joining, want %s at the most; %d commits before, want none", took, soon, sent)
		}
		drop()
	})
}

// A leader that does not answer at the start delays no partition of the others.
func TestASilentLeaderDelaysNoOtherPartition(t *testing.T) {
	inVirtualTime(t, 6, func(w *world) {
		w.Backlog(6, 1)
		silent, others := w.Cluster.LeaderFor(apptest.EventTopic, 0), 0
		for p := range int32(6) {
			if w.Cluster.LeaderFor(apptest.EventTopic, p) != silent {
				others++
			}
		}
		begun := time.Now()
		w.Cluster.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster.KeepControl()
			// Handled, and not answered.
			return nil, nil, w.Cluster.CurrentNode() == silent && time.Since(begun) < 5*time.Second
		})
		r := w.Start()
		if took := w.afterJoining(r, others); took > soon {
			t.Errorf("the other leaders' %d are sent %s after joining, want %s at the most", others, took, soon)
		}
		if n := w.Platform.Stats().Accepted; n != others {
			t.Errorf("%d are sent, want %d: one leader is silent", n, others)
		}
		w.Until("all", w.AllCommitted(6, 1))
		w.End(r)
	})
}

// A partition is not read before the offset where it begins is committed; the others are.
func TestAPartitionWhoseFirstCommitIsRefusedIsNotRead(t *testing.T) {
	inVirtualTime(t, 6, func(w *world) {
		w.Backlog(6, 1)
		fault := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Partitions: []int32{2}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		r := w.Start()
		if took := w.afterJoining(r, 5); took > soon {
			t.Errorf("the others are sent %s after joining, want %s at the most", took, soon)
		}
		time.Sleep(time.Minute)
		if n := w.Platform.Stats().Received; n != 5 {
			t.Errorf("%d requests, want 5: one partition has not begun", n)
		}
		fault.Remove()
		w.Until("all", w.AllCommitted(6, 1))
		w.End(r)
	})
}
