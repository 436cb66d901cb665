package scenario

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// asked counts the requests of one type, of all replicas. Who spins would keep
// virtual time from passing, so beyond some number each takes a moment.
func (w *world) asked(key kmsg.Key) *atomic.Int64 {
	var n atomic.Int64
	w.Cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		if n.Add(1) > 500 {
			time.Sleep(10 * time.Millisecond)
		}
		return nil, nil, false
	})
	return &n
}

// Rights that are lost for a minute are waited for: the status page names it, and nothing is lost.
func TestLostRightsAreWaitedFor(t *testing.T) {
	topic, all := kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed
	for _, c := range []struct {
		key kmsg.Key
		err *kerr.Error
		top bool
		// says is what the status page's banner is made of after a minute; "" where
		// that is not certain.
		says admin.Kind
	}{
		{kmsg.Fetch, topic, false, admin.PartitionUnreadable},
		{kmsg.ListOffsets, topic, false, ""}, // which replica is told so, and how often, is chance
		{kmsg.Metadata, topic, false, admin.PartitionUnreadable},
		{kmsg.Produce, topic, false, admin.DeadLettersRefused},
		{kmsg.OffsetCommit, topic, false, admin.CommitsFail},
		{kmsg.OffsetCommit, all, false, admin.CommitsFail},
		{kmsg.OffsetFetch, all, true, admin.PartitionUnreadable},
		{kmsg.FindCoordinator, all, false, admin.OutsideGroup},
		{kmsg.JoinGroup, all, true, admin.OutsideGroup},
		{kmsg.SyncGroup, all, true, admin.OutsideGroup},
		{kmsg.Heartbeat, all, true, admin.Well}, // read and sent all the same
		{kmsg.LeaveGroup, all, true, admin.Well},
	} {
		t.Run(kmsg.NameForKey(int16(c.key))+" "+c.err.Message, func(t *testing.T) {
			inVirtualTime(t, 2, func(w *world) {
				r, second := w.Start(), w.Start()
				w.Until("both", func() bool {
					return len(r.Snapshot().Engine.Partitions) == 1 && len(second.Snapshot().Engine.Partitions) == 1
				})
				w.Backlog(2, 10)
				w.Until("the first", w.AllCommitted(2, 10))
				joins, lines := w.asked(kmsg.JoinGroup), w.Log.Lines()
				fault := kfake.Fault{Keys: []kmsg.Key{c.key}, Err: c.err, TopLevel: c.top, Count: -1}
				if c.key == kmsg.Produce {
					fault.Topic = apptest.DeadLetterTopic // the events' producer is another user
				}
				if c.key == kmsg.ListOffsets { // asked for where a position seems not to be in the log
					w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: apptest.EventTopic, Err: kerr.OffsetOutOfRange, Count: 2})
				}
				if c.key == kmsg.FindCoordinator { // asked for where the one that is known says that it is none
					w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.NotCoordinator, TopLevel: true, Count: 2})
				}
				lost := w.Cluster.Fault(fault)
				for p := range int32(2) {
					values := []string{"not an event"}
					for i := range 10 {
						values = append(values, apptest.Event(100+10*int(p)+i, 0))
					}
					w.Produce(p, values...)
				}
				w.End(second) // the group assigns anew, and all requests are made
				time.Sleep(time.Minute)
				if ok, why := r.Live(); !ok {
					t.Errorf("not live: %s", why)
				}
				if got := r.Status().Condition.Kind; c.says != "" && got != c.says {
					t.Errorf("the banner says %s, want %s", got, c.says)
				}
				// Two replicas' starts and stops, a few lines for each try of what is
				// refused: a line of one kind ten times a minute at the most.
				if n := w.Log.Lines() - lines; n > 60 {
					t.Errorf("%d log lines in a minute", n)
				}
				if n := joins.Load(); n > 62 {
					t.Errorf("%d joins in a minute", n)
				}
				if lost.Hits() == 0 {
					t.Error("nothing was asked for which the right is lost")
				}
				lost.Remove()
				w.Until("all", w.AllCommitted(2, 21), 2*time.Minute)
				w.End(r)
				if n := w.Platform.Stats().Accepted; n != 40 {
					t.Errorf("%d accepted of 40", n)
				}
			})
		})
	}
}

