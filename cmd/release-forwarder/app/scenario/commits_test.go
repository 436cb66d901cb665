package scenario

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// Where the coordinator refuses even the smallest commit as too large, the log and the status page say why.
//
// The page says whether it is one partition or all. Commits go on by themselves.
func TestACommitRefusedAsTooLargeIsReported(t *testing.T) {
	all := []int32{0, 1, 2}
	for name, c := range map[string]struct {
		err        *kerr.Error
		partitions []int32
		page       admin.Kind
	}{
		"one partition's":                  {kerr.InvalidCommitOffsetSize, []int32{1}, admin.PartitionCommitRefused},
		"one's, by another code":           {kerr.MessageTooLarge, []int32{1}, admin.PartitionCommitRefused},
		"one's, as an error of the server": {kerr.UnknownServerError, []int32{1}, admin.PartitionCommitRefused},
		"all":                              {kerr.InvalidCommitOffsetSize, all, admin.CommitsFail},
		"all, as a record list":            {kerr.RecordListTooLarge, all, admin.CommitsFail},
		"all, with no metadata":            {kerr.OffsetMetadataTooLarge, all, admin.CommitsFail},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 3, func(w *world) {
				r := w.Start()
				w.Until("the group", w.AllCommitted(3, 0))
				refused := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Partitions: c.partitions, Err: c.err, Count: -1})
				for range 10 {
					w.Backlog(3, 10)
					time.Sleep(time.Minute)
					s := r.Status()
					if s.Condition.Kind != c.page {
						t.Fatalf("the banner says %s", s.Condition)
					}
				}
				lines := w.LogLines("request-refused")
				if len(lines) < 10 || len(lines) > 110 {
					t.Errorf("%d lines in 10 minutes", len(lines))
				}
				for _, l := range lines[:min(1, len(lines))] {
					if l["request"] != "commit" || l["topic"] != apptest.EventTopic || !strings.Contains(c.err.Message, l["cause"].(string)) {
						t.Errorf("the log says %v", l)
					}
				}
				refused.Remove()
				w.Until("all", w.AllCommitted(3, 100))
				if s := r.Status(); s.Condition.Kind != admin.Well {
					t.Errorf("then the banner says %s", s.Condition)
				}
				w.End(r)
			})
		})
	}
}

// A commit that is too large for the coordinator is split, and all partitions are committed.
//
// That holds for the first commits, those of each interval, and the last one of a drain.
func TestATooLargeCommitIsSplit(t *testing.T) {
	const partitions, most = 60, 7
	for name, code := range map[string]*kerr.Error{"refused": kerr.InvalidCommitOffsetSize, "as an error of the server": kerr.UnknownServerError} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, partitions, func(w *world) {
				var commits atomic.Int64
				w.Cluster.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
					w.Cluster.KeepControl()
					commits.Add(1)
					req, n := r.(*kmsg.OffsetCommitRequest), 0
					for _, t := range req.Topics {
						n += len(t.Partitions)
					}
					if n <= most {
						return nil, nil, false
					}
					res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
					for _, t := range req.Topics {
						rt := kmsg.NewOffsetCommitResponseTopic()
						rt.Topic, rt.TopicID = t.Topic, t.TopicID
						for _, p := range t.Partitions {
							rp := kmsg.NewOffsetCommitResponseTopicPartition()
							rp.Partition, rp.ErrorCode = p.Partition, code.Code
							rt.Partitions = append(rt.Partitions, rp)
						}
						res.Topics = append(res.Topics, rt)
					}
					return res, nil, true
				})
				w.Backlog(partitions, 10)
				r := w.Start()
				w.Until("all", w.AllCommitted(partitions, 10))
				before := commits.Load()
				w.Backlog(partitions, 10)
				w.Until("all once more", w.AllCommitted(partitions, 20))
				if n := commits.Load() - before; n > 3*2*partitions/most {
					t.Errorf("%d requests for another round of commits", n)
				}
				w.Backlog(partitions, 10)
				w.Until("the last", func() bool { return w.Platform.Stats().Received == 30*partitions })
				w.End(r)
				if !w.AllCommitted(partitions, 30)() {
					t.Error("the drain's commit is not taken")
				}
				if n := strings.Count(w.Log.String(), `"event":"commit-split"`); n != 1 {
					t.Errorf("%d lines say so, want 1", n)
				}
			})
		})
	}
}

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
		w.FailFlows(func(flow string) bool { return flow == "F-50-0" })
		w.Backlog(1, 100)
		r := w.Start()
		w.Until("the watermark", func() bool { return w.Committed(0) == 50 })
		w.End(r)
		if n := strings.Count(w.Log.String(), `"event":"metadata-too-large"`); n != 1 {
			t.Errorf("%d lines say so, want 1", n)
		}
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

// Commits are sent again every six hours, also where no generation lasts so long: a broker may forget them by age.
func TestCommitsAreRenewedThroughRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start()
		w.Until("the group", w.AllCommitted(1, 0))
		w.Produce(0, apptest.EventOfLot("good", 0))
		w.Until("the commit", w.AllCommitted(1, 1))
		commits := w.asked(kmsg.OffsetCommit)
		for range 3 {
			time.Sleep(4*time.Hour + 10*time.Minute)
			w.Rebalance()
		}
		if n := commits.Load(); n != 2 {
			t.Errorf("%d commits in twelve and a half hours without a record, want 2", n)
		}
		w.End(r)
	})
}

// Where commits are refused and the replica gets its partitions back, nothing is sent twice.
func TestRefusedCommitsRepeatNothingOnOneReplica(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.Start()
		w.Until("the group", func() bool { return w.Committed(0) == 0 && w.Committed(1) == 0 })
		w.FailFlows(func(flow string) bool { return flow == "F-3-0" })
		refused := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorNotAvailable, Count: -1})
		for i := range 200 {
			w.Produce(int32(i%2), apptest.Event(i, 0))
		}
		w.Until("the acceptances", func() bool { return w.Platform.Stats().Accepted == 199 })
		w.ForgetMember()
		time.Sleep(10 * time.Second)
		refused.Remove()
		w.FailFlows(func(string) bool { return false })
		w.Until("the commits", func() bool { return w.Committed(0) == 100 && w.Committed(1) == 100 }, 2*time.Minute)
		w.End(r)
		if !strings.Contains(w.Log.String(), `"why":"fenced"`) {
			t.Error("the generation did not end: nothing was tried")
		}
		for flow, n := range w.Platform.Tallies() {
			if n.Accepted != 1 {
				t.Errorf("%v accepted %d times", flow, n.Accepted)
			}
		}
	})
}
