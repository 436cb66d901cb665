package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// A stop ends in time while the dead-letter topic does not answer.
func TestAStopWhileDeadLettersHangEndsInTime(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		hang := make(chan struct{})
		w.Cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			if req.(*kmsg.ProduceRequest).Topics[0].Topic == apptest.DeadLetterTopic {
				w.Cluster.KeepControl()
				w.Cluster.SleepControl(func() { <-hang })
			}
			return nil, nil, false
		})
		defer close(hang)
		r := w.Start()
		w.Until("the group", func() bool { return w.Committed(0) == 0 })
		w.Produce(0, `not an event`)
		time.Sleep(time.Second)
		begun := time.Now()
		w.End(r)
		if d := time.Since(begun); d > 30*time.Second {
			t.Errorf("stopped after %s, CONSUMER_DRAIN_TIMEOUT + 10s is 30s", d)
		}
	})
}

// A stop waits for the platform's answers as long as CONSUMER_DRAIN_TIMEOUT, and ends in time.
func TestAStopWhileThePlatformHangsEndsInTime(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Hang: true} })
		r := w.Start("UPSTREAM_TIMEOUT", "60s")
		w.Produce(0, apptest.Event(1, 0), apptest.Event(2, 0))
		w.Until("the requests", func() bool { return w.Platform.Stats().Received == 2 })
		begun := time.Now()
		w.End(r)
		if d := time.Since(begun); d < 19*time.Second || d > 30*time.Second {
			t.Errorf("stopped after %s, want the drain's 20s and no more than 10s beyond", d)
		}
	})
}

// A stop during an outage ends at once: held records are not waited for.
func TestAStopDuringAnOutageEndsAtOnce(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Status: 502, Body: "<html>"} })
		r := w.Start()
		for i := range 100 {
			w.Produce(0, apptest.Event(i, 0))
		}
		time.Sleep(time.Minute)
		begun := time.Now()
		w.End(r)
		if d := time.Since(begun); d > 5*time.Second {
			t.Errorf("stopped after %s although nothing was open", d)
		}
		if c := w.Committed(0); c != 0 {
			t.Errorf("committed %d", c)
		}
	})
}

// A stop commits what was accepted, also where the coordinator moves meanwhile.
func TestAStopRepeatsNothingWhileTheCoordinatorMoves(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start("CONSUMER_COMMIT_INTERVAL", "10s")
		w.Until("the group", func() bool { return w.Committed(0) == 0 })
		time.Sleep(11 * time.Second)
		for i := range 50 {
			w.Produce(0, apptest.Event(i, 0))
		}
		w.Until("the acceptances", func() bool { return w.Platform.Stats().Accepted == 50 })
		away := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Err: kerr.CoordinatorNotAvailable, Count: -1})
		go func() { time.Sleep(5 * time.Second); away.Remove() }()
		w.End(r)
		time.Sleep(6 * time.Second)
		if c := w.Committed(0); c != 50 {
			t.Errorf("committed %d of 50 that were accepted: the next owner repeats them", c)
		}
	})
}

// A stop ends in time, also where the last answer leads to a dead letter that cannot be written.
func TestAStopWhoseLastDeadLetterHangsEndsInTime(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		hang := make(chan struct{})
		defer close(hang)
		w.Cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster.KeepControl()
			if req.(*kmsg.ProduceRequest).Topics[0].Topic == apptest.DeadLetterTopic {
				w.Cluster.SleepControl(func() { <-hang })
			}
			return nil, nil, false
		})
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			return &platform.Reply{Status: 400, Body: `{"code":"400"}`, Delay: 20 * time.Second}
		})
		r := w.Start("UPSTREAM_TIMEOUT", "60s")
		w.Produce(0, apptest.Event(1, 0))
		w.Until("the request", func() bool { return w.Platform.Stats().Received == 1 })
		time.Sleep(100 * time.Millisecond)
		begun := time.Now()
		w.End(r)
		if d := time.Since(begun); d > 30*time.Second {
			t.Errorf("stopped after %s, CONSUMER_DRAIN_TIMEOUT + 10s is 30s", d)
		}
	})
}

// A clean stop logs no warning.
func TestACleanStopWarnsOfNothing(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start()
		w.Backlog(1, 10)
		w.Until("the commit", w.AllCommitted(1, 10))
		w.End(r)
		for line := range strings.Lines(w.Log.String()) {
			// What a start warns of may come before the stop or not.
			if strings.Contains(line, `"WARN"`) && !strings.Contains(line, `"a check at the start"`) {
				t.Errorf("a warning on a clean stop: %s", line)
			}
		}
	})
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
				defer func() { close(hang); apptest.EndLongPolls() }()
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
