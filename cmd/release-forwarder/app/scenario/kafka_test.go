package scenario

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// A refused commit is sent again, whatever the error, and no event is lost.
func TestARefusedCommitLosesNothing(t *testing.T) {
	for _, err := range []*kerr.Error{kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.GroupAuthorizationFailed} {
		t.Run(err.Message, func(t *testing.T) {
			inVirtualTime(t, 2, func(w *world) {
				r := w.Start()
				w.Until("the group", w.AllCommitted(2, 0))
				fault := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Err: err, Count: -1})
				var values [2][]string
				for i := range 200 {
					values[i%2] = append(values[i%2], apptest.Event(i, 0))
				}
				w.Produce(0, values[0]...)
				w.Produce(1, values[1]...)
				w.Until("the acceptances", func() bool { return w.Platform.Stats().Accepted == 200 })
				time.Sleep(30 * time.Second)
				if a, b := w.Committed(0), w.Committed(1); a != 0 || b != 0 {
					t.Fatalf("committed %d and %d", a, b)
				}
				fault.Remove()
				w.Until("the commit", w.AllCommitted(2, 100))
				w.End(r)
				if w.Platform.Stats().Accepted != 200 {
					t.Error("lost")
				}
			})
		})
	}
}

// Where the broker takes no metadata, the watermark is committed without it, and one log line says so.
func TestTooLargeMetadataLeavesTheWatermark(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Err: kerr.OffsetMetadataTooLarge, Count: -1,
			When: func(req kmsg.Request) bool {
				m := req.(*kmsg.OffsetCommitRequest).Topics[0].Partitions[0].Metadata
				return m != nil && len(*m) > 8
			},
		})
		w.Failing(func(flow string) bool { return flow == "F-50-0" })
		w.Backlog(1, 100)
		r := w.Start()
		w.Until("the watermark", func() bool { return w.Committed(0) == 50 })
		w.End(r)
		if n := strings.Count(w.Log.String(), `"event":"metadata-too-large"`); n != 1 {
			t.Errorf("%d lines say so, want 1", n)
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

// What Kafka deleted before it could be read is counted and logged, and the rest is read.
func TestWhatRetentionDroppedIsCounted(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start()
		w.Backlog(1, 10)
		w.Until("the commit", w.AllCommitted(1, 10))
		w.End(r)
		w.Backlog(1, 20)
		if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 25); err != nil {
			t.Fatal(err)
		}
		r = w.Start()
		w.Until("the rest", w.AllCommitted(1, 30))
		w.End(r)
		if s := w.Log.String(); !strings.Contains(s, `"from":10,"to":25,"count":15`) {
			t.Error("what was dropped is not told")
		}
	})
}

// With KAFKA_OFFSET_RESET=none a partition whose offset is out of range waits; its neighbours are read.
func TestResetNoneWaitsForAnOperator(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.Start("KAFKA_OFFSET_RESET", "none")
		w.Backlog(2, 10)
		w.Until("the commit", w.AllCommitted(2, 10))
		w.End(r)
		w.Backlog(2, 20)
		if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 25); err != nil {
			t.Fatal(err)
		}
		r = w.Start()
		time.Sleep(10 * time.Minute)
		if a, b := w.Committed(0), w.Committed(1); a != 10 || b != 30 {
			t.Errorf("committed %d and %d, want 10 (it waits) and 30 (its neighbour does not)", a, b)
		}
		w.End(r)
	})
}

// A committed offset above the log's end is reset after 30 s, and what is missing is logged.
func TestAnOffsetAboveTheEndIsResetAfter30s(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Backlog(1, 10)
		offsets := kadm.Offsets{}
		offsets.AddOffset(apptest.EventTopic, 0, 1000, -1)
		if _, err := kadm.NewClient(w.Kafka).CommitOffsets(context.Background(), apptest.Group, offsets); err != nil {
			t.Fatal(err)
		}
		r := w.Start()
		time.Sleep(25 * time.Second)
		if n := w.Platform.Stats().Received; n != 0 || w.Committed(0) != 1000 {
			t.Errorf("believed too early: %d sent, committed %d", n, w.Committed(0))
		}
		w.Until("the reset", w.AllCommitted(1, 10))
		w.End(r)
		if s := w.Log.String(); !strings.Contains(s, `"from":10,"to":1000,"count":990`) {
			t.Error("what is missing is not told")
		}
	})
}

