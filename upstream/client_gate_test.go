package upstream_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream"
	"release-forwarder/upstream/gate"
)

// A platform that stops accepting gets only the first request of each delivery with a slot,
// and their quick retries, until the circuit opens.
func TestAnOutageGetsNoMoreThanTheSlotsAndTheirRetries(t *testing.T) {
	const slots = 8
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(gate.Config{MaxInFlight: slots})
		var received atomic.Int64
		c := virtual(t, func(w http.ResponseWriter, _ *http.Request) {
			received.Add(1)
			time.Sleep(5 * time.Millisecond)
			fmt.Fprint(w, `{"code":"500"}`)
		})
		c.Gate, c.MaxInFlight, c.RetryMax = g, slots, 2
		c.MayRetry = func() bool { return !g.Open() }
		platform := client(t, c)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for n := range 500 {
			all.Go(func() {
				if _, err := g.Acquire(ctx); err != nil {
					return
				}
				defer g.Release(true)
				platform.Deliver(ctx, upstream.Request{Params: release, Quick: true})
				g.Failed(n)
			})
		}
		for !g.Open() {
			time.Sleep(time.Millisecond)
		}
		stop()
		all.Wait()
		time.Sleep(time.Second) // what the platform was doing for those that were cut has ended
		if n := received.Load(); n > 3*slots+slots {
			t.Errorf("%d requests until the circuit opened, with %d slots", n, slots)
		}
	})
}

// A quick retry keeps its slot and takes a turn of the rate. It is left out if the turn, or
// the end of a pause, is too far away.
func TestAQuickRetryWaitsForTheRateIfThatIsSoon(t *testing.T) {
	for name, c := range map[string]struct {
		rate     float64
		most     time.Duration // RetryWaitMax
		pause    time.Duration
		attempts int
		took     time.Duration
	}{
		"ten a second":            {rate: 10, most: 100 * time.Millisecond, attempts: 3, took: 200 * time.Millisecond},
		"two a second":            {rate: 2, most: time.Second, attempts: 3, took: time.Second},
		"a turn that is not soon": {rate: 0.5, most: time.Second, attempts: 1},
		"a pause that ends soon":  {most: 100 * time.Millisecond, pause: 150 * time.Millisecond, attempts: 3, took: 250 * time.Millisecond},
		"a long pause":            {most: time.Second, pause: time.Minute, attempts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := gate.New(gate.Config{MaxInFlight: 1})
				g.SetRate(c.rate)
				config := virtual(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"code":"500"}`) })
				config.Gate, config.RetryMax = g, 2
				config.RetryWaitMin, config.RetryWaitMax = 100*time.Millisecond, c.most
				platform := client(t, config)
				if _, err := g.Acquire(t.Context()); err != nil {
					t.Fatal(err)
				}
				if c.pause > 0 {
					g.Pause(time.Now().Add(c.pause))
				}
				began := time.Now()
				a := platform.Deliver(t.Context(), upstream.Request{Params: release, Quick: true})
				took := time.Since(began)
				if a.Attempts != c.attempts || c.took > 0 && took != c.took {
					t.Errorf("%d attempts in %v, want %d in %v", a.Attempts, took, c.attempts, c.took)
				}
			})
		})
	}
}
