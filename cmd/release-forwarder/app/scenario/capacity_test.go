package scenario

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

// servesAtMost lets the platform serve k requests at once and answer 503 beyond. It
// returns how many it has refused.
func (w *world) servesAtMost(k *atomic.Int64, takes time.Duration) (refused *atomic.Int64) {
	var open atomic.Int64
	refused = &atomic.Int64{}
	answering := func(q platform.Request) {
		if !q.Scripted {
			open.Add(-1) // there is room before the client knows
		}
	}
	w.OnAnswer.Store(&answering)
	w.Platform.Script(func(*platform.Request) *platform.Reply {
		if open.Add(1) > k.Load() {
			open.Add(-1)
			refused.Add(1)
			return &platform.Reply{Status: 503, Body: `{"code":"503"}`, Delay: 5 * time.Millisecond}
		}
		return &platform.Reply{Delay: takes}
	})
	return refused
}

// A platform that serves few requests at once gets at least nine tenths of what it can serve, 5 % wasted at most.
func TestAPlatformThatServesFewAtOnceIsUsedFully(t *testing.T) {
	for _, c := range []struct {
		atOnce int64
		takes  time.Duration
	}{{4, 20 * time.Millisecond}, {16, 50 * time.Millisecond}, {48, 200 * time.Millisecond}} {
		t.Run(fmt.Sprint(c.atOnce, " for ", c.takes), func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				var k atomic.Int64
				k.Store(c.atOnce)
				refused := w.servesAtMost(&k, c.takes)
				best := float64(c.atOnce) / c.takes.Seconds()
				n := int(40 * best)
				w.Backlog(1, n)
				r := w.Start()
				w.Until("the first", func() bool { return w.Platform.Stats().Accepted > 0 })
				begun := time.Now()
				w.Until("all", func() bool { return w.Platform.Stats().Accepted == n }, 3*time.Minute)
				rate := float64(n) / time.Since(begun).Seconds()
				wasted := float64(refused.Load()) / float64(w.Platform.Stats().Received)
				t.Logf("%.0f a second of %.0f, %.1f%% wasted", rate, best, 100*wasted)
				if rate < 0.9*best || wasted > 0.05 {
					t.Errorf("%.0f a second of %.0f, %.1f%% wasted", rate, best, 100*wasted)
				}
				w.Until("the commit", w.AllCommitted(1, int64(n)))
				w.End(r)
				if n := strings.Count(w.Log.String(), "circuit opened"); n > 1 {
					t.Errorf("the circuit opened %d times for a platform that accepts", n)
				}
				if n := len(w.DeadLetters()); n != 0 {
					t.Errorf("%d dead letters", n)
				}
			})
		})
	}
}

// The same holds while the number that the platform serves at once changes under load.
func TestAPlatformWhoseCapacityChangesIsUsedFully(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		const takes, lasts = 50 * time.Millisecond, 20 * time.Second
		var k atomic.Int64
		k.Store(64)
		refused := w.servesAtMost(&k, takes)
		w.Backlog(1, 150000)
		r := w.Start("UPSTREAM_MAX_IN_FLIGHT", "64")
		w.Until("the first", func() bool { return w.Platform.Stats().Accepted > 0 })
		for _, atOnce := range []int64{16, 4, 48, 40, 1, 2, 20} {
			k.Store(atOnce)
			time.Sleep(5 * time.Second) // what is too many is refused, and its quick retries
			before, wasted := w.Platform.Stats(), refused.Load()
			time.Sleep(lasts)
			after := w.Platform.Stats()
			rate, best := float64(after.Accepted-before.Accepted)/lasts.Seconds(), float64(atOnce)/takes.Seconds()
			waste := float64(refused.Load()-wasted) / float64(after.Received-before.Received)
			if rate < 0.9*best || waste > 0.05 {
				t.Errorf("%d at once: %.0f a second of %.0f, %.1f%% wasted", atOnce, rate, best, 100*waste)
			}
		}
		w.End(r)
		// When 40 become 1 at once, five deliveries in a row fail before the one place is free again.
		if n := strings.Count(w.Log.String(), "circuit opened"); n > 1 {
			t.Errorf("the circuit opened %d times for a platform that accepts", n)
		}
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters", n)
		}
	})
}
