package main

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

	"release-forwarder/cmd/testkit/platform"
)

func TestARefusedCommitLosesNothing(t *testing.T) {
	for _, err := range []*kerr.Error{kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.GroupAuthorizationFailed} {
		t.Run(err.Message, func(t *testing.T) {
			inVirtualTime(t, 2, func(w *world) {
				r := w.start()
				w.until("the group", w.allCommitted(2, 0))
				fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: eventTopic, Err: err, Count: -1})
				var values [2][]string
				for i := range 200 {
					values[i%2] = append(values[i%2], event(i, 0))
				}
				w.produce(0, values[0]...)
				w.produce(1, values[1]...)
				w.until("the acceptances", func() bool { return w.platform.Stats().Accepted == 200 })
				time.Sleep(30 * time.Second)
				if a, b := w.committed(0), w.committed(1); a != 0 || b != 0 {
					t.Fatalf("committed %d and %d", a, b)
				}
				fault.Remove()
				w.until("the commit", w.allCommitted(2, 100))
				w.end(r)
				if w.platform.Stats().Accepted != 200 {
					t.Error("lost")
				}
			})
		})
	}
}

func TestMetadataThatTheBrokerFindsTooLargeLeavesTheWatermark(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: eventTopic, Err: kerr.OffsetMetadataTooLarge, Count: -1,
			When: func(req kmsg.Request) bool {
				m := req.(*kmsg.OffsetCommitRequest).Topics[0].Partitions[0].Metadata
				return m != nil && len(*m) > 8
			},
		})
		w.failing(func(flow string) bool { return flow == "F-50-0" })
		w.backlog(1, 100)
		r := w.start()
		w.until("the watermark", func() bool { return w.committed(0) == 50 })
		w.end(r)
		if n := strings.Count(w.log.String(), `"event":"metadata-too-large"`); n != 1 {
			t.Errorf("%d lines say so, want 1", n)
		}
	})
}

func TestARebalanceWithSlowAnswersRepeatsNothing(t *testing.T) {
	inVirtualTime(t, 4, func(w *world) {
		w.platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 7 * time.Second} })
		first := w.start()
		w.until("the group", w.allCommitted(4, 0))
		w.backlog(4, 100)
		time.Sleep(3 * time.Second)
		second := w.start()
		time.Sleep(25 * time.Second)
		third := w.start()
		w.until("all", w.allCommitted(4, 100), 10*time.Minute)
		for _, r := range []*replica{first, second, third} {
			w.end(r)
		}
		if s := w.platform.Stats(); s.Received != 400 || s.Accepted != 400 {
			t.Errorf("%d received, %d accepted, want 400 each", s.Received, s.Accepted)
		}
	})
}

func TestWhatRetentionDroppedIsCountedAndReadingGoesOn(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.start()
		w.backlog(1, 10)
		w.until("the commit", w.allCommitted(1, 10))
		w.end(r)
		w.backlog(1, 20)
		if err := w.cluster.DeleteRecords(eventTopic, 0, 25); err != nil {
			t.Fatal(err)
		}
		r = w.start()
		w.until("the rest", w.allCommitted(1, 30))
		w.end(r)
		if s := w.log.String(); !strings.Contains(s, `"from":10,"to":25,"count":15`) {
			t.Error("what was dropped is not told")
		}
	})
}

func TestResetNoneWaitsForAPerson(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.start("KAFKA_OFFSET_RESET", "none")
		w.backlog(2, 10)
		w.until("the commit", w.allCommitted(2, 10))
		w.end(r)
		w.backlog(2, 20)
		if err := w.cluster.DeleteRecords(eventTopic, 0, 25); err != nil {
			t.Fatal(err)
		}
		r = w.start()
		time.Sleep(10 * time.Minute)
		if a, b := w.committed(0), w.committed(1); a != 10 || b != 30 {
			t.Errorf("committed %d and %d, want 10 (it waits) and 30 (its neighbour does not)", a, b)
		}
		w.end(r)
	})
}

