package scenario

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
)

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
		{kmsg.ListOffsets, topic, false, ""}, // which replica gets the error, and how often, is chance
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
				w.End(second) // the group assigns again, and all requests are made
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
