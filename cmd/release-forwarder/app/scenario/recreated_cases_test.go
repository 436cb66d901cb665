package scenario

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/consumer"
	"release-forwarder/consumer/wire"
)

// The old log holds events of the order keys 0 to 99, the new one of order keys
// from newFrom on.
const (
	oldEvents = 100
	newFrom   = 1000
)

// newLogs are what is written to the new topic, beside the old one's 100.
var newLogs = map[string]func(w *world, from int){
	"smaller": func(w *world, from int) { w.orderKeys(from, from+40) },
	"equal":   func(w *world, from int) { w.orderKeys(from, from+oldEvents) },
	"larger":  func(w *world, from int) { w.orderKeys(from, from+250) },
	// Markers have the offsets 49 and 99, where a record lay that the service
	// remembers; at the end lies an aborted transaction.
	"by transactions": func(w *world, from int) {
		w.inTransaction(kgo.TryCommit, from, from+49)
		w.inTransaction(kgo.TryCommit, from+49, from+98)
		w.inTransaction(kgo.TryCommit, from+98, from+150)
		w.inTransaction(kgo.TryAbort, from+500, from+520)
	},
}

// All of a recreated topic is sent, and what of the old one was not sent is counted.
//
// That holds whatever the service did when the topic was recreated.
func TestNothingOfARecreatedTopicIsSkipped(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		// gone is how many of the old log's events had not been sent, of which the
		// service knew; 1 where it cannot know of any, as it must alert.
		gone int64
		// run has the service read the old log's events and recreates the topic in
		// the state that the name says.
		run func(w *world, remake func(), settings []string)
	}{
		"while it is read": {gone: 1, run: func(w *world, remake func(), settings []string) {
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents)
			w.Until("the commit", w.AllCommitted(1, oldEvents))
			remake()
			w.caughtUp()
			w.End(r)
		}},
		"while it is read in an epoch above the new one's": {gone: 1, run: func(w *world, remake func(), settings []string) {
			w.RaiseEpoch(5)
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents)
			w.Until("the commit", w.AllCommitted(1, oldEvents))
			remake()
			w.caughtUp()
			w.End(r)
		}},
		"while reading pauses at its bound": {settings: []string{"CONSUMER_MAX_PENDING", "50"}, gone: 50, run: func(w *world, remake func(), settings []string) {
			w.FailFlows(func(string) bool { return true })
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents)
			time.Sleep(30 * time.Second)
			remake()
			time.Sleep(time.Minute)
			w.Platform.Script(nil)
			w.caughtUp()
			w.End(r)
		}},
		"while the partition is lost": {gone: 1, run: func(w *world, remake func(), settings []string) {
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents)
			w.Until("the commit", w.AllCommitted(1, oldEvents))
			lost := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: apptest.EventTopic, Err: kerr.OffsetOutOfRange, Count: -1})
			time.Sleep(5 * time.Second)
			remake()
			time.Sleep(time.Second)
			lost.Remove()
			w.caughtUp()
			w.End(r)
		}},
		"while the topic is away for minutes": {gone: 1, run: func(w *world, remake func(), settings []string) {
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents)
			w.Until("the commit", w.AllCommitted(1, oldEvents))
			away := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.Metadata, kmsg.ListOffsets}, Topic: apptest.EventTopic, Err: kerr.UnknownTopicOrPartition, Count: -1})
			time.Sleep(3 * time.Minute)
			away.Remove() // no time passes until the new one is there
			remake()
			w.caughtUp()
			w.End(r)
		}},
		"while it drains": {gone: 1, run: func(w *world, remake func(), settings []string) {
			w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 5 * time.Second} })
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents)
			w.Until("the first requests", func() bool { return w.Platform.Stats().Received > 0 })
			time.Sleep(time.Second)
			r.Stop()
			time.Sleep(time.Second)
			remake()
			w.End(r)
			w.Platform.Script(nil)
			r = w.Start(settings...)
			w.caughtUp()
			w.End(r)
		}},
		"while it is stopped, and the commit is brought back": {gone: 1, run: func(w *world, remake func(), settings []string) {
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents)
			w.Until("the commit", w.AllCommitted(1, oldEvents))
			w.End(r)
			c := w.CommitOf(w.Kafka, 0)
			remake()
			w.CommitWithEpoch(w.Kafka, c.At, c.LeaderEpoch, c.Metadata)
			r = w.Start(settings...)
			w.caughtUp()
			w.End(r)
		}},
		"with a held record in front": {gone: 1, run: func(w *world, remake func(), settings []string) {
			release := w.holding("F-0-0")
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents)
			w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == oldEvents-1 })
			time.Sleep(5 * time.Second)
			remake()
			time.Sleep(30 * time.Second)
			release()
			w.caughtUp()
			w.End(r)
		}},
		"with a held record in front, stopped, the commit brought back": {gone: 1, run: func(w *world, remake func(), settings []string) {
			release := w.holding("F-0-0")
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents)
			w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == oldEvents-1 })
			w.End(r)
			c := w.CommitOf(w.Kafka, 0)
			release()
			remake()
			w.CommitWithEpoch(w.Kafka, c.At, c.LeaderEpoch, c.Metadata)
			r = w.Start(settings...)
			w.caughtUp()
			w.End(r)
		}},
		"between two generations, commits not taken, the last one brought back": {gone: 1, run: func(w *world, remake func(), settings []string) {
			r := w.Start(settings...)
			w.orderKeys(0, oldEvents/2)
			w.Until("the commit", w.AllCommitted(1, oldEvents/2))
			refused := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Err: kerr.CoordinatorNotAvailable, Count: -1})
			w.orderKeys(oldEvents/2, oldEvents)
			w.Until("all", func() bool { return w.Platform.Stats().Accepted == oldEvents })
			time.Sleep(5 * time.Second)
			lift := w.betweenGenerations()
			time.Sleep(time.Minute) // the group is empty: it takes a tool's commit
			refused.Remove()
			c := w.CommitOf(w.Kafka, 0)
			remake()
			w.CommitWithEpoch(w.Kafka, c.At, c.LeaderEpoch, c.Metadata)
			lift()
			w.caughtUp()
			w.End(r)
		}},
	} {
		for log, write := range newLogs {
			t.Run(name+"/"+log, func(t *testing.T) {
				inVirtualTime(t, 1, func(w *world) {
					c.run(w, func() { w.RecreateTopic(nil); write(w, newFrom) }, c.settings)
					w.witness(c.gone)
				})
			})
		}
	}
}

