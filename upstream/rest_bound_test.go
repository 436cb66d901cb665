package upstream

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// takeSlot takes a slot that must be there at once.
func takeSlot(t *testing.T, gate *Gate) {
	t.Helper()
	given := make(chan bool, 1)
	go func() {
		if _, err := gate.Acquire(t.Context()); err == nil {
			given <- true
		}
	}()
	synctest.Wait()
	if len(given) == 0 {
		t.Fatalf("no slot: %+v", gate.State())
	}
}

// askInVain asks for a slot that must not be there yet; it is noted in the channel once it is.
func askInVain(t *testing.T, gate *Gate) (given chan bool) {
	t.Helper()
	given = make(chan bool, 1)
	go func() {
		if _, err := gate.Acquire(t.Context()); err == nil {
			given <- true
		}
	}()
	synctest.Wait()
	if len(given) > 0 {
		t.Fatalf("a slot: %+v", gate.State())
	}
	return given
}

func wantGiven(t *testing.T, what string, given chan bool) {
	t.Helper()
	synctest.Wait()
	if len(given) != 1 {
		t.Error(what)
	}
}

func TestSlotsOutAreBoundedWithThoseThatRest(t *testing.T) {
	for places, slots := range map[int]int{1: 66, 8: 80, 64: 192, 1000: 2064} {
		synctest.Test(t, func(t *testing.T) {
			gate := NewGate(GateConfig{MaxInFlight: places})
			if gate.slots != slots {
				t.Fatalf("%d slots for %d places, want %d", gate.slots, places, slots)
			}
			for range slots {
				takeSlot(t, gate)
				gate.rest()
				gate.Accepted() // no doubt about the platform
			}
			given := askInVain(t, gate)
			if state := gate.State(); state.InFlight != 0 || state.Limit != places {
				t.Errorf("all rest: %+v", state)
			}
			if !gate.resume(t.Context(), time.Second, nil) {
				t.Error("one that rests must be able to go on")
			}
			gate.Release(true)
			wantGiven(t, "none for the next, although one came back", given)
			gate.rest()
			gate.unrest()
			given = askInVain(t, gate)
			gate.Release(true)
			wantGiven(t, "none for the next, although one that rested came back", given)
		})
	}
}

// An outage may have begun where nothing is accepted while one by one comes to rest.
func TestDoubtedRestsKeepTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(GateConfig{MaxInFlight: 8})
		for range 4 {
			takeSlot(t, gate)
			gate.rest()
		}
		for range 8 {
			takeSlot(t, gate) // four say nothing yet
		}
		gate.rest()
		given := askInVain(t, gate)
		gate.Accepted()
		wantGiven(t, "the platform accepts, and still no place", given)
	})
}

func TestRestOfOneThatIsDeniedIsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, resumed := resting(t, nil)
		for id := range 5 {
			gate.Failed(id)
		}
		wantResumed(t, resumed, true, false)
		gate.unrest()
		if state := gate.State(); state.InFlight != 1 {
			t.Errorf("%d in flight, want the other one", state.InFlight)
		}
		gate.Release(true)
		gate.Release(true)
		if state := gate.State(); state.InFlight != 0 || gate.resting != 0 {
			t.Errorf("%d rest, %+v", gate.resting, state)
		}
	})
}

func TestRetriesHaveTheirTurnInTheOrderOfAskingBeforeOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(GateConfig{MaxInFlight: 1})
		for range 4 {
			takeSlot(t, gate)
			gate.rest()
		}
		takeSlot(t, gate)
		var order []int
		go func() {
			if _, err := gate.Acquire(t.Context()); err == nil {
				order = append(order, 0)
			}
		}()
		synctest.Wait()
		for n := range 4 {
			go func() {
				if gate.resume(t.Context(), time.Minute, nil) {
					order = append(order, n+1)
				}
			}()
			synctest.Wait()
		}
		for range 5 {
			gate.Release(true)
			synctest.Wait()
		}
		if !slices.Equal(order, []int{1, 2, 3, 4, 0}) {
			t.Errorf("in the order %v", order)
		}
	})
}

// Many who take, rest, go on, are denied and give up at the same instants, while the
// circuit opens and closes: never is more in place, or out, than may be, and in the end
// all is back.
func TestRestsUnderChaos(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			const places = 4
			gate := NewGate(GateConfig{MaxInFlight: places, Adaptive: seed%2 == 1})
			if seed%3 == 0 {
				gate.SetRate(500)
			}
			c := chaos{gate: gate}
			var all sync.WaitGroup
			for user := range uint64(100) {
				random := rand.New(rand.NewPCG(seed, user))
				all.Go(func() {
					for range 20 {
						c.deliver(t.Context(), random)
					}
				})
			}
			all.Wait()
			state := gate.State()
			if state.InFlight != 0 || state.Waiting != 0 || gate.resting != 0 || gate.ended != 0 || gate.doubted != 0 || gate.old != 0 {
				t.Errorf("seed %d: left behind %d that rest, %d that ended, %d doubted, %d old, %+v",
					seed, gate.resting, gate.ended, gate.doubted, gate.old, state)
			}
			if c.mostOpen.Load() != places || c.mostOut.Load() <= places || c.mostOut.Load() > int64(gate.slots) {
				t.Errorf("seed %d: %d open at once, %d slots out", seed, c.mostOpen.Load(), c.mostOut.Load())
			}
			if c.resumed.Load() == 0 || c.denied.Load() == 0 {
				t.Errorf("seed %d: %d went on, %d did not", seed, c.resumed.Load(), c.denied.Load())
			}
		})
	}
}

// chaos counts what is out, and open at a platform, as its users see it.
type chaos struct {
	gate            *Gate
	out, mostOut    atomic.Int64
	open, mostOpen  atomic.Int64
	resumed, denied atomic.Int64
}

func raise(of *atomic.Int64, now int64) {
	for before := of.Load(); now > before && !of.CompareAndSwap(before, now); before = of.Load() {
	}
}

// deliver does what a delivery may do, by chance.
func (c *chaos) deliver(ctx context.Context, random *rand.Rand) {
	// Whole milliseconds, so that much happens at once.
	some := func(n int) time.Duration { return time.Duration(random.IntN(n)) * time.Millisecond }
	ctx, cancel := context.WithTimeout(ctx, some(5000))
	defer cancel()
	if _, err := c.gate.Acquire(ctx); err != nil {
		return
	}
	raise(&c.mostOut, c.out.Add(1))
	defer func() {
		c.out.Add(-1)
		c.gate.Release(random.IntN(5) > 0)
	}()
	for range 3 {
		raise(&c.mostOpen, c.open.Add(1))
		time.Sleep(some(30))
		c.open.Add(-1)
		switch random.IntN(8) {
		case 0, 1, 2:
			c.gate.Accepted()
			return
		case 3, 4:
			c.gate.Failed(random.Uint64())
			return
		case 5:
			c.gate.Pause(time.Now().Add(some(20)))
			c.gate.Observe(LoadRefused, time.Millisecond)
		}
		c.gate.rest()
		time.Sleep(some(200))
		if !c.gate.resume(ctx, some(3000), func() bool { return random.IntN(10) > 0 }) {
			c.denied.Add(1)
			c.gate.unrest()
			return
		}
		c.resumed.Add(1)
	}
}
