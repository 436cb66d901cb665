package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
)

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
		w.ForgetMember()
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
				if kind := r.ConditionKind(); kind == admin.OutsideGroup {
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
					t.Error("no line says so")
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
