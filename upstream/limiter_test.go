package upstream

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// constant answers after the same time, whatever is open.
func constant(takes time.Duration) model {
	return model{name: "constant", answer: func(int) (bool, time.Duration) { return false, takes }}
}

func TestHealthyPlatformIsUsedFullyWithinASecond(t *testing.T) {
	for _, takes := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond, time.Minute} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoad(t, adaptive(64), constant(takes), 128)
				if o := l.during(time.Second); o.limit != 64 {
					t.Errorf("the limit is %d", o.limit)
				}
			})
		})
	}
}

func TestLargeLimitIsReachedWhileNothingIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(t, adaptive(10000), constant(time.Minute), 10000)
		if l.during(time.Second); l.gate.State().InFlight != 10000 {
			t.Errorf("%+v", l.gate.State())
		}
	})
}

// What a platform takes changes: the limit follows, down at once and up again
// within seconds.
func TestLimitFollowsThePlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		few, many := atMost(16, 50*time.Millisecond), constant(50*time.Millisecond)
		l := newLoad(t, adaptive(64), many, 128)
		if o := l.during(5 * time.Second); o.limit != 64 {
			t.Fatalf("healthy: %+v", o)
		}
		l.platform.Store(&few)
		if o := l.during(time.Second); o.wasted > 3*(64-16) { // as many as are too many, and their quick retries
			t.Errorf("just after: %+v", o)
		}
		if o := l.during(20 * time.Second); o.rate < 0.9*few.best || o.waste() > 0.05 {
			t.Errorf("bounded: %+v, %.1f%% wasted", o, 100*o.waste())
		}
		l.platform.Store(&many)
		l.during(3 * time.Second)
		if o := l.during(10 * time.Second); o.limit != 64 || o.rate < 0.9*64/0.05 {
			t.Errorf("healthy again: %+v", o)
		}
	})
}

// A platform that answers slowly for everybody is no slower for having less to
// do: the limit must not fall with it.
func TestSlowerPlatformIsStillUsedFully(t *testing.T) {
	for _, slower := range []time.Duration{100, 300, 1500, 5000} {
		t.Run(fmt.Sprint(slower*time.Millisecond), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, after := constant(50*time.Millisecond), constant(slower*time.Millisecond)
				l := newLoad(t, adaptive(64), before, 128)
				l.during(5 * time.Second)
				l.platform.Store(&after)
				l.during(10 * after.takes())
				best := 64 / after.takes().Seconds()
				if o := l.during(20 * after.takes()); o.rate < 0.9*best {
					t.Errorf("%.0f a second of %.0f, the limit is %d", o.rate, best, o.limit)
				}
				l.platform.Store(&before)
				l.during(after.takes() + time.Second)
				if o := l.during(time.Second); o.rate < 0.9*64/0.05 {
					t.Errorf("fast again: %.0f a second, the limit is %d", o.rate, o.limit)
				}
			})
		})
	}
}

func (m model) takes() time.Duration { _, d := m.answer(0); return d }

// One that crawls because of what it has to do is left alone, at once and for
// long.
func TestCrawlingPlatformIsNotPushedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		healthy, bad := constant(50*time.Millisecond), crawling()
		l := newLoad(t, adaptive(64), healthy, 128)
		l.during(5 * time.Second)
		l.platform.Store(&bad)
		l.during(10 * time.Second)
		if o := l.during(10 * time.Minute); o.rate < 0.9*bad.best || o.wasted > 0 {
			t.Errorf("%.0f a second of %.0f, %d wasted, the limit is %d", o.rate, bad.best, o.wasted, o.limit)
		}
	})
}

// Answers that were still getting slower when less in flight was tried look as if it were
// of no use. That is asked again, and the limit found.
func TestAWrongVerdictOnSlownessIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := crawling()
		l := newLoad(t, adaptive(64), bad, 128)
		l.during(10 * time.Second)
		l.gate.mu.Lock()
		limiter, now := l.gate.limiter, time.Now()
		limiter.set(64, now)
		limiter.latency.before = result{64, 260 * time.Millisecond}
		limiter.back(result{32, 250 * time.Millisecond}, true, now)
		limiter.begin(now)
		l.gate.mu.Unlock()
		if o := l.during(20 * time.Second); o.rate > 0.8*bad.best {
			t.Fatalf("%.0f a second of %.0f, the limit is %d: the verdict was not wrong", o.rate, bad.best, o.limit)
		}
		l.during(20 * time.Second)
		if o := l.during(10 * time.Minute); o.rate < 0.95*bad.best {
			t.Errorf("%.0f a second of %.0f, the limit is %d", o.rate, bad.best, o.limit)
		}
	})
}

