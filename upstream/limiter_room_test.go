package upstream

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// What a platform has room for changes while it runs, by much and by little. Just after
// a change as many are wasted as are too many, and a few to find out; the circuit stays
// closed, for others are accepted.
func TestPlatformWhoseRoomChanges(t *testing.T) {
	for _, takes := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				openings := 0
				l := newLoad(t, NewGate(GateConfig{MaxInFlight: 64, Adaptive: true, OnOpen: func() { openings++ }}), atMost(64, takes), 128)
				l.during(40 * takes)
				for _, k := range []int{16, 4, 48, 40, 44, 1, 2, 64, 12} {
					m := atMost(k, takes)
					l.platform.Store(&m)
					if o := l.during(40*takes + 200*time.Millisecond); o.wasted > 100 && o.waste() > 0.05 {
						t.Errorf("%d at once, just after: %d of %d wasted, the limit is %d", k, o.wasted, o.attempts, o.limit)
					}
					if o := l.during(600 * takes); o.rate < 0.9*m.best || o.waste() > 0.05 {
						t.Errorf("%d at once: %.0f a second of %.0f, %.1f%% wasted, the limit is %d", k, o.rate, m.best, 100*o.waste(), o.limit)
					}
				}
				if openings > 0 {
					t.Errorf("the circuit opened %d times", openings)
				}
			})
		})
	}
}

// Some records are refused at once whatever is open, as by one of several nodes that is
// broken: load is not the cause, and the limit does nearly what the highest would.
func TestStrayRefusalsDoNotThrottle(t *testing.T) {
	for _, stray := range []float64{0.01, 0.1, 0.3} {
		t.Run(fmt.Sprint(stray), func(t *testing.T) {
			m := model{answer: func(int) (bool, time.Duration) {
				if rand.Float64() < stray {
					return true, 5 * time.Millisecond
				}
				return false, 50 * time.Millisecond
			}}
			var fixed outcome
			synctest.Test(t, func(t *testing.T) {
				fixed = newLoad(t, NewGate(GateConfig{MaxInFlight: 64}), m, 128).during(time.Minute)
			})
			synctest.Test(t, func(t *testing.T) {
				l := newLoad(t, adaptive(64), m, 128)
				l.during(time.Minute)
				lowest, sum := fixed.rate, 0.0
				for range 6 { // what is tolerated is asked anew after five
					o := l.during(time.Minute)
					lowest, sum = min(lowest, o.rate), sum+o.rate/6
				}
				if sum < 0.9*fixed.rate || lowest < fixed.rate/2 {
					t.Errorf("of %.0f a second: %.0f, in the worst minute %.0f", fixed.rate, sum, lowest)
				}
			})
		})
	}
}

// One that becomes slower for everybody, while so much arrives that the limit holds back
// only now and then: the limit must not fall for that, and never stay where it fell.
func TestSlowerPlatformUnderSomeLoad(t *testing.T) {
	for _, c := range []struct{ before, after time.Duration }{
		{100 * time.Microsecond, 50 * time.Millisecond}, {time.Millisecond, 50 * time.Millisecond},
		{20 * time.Millisecond, 35 * time.Millisecond}, {50 * time.Millisecond, 500 * time.Millisecond},
	} {
		for _, wave := range []int{1, 16, 100, 400} {
			t.Run(fmt.Sprint(c.before, " to ", c.after, ", waves of ", wave), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLoad(t, adaptive(64), constant(c.before), 0)
					arrive := func() {
						for range wave {
							go l.deliver(t.Context())
						}
						time.Sleep(time.Duration(wave) * c.after / 32)
					}
					for range max(20, 400/wave) {
						arrive()
					}
					after := constant(c.after)
					l.platform.Store(&after)
					for range max(100, 4000/wave) {
						arrive()
					}
					// Half of what 64 can take arrives: it must be done as it comes.
					if n := l.gate.State().Waiting; n > 0 {
						t.Errorf("%d wait, the limit is %d", n, l.gate.State().Limit)
					}
				})
			})
		}
	}
}

// One that has become slower by less than what counts as slow, when a burst of refusals has
// lowered the limit: it must grow again.
func TestLimitGrowsAgainOnASlowerPlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(t, adaptive(64), constant(50*time.Millisecond), 128)
		l.during(2 * time.Second)
		few, many := atMost(8, 90*time.Millisecond), constant(90*time.Millisecond)
		l.platform.Store(&few)
		l.during(5 * time.Second)
		l.platform.Store(&many)
		l.during(time.Minute)
		if o := l.during(10 * time.Second); o.rate < 0.9*64/0.09 {
			t.Errorf("%.0f a second, the limit is %d", o.rate, o.limit)
		}
	})
}

// A platform next door answers in next to no time, and takes a hundred times as long, still
// next to nothing, when much is in flight: that is how computers are, and no load. When its
// answers take longer for everybody it is used as fully within seconds.
func TestFastPlatformIsUsedFully(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast := model{answer: func(open int) (bool, time.Duration) {
			return false, 100*time.Microsecond + time.Duration(open)*rand.N(150*time.Microsecond)
		}}
		l := newLoad(t, adaptive(64), fast, 128)
		for range 10 {
			if o := l.during(time.Second); o.limit != 64 {
				t.Fatalf("fast: the limit is %d", o.limit)
			}
		}
		for _, takes := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
			slower := constant(takes)
			l.platform.Store(&slower)
			l.during(3 * time.Second)
			if o := l.during(5 * time.Second); o.limit != 64 || o.rate < 0.9*64/takes.Seconds() {
				t.Errorf("%s: %.0f a second, the limit is %d", takes, o.rate, o.limit)
			}
			l.platform.Store(&fast)
			l.during(time.Second)
			if o := l.during(time.Second); o.limit != 64 {
				t.Errorf("fast after %s: the limit is %d", takes, o.limit)
			}
		}
	})
}

// While it is asked whether less in flight would make a platform faster it takes less at
// once: the limit of before the question must not come back.
func TestRefusalsWhileLatencyIsAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(t, adaptive(64), constant(50*time.Millisecond), 128)
		l.during(2 * time.Second)
		room := func(k int) {
			m := atMost(k, 90*time.Millisecond) // pressed, not slow
			l.platform.Store(&m)
		}
		room(40)
		asking := func() bool {
			l.gate.mu.Lock()
			defer l.gate.mu.Unlock()
			return l.gate.limiter.latency.asking
		}
		for range 1000 {
			if l.during(5 * time.Millisecond); asking() {
				break
			}
		}
		if !asking() {
			t.Fatal("it is not asked")
		}
		room(4)
		l.during(200 * time.Millisecond)
		if o := l.during(5 * time.Second); o.waste() > 0.05 {
			t.Errorf("%d of %d wasted, the limit is %d", o.wasted, o.attempts, o.limit)
		}
	})
}
