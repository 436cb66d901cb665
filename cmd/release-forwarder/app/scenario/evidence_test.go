package scenario

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// What brokers report of a log may be wrong, late, refused or missing. A log that is the same is read on, and nothing
// is counted; another one is noticed as soon as the brokers report it.

// heldInFront leaves the first record of 100 held and all others finished, and the commit says so.
func (w *world) heldInFront() (release func()) {
	w.T.Helper()
	return cutPlaces["below what is finished beyond the commit"].write(w)
}

func (w *world) moveLeader() {
	w.T.Helper()
	w.RaiseEpoch(w.Cluster.PartitionInfo(apptest.EventTopic, 0).Epoch + 1)
}

var inGeneration = []string{"KAFKA_HEARTBEAT_INTERVAL", "10s", "KAFKA_SESSION_TIMEOUT", "45s"}

// A partition is read on when its leader moves: nothing is repeated or counted as dropped.
//
// The leader moves several times with nothing written in its epoch, and runs are finished beyond the commit.
func TestALeaderThatMovesIsNoTruncation(t *testing.T) {
	for name, disturb := range map[string]func(w *world, m mortal) mortal{
		runsOn: func(_ *world, m mortal) mortal { return m },
		"it joins again": func(w *world, m mortal) mortal {
			w.Rebalance()
			time.Sleep(15 * time.Second)
			return m
		},
		"it is restarted": func(w *world, m mortal) mortal { w.End(m.Replica); return w.startMortal(inGeneration...) },
	} {
		for written, n := range map[string]int{"nothing written before": 0, "something written before": 10} {
			t.Run(name+"/"+written, func(t *testing.T) {
				inVirtualTime(t, 1, func(w *world) {
					m := w.startMortal(inGeneration...)
					release := w.heldInFront()
					for range 3 {
						w.moveLeader()
						w.orderKeys(newFrom+len(w.Acknowledged), newFrom+len(w.Acknowledged)+n)
						time.Sleep(5 * time.Second)
					}
					m = disturb(w, m)
					w.moveLeader()
					time.Sleep(20 * time.Second)
					release()
					w.orderKeys(2*newFrom, 2*newFrom+10)
					w.caughtUp()
					w.End(m.Replica)
					w.witness(0)
					if n := w.Platform.Stats().Repeated; n != 0 {
						t.Errorf("%d repeated", n)
					}
				})
			})
		}
	}
}

var epochErrors = []*kerr.Error{kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.UnknownTopicOrPartition, kerr.TopicAuthorizationFailed,
	kerr.UnknownServerError, kerr.KafkaStorageError, kerr.LeaderNotAvailable}

// Where a broker refuses to say where an epoch ended, it is asked again, and no record is skipped.
func TestARefusedEpochEndIsAskedForAgain(t *testing.T) {
	for _, err := range epochErrors {
		refuse := func(w *world) *kfake.FaultHandle {
			return w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetForLeaderEpoch}, Topic: apptest.EventTopic, Err: err, Count: -1})
		}
		t.Run(err.Message+"/the same log", func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				m := w.startMortal(inGeneration...)
				release := w.heldInFront()
				refused := refuse(w)
				w.moveLeader()
				w.orderKeys(newFrom, newFrom+10) // so that the embedded Kafka answers by itself
				time.Sleep(time.Minute)
				refused.Remove()
				release()
				w.caughtUp()
				w.End(m.Replica)
				w.witness(0)
			})
		})
		t.Run(err.Message+"/a truncated one", func(t *testing.T) {
			onDisk(t, func(w *world) {
				m := w.startMortal(inGeneration...)
				release := w.heldInFront()
				w.End(m.Replica)
				w.truncate(80)
				w.singly(newFrom, newFrom+50)
				refused := refuse(w)
				m = w.startMortal(inGeneration...)
				time.Sleep(time.Minute)
				refused.Remove()
				release()
				w.caughtUp()
				w.End(m.Replica)
				w.witness(1)
			})
		})
	}
}

