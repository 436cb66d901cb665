package scenario

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// watchCommitted looks at the group's commits ten times a second until the
// returned function is called; a commit that falls fails the test.
func (w *world) watchCommitted(partitions int32) (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		last := map[int32]int64{}
		for {
			for p := range partitions {
				at := w.Committed(p) // -1 before the first
				if before, seen := last[p]; seen && at < before {
					w.T.Errorf("partition %d: the commit fell from %d to %d", p, before, at)
				}
				last[p] = at
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-stop:
				return
			}
		}
	}()
	return func() { close(stop); <-ended }
}

// A partition that comes back within a second keeps the order of its held order key, and repeats nothing.
func TestAPartitionThatComesBackKeepsItsOrder(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailOrderKey("S-1")
		r := w.Start("KAFKA_HEARTBEAT_INTERVAL", "300ms")
		w.Until("the group", w.AllCommitted(1, 0))
		end := w.watchCommitted(1)
		w.Produce(0, apptest.Event(1, 0), apptest.Event(2, 0), apptest.Event(1, 1), apptest.Event(3, 0))
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 2 })
		generation := r.Snapshot().Engine.Generation
		for i := range 5 {
			w.Rebalance()
			time.Sleep(500 * time.Millisecond)
			w.Produce(0, apptest.Event(10+i, 0))
			time.Sleep(1500 * time.Millisecond)
		}
		if n := r.Snapshot().Engine.Generation; n == generation {
			t.Fatal("the partition never left")
		}
		w.Platform.Script(nil)
		w.Until("all", w.AllCommitted(1, 9))
		end()
		w.End(r)
		var order []string
		for _, a := range w.Platform.Accepted() {
			if a.Params["parking_serial"] == "S-1" {
				order = append(order, a.Flow().No)
			}
		}
		if fmt.Sprint(order) != "[F-1-0 F-1-1]" {
			t.Errorf("the held order key arrived as %v", order)
		}
		if s := w.Platform.Stats(); s.Accepted != 9 || s.Repeated != 0 {
			t.Errorf("%d accepted of 9, %d repeated", s.Accepted, s.Repeated)
		}
	})
}

// A rebalance while reading pauses at a bound loses and repeats nothing.
func TestARebalanceWhileReadingPausesLosesNothing(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.FailFlows(func(string) bool { return true })
		w.Backlog(2, 1000)
		first := w.Start("CONSUMER_MAX_PENDING", "100")
		paused := func(r *apptest.Replica) func() bool {
			return func() bool {
				for _, p := range r.Snapshot().Engine.Partitions {
					if p.Paused != "records" {
						return false
					}
				}
				return len(r.Snapshot().Engine.Partitions) > 0
			}
		}
		w.Until("full buffers", paused(first))
		end := w.watchCommitted(2)
		second := w.Start()
		w.Until("the second's share, full as well", func() bool { return paused(second)() && len(second.Snapshot().Engine.Partitions) == 1 })
		w.End(first)
		w.Until("all of them, full", func() bool { return paused(second)() && len(second.Snapshot().Engine.Partitions) == 2 })
		w.FailFlows(func(string) bool { return false })
		w.Until("the backlog", w.AllCommitted(2, 1000), 2*time.Minute)
		end()
		w.End(second)
		if s := w.Platform.Stats(); s.Accepted != 2000 || s.Repeated != 0 {
			t.Errorf("%d accepted of 2000, %d repeated", s.Accepted, s.Repeated)
		}
	})
}

// A commit that arrives after its partition was revoked moves no offset back.
func TestALateCommitMovesNothing(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		first := w.Start("KAFKA_CLIENT_ID", "first")
		w.Until("the group", w.AllCommitted(1, 0))
		end := w.watchCommitted(1)
		// The first replica's next commit is late: it waits on its way.
		late, arrived := make(chan struct{}), make(chan struct{})
		var once sync.Once
		w.Cluster.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster.KeepControl()
			if req := r.(*kmsg.OffsetCommitRequest); strings.HasPrefix(req.MemberID, "first") {
				held := false
				once.Do(func() { held = true })
				if held {
					w.Cluster.SleepControl(func() { <-late })
					close(arrived)
				}
			}
			return nil, nil, false
		})
		w.Backlog(1, 50)
		w.Until("the acceptances", func() bool { return w.Platform.Stats().Accepted == 50 })
		time.Sleep(2 * time.Second) // the commit is under way
		w.End(first)
		second := w.Start("KAFKA_CLIENT_ID", "second")
		w.Backlog(1, 150)
		w.Until("the second's commit", w.AllCommitted(1, 200), 2*time.Minute)
		close(late)
		<-arrived
		time.Sleep(10 * time.Second)
		if at := w.Committed(0); at != 200 {
			t.Errorf("committed %d", at)
		}
		end()
		w.End(second)
	})
}

