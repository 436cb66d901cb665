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

// The coordinator is asked who owns what so often, and a partition counts as without an owner after so long: one that
// moves has none for a moment.
const (
	asked      = 20 * time.Second
	unownedFor = time.Minute
)

// leavesUnowned has each leader of the group assign a partition to no member, until the returned function is called.
func (w *world) leavesUnowned(number int32) (end func()) {
	stopped := make(chan struct{})
	w.Cluster.ControlKey(int16(kmsg.SyncGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-stopped:
			return nil, nil, false
		default:
		}
		w.Cluster.KeepControl()
		req := r.(*kmsg.SyncGroupRequest)
		for i := range req.GroupAssignment {
			var a kmsg.ConsumerMemberAssignment
			if err := a.ReadFrom(req.GroupAssignment[i].MemberAssignment); err != nil {
				w.T.Error(err)
			}
			for j := range a.Topics {
				t := &a.Topics[j]
				for k := len(t.Partitions) - 1; k >= 0; k-- {
					if t.Partitions[k] == number {
						t.Partitions = append(t.Partitions[:k], t.Partitions[k+1:]...)
					}
				}
			}
			req.GroupAssignment[i].MemberAssignment = a.AppendTo(nil)
		}
		return nil, nil, false
	})
	return func() { close(stopped) }
}

// other is another program in the group.
func (w *world) other(opts ...kgo.Opt) *kgo.Client {
	w.T.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.ConsumerGroup(apptest.Group), kgo.ClientID("billing"),
	}, opts...)...)
	if err != nil {
		w.T.Fatal(err)
	}
	return c
}

// A replica says that it is a standby only while each partition has an owner.
func TestAStandbyMeansThatEachPartitionHasAnOwner(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		first, second := w.Start(), w.Start()
		w.Until("the group", w.AllCommitted(1, 0))
		if n := len(first.Snapshot().Engine.Partitions) + len(second.Snapshot().Engine.Partitions); n != 1 {
			t.Fatalf("%d partitions are owned", n)
		}
		standby := second
		if len(standby.Snapshot().Engine.Partitions) > 0 {
			standby = first
		}
		w.Until("that it is known", func() bool { return standby.ConditionKind() == admin.Standby }, 20*time.Second)
		for range 30 {
			time.Sleep(asked)
			for _, r := range w.Replicas {
				if n := r.Snapshot().UnownedByTopic; len(n) != 1 || n[apptest.EventTopic] != 0 {
					t.Fatalf("without an owner: %v", n)
				}
			}
		}
		if s := w.Log.String(); strings.Contains(s, "have no owner") || strings.Contains(s, "cannot be seen") {
			t.Error("it was said that a partition has no owner, or that it is unknown")
		}
	})
}

// Partitions without an owner are reported after a minute, in the log, the metric and on the status page.
//
// A replica that owns nothing does not say then that it is a standby.
func TestPartitionsWithoutAnOwnerAreReported(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		end := w.leavesUnowned(0)
		r := w.Start()
		w.Until("the group", func() bool { return r.Snapshot().Engine.Joined })
		for begun := time.Now(); time.Since(begun) < unownedFor; time.Sleep(time.Second) {
			if kind := r.ConditionKind(); kind != admin.Unassigned || r.Snapshot().UnownedByTopic[apptest.EventTopic] != 0 {
				t.Fatalf("after %s it says %s", time.Since(begun), kind)
			}
		}
		w.Until("that it is said", func() bool { return r.ConditionKind() == admin.PartitionsUnowned }, 2*asked)
		c := r.Status().Condition
		if s := c.String(); c.Level() != admin.LevelTrouble || !strings.Contains(s, "No one reads 1 partition since 2000-01-01 00:00:") || !strings.Contains(s, "(events/0)") {
			t.Error(s)
		}
		if n := r.Snapshot().UnownedByTopic; n[apptest.EventTopic] != 1 {
			t.Errorf("without an owner: %v", n)
		}
		if ok, why := r.Ready(); !ok {
			t.Errorf("not ready: %s", why)
		}
		time.Sleep(10 * time.Minute)
		if n := strings.Count(w.Log.String(), "partitions have no owner"); n != 1 {
			t.Errorf("said %d times", n)
		}
		if !strings.Contains(w.Log.String(), "members: release-forwarder at 127.0.0.1") {
			t.Error("it is not said who is in the group")
		}
		end()
		w.ForgetMember() // the group assigns again
		w.Until("an owner", func() bool {
			return r.ConditionKind() == admin.Well && r.Snapshot().UnownedByTopic[apptest.EventTopic] == 0
		}, 2*time.Minute)
		w.Until("that it is said", func() bool { return strings.Contains(w.Log.String(), "each partition has an owner again") }, 2*asked)
	})
}

// Partitions without an owner are reported in a group of the consumer protocol too.
//
// Its coordinator knows at any time who owns what, also of members of other programs.
func TestAConsumerGroupReportsPartitionsWithoutOwner(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		if err := w.Cluster.CreateTopic("other", 1, nil); err != nil {
			t.Fatal(err)
		}
		billing := w.other(kgo.ConsumeTopics("other"), kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
		defer billing.Close()
		time.Sleep(10 * time.Second)
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.InconsistentGroupProtocol, TopLevel: true, Count: -1})
		r := w.Start()
		time.Sleep(unownedFor + 2*asked)
		if n := r.Snapshot().UnownedByTopic; n[apptest.EventTopic] != 2 {
			t.Errorf("without an owner: %v", n)
		}
	})
}

// Where the group cannot be described, no replica says that it is a standby, and the log says why once.
func TestAGroupThatCannotBeSeenHasNoStandby(t *testing.T) {
	for _, err := range []*kerr.Error{kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.CoordinatorLoadInProgress} {
		inVirtualTime(t, 1, func(w *world) {
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupDescribe, kmsg.DescribeGroups}, Err: err, Count: -1})
			first := w.Start()
			w.Until("the group", func() bool { return first.ConditionKind() == admin.Well })
			second := w.Start()
			w.Until("the second", func() bool { return second.Snapshot().Engine.Joined })
			for range 30 {
				time.Sleep(asked)
				for _, r := range w.Replicas {
					if n := r.Snapshot().UnownedByTopic; n != nil {
						t.Fatalf("%s: %v", err.Message, n)
					}
					if kind := r.ConditionKind(); len(r.Snapshot().Engine.Partitions) == 0 && kind != admin.Unassigned {
						t.Fatalf("%s: it says %s", err.Message, kind)
					}
				}
			}
			want := 2 // each replica, once
			if err == kerr.CoordinatorLoadInProgress {
				want = 0 // it passes
			}
			if n := strings.Count(w.Log.String(), "which partitions have an owner cannot be seen"); n != want {
				t.Errorf("%s: said %d times", err.Message, n)
			}
		})
	}
}