// Without a dead-letter topic the others are sent, no commit passes the record, and the replica is not ready.
func TestAMissingDeadLetterTopicStopsOnlyTheCommit(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		if err := w.Cluster.DeleteTopic(apptest.DeadLetterTopic); err != nil {
			t.Fatal(err)
		}
		r := w.Start()
		w.Produce(0, apptest.Event(0, 0), "no event")
		w.Backlog(1, 300)
		w.Until("the others", func() bool { return w.Platform.Stats().Accepted == 300 })
		time.Sleep(time.Hour)
		if c := w.Committed(0); c != 1 {
			t.Errorf("committed %d, want 1: the dead letter is not written", c)
		}
		if ok, why := r.Ready(); ok {
			t.Errorf("ready without a dead-letter topic: %s", why)
		}
		if err := w.Cluster.CreateTopic(apptest.DeadLetterTopic, 2, nil); err != nil {
			t.Fatal(err)
		}
		w.Until("the commit", w.AllCommitted(1, 302), 2*time.Minute)
		if ok, why := r.Ready(); !ok {
			t.Errorf("not ready: %s", why)
		}
		w.End(r)
		if n := len(w.DeadLetters()); n != 1 {
			t.Errorf("%d dead letters", n)
		}
	})
}

// Partitions that are added to the topic are read without a restart.
func TestAddedPartitionsAreRead(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r, follower := w.Start(), w.Start()
		w.Backlog(1, 10)
		w.Until("the commit", w.AllCommitted(1, 10))
		if _, err := kadm.NewClient(w.Kafka).UpdatePartitions(context.Background(), 4, apptest.EventTopic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.Kafka.ForceMetadataRefresh()
		time.Sleep(10 * time.Second)
		w.Produce(3, apptest.Event(100, 0))
		w.Until("the new partition", func() bool { return w.Committed(3) == 1 })
		w.End(r)
		w.End(follower)
		if n := w.Platform.Stats().Received; n != 11 {
			t.Errorf("%d requests for 11 events", n)
		}
	})
}

// Where held records leave more gaps than a commit can carry, reading pauses, and a restart repeats nothing.
func TestTheBoundOnGapsPausesReading(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var heal atomic.Bool
		w.Failing(func(flow string) bool {
			var s int
			fmt.Sscanf(flow, "F-%d-0", &s)
			return !heal.Load() && s%3 == 0 && s < 6000
		})
		w.Backlog(1, 9000)
		r := w.Start("CONSUMER_MAX_PENDING", "8000", "RETRY_BUDGET", "0")
		time.Sleep(2 * time.Minute)
		s := r.Snapshot().Engine.Partitions[0]
		if s.Paused != "gaps" {
			t.Errorf("paused by %q with %d pending", s.Paused, s.Pending)
		}
		accepted := w.Platform.Stats().Accepted
		w.End(r)
		heal.Store(true)
		r = w.Start()
		w.Until("all", w.AllCommitted(1, 9000), 5*time.Minute)
		w.End(r)
		if s := w.Platform.Stats(); s.Accepted != 9000 || s.Repeated != 0 {
			t.Errorf("%d accepted, %d of the %d accepted before the stop were repeated", s.Accepted, s.Repeated, accepted)
		}
	})
}