func TestAnOffsetAboveTheLogsEndIsBelievedAfterHalfAMinute(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.backlog(1, 10)
		offsets := kadm.Offsets{}
		offsets.AddOffset(eventTopic, 0, 1000, -1)
		if _, err := kadm.NewClient(w.kafka).CommitOffsets(context.Background(), group, offsets); err != nil {
			t.Fatal(err)
		}
		r := w.start()
		time.Sleep(25 * time.Second)
		if n := w.platform.Stats().Received; n != 0 || w.committed(0) != 1000 {
			t.Errorf("believed too early: %d sent, committed %d", n, w.committed(0))
		}
		w.until("the reset", w.allCommitted(1, 10))
		w.end(r)
		if s := w.log.String(); !strings.Contains(s, `"from":10,"to":1000,"count":990`) {
			t.Error("what is missing is not told")
		}
	})
}

func TestAMissingDeadLetterTopicStopsTheCommitAndNobodyElse(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		if err := w.cluster.DeleteTopic(deadLetterTopic); err != nil {
			t.Fatal(err)
		}
		r := w.start()
		w.produce(0, event(0, 0), "no event")
		w.backlog(1, 300)
		w.until("the others", func() bool { return w.platform.Stats().Accepted == 300 })
		time.Sleep(time.Hour)
		if c := w.committed(0); c != 1 {
			t.Errorf("committed %d, want 1: the dead letter is not written", c)
		}
		if ok, why := r.Ready(); ok {
			t.Errorf("ready without a dead-letter topic: %s", why)
		}
		if err := w.cluster.CreateTopic(deadLetterTopic, 2, nil); err != nil {
			t.Fatal(err)
		}
		w.until("the commit", w.allCommitted(1, 302), 2*time.Minute)
		if ok, why := r.Ready(); !ok {
			t.Errorf("not ready: %s", why)
		}
		w.end(r)
		if n := len(w.deadLetters()); n != 1 {
			t.Errorf("%d dead letters", n)
		}
	})
}

func TestPartitionsThatAreAddedAreRead(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r, follower := w.start(), w.start()
		w.backlog(1, 10)
		w.until("the commit", w.allCommitted(1, 10))
		if _, err := kadm.NewClient(w.kafka).UpdatePartitions(context.Background(), 4, eventTopic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.kafka.ForceMetadataRefresh()
		time.Sleep(10 * time.Second)
		w.produce(3, event(100, 0))
		w.until("the new partition", func() bool { return w.committed(3) == 1 })
		w.end(r)
		w.end(follower)
		if n := w.platform.Stats().Received; n != 11 {
			t.Errorf("%d requests for 11 events", n)
		}
	})
}

func TestTheGapBoundPausesReadingAndAKillRepeatsNothing(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var heal atomic.Bool
		w.failing(func(flow string) bool {
			var s int
			fmt.Sscanf(flow, "F-%d-0", &s)
			return !heal.Load() && s%3 == 0 && s < 6000
		})
		w.backlog(1, 9000)
		r := w.start("CONSUMER_MAX_PENDING", "8000", "RETRY_BUDGET", "0")
		time.Sleep(2 * time.Minute)
		s := r.Snapshot().Engine.Partitions[0]
		if s.Paused != "gaps" {
			t.Errorf("paused by %q with %d pending", s.Paused, s.Pending)
		}
		accepted := w.platform.Stats().Accepted
		w.end(r)
		heal.Store(true)
		r = w.start()
		w.until("all", w.allCommitted(1, 9000), 5*time.Minute)
		w.end(r)
		if s := w.platform.Stats(); s.Accepted != 9000 || s.Repeated != 0 {
			t.Errorf("%d accepted, %d of the %d accepted before the stop were repeated", s.Accepted, s.Repeated, accepted)
		}
	})
}

