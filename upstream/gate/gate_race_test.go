package gate_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream/gate"
)

// Many goroutines acquire, release, cancel and report at the same instants: no slot is
// lost, none is given twice, and no waiting caller is forgotten.
func TestGateUnderChaos(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			const limit = 8
			g := gate.New(gate.Config{MaxInFlight: limit})
			var out, most, given, gaveUp atomic.Int64
			var all sync.WaitGroup
			for user := range uint64(50) {
				random := rand.New(rand.NewPCG(seed, user))
				all.Go(func() {
					for range 20 {
						// Whole milliseconds, so that much happens at once.
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(2000))*time.Millisecond)
						if _, err := g.Acquire(ctx); err != nil {
							gaveUp.Add(1)
							cancel()
							continue
						}
						given.Add(1)
						for now := out.Add(1); now > most.Load(); {
							most.Store(now)
						}
						time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
						switch random.IntN(6) {
						case 0:
							g.Pause(time.Now().Add(time.Duration(random.IntN(20)) * time.Millisecond))
						case 1, 2:
							g.Failed(random.Uint64())
						case 3:
							g.Accepted()
						}
						out.Add(-1)
						g.Release(random.IntN(3) > 0)
						cancel()
					}
				})
			}
			all.Wait()
			if state := g.State(); state.InFlight != 0 || state.Waiting != 0 {
				t.Errorf("seed %d: left behind %+v", seed, state)
			}
			if most.Load() > limit || given.Load() == 0 || gaveUp.Load() == 0 {
				t.Errorf("seed %d: %d out at once, %d given, %d gave up", seed, most.Load(), given.Load(), gaveUp.Load())
			}
			// All slots can still be acquired.
			g.Accepted()
			for range 10 {
				g.Accepted()
			}
			time.Sleep(time.Minute)
			for range limit {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if _, err := g.Acquire(ctx); err != nil {
					t.Errorf("seed %d: a slot was lost", seed)
				}
				cancel()
			}
		})
	}
}

// A slot is given to a caller whose context has just ended: it passes the slot to the
// next.
func TestSlotGivenToOneWhoGivesUpIsNotLost(t *testing.T) {
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			g := gate.New(gate.Config{MaxInFlight: 1})
			if _, err := g.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			gaveUp, giveUp := context.WithCancel(t.Context())
			var got atomic.Int32
			for _, ctx := range []context.Context{gaveUp, t.Context()} {
				go func() {
					if _, err := g.Acquire(ctx); err == nil {
						got.Add(1)
						g.Release(true)
					}
				}()
				synctest.Wait()
			}
			giveUp()
			g.Release(true) // before the first has run again
			synctest.Wait()
			if state := g.State(); got.Load() == 0 || state.InFlight != 0 || state.Waiting != 0 {
				t.Fatalf("%d got one, left behind %+v", got.Load(), state)
			}
		})
	}
}

// The gate without virtual time, for the race detector.
func TestGateInParallel(t *testing.T) {
	g := gate.New(gate.Config{MaxInFlight: 4, OnOpen: func() {}, OnClose: func(time.Duration) {}})
	var out atomic.Int32
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 500 {
				if _, err := g.Acquire(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if out.Add(1) > 4 {
					t.Error("more than the limit")
				}
				out.Add(-1)
				g.Accepted()
				g.Release(true)
				_, _ = g.State(), g.Open()
			}
		})
	}
	all.Wait()
}

func BenchmarkGate(b *testing.B) {
	for name, users := range map[string]int{"alone": 1, "64 users": 64, "10000 users": 10000} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			g := gate.New(gate.Config{MaxInFlight: max(users, 64)})
			if users == 1 {
				for b.Loop() {
					_, _ = g.Acquire(b.Context())
					g.Release(true)
				}
				return
			}
			b.SetParallelism((users + 1) / 2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = g.Acquire(b.Context())
					g.Release(true)
				}
			})
		})
	}
	b.Run("640 users of 64 slots", func(b *testing.B) { // nearly each one waits
		b.ReportAllocs()
		g := gate.New(gate.Config{MaxInFlight: 64})
		b.SetParallelism(320)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = g.Acquire(b.Context())
				g.Accepted()
				g.Release(true)
			}
		})
	})
}
