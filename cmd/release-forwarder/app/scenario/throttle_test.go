package scenario

import (
	"net/http"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// A record that is throttled with no time to wait is sent again about once a second at most.
func TestAThrottledRecordIsNotSentAgainAtOnce(t *testing.T) {
	for _, after := range []string{"0", "Fri, 31 Dec 1999 00:00:00 GMT"} {
		t.Run("Retry-After "+after, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.Platform.Script(func(*platform.Request) *platform.Reply {
					return &platform.Reply{Status: 429, Header: http.Header{"Retry-After": {after}}, Delay: 5 * time.Millisecond}
				})
				w.Produce(0, apptest.Event(1, 0))
				r := w.Start()
				time.Sleep(time.Minute)
				if n := w.Platform.Stats().Received; n > 70 {
					t.Errorf("%d requests in a minute to a platform that asks to be left alone", n)
				}
				w.End(r)
			})
		})
	}
}

// A second 429, while others are accepted, delays only its record, for at least the time of Retry-After.
//
// The first one pauses all requests. When a pause ends the record and the others are sent in the same instant: what
// counts is whose answer comes first.
func TestARecordThatIsThrottledAgainWaitsAlone(t *testing.T) {
	for name, c := range map[string]struct {
		its, others time.Duration // what the answers take
		pauses      int
	}{
		// The second time the others have been accepted before its answer comes.
		"others are answered first": {50 * time.Millisecond, 0, 1},
		// The second time none was accepted since: it pauses once more. What was sent
		// with it is accepted in that pause, so the third time it waits alone.
		"it is answered first": {0, 50 * time.Millisecond, 2},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.Platform.Script(func(q *platform.Request) *platform.Reply {
					if q.Params["park_uuid"] == "x" {
						return &platform.Reply{Status: 429, Header: http.Header{"Retry-After": {"7"}}, Delay: c.its}
					}
					return &platform.Reply{Delay: c.others}
				})
				r := w.Start()
				// A backlog first: the limit of requests in flight is as high as it goes, and does
				// not decide who is sent when a pause ends.
				w.Backlog(1, 400)
				w.Until("the backlog", func() bool { return w.Platform.Stats().Accepted == 400 })
				for n := range 60 { // one a second
					if n == 10 {
						w.Produce(0, apptest.EventOfLot("x", 0))
						w.Until("its first answer", func() bool { return !r.Snapshot().Gate.PausedUntil.IsZero() })
					}
					w.Produce(0, apptest.Event(n, 0))
					time.Sleep(time.Second)
				}
				w.End(r)
				w.wantPauses(c.its, c.pauses)
			})
		})
	}
}

// wantPauses checks that the others paused so often, each time for the 7 s of Retry-After from the answer to lot x on,
// and that the record of lot x was sent again after those.
func (w *world) wantPauses(its time.Duration, want int) {
	w.T.Helper()
	var last time.Time
	var throttled []time.Time // when its answer came
	pauses := 0
	for _, q := range w.Platform.Requests() {
		if q.Params["park_uuid"] == "x" {
			if n := len(throttled); n > 0 && q.At.Sub(throttled[n-1]) < 7*time.Second {
				w.T.Errorf("tried again after %s", q.At.Sub(throttled[n-1]))
			}
			throttled = append(throttled, q.At.Add(its))
			continue
		}
		if gap := q.At.Sub(last); !last.IsZero() && gap > 2*time.Second { // one comes each second
			if pauses >= len(throttled) || q.At.Sub(throttled[pauses]) != 7*time.Second {
				w.T.Errorf("the others paused for %s until %s; it was answered at %s", gap, q.At, throttled)
			}
			pauses++
		}
		last = q.At
	}
	if pauses != want || len(throttled) < want+2 {
		w.T.Errorf("the others paused %d times, want %d; it was tried %d times", pauses, want, len(throttled))
	}
}