// On brokers without topic IDs (Kafka 2.1 to 2.7) a recreated topic is noticed by its leader epoch.
//
// The new topic's epoch is below the one that was read in. Its leader does not know that one: UNDEFINED.
func TestAnUnknownEpochIsAnotherLog(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		stopped  bool
		gone     int64
	}{
		"while reading pauses": {settings: []string{"CONSUMER_MAX_PENDING", "50"}, gone: 50},
		"while it is stopped":  {stopped: true, gone: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTimeWith(t, 1, platform.Config{}, func(w *world) {
				w.RaiseEpoch(3)
				if !c.stopped {
					w.FailFlows(func(string) bool { return true })
				}
				r := w.Start(c.settings...)
				w.orderKeys(0, 50)
				if c.stopped {
					w.Until("the commit", w.AllCommitted(1, 50))
					w.End(r)
				} else {
					w.orderKeys(50, 100)
					time.Sleep(30 * time.Second)
				}
				before := w.CommitOf(w.Kafka, 0)
				w.RecreateTopic(nil)
				w.inTransaction(kgo.TryCommit, newFrom, newFrom+49) // a marker where the last record lay
				w.orderKeys(2*newFrom, 2*newFrom+100)
				if c.stopped {
					w.CommitWithEpoch(w.Kafka, before.At, before.LeaderEpoch, before.Metadata)
					r = w.Start(c.settings...)
				}
				time.Sleep(time.Minute)
				w.Platform.Script(nil)
				w.caughtUp()
				w.End(r)
				w.witness(c.gone)
			}, kfake.MaxVersions(kversion.V2_7_0()))
		})
	}
}

// A broker that does not know the topic's ID yet is waited for, and nothing counts as dropped.
//
// It says UNKNOWN_TOPIC_ID: its metadata is stale. That is not another topic until a second broker says the same.
func TestAnUnknownTopicIDIsWaitedFor(t *testing.T) {
	for name, keys := range map[string][]kmsg.Key{
		"fetches":           {kmsg.Fetch},
		"commits":           {kmsg.OffsetCommit},
		"both, and offsets": {kmsg.Fetch, kmsg.OffsetCommit, kmsg.OffsetFetch},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				unknown := w.Cluster.Fault(kfake.Fault{Keys: keys, Topic: apptest.EventTopic, Err: kerr.UnknownTopicID, Count: -1})
				w.orderKeys(0, 50)
				r := w.Start()
				time.Sleep(20 * time.Second)
				unknown.Remove()
				w.Until("the commit", w.AllCommitted(1, 50), 2*time.Minute)
				unknown = w.Cluster.Fault(kfake.Fault{Keys: keys, Topic: apptest.EventTopic, Err: kerr.UnknownTopicID, Count: -1})
				w.orderKeys(50, 100)
				time.Sleep(20 * time.Second)
				unknown.Remove()
				w.caughtUp()
				w.End(r)
				w.witness(0)
			})
		})
	}
}

// Old metadata of one broker makes no loss: neither of the leader and its epoch nor of the topic's ID.
func TestOldMetadataIsNotBelieved(t *testing.T) {
	for node := range int32(3) {
		broker := "broker " + strconv.Itoa(int(node))
		t.Run("the leader moved/"+broker, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start()
				w.orderKeys(0, 100)
				w.Until("the commit", w.AllCommitted(1, 100))
				freeze, fresh := w.old(node)
				w.moveLeader()
				w.orderKeys(newFrom, newFrom+10)
				w.moveLeader()
				w.orderKeys(2*newFrom, 2*newFrom+10)
				freeze()
				time.Sleep(time.Minute)
				fresh()
				w.caughtUp()
				w.End(r)
				w.witness(0)
			})
		})
		t.Run("the topic was recreated/"+broker, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start("CONSUMER_MAX_PENDING", "50")
				w.FailFlows(func(string) bool { return true })
				w.orderKeys(0, 100)
				time.Sleep(30 * time.Second)
				freeze, fresh := w.old(node)
				w.RecreateTopic(nil)
				w.orderKeys(newFrom, newFrom+250)
				freeze()
				w.Platform.Script(nil)
				time.Sleep(time.Minute)
				fresh()
				w.caughtUp()
				w.End(r)
				w.witness(50)
				if n := w.counted(); n > 101 {
					t.Errorf("%d counted: more than once", n)
				}
			})
		})
	}
}