// A topic that is recreated twice is read from its first record.
func TestATopicRecreatedTwiceIsReadFromItsStart(t *testing.T) {
	for name, between := range map[string]time.Duration{"at once": 0, "with a minute between": time.Minute} {
		for log, write := range newLogs {
			t.Run(name+"/"+log, func(t *testing.T) {
				inVirtualTime(t, 1, func(w *world) {
					r := w.Start()
					w.orderKeys(0, oldEvents)
					w.Until("the commit", w.AllCommitted(1, oldEvents))
					w.RecreateTopic(nil)
					write(w, newFrom)
					time.Sleep(between)
					w.RecreateTopic(nil)
					write(w, 2*newFrom)
					w.caughtUp()
					w.End(r)
					w.witness(1)
				})
			})
		}
	}
}

// A topic that is recreated twice is read from its first record, also while a record of the first log is held.
func TestATopicRecreatedTwiceUnderAHeldRecord(t *testing.T) {
	for log, write := range newLogs {
		t.Run(log, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				release := w.holding("F-0-0")
				r := w.Start()
				w.orderKeys(0, oldEvents)
				w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == oldEvents-1 })
				w.RecreateTopic(nil)
				write(w, newFrom)
				time.Sleep(time.Minute)
				w.RecreateTopic(nil)
				write(w, 2*newFrom)
				time.Sleep(time.Minute)
				release()
				w.caughtUp()
				w.End(r)
				w.witness(1)
			})
		})
	}
}

