package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// What a platform takes changes: the limit follows, down at once and up again
// within seconds.
func TestLimitFollowsThePlatform(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		few, many := atMost(16, 50*time.Millisecond, 5*time.Millisecond), constant(50*time.Millisecond)
		l := newLoad(adaptive(64), many, 1).work(t.Context(), 128)
		if o := l.during(5 * time.Second); o.limit != 64 {
			t.Fatalf("healthy: %+v", o)
		}
		l.becomes(few)
		if o := l.during(time.Second); o.wasted > 3*(64-16) { // as many as are too many, and their quick retries
			t.Errorf("just after: %+v", o)
		}
		if o := l.during(20 * time.Second); o.rate < 0.9*320 || o.waste() > 0.05 {
			t.Errorf("bounded: %+v, %.1f%% wasted", o, 100*o.waste())
		}
		l.becomes(many)
		l.during(3 * time.Second)
		if o := l.during(10 * time.Second); o.limit != 64 || o.rate < 0.9*64/0.05 {
			t.Errorf("healthy again: %+v", o)
		}
	})
}

// A platform that answers slowly for everybody is no slower for having less to
// do: the limit must not fall with it.
func TestSlowerPlatformIsStillUsedFully(t *testing.T) {
	t.Parallel()
	for _, slower := range []time.Duration{100, 300, 1500, 5000} {
		t.Run(fmt.Sprint(slower*time.Millisecond), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, after := constant(50*time.Millisecond), constant(slower*time.Millisecond)
				l := newLoad(adaptive(64), before, 1).work(t.Context(), 128)
				l.during(5 * time.Second)
				l.becomes(after)
				l.during(10 * after.takes())
				best := 64 / after.takes().Seconds()
				if o := l.during(20 * after.takes()); o.rate < 0.9*best {
					t.Errorf("%.0f a second of %.0f, the limit is %d", o.rate, best, o.limit)
				}
				l.becomes(before)
				l.during(after.takes() + time.Second)
				if o := l.during(time.Second); o.rate < 0.9*64/0.05 {
					t.Errorf("fast again: %.0f a second, the limit is %d", o.rate, o.limit)
				}
			})
		})
	}
}

func (m model) takes() time.Duration { _, d := m(nil, 0); return d }

// One that crawls because of what it has to do is left alone, at once and for
// long.
func TestCrawlingPlatformIsNotPushedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		healthy, bad := constant(50*time.Millisecond), slowing(50*time.Millisecond, 16)
		l := newLoad(adaptive(64), healthy, 1).work(t.Context(), 128)
		l.during(5 * time.Second)
		l.becomes(bad)
		l.during(10 * time.Second)
		if o := l.during(10 * time.Minute); o.rate < 0.9*160 || o.wasted > 0 {
			t.Errorf("%.0f a second of %.0f, %d wasted, the limit is %d", o.rate, 160.0, o.wasted, o.limit)
		}
	})
}

// One that time-outs have brought down is not brought down again and again by as
// much as did it.
func TestPlatformThatCollapsesUnderLoadRecovers(t *testing.T) {
	t.Parallel()
	for _, at := range []float64{4, 8, 16} { // requests in flight that double the latency
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			bad := model(func(_ *rand.Rand, open int) (Load, time.Duration) {
				return LoadServed, time.Duration(float64(50*time.Millisecond) * (1 + math.Pow(float64(open+1)/at, 3)))
			})
			best := 0.0 // of all fixed limits
			for n := range int(2 * at) {
				synctest.Test(t, func(t *testing.T) {
					fixed := New(Config{MaxInFlight: n + 1})
					best = max(best, newLoad(fixed, bad, 1).work(t.Context(), 128).during(20*time.Second).rate)
				})
			}
			synctest.Test(t, func(t *testing.T) {
				l := newLoad(adaptive(64), constant(50*time.Millisecond), 1).work(t.Context(), 128)
				l.during(5 * time.Second)
				l.becomes(bad)
				l.during(time.Minute)
				if o := l.during(time.Minute); o.rate < 0.8*best || o.wasted > 0 {
					t.Errorf("%.0f a second of %.0f, %d wasted, the limit is %d", o.rate, best, o.wasted, o.limit)
				}
			})
		})
	}
}

func TestRefusalsForOtherReasonsDoNotShrink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(adaptive(64), constant(50*time.Millisecond), 1).work(t.Context(), 128)
		l.during(2 * time.Second)
		for range 1000 {
			l.gate.Observe(l.gate.Begin(false), LoadUnknown, 10*time.Second)
			l.gate.Observe(l.gate.Begin(false), LoadAnswered, time.Second)
		}
		if state := l.gate.State(); state.Limit != 64 {
			t.Errorf("%+v", state)
		}
	})
}

// After an outage the limit is found anew within a second, however the requests
// ended that hung in it.
func TestLimitAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dead := constant(time.Hour)
		healthy := constant(50 * time.Millisecond)
		l := newLoad(adaptive(64), healthy, 1).work(t.Context(), 128)
		l.during(2 * time.Second)
		l.becomes(dead)
		l.during(10 * time.Minute)
		if !l.gate.Open() {
			t.Fatal("not open")
		}
		l.becomes(healthy)
		for l.gate.Open() {
			l.during(10 * time.Millisecond)
		}
		if o := l.during(time.Second); o.limit < 64-10 { // what hangs holds its slot
			t.Errorf("the limit is %d", o.limit)
		}
		l.during(modelTimeout)
		if o := l.during(time.Second); o.rate < 0.9*64/0.05 || o.limit != 64 {
			t.Errorf("%+v", o)
		}
	})
}

// While nothing holds requests back nothing is learned of what more would do.
func TestLimitDoesNotGrowUnused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(adaptive(64), constant(50*time.Millisecond), 1).work(t.Context(), 2)
		l.during(time.Minute)
		if limit := l.gate.limit(); limit != startLimit {
			t.Errorf("the limit is %d with 2 in flight", limit)
		}
		if o := l.gate.State(); o.Limit != 64 { // as far as an operator is concerned
			t.Errorf("the limit is shown as %d", o.Limit)
		}
	})
}
