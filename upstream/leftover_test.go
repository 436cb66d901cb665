package upstream_test

import (
	"cmp"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream"
)

// hangFor answers yes after a while, or never where it is 0.
func hangFor(t *testing.T, wait *time.Duration) upstream.Config {
	return virtual(t, func(w http.ResponseWriter, r *http.Request) {
		var answers <-chan time.Time
		if *wait > 0 {
			answers = time.After(*wait)
		}
		select {
		case <-answers:
			_, _ = io.WriteString(w, `{"code":"1001"}`)
		case <-r.Context().Done():
		}
	})
}

// What is left over from an outage when the circuit closes a second after a
// request began, whose time-out is 10 s.
func TestWhatHangsWhenTheCircuitClosesIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		after    time.Duration // the answer's, from the request's beginning; 0: none comes
		late     bool          // the request begins at the closing, not before
		reopens  bool          // a second after it closed
		closes   bool          // again, half a second after that
		timeout  time.Duration // 10 s where it is 0
		want     upstream.Verdict
		took     time.Duration
		leftOver bool
	}{
		"hangs":                          {want: upstream.Timeout, took: 3 * time.Second, leftOver: true},
		"answered within the 2 s":        {after: 2900 * time.Millisecond, want: upstream.Accepted, took: 2900 * time.Millisecond},
		"answered too late":              {after: 3100 * time.Millisecond, want: upstream.Timeout, took: 3 * time.Second, leftOver: true},
		"out of time before the 2 s":     {timeout: 1500 * time.Millisecond, want: upstream.Timeout, took: 1500 * time.Millisecond, leftOver: true},
		"out of time before it closed":   {timeout: 900 * time.Millisecond, want: upstream.Timeout, took: 900 * time.Millisecond},
		"began after it":                 {late: true, want: upstream.Timeout, took: 10 * time.Second},
		"the circuit opens again":        {reopens: true, want: upstream.Timeout, took: 10 * time.Second},
		"the circuit opens and closes":   {reopens: true, closes: true, want: upstream.Timeout, took: 4500 * time.Millisecond, leftOver: true},
		"began after it, slow, accepted": {late: true, after: 9 * time.Second, want: upstream.Accepted, took: 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := upstream.NewGate(upstream.GateConfig{Adaptive: true})
				open(gate)
				conf := hangFor(t, &c.after)
				conf.Timeout, conf.Gate = cmp.Or(c.timeout, 10*time.Second), gate
				deliverer := client(t, conf)
				if c.late {
					gate.Accepted()
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					if c.late {
						return
					}
					time.Sleep(time.Second)
					gate.Accepted()
					if c.reopens {
						time.Sleep(time.Second)
						open(gate)
					}
					if c.closes {
						time.Sleep(500 * time.Millisecond)
						gate.Accepted()
					}
				}()
				began := time.Now()
				a := deliverer.Deliver(t.Context(), upstream.Request{Params: release, Quick: true})
				if took := time.Since(began); a.Verdict != c.want || took != c.took || a.LeftOver != c.leftOver || a.Attempts != 1 {
					t.Errorf("%v after %v and %d attempts, left over %v: %v", a.Verdict, took, a.Attempts, a.LeftOver, a.Err)
				}
				<-done
			})
		})
	}
}

// open opens a gate's circuit.
func open(gate *upstream.Gate) {
	for n := range 5 {
		gate.Failed(n)
	}
}

// What is given up tells of the outage: it does not shrink the limit, and leaves
// nothing behind.
func TestWhatIsLeftOverDoesNotShrinkTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := upstream.NewGate(upstream.GateConfig{Adaptive: true})
		open(gate)
		var never time.Duration
		conf := hangFor(t, &never)
		conf.Timeout, conf.Gate = time.Minute, gate
		deliverer := client(t, conf)
		const n = 20
		left := make(chan bool, n)
		for range n {
			go func() { left <- deliverer.Deliver(t.Context(), upstream.Request{Params: release}).LeftOver }()
		}
		synctest.Wait()
		for range 10 { // closes it, and goes through the ramp
			gate.Accepted()
		}
		before := gate.State()
		for range n {
			if !<-left {
				t.Error("not given up")
			}
		}
		if after := gate.State(); after.Phase != upstream.Closed || after.Limit < before.Limit {
			t.Errorf("limit %d in phase %v, before %d", after.Limit, after.Phase, before.Limit)
		}
	})
}