// A drain may outlast KAFKA_SESSION_TIMEOUT: nothing is lost, and each event is sent once.
func TestADrainMayOutlastTheSession(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 15 * time.Second} })
		first := w.Start("KAFKA_SESSION_TIMEOUT", "6s", "KAFKA_HEARTBEAT_INTERVAL", "1s", "UPSTREAM_TIMEOUT", "25s")
		w.Until("the group", w.AllCommitted(2, 0))
		w.Backlog(2, 40)
		w.Until("the requests", func() bool { return w.Platform.Stats().InFlight > 0 })
		second := w.Start()
		w.Until("all", w.AllCommitted(2, 40), 5*time.Minute)
		w.End(first)
		w.End(second)
		if s := w.Platform.Stats(); s.Received != 80 || s.Accepted != 80 {
			t.Errorf("%d received, %d accepted of 80", s.Received, s.Accepted)
		}
		if s := w.Log.String(); strings.Contains(s, "fenced") || strings.Count(s, `"why":"rebalance"`) == 0 {
			t.Error("fenced, or no rebalance")
		}
	})
}

// A member whose commit the coordinator does not know ends its deliveries at once and joins again.
func TestAnUnknownMembersCommitEndsItsDeliveries(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start("UPSTREAM_TIMEOUT", "60s", "KAFKA_HEARTBEAT_INTERVAL", "10s")
		w.Until("the group", w.AllCommitted(1, 0))
		refused := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Err: kerr.UnknownMemberID, Count: 1})
		// What is open hangs: only a cut ends it before a minute is over.
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if r.Params["flow_no"] == "F-0-0" || refused.Hits() > 0 {
				return nil
			}
			return &platform.Reply{Hang: true}
		})
		w.Backlog(1, 20)
		w.Until("all, those that hung by the next member", w.AllCommitted(1, 20), 10*time.Second)
		w.End(r)
		if n := strings.Count(w.Log.String(), `"why":"fenced"`); n != 1 {
			t.Errorf("fenced %d times, want once", n)
		}
	})
}

// A member of another generation than the coordinator's joins again with what it owns, and nothing is repeated.
//
// That happens when the last member of the consumer protocol leaves a group.
func TestAnIllegalGenerationCostsNothing(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Heartbeat, kmsg.OffsetCommit} {
		t.Run(key.Name(), func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 3 * time.Second} })
				r := w.Start()
				w.Until("the group", w.AllCommitted(1, 0))
				w.Backlog(1, 40)
				w.Until("requests that are open", func() bool { return w.Platform.Stats().InFlight > 0 })
				generation := r.Snapshot().Engine.Generation
				w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.IllegalGeneration, Count: 1})
				w.Until("the next generation", func() bool { return r.Snapshot().Engine.Generation > generation })
				w.Until("all", w.AllCommitted(1, 40), time.Minute)
				w.End(r)
				if s := w.Platform.Stats(); s.Received != 40 || strings.Contains(w.Log.String(), "fenced") {
					t.Errorf("%d requests for 40, or fenced", s.Received)
				}
			})
		})
	}
}

// A member whose join was never answered delays its share by one session at most.
func TestAGhostMemberCostsNoMoreThanOneSession(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.Start()
		w.Until("the group", w.AllCommitted(2, 0))
		ghost := kmsg.NewPtrJoinGroupRequest()
		ghost.Group, ghost.ProtocolType = apptest.Group, "consumer"
		ghost.SessionTimeoutMillis, ghost.RebalanceTimeoutMillis = 30_000, 60_000
		protocol := kmsg.NewJoinGroupRequestProtocol()
		protocol.Name = "range"
		protocol.Metadata = (&kmsg.ConsumerMemberMetadata{Topics: []string{apptest.EventTopic}}).AppendTo(nil)
		ghost.Protocols = append(ghost.Protocols, protocol)
		named, err := ghost.RequestWith(context.Background(), w.Kafka)
		if err != nil {
			t.Fatal(err)
		}
		ghost.MemberID = named.MemberID // KIP-394: asked to come again
		if joined, err := ghost.RequestWith(context.Background(), w.Kafka); err != nil || joined.ErrorCode != 0 {
			t.Fatal(err, joined)
		}
		begun := time.Now()
		w.Backlog(2, 20)
		w.Until("both partitions", w.AllCommitted(2, 20), 2*time.Minute)
		if d := time.Since(begun); d > 35*time.Second {
			t.Errorf("held up for %s by a member without a session of more than 30s", d)
		}
		w.End(r)
		if s := w.Platform.Stats(); s.Received != 40 {
			t.Errorf("%d requests for 40 events", s.Received)
		}
	})
}

// A rebalance repeats nothing, also where the platform takes seconds to answer.
func TestARebalanceWithSlowAnswersRepeatsNothing(t *testing.T) {
	inVirtualTime(t, 4, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 7 * time.Second} })
		first := w.Start()
		w.Until("the group", w.AllCommitted(4, 0))
		w.Backlog(4, 100)
		time.Sleep(3 * time.Second)
		second := w.Start()
		time.Sleep(25 * time.Second)
		third := w.Start()
		w.Until("all", w.AllCommitted(4, 100), 10*time.Minute)
		for _, r := range []*apptest.Replica{first, second, third} {
			w.End(r)
		}
		if s := w.Platform.Stats(); s.Received != 400 || s.Accepted != 400 {
			t.Errorf("%d received, %d accepted, want 400 each", s.Received, s.Accepted)
		}
	})
}
