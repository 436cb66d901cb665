package gate

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// What a platform has room for changes while it runs, by much and by little. Just after a
// change as many are refused as are too many, and some of their quick retries, which keep
// their slots: with a fall to a tenth so few get through for a second that the circuit may
// open. Within seconds the limit is right, and the circuit stays closed.
func TestPlatformWhoseRoomChanges(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refuses, openings := min(takes, 5*time.Millisecond), 0
				gate := New(Config{MaxInFlight: 64, Adaptive: true, OnOpen: func() { openings++ }})
				l := newLoad(gate, atMost(64, takes, refuses), 1).work(t.Context(), 128)
				l.during(40 * takes)
				for _, k := range []int{16, 4, 48, 40, 44, 1, 8, 2, 64, 12} {
					l.becomes(atMost(k, takes, refuses))
					l.during(40*takes + 5*time.Second)
					if openings > 3 {
						t.Errorf("%d at once: the circuit opened %d times", k, openings)
					}
					openings = 0
					best := float64(k) / takes.Seconds()
					if o := l.during(max(600*takes, 5*time.Second)); o.rate < 0.9*best || o.waste() > 0.05 || openings > 0 {
						t.Errorf("%d at once: %.0f a second of %.0f, %.1f%% wasted, the limit is %d, the circuit opened %d times",
							k, o.rate, best, 100*o.waste(), o.limit, openings)
					}
				}
			})
		})
	}
}

// A place is free at the platform before the client knows that it is: what begins meanwhile finds
// more open than it serves at once, and is served. That must not make the refusals after a fall look
// like those of records that are refused whatever is open, or the limit climbs into the next at once.
func TestPlaceIsFreeBeforeTheClientKnows(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		for _, travels := range []time.Duration{takes / 1000, takes / 100, takes / 25} {
			for _, c := range []struct{ before, k int }{{16, 1}, {16, 2}, {16, 4}, {40, 16}, {64, 40}} {
				t.Run(fmt.Sprint(c.before, " to ", c.k, ", ", takes, ", ", travels), func(t *testing.T) {
					const orders = 8
					best, wasted := float64(c.k)/takes.Seconds(), 0.0
					for seed := range uint64(orders) {
						o := afterAFall(t, c.before, c.k, takes, travels, seed)
						if wasted += o.waste(); o.rate < 0.9*best || o.waste() > 0.25 {
							t.Errorf("seed %d: %.0f a second of %.0f, %.1f%% wasted, the limit is %d", seed, o.rate, best, 100*o.waste(), o.limit)
						}
					}
					if wasted > 0.05*orders { // in one order of twenty it is more
						t.Errorf("%.1f%% wasted", 100*wasted/orders)
					}
				})
			}
		}
	}
}

// afterAFall is what a platform does some time after it serves only k at once.
func afterAFall(t *testing.T, before, k int, takes, travels time.Duration, seed uint64) (o outcome) {
	serves := func(k int) model {
		return func(chance *rand.Rand, open int) (Load, time.Duration) {
			return atMost(k, takes, time.Duration(chance.Int64N(int64(5*time.Millisecond))))(chance, open)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(adaptive(64), serves(before), seed)
		l.travels = travels
		l.work(t.Context(), 66).during(5 * time.Second)
		l.becomes(serves(k))
		l.during(20*takes + 4*time.Second)
		o = l.during(200 * takes)
	})
	return o
}

// Records that are refused whatever is open do not hold the limit where the platform had room for one.
// How fast the limit rises from there is chance: which of the answers of one moment is first, and how
// soon a stray comes after a rise. So the bar is for several orders together, and none may stand still.
func TestStrayRefusalsDoNotHoldTheLimitDown(t *testing.T) {
	t.Parallel()
	const orders, standstill = 10, 0.25
	for _, takes := range []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond} {
		for _, c := range []struct{ stray, least float64 }{{0.01, 0.9}, {0.05, 0.5}} {
			t.Run(fmt.Sprint(takes, ", ", c.stray), func(t *testing.T) {
				t.Parallel()
				best, total := withStrays(t, fixed(64), takes, c.stray, 0).rate, 0.0
				for seed := range uint64(orders) {
					o := withStrays(t, adaptive(64), takes, c.stray, seed)
					total += o.rate
					if o.rate < standstill*best {
						t.Errorf("seed %d: %.0f a second of %.0f, the limit is %d", seed, o.rate, best, o.limit)
					}
				}
				if total < c.least*orders*best {
					t.Errorf("%.0f a second of %.0f", total/orders, best)
				}
			})
		}
	}
}