// One that time-outs have brought down is not brought down again and again by as
// much as did it.
func TestPlatformThatCollapsesUnderLoadRecovers(t *testing.T) {
	for _, at := range []float64{4, 8, 16} { // requests in flight that double the latency
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := model{answer: func(open int) (bool, time.Duration) {
					return false, time.Duration(float64(50*time.Millisecond) * (1 + math.Pow(float64(open+1)/at, 3)))
				}}
				l := newLoad(t, adaptive(64), constant(50*time.Millisecond), 128)
				l.during(5 * time.Second)
				l.platform.Store(&bad)
				l.during(time.Minute)
				best := at / 0.1
				if o := l.during(time.Minute); o.rate < 0.9*best || o.wasted > 0 {
					t.Errorf("%.0f a second of %.0f, %d wasted, the limit is %d", o.rate, best, o.wasted, o.limit)
				}
			})
		})
	}
}

// Some records time out whatever is open: load is not the cause.
func TestStrayTimeoutsDoNotThrottle(t *testing.T) {
	for stray, least := range map[float64]float64{0.01: 0.9, 0.05: 0.8, 0.15: 0.8} {
		t.Run(fmt.Sprint(stray), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoad(t, adaptive(64), constant(100*time.Millisecond), 128)
				l.mu.Lock()
				l.stray = stray
				l.mu.Unlock()
				l.during(time.Minute)
				// Each slot serves one record in 100 ms, or none for 10 s.
				best := 64 * (1 - stray) / ((1-stray)*0.1 + stray*modelTimeout.Seconds())
				lowest := best
				var sum float64
				for range 20 {
					o := l.during(time.Minute)
					lowest, sum = min(lowest, o.rate), sum+o.rate
				}
				t.Logf("of %.0f a second: %.0f, in the worst minute %.0f", best, sum/20, lowest)
				if sum/20 < least*best || lowest < best/4 {
					t.Errorf("of %.0f a second: %.0f, in the worst minute %.0f", best, sum/20, lowest)
				}
			})
		})
	}
}

// The first time-outs come together, long after what was sent with them was served: a trial
// that counted them apart found the platform ever worse, and the limit fell to a fifth.
func TestFirstStrayTimeoutsDoNotThrottleForLong(t *testing.T) {
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			l := newLoad(t, adaptive(64), constant(100*time.Millisecond), 128)
			l.mu.Lock()
			l.stray = 0.15
			l.mu.Unlock()
			l.during(90 * time.Second)
			if limit := l.gate.limit(); limit < 48 {
				t.Errorf("the limit is %d", limit)
			}
		})
	}
}

func TestRefusalsForOtherReasonsDoNotShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(t, adaptive(64), constant(50*time.Millisecond), 128)
		l.during(2 * time.Second)
		for range 1000 {
			l.gate.Observe(LoadUnknown, 10*time.Second)
			l.gate.Observe(LoadAnswered, time.Second)
		}
		if state := l.gate.State(); state.Limit != 64 {
			t.Errorf("%+v", state)
		}
	})
}

// After an outage the limit is what was right before it, however the requests
// ended that hung in it.
func TestLimitOfBeforeTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := model{answer: func(int) (bool, time.Duration) { return false, time.Hour }}
		healthy := constant(50 * time.Millisecond)
		l := newLoad(t, adaptive(64), healthy, 128)
		l.during(2 * time.Second)
		l.platform.Store(&dead)
		l.during(10 * time.Minute)
		if !l.gate.Open() {
			t.Fatal("not open")
		}
		l.platform.Store(&healthy)
		for l.gate.Open() {
			l.during(10 * time.Millisecond)
		}
		if o := l.during(time.Second); o.limit != 64 {
			t.Errorf("the limit is %d", o.limit)
		}
		l.during(modelTimeout) // what hangs holds its slot
		if o := l.during(time.Second); o.rate < 0.9*64/0.05 {
			t.Errorf("%+v", o)
		}
	})
}

// While nothing holds requests back nothing is learned of what more would do.
func TestLimitDoesNotGrowUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(t, adaptive(64), constant(50*time.Millisecond), 2)
		o := l.during(time.Minute)
		if limit := l.gate.limit(); limit != startLimit {
			t.Errorf("the limit is %d with 2 in flight", limit)
		}
		if o.limit != 64 { // as far as an operator is concerned: see below
			t.Errorf("the limit is shown as %d", o.limit)
		}
	})
}