// A member joins the group at most once a second, whatever the broker answers.
func TestAMemberJoinsAtMostOnceASecond(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.OffsetFetch, kmsg.OffsetCommit} {
		for _, err := range []*kerr.Error{
			kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.CoordinatorNotAvailable, kerr.NotCoordinator,
			kerr.CoordinatorLoadInProgress, kerr.GroupAuthorizationFailed, kerr.UnknownServerError, kerr.InconsistentGroupProtocol,
		} {
			t.Run(kmsg.NameForKey(int16(key))+" "+err.Message, func(t *testing.T) {
				inVirtualTime(t, 1, func(w *world) {
					top := key != kmsg.OffsetCommit && key != kmsg.FindCoordinator
					refused := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, TopLevel: top, Count: -1})
					joins := w.asked(kmsg.JoinGroup)
					w.Backlog(1, 10)
					r := w.Start()
					time.Sleep(time.Minute)
					if n := joins.Load(); n > 62 {
						t.Errorf("%d joins in a minute", n)
					}
					if ok, why := r.Live(); !ok {
						t.Errorf("not live: %s", why)
					}
					if refused.Hits() == 0 {
						t.Error("nothing was refused")
					}
					refused.Remove()
					w.Until("all", w.AllCommitted(1, 10))
					w.End(r)
				})
			})
		}
	}
}

// A topic that is missing is waited for with few requests and log lines, and read once it exists.
func TestAMissingTopicIsWaitedFor(t *testing.T) {
	for name, before := range map[string]bool{"from the start": true, "deleted while it is read": false} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				var r *apptest.Replica
				remove := func() {
					if err := w.Cluster.DeleteTopic(apptest.EventTopic); err != nil {
						t.Fatal(err)
					}
				}
				if before {
					remove()
					r = w.Start()
				} else {
					r = w.Start()
					w.orderKeys(0, 10)
					w.Until("the group", w.AllCommitted(1, 10))
					remove()
				}
				joins, fetches, metadata := w.asked(kmsg.JoinGroup), w.asked(kmsg.Fetch), w.asked(kmsg.Metadata)
				lines := w.Log.Lines()
				time.Sleep(time.Minute)
				if joins.Load() > 62 || fetches.Load() > 300 || metadata.Load() > 300 {
					t.Errorf("%d joins, %d fetches, %d metadata requests in a minute", joins.Load(), fetches.Load(), metadata.Load())
				}
				if n := w.Log.Lines() - lines; n > 60 {
					t.Errorf("%d log lines in a minute", n)
				}
				if err := w.Cluster.CreateTopic(apptest.EventTopic, 1, nil); err != nil {
					t.Fatal(err)
				}
				w.renew()
				w.orderKeys(100, 150)
				w.Until("its events", func() bool { return w.Committed(0) == 50 }, 2*time.Minute)
				w.End(r)
			})
		})
	}
}

// A stop ends within CONSUMER_DRAIN_TIMEOUT and 10 s, whatever Kafka leaves unanswered.
func TestAStopEndsInTimeWhileKafkaIsSilent(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.LeaveGroup, kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.Fetch, kmsg.Metadata, kmsg.FindCoordinator} {
		t.Run(kmsg.NameForKey(int16(key)), func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.Backlog(1, 10)
				hang := make(chan struct{})
				silence := func() {
					w.Cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
						w.Cluster.KeepControl()
						w.Cluster.SleepControl(func() { <-hang })
						return nil, nil, false
					})
				}
				defer func() { close(hang); apptest.Settle() }()
				r := w.Start()
				w.Until("the commit", w.AllCommitted(1, 10))
				silence()
				w.orderKeys(100, 110)
				w.Rebalance()
				time.Sleep(5 * time.Second)
				begun := time.Now()
				w.End(r)
				if d := time.Since(begun); d > 30*time.Second {
					t.Errorf("stopped after %s, CONSUMER_DRAIN_TIMEOUT + 10s is 30s", d)
				}
			})
		})
	}
}

// A replica that is outside the group for longer than a rebalance takes says so on the status page.
func TestAReplicaOutsideTheGroupSaysSo(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start()
		banner := func(want admin.Kind) {
			t.Helper()
			if got := r.Status().Condition.Kind; got != want {
				t.Errorf("the banner says %s, want %s", got, want)
			}
		}
		well := func() bool { return r.Status().Condition.Kind == admin.Well }
		w.Until("the group", well)
		again := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.RebalanceInProgress, TopLevel: true, Count: -1})
		w.Loses()
		time.Sleep(10 * time.Second)
		banner(admin.Rebalancing)
		time.Sleep(70 * time.Second) // KAFKA_REBALANCE_TIMEOUT + 10s
		banner(admin.OutsideGroup)
		again.Remove()
		w.Until("the group again", well)
		w.End(r)
	})
}