// old keeps what one broker reports of the event topic as it is now, from freeze to fresh. A test writes between old
// and freeze, so that this state is old then.
func (w *world) old(node int32) (freeze, fresh func()) {
	w.T.Helper()
	topic, p := w.Cluster.TopicInfo(apptest.EventTopic), w.Cluster.PartitionInfo(apptest.EventTopic, 0)
	brokers := w.Cluster.ListenAddrs()
	var frozen atomic.Bool
	w.Cluster.ControlKey(kmsg.Metadata.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		req := r.(*kmsg.MetadataRequest)
		ours := slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool {
			return t.Topic != nil && *t.Topic == apptest.EventTopic || t.TopicID == topic.TopicID
		}) || req.Topics == nil
		if !frozen.Load() || w.Cluster.CurrentNode() != node || !ours {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.ClusterID, resp.ControllerID = kmsg.StringPtr("kfake"), 2
		for i, address := range brokers {
			b := kmsg.NewMetadataResponseBroker()
			host, port, _ := net.SplitHostPort(address)
			n, _ := strconv.Atoi(port)
			b.NodeID, b.Host, b.Port = int32(i), host, int32(n)
			resp.Brokers = append(resp.Brokers, b)
		}
		for name, partitions := range map[string]int32{apptest.EventTopic: 1, apptest.DeadLetterTopic: 2} {
			t := kmsg.NewMetadataResponseTopic()
			t.Topic = kmsg.StringPtr(name)
			t.TopicID = topic.TopicID
			if name != apptest.EventTopic {
				t.TopicID = w.Cluster.TopicInfo(name).TopicID
			}
			for i := range partitions {
				part := kmsg.NewMetadataResponseTopicPartition()
				part.Partition, part.Replicas, part.ISR = i, []int32{0, 1, 2}, []int32{0, 1, 2}
				part.Leader, part.LeaderEpoch = p.Leader, p.Epoch
				if name != apptest.EventTopic {
					info := w.Cluster.PartitionInfo(name, i)
					part.Leader, part.LeaderEpoch = info.Leader, info.Epoch
				}
				t.Partitions = append(t.Partitions, part)
			}
			resp.Topics = append(resp.Topics, t)
		}
		return resp, nil, true
	})
	return func() { frozen.Store(true) }, func() { frozen.Store(false) }
}

// Where a fetch itself reports the truncation (version 12 and later), nothing is skipped.
func TestAFetchThatDivergesSkipsNothing(t *testing.T) {
	for _, place := range []string{"below the position", "between the last record and the position", "below the end of which is known, reading paused"} {
		t.Run(place, func(t *testing.T) {
			onDisk(t, func(w *world) {
				w.Epochs.ReportDivergence = true
				p := cutPlaces[place]
				m := w.startMortal(append(slices.Clone(inGeneration), p.settings...)...)
				release := p.write(w)
				w.truncate(p.at)
				w.singly(newFrom, newFrom+150)
				release()
				w.caughtUp()
				w.End(m.Replica)
				w.witness(p.gone)
				t.Logf("%d fetches were answered with a divergence", w.Epochs.Diverged)
			})
		})
	}
}

// A log that is the same is read on, after a leader's move, a restart, or retention that took what was read.
func TestALogThatIsTheSameIsReadOn(t *testing.T) {
	for name, disturb := range map[string]func(w *world) bool{
		"the leader moves": func(w *world) bool {
			if err := w.Cluster.MoveTopicPartition(apptest.EventTopic, 0, (w.Cluster.LeaderFor(apptest.EventTopic, 0)+1)%3); err != nil {
				w.T.Fatal(err)
			}
			return false
		},
		"a restart": func(*world) bool { return true },
		"retention has taken all that was read": func(w *world) bool {
			if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 100); err != nil {
				w.T.Fatal(err)
			}
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start()
				w.orderKeys(0, 100)
				w.Until("the commit", w.AllCommitted(1, 100))
				if disturb(w) {
					w.End(r)
					r = w.Start()
				}
				w.orderKeys(100, 200)
				w.Until("the rest", w.AllCommitted(1, 200))
				w.End(r)
				if s := w.Platform.Stats(); s.Received != 200 {
					t.Errorf("%d requests for 200 events", s.Received)
				}
				if n := r.Snapshot().Dropped; n != 0 || strings.Contains(w.Log.String(), apptest.AnotherLogLine) {
					t.Errorf("taken for another log, %d dropped", n)
				}
			})
		})
	}
}