func TestAReplicaCutOffFromKafkaStopsSendingAndRepeatsLittle(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 100 * time.Millisecond} })
		r := w.start("UPSTREAM_MAX_IN_FLIGHT", "4")
		w.backlog(1, 4000)
		w.until("some", func() bool { return w.committed(0) > 100 })
		var cut atomic.Bool
		cut.Store(true)
		for _, key := range []kmsg.Key{kmsg.Heartbeat, kmsg.OffsetCommit, kmsg.FindCoordinator} {
			w.cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
				w.cluster.KeepControl()
				if cut.Load() {
					return nil, fmt.Errorf("cut"), true
				}
				return nil, nil, false
			})
		}
		time.Sleep(35 * time.Second)
		before := w.platform.Stats().Received
		time.Sleep(time.Minute)
		if n := w.platform.Stats().Received - before; n != 0 {
			t.Errorf("%d requests while another replica may own the partition", n)
		}
		cut.Store(false)
		w.until("all", w.allCommitted(1, 4000), 10*time.Minute)
		w.end(r)
	})
}

func TestATopicMadeAnewIsReadAlthoughTheCommitTellsOfOffsetsBeyondItsEnd(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.failing(func(flow string) bool { return flow == "F-0-0" })
		w.backlog(1, 100)
		r := w.start()
		w.until("the neighbours", func() bool { return w.platform.Stats().Accepted == 99 })
		w.end(r)
		offsets, err := kadm.NewClient(w.kafka).FetchOffsets(context.Background(), group)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.cluster.DeleteTopic(eventTopic); err != nil {
			t.Fatal(err)
		}
		if err := w.cluster.CreateTopic(eventTopic, 1, nil); err != nil {
			t.Fatal(err)
		}
		w.kafka.Close() // it knows the topic by its old ID
		w.kafka, err = kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.Dialer(w.net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		// Truncated by an unclean election, the group keeps its commit.
		if err := kadm.NewClient(w.kafka).CommitAllOffsets(context.Background(), group, offsets.Offsets()); err != nil {
			t.Fatal(err)
		}
		send := func(from, to int) {
			var values []string
			for i := from; i < to; i++ {
				values = append(values, event(1000+i, 0))
			}
			w.produce(0, values...)
		}
		send(0, 10)
		r = w.start()
		time.Sleep(time.Minute)
		send(10, 200)
		w.until("every new event", func() bool { return w.platform.Stats().Accepted == 99+200 }, 5*time.Minute)
		w.end(r)
	})
}

// The interval's commit waits for the one that a partition begins with, which the
// coordinator takes long to answer.
func TestACommitWaitsForTheOneUnderWay(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var open, most atomic.Int64
		w.cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			w.cluster.SleepControl(func() {
				most.Store(max(most.Load(), open.Add(1)))
				time.Sleep(5 * time.Second) // five intervals
				open.Add(-1)
			})
			return nil, nil, false
		})
		w.backlog(1, 10)
		w.end(w.start())
		w.start()
		w.until("all", w.allCommitted(1, 10))
		if most.Load() != 1 {
			t.Errorf("%d commits at once", most.Load())
		}
	})
}

// The broker forgets commits after seven hours, and nothing happens for eight.
func TestCommitsAreRenewedBeforeTheBrokerForgetsThem(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		minutes := "420"
		if _, err := kadm.NewClient(w.kafka).AlterBrokerConfigs(context.Background(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "offsets.retention.minutes", Value: &minutes}}); err != nil {
			t.Fatal(err)
		}
		w.start("KAFKA_HEARTBEAT_INTERVAL", "10s")
		w.backlog(1, 10)
		w.until("all", w.allCommitted(1, 10))
		commits := w.asked(kmsg.OffsetCommit)
		time.Sleep(8 * time.Hour)
		if at := w.committed(0); at != 10 {
			t.Errorf("committed is %d after eight hours without events, want 10", at)
		}
		if n := commits.Load(); n != 1 {
			t.Errorf("%d commits in eight hours in which nothing changed, want 1", n)
		}
	})
}