// A join that fails is reported with its cause and remedy, in the log, on the status page and by /readyz.
func TestAJoinThatFailsSaysWhyAndWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err   *kerr.Error
		names string
		found bool // what the group is may be the cause
	}{
		{kerr.InconsistentGroupProtocol, "KAFKA_GROUP_ID", true},
		{kerr.GroupIDNotFound, "KAFKA_GROUP_PROTOCOL", true},
		{kerr.GroupMaxSizeReached, "group.max.size", true},
		{kerr.UnknownServerError, "its log", true},
		{kerr.InvalidSessionTimeout, "KAFKA_SESSION_TIMEOUT", false},
		{kerr.InvalidGroupID, "KAFKA_GROUP_ID", false},
		{kerr.GroupAuthorizationFailed, "grant this user Read on the group", false},
		{kerr.TopicAuthorizationFailed, "Read on KAFKA_TOPIC", false},
		{kerr.UnsupportedVersion, "Kafka 2.3", false},
		{kerr.UnsupportedAssignor, "group.consumer.assignors", false},
		{kerr.InvalidRequest, "coordinator's log", false},
	} {
		t.Run(c.err.Message, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				refused := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: c.err, TopLevel: true, Count: -1})
				r := w.Start()
				time.Sleep(12 * time.Second) // longer than a coordinator takes to move
				said := r.Status().Condition
				if s := said.String(); said.Kind != admin.OutsideGroup || !strings.Contains(s, c.err.Message) || strings.Contains(s, "found: no such group") != c.found {
					t.Errorf("%s: %s", said.Kind, s)
				}
				if s := said.Remedy(); !strings.Contains(s, c.names) {
					t.Errorf("the status page says to do: %s", s)
				}
				if ok, why := r.Ready(); ok || !strings.Contains(why, c.err.Message) {
					t.Errorf("ready %v: %s", ok, why)
				}
				refused.Remove()
				w.Until("a generation", func() bool { return len(r.Snapshot().Engine.Partitions) == 1 })
				if kind := r.Says(); kind == admin.OutsideGroup {
					t.Error("it is still said")
				}
				lines := 0
				for line := range strings.Lines(w.Log.String()) {
					if !strings.Contains(line, "joining the group failed") {
						continue
					}
					lines++
					if strings.Count(line, `"remedy"`) != 1 || !strings.Contains(line, c.names) || !strings.Contains(line, `"cause":"`+c.err.Message+`"`) || strings.Contains(line, `"found":"no such group"`) != c.found {
						t.Error(line)
					}
				}
				if lines == 0 {
					t.Error("no line tells of it")
				}
			})
		})
	}
}

// Where a group of another kind cannot be joined, its members are named, as far as the coordinator says.
func TestAGroupOfAnotherKindSaysWhoIsInIt(t *testing.T) {
	for _, c := range []struct {
		name   string
		joins  func(w *world) (leave func())
		denied bool
		found  string
	}{
		{"of the new type", func(w *world) func() {
			// A real coordinator compares the classic protocols of its members, too.
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.InconsistentGroupProtocol, TopLevel: true, Count: -1})
			return w.other(kgo.ConsumeTopics(apptest.EventTopic), kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())).Close
		}, false, "type consumer, Stable, protocol uniform, members: billing at 127.0.0.1"},
		{"of a protocol that is not offered", func(w *world) func() {
			return w.other(kgo.ConsumeTopics(apptest.EventTopic), kgo.Balancers(kgo.StickyBalancer())).Close
		}, false, "type classic, Stable, protocol sticky, members: billing at 127.0.0.1"},
		{"that may not be seen", func(w *world) func() {
			return w.other(kgo.ConsumeTopics(apptest.EventTopic), kgo.Balancers(kgo.StickyBalancer())).Close
		}, true, "the group cannot be described: GROUP_AUTHORIZATION_FAILED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				defer c.joins(w)()
				time.Sleep(10 * time.Second)
				if c.denied {
					w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupDescribe, kmsg.DescribeGroups}, Err: kerr.GroupAuthorizationFailed, Count: -1})
				}
				described := w.asked(kmsg.DescribeGroups)
				r := w.Start()
				time.Sleep(time.Minute)
				said := r.Status().Condition
				if s := said.String(); said.Kind != admin.OutsideGroup || !strings.Contains(s, "INCONSISTENT_GROUP_PROTOCOL; found: "+c.found) {
					t.Errorf("%s: %s", said.Kind, s)
				}
				if s := w.Log.String(); !strings.Contains(s, `"found":"`+c.found) {
					t.Error("the log does not tell")
				}
				if n := described.Load(); n > 20 {
					t.Errorf("the group was described %d times in a minute", n)
				}
			})
		})
	}
}
