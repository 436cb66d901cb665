package scenario

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

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
			t.Error("what was dropped is not logged")
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
		w.Until("readiness", func() bool { ok, _ := r.Ready(); return ok }, 3*time.Second) // it looks every 2 s
		w.End(r)
		if n := len(w.DeadLetters()); n != 1 {
			t.Errorf("%d dead letters", n)
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
				w.ReconnectObserver()
				w.orderKeys(100, 150)
				w.Until("its events", func() bool { return w.Committed(0) == 50 }, 2*time.Minute)
				w.End(r)
			})
		})
	}
}