// withStrays is what a platform does that served one at once, and now takes all but some records.
func withStrays(t *testing.T, gate *Gate, takes time.Duration, stray float64, seed uint64) (o outcome) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(gate, atMost(1, takes, 5*time.Millisecond), seed)
		l.travels = time.Microsecond // shuffles what would be of one moment
		l.work(t.Context(), 66).during(5 * time.Second)
		l.mu.Lock()
		l.platform, l.stray, l.strayAs = constant(takes), stray, LoadRefused
		l.mu.Unlock()
		l.during(20 * time.Second)
		o = l.during(600 * takes) // as many answers, however long they take
	})
	return o
}

// A refusal just after the limit has risen by one is load. After a round that was served it is the
// record, though nothing was refused before: or a stray refusal now and then would keep a low limit low.
func TestRefusalAfterARoundThatWasServedIsNoLoad(t *testing.T) {
	t.Parallel()
	for answers, load := range map[int]bool{rank: true, 2 * startLimit: false} {
		l, now := newLimiter(64), time.Now()
		l.limit, l.ceiling, l.gain = 4-careful, 4-careful, careful
		ends := func(how Load) {
			now = now.Add(60 * time.Millisecond)
			l.observe(how, 50*time.Millisecond, now, int(l.limit), int(l.limit))
		}
		for range 1 + answers { // the first raises the limit
			ends(LoadServed)
		}
		if ends(LoadRefused); l.load != load || l.gain > careful == load {
			t.Errorf("after %d answers: load %t, the increase is %v", answers, l.load, l.gain)
		}
	}
}

// One that becomes slower for everybody, while so much arrives that the limit holds back
// only now and then: the limit must not fall for that, and never stay where it fell.
func TestSlowerPlatformUnderSomeLoad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, after time.Duration }{
		{100 * time.Microsecond, 50 * time.Millisecond}, {time.Millisecond, 50 * time.Millisecond},
		{20 * time.Millisecond, 35 * time.Millisecond}, {50 * time.Millisecond, 500 * time.Millisecond},
	} {
		for _, wave := range []int{1, 16, 100, 400} {
			t.Run(fmt.Sprint(c.before, " to ", c.after, ", waves of ", wave), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLoad(adaptive(64), constant(c.before), 1).work(t.Context(), 0)
					arrive := func() {
						for range wave {
							go l.first(t.Context())
						}
						time.Sleep(time.Duration(wave) * c.after / 32)
					}
					for range max(20, 400/wave) {
						arrive()
					}
					after := constant(c.after)
					l.becomes(after)
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(adaptive(64), constant(50*time.Millisecond), 1).work(t.Context(), 128)
		l.during(2 * time.Second)
		few, many := atMost(8, 90*time.Millisecond, 5*time.Millisecond), constant(90*time.Millisecond)
		l.becomes(few)
		l.during(5 * time.Second)
		l.becomes(many)
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast := model(func(chance *rand.Rand, open int) (Load, time.Duration) {
			return LoadServed, 100*time.Microsecond + time.Duration(open)*time.Duration(chance.Int64N(int64(150*time.Microsecond)))
		})
		l := newLoad(adaptive(64), fast, 1).work(t.Context(), 128)
		for range 10 {
			if o := l.during(time.Second); o.limit != 64 {
				t.Fatalf("fast: the limit is %d", o.limit)
			}
		}
		for _, takes := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
			slower := constant(takes)
			l.becomes(slower)
			l.during(3 * time.Second)
			if o := l.during(5 * time.Second); o.limit != 64 || o.rate < 0.9*64/takes.Seconds() {
				t.Errorf("%s: %.0f a second, the limit is %d", takes, o.rate, o.limit)
			}
			l.becomes(fast)
			l.during(time.Second)
			if o := l.during(time.Second); o.limit != 64 {
				t.Errorf("fast after %s: the limit is %d", takes, o.limit)
			}
		}
	})
}
