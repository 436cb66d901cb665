package main

import (
	"net/http"
	"testing"
	"time"

	"release-forwarder/cmd/sandbox/platform"
)

func TestOneRecordThatIsThrottledWithoutAWaitIsNotSentAgainAtOnce(t *testing.T) {
	for _, after := range []string{"0", "Fri, 31 Dec 1999 00:00:00 GMT"} {
		t.Run("Retry-After "+after, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.platform.Script(func(*platform.Request) *platform.Reply {
					return &platform.Reply{Status: 429, Header: http.Header{"Retry-After": {after}}, Delay: 5 * time.Millisecond}
				})
				w.produce(0, event(1, 0))
				r := w.start()
				time.Sleep(time.Minute)
				if n := w.platform.Stats().Received; n > 70 {
					t.Errorf("%d requests in a minute to a platform that asks to be left alone", n)
				}
				w.end(r)
			})
		})
	}
}

// A Retry-After holds back the whole platform, once: a record that gets it again
// although others were accepted since waits alone, at least so long.
func TestARecordThatIsThrottledAgainWaitsAlone(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.platform.Script(func(q *platform.Request) *platform.Reply {
			if q.Params["park_uuid"] == "x" {
				return &platform.Reply{Status: 429, Header: http.Header{"Retry-After": {"7"}}}
			}
			return nil
		})
		r := w.start()
		for n := range 60 { // one a second
			if n == 10 {
				w.produce(0, ofLot("x", 0))
				w.until("its first answer", func() bool { return !r.gate.State().PausedUntil.IsZero() })
			}
			w.produce(0, event(n, 0))
			time.Sleep(time.Second)
		}
		w.end(r)
		var last, throttled time.Time
		pauses, alone := 0, false // alone: others were served since it was throttled before
		for _, q := range w.platform.Requests() {
			if q.Params["park_uuid"] == "x" {
				if wait := q.At.Sub(throttled); !throttled.IsZero() && wait < 7*time.Second {
					t.Errorf("tried again after %s", wait)
				}
				// What came in the same instant may have come before or after it.
				alone = !throttled.IsZero() && last.After(throttled) && last.Before(q.At)
				throttled = q.At
				continue
			}
			if !last.IsZero() && q.At.Sub(last) > 2*time.Second {
				pauses++
				if alone {
					t.Errorf("the others paused at %s for a record that had been throttled although they were served", last)
				}
				if gap := q.At.Sub(last); gap < 7*time.Second || gap > 9*time.Second {
					t.Errorf("the others paused for %s", gap)
				}
			}
			last = q.At
		}
		if pauses == 0 || pauses > 3 || !alone {
			t.Errorf("the others paused %d times; at the end the record waits alone: %t", pauses, alone)
		}
	})
}
