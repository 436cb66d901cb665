package main

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/testkit/platform"
)

func TestAStopWhileDeadLettersHangEndsInTime(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		hang := make(chan struct{})
		w.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			if req.(*kmsg.ProduceRequest).Topics[0].Topic == deadLetterTopic {
				w.cluster.KeepControl()
				w.cluster.SleepControl(func() { <-hang })
			}
			return nil, nil, false
		})
		defer close(hang)
		r := w.start()
		w.until("the group", func() bool { return w.committed(0) == 0 })
		w.produce(0, `not an event`)
		time.Sleep(time.Second)
		begun := time.Now()
		w.end(r)
		if d := time.Since(begun); d > 30*time.Second {
			t.Errorf("stopped after %s, CONSUMER_DRAIN_TIMEOUT + 10s is 30s", d)
		}
	})
}

func TestAStopWhileThePlatformHangsEndsInTime(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Hang: true} })
		r := w.start("UPSTREAM_TIMEOUT", "60s")
		w.produce(0, event(1, 0), event(2, 0))
		w.until("the requests", func() bool { return w.platform.Stats().Received == 2 })
		begun := time.Now()
		w.end(r)
		if d := time.Since(begun); d < 19*time.Second || d > 30*time.Second {
			t.Errorf("stopped after %s, want the drain's 20s and no more than 10s beyond", d)
		}
	})
}

func TestAStopDuringAnOutageEndsAtOnce(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Status: 502, Body: "<html>"} })
		r := w.start()
		for i := range 100 {
			w.produce(0, event(i, 0))
		}
		time.Sleep(time.Minute)
		begun := time.Now()
		w.end(r)
		if d := time.Since(begun); d > 5*time.Second {
			t.Errorf("stopped after %s although nothing was open", d)
		}
		if c := w.committed(0); c != 0 {
			t.Errorf("committed %d", c)
		}
	})
}

func TestAGracefulStopRepeatsNothingAlthoughTheCoordinatorMoves(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.start("CONSUMER_COMMIT_INTERVAL", "10s")
		w.until("the group", func() bool { return w.committed(0) == 0 })
		time.Sleep(11 * time.Second)
		for i := range 50 {
			w.produce(0, event(i, 0))
		}
		w.until("the acceptances", func() bool { return w.platform.Stats().Accepted == 50 })
		away := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: eventTopic, Err: kerr.CoordinatorNotAvailable, Count: -1})
		go func() { time.Sleep(5 * time.Second); away.Remove() }()
		w.end(r)
		time.Sleep(6 * time.Second)
		if c := w.committed(0); c != 50 {
			t.Errorf("committed %d of 50 that were accepted: the next owner repeats them", c)
		}
	})
}

func TestAStopWhoseLastAnswerLeadsToADeadLetterThatHangsEndsInTime(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		hang := make(chan struct{})
		defer close(hang)
		w.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if req.(*kmsg.ProduceRequest).Topics[0].Topic == deadLetterTopic {
				w.cluster.SleepControl(func() { <-hang })
			}
			return nil, nil, false
		})
		w.platform.Script(func(*platform.Request) *platform.Reply {
			return &platform.Reply{Status: 400, Body: `{"code":"400"}`, Delay: 20 * time.Second}
		})
		r := w.start("UPSTREAM_TIMEOUT", "60s")
		w.produce(0, event(1, 0))
		w.until("the request", func() bool { return w.platform.Stats().Received == 1 })
		time.Sleep(100 * time.Millisecond)
		begun := time.Now()
		w.end(r)
		if d := time.Since(begun); d > 30*time.Second {
			t.Errorf("stopped after %s, CONSUMER_DRAIN_TIMEOUT + 10s is 30s", d)
		}
	})
}

func TestACleanStopWarnsOfNothing(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.start()
		w.backlog(1, 10)
		w.until("the commit", w.allCommitted(1, 10))
		w.end(r)
		for line := range strings.Lines(w.log.String()) {
			// What a start warns of may come before the stop or not.
			if strings.Contains(line, `"WARN"`) && !strings.Contains(line, `"a check at the start"`) {
				t.Errorf("a warning on a clean stop: %s", line)
			}
		}
	})
}

// Where something hangs and nobody reads standard error, the last lines are waited for
// twice: the service's, then what execute says of the end.
func TestTheLimitsOfTheEndAreWithinTenSeconds(t *testing.T) {
	if most := endLimit + 2*linesLimit; most > 10*time.Second {
		t.Errorf("the end may take %s after the drain", most)
	}
	if flushEnd >= endLimit {
		t.Errorf("telemetry is flushed until %s, and the end is at %s", flushEnd, endLimit)
	}
}