// A replica that cannot reach its coordinator stops sending: another one may own its partitions.
func TestAReplicaCutOffFromKafkaStopsSending(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 100 * time.Millisecond} })
		r := w.Start("UPSTREAM_MAX_IN_FLIGHT", "4")
		w.Backlog(1, 4000)
		w.Until("some", func() bool { return w.Committed(0) > 100 })
		var cut atomic.Bool
		cut.Store(true)
		for _, key := range []kmsg.Key{kmsg.Heartbeat, kmsg.OffsetCommit, kmsg.FindCoordinator} {
			w.Cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
				w.Cluster.KeepControl()
				if cut.Load() {
					return nil, fmt.Errorf("cut"), true
				}
				return nil, nil, false
			})
		}
		time.Sleep(35 * time.Second)
		before := w.Platform.Stats().Received
		time.Sleep(time.Minute)
		if n := w.Platform.Stats().Received - before; n != 0 {
			t.Errorf("%d requests while another replica may own the partition", n)
		}
		cut.Store(false)
		w.Until("all", w.AllCommitted(1, 4000), 10*time.Minute)
		w.End(r)
	})
}

// A recreated topic is read, although the old commit's metadata names offsets beyond its end.
func TestARecreatedTopicIsReadDespiteItsMetadata(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Failing(func(flow string) bool { return flow == "F-0-0" })
		w.Backlog(1, 100)
		r := w.Start()
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 99 })
		w.End(r)
		offsets, err := kadm.NewClient(w.Kafka).FetchOffsets(context.Background(), apptest.Group)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Cluster.DeleteTopic(apptest.EventTopic); err != nil {
			t.Fatal(err)
		}
		if err := w.Cluster.CreateTopic(apptest.EventTopic, 1, nil); err != nil {
			t.Fatal(err)
		}
		w.Kafka.Close() // it knows the topic by its old ID
		w.Kafka, err = kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		// Truncated by an unclean election, the group keeps its commit.
		if err := kadm.NewClient(w.Kafka).CommitAllOffsets(context.Background(), apptest.Group, offsets.Offsets()); err != nil {
			t.Fatal(err)
		}
		send := func(from, to int) {
			var values []string
			for i := from; i < to; i++ {
				values = append(values, apptest.Event(1000+i, 0))
			}
			w.Produce(0, values...)
		}
		send(0, 10)
		r = w.Start()
		time.Sleep(time.Minute)
		send(10, 200)
		w.Until("every new event", func() bool { return w.Platform.Stats().Accepted == 99+200 }, 5*time.Minute)
		w.End(r)
	})
}

// There is never more than one commit under way.
//
// The interval's commit waits for the one that a partition begins with, which the coordinator takes long to answer.
func TestACommitWaitsForTheOneUnderWay(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var open, most atomic.Int64
		w.Cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster.KeepControl()
			w.Cluster.SleepControl(func() {
				most.Store(max(most.Load(), open.Add(1)))
				time.Sleep(5 * time.Second) // five intervals
				open.Add(-1)
			})
			return nil, nil, false
		})
		w.Backlog(1, 10)
		w.End(w.Start())
		w.Start()
		w.Until("all", w.AllCommitted(1, 10))
		if most.Load() != 1 {
			t.Errorf("%d commits at once", most.Load())
		}
	})
}

// Commits are renewed before the broker forgets them, here after seven of eight hours without an event.
func TestCommitsAreRenewedBeforeTheBrokerForgetsThem(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		minutes := "420"
		if _, err := kadm.NewClient(w.Kafka).AlterBrokerConfigs(context.Background(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "offsets.retention.minutes", Value: &minutes}}); err != nil {
			t.Fatal(err)
		}
		w.Start("KAFKA_HEARTBEAT_INTERVAL", "10s")
		w.Backlog(1, 10)
		w.Until("all", w.AllCommitted(1, 10))
		commits := w.asked(kmsg.OffsetCommit)
		time.Sleep(8 * time.Hour)
		if at := w.Committed(0); at != 10 {
			t.Errorf("committed is %d after eight hours without events, want 10", at)
		}
		if n := commits.Load(); n != 1 {
			t.Errorf("%d commits in eight hours in which nothing changed, want 1", n)
		}
	})
}