// A replica whose brokers still report the old topic uses the new topic's commit, and repeats nothing.
func TestACommitOfARecreatedTopicIsRecognized(t *testing.T) {
	for name, doubted := range map[string]bool{"that no broker has reported": false, "that one broker reports": true} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				var first *wire.Metadata
				var until time.Time
				w.Mistakes = append(w.Mistakes, func(_ *app.Parts, cfg *consumer.Config) {
					asked := time.Now()
					cfg.Wire = &apptest.InterceptedWire{Wire: cfg.Wire, LastCommits: map[int32]apptest.PartitionCommit{}, OnMetadata: func(_ *apptest.InterceptedWire, m *wire.Metadata) *wire.Metadata {
						if first == nil {
							first = m
						}
						old := *first
						switch topic := old.Topics[apptest.EventTopic]; {
						case time.Now().After(until):
							return m
						case doubted:
							topic.Doubted = true
							old.Topics, old.Asked = map[string]wire.Topic{apptest.EventTopic: topic}, m.Asked
						default:
							old.Asked = asked
						}
						return &old
					}}
				})
				late := w.Mistakes
				r := w.Start()
				w.orderKeys(0, oldEvents)
				w.Until("the commit", w.AllCommitted(1, oldEvents))
				w.End(r)
				w.RecreateTopic(nil)
				w.orderKeys(newFrom, newFrom+50)
				w.Mistakes = nil
				r = w.Start()
				w.caughtUp()
				w.End(r)
				w.Mistakes, until = late, time.Now().Add(10*time.Second)
				r = w.Start()
				time.Sleep(time.Minute)
				w.orderKeys(newFrom+50, newFrom+60)
				w.caughtUp()
				w.End(r)
				w.witness(0)
				if s := w.Platform.Stats(); s.Repeated != 0 {
					t.Errorf("%d were sent again", s.Repeated)
				}
			})
		})
	}
}

// A recreated topic is read from its first record, also where it is compacted.
//
// Compaction has taken what lay where the old log's last record lay.
func TestARecreatedCompactedTopicIsReadFromItsStart(t *testing.T) {
	for name, stopped := range map[string]bool{"while the service runs": false, "while it is stopped, and the commit is brought back": true} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start()
				w.orderKeys(0, 50)
				w.Until("the commit", w.AllCommitted(1, 50))
				c := w.CommitOf(w.Kafka, 0)
				// Down while the topic is compacted, so that its old records are gone
				// before they can be read.
				away := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets}, Topic: apptest.EventTopic, Err: kerr.NotLeaderForPartition, Count: -1})
				if stopped {
					w.End(r)
				}
				w.RecreateTopic(map[string]string{"cleanup.policy": "compact", "min.compaction.lag.ms": "0", "segment.ms": "1"})
				for i := range 100 {
					key := fmt.Sprint(i)
					if i == 49 {
						key = "99" // and again at the end
					}
					w.keyed(key, apptest.Event(newFrom+i, 0))
					time.Sleep(2 * time.Millisecond)
				}
				w.keyed("100", apptest.Event(newFrom+100, 0))
				w.Cluster.Compact()
				away.Remove()
				if stopped {
					w.CommitWithEpoch(w.Kafka, c.At, c.LeaderEpoch, c.Metadata)
					r = w.Start()
				}
				w.caughtUp()
				w.End(r)
				if flows, _ := w.standing(); len(flows) != 100 {
					t.Fatalf("%d records left, want all but the one at 49", len(flows))
				}
				w.witness(1)
			})
		})
	}
}

// keyed writes an event with a key, in a batch of its own.
func (w *world) keyed(key, value string) {
	w.T.Helper()
	if err := w.Kafka.ProduceSync(context.Background(), &kgo.Record{Topic: apptest.EventTopic, Key: []byte(key), Value: []byte(value)}).FirstErr(); err != nil {
		w.T.Fatal(err)
	}
	w.Acknowledge(value)
}

// betweenGenerations has the one member give up its partitions and keeps it from
// joining again, until lifted.
func (w *world) betweenGenerations() (lift func()) {
	w.T.Helper()
	joining := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: apptest.Group, Err: kerr.CoordinatorNotAvailable, Count: -1})
	w.ForgetMember()
	w.Until("the end of the generation", func() bool { return len(w.said("drained")) > 0 }, 2*time.Minute)
	return joining.Remove
}

// A topic that is recreated again, while records of the first log are open, is read in the end.
func TestATopicRecreatedAgainIsReadInTheEnd(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(f string) bool { return f == "F-0-0" })
		r := w.Start()
		w.orderKeys(0, 100)
		time.Sleep(30 * time.Second)
		for n := 1; n <= 2; n++ {
			w.RecreateTopic(nil)
			w.orderKeys(n*newFrom, n*newFrom+40)
			time.Sleep(time.Minute)
		}
		w.Platform.Script(nil)
		w.caughtUp()
		if p := r.Snapshot().Engine.Partitions[0]; p.Phase != "reading" {
			t.Errorf("phase %s after the platform came back", p.Phase)
		}
		w.End(r)
	})
}
