package consumer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/queue"
)

// looks lets the watchdog tick and look n times.
func (r *rig) looks(n int) (ok bool, why string) {
	for range n {
		synctest.Wait()
		r.e.ticks.Add(1)
		r.e.look()
	}
	return r.e.Alive()
}

// watched is a rig in which the test drives the watchdog.
func watched(t *testing.T, change func(*Config), test func(r *rig)) {
	t.Helper()
	inRig(t, 1, func(c *Config) {
		c.DeliveryLimit = time.Minute
		change(c)
	}, func(r *rig) {
		r.e.seen.Store(&seen{})
		test(r)
	})
}

func TestADeliveryPastItsLimitIsNotAlive(t *testing.T) {
	var in inbox
	watched(t, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.read(0, 0, "a", 1)
		r.read(0, 1, "b", 1)
		open := in.take()
		if ok, why := r.looks(60 + 30); !ok {
			t.Errorf("at its limit and 30 s: %s", why)
		}
		ok, why := r.looks(2)
		if want := "the delivery of events/0/0 has taken 30s longer than its limit, 1m0s"; ok || why[:10] != want[:10] || !strings.Contains(why, "events/0/0") {
			t.Errorf("%v %s, want %s", ok, why, want)
		}
		open[0].AgainAt(time.Now().Add(time.Hour), Hold{})
		if ok, why := r.looks(1); ok || !strings.Contains(why, "events/0/1") {
			t.Errorf("%v %s, want that of the other", ok, why)
		}
		open[1].Done()
		if ok, why := r.looks(100); !ok {
			t.Errorf("all have ended: %s", why)
		}
	})
}

// A ready record is not taken, although the gate has a slot in one of several ways.
func TestARecordThatNobodyTakesIsNotAlive(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		dead   bool
	}{
		"a worker that never gets its slot":  {func(c *Config) { c.Gate = silent{} }, true},
		"no workers":                         {func(c *Config) { c.Workers = 0 }, true},
		"slots that were lost":               {func(c *Config) { c.Gate, c.Slot = silent{}, func() (bool, bool) { return true, true } }, true},
		"a gate that gives none for a while": {func(c *Config) { c.Gate, c.Slot = silent{}, func() (bool, bool) { return false, false } }, false},
	} {
		t.Run(name, func(t *testing.T) {
			takes := handler(func(_ context.Context, d *Delivery) { d.Done() })
			watched(t, func(cfg *Config) { cfg.Handler = takes; c.change(cfg) }, func(r *rig) {
				r.read(0, 7, "a", 1)
				if ok, why := r.looks(30); !ok {
					t.Errorf("too early: %s", why)
				}
				if ok, why := r.looks(2); ok == c.dead || c.dead && !strings.Contains(why, "events/0 ") {
					t.Errorf("alive %v %q", ok, why)
				}
				r.looks(1000)
			})
		})
	}
}

// silent is a gate that gives no slot.
type silent struct{}

func (silent) Acquire(ctx context.Context) (bool, error) { <-ctx.Done(); return false, ctx.Err() }
func (silent) Release(bool)                              {}

func TestAllSlotsInUseAreNoStandstill(t *testing.T) {
	var in inbox
	watched(t, func(c *Config) {
		c.Handler, c.Slot = &in, func() (bool, bool) { return true, true }
		c.DeliveryLimit = time.Hour
	}, func(r *rig) {
		r.gate.free = 0
		r.read(0, 0, "a", 1)
		r.e.mu.Lock()
		r.e.slots++ // another delivery's
		r.e.mu.Unlock()
		if ok, why := r.looks(100); !ok {
			t.Error(why)
		}
	})
}

// In a drain, after the lease or at the bound of gaps, nothing can be taken.
func TestWhatMayNotBeDeliveredIsNoStandstill(t *testing.T) {
	for name, change := range map[string]func(g *member, p *partition){
		"lease ended": func(g *member, _ *partition) { g.lease = time.Now() },
		"draining":    func(_ *member, p *partition) { p.drain = &drain{} },
		"gaps": func(g *member, p *partition) {
			p.Progress, p.gapBound = fullOfGaps(0), true
			d := newDelivery(p, fetch.Record{}, time.Now())
			p.join(d, "held")
			p.Next(false)
			g.engine.timed.Add(&d.queued, time.Now().Add(1000*time.Hour), false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var in inbox
			watched(t, func(c *Config) { c.Handler, c.Gate = &in, silent{} }, func(r *rig) {
				p := r.part(0)
				r.e.mu.Lock()
				change(r.g, p)
				p.Join(&newDelivery(p, fetch.Record{Offset: 1}, time.Now()).queued, "")
				r.e.mu.Unlock()
				if ok, why := r.looks(100); !ok {
					t.Error(why)
				}
				r.e.mu.Lock()
				r.g.lease, p.drain, p.gapBound = time.Now().Add(time.Hour), nil, false
				r.e.mu.Unlock()
				if ok, _ := r.looks(30); !ok {
					t.Error("what was seen meanwhile is counted")
				}
				if ok, _ := r.looks(1); ok {
					t.Error("nothing stands in its way, and nobody notices")
				}
			})
		})
	}
}

// At the bound of gaps only the first unfinished record may be delivered. If it is a large one, it
// may wait to be loaded for as long as another partition's large record is in memory.
func TestALargeRecordThatWaitsForItsBytesIsNoStandstill(t *testing.T) {
	watched(t, func(c *Config) { c.Handler, c.Wire = &inbox{}, away{} }, func(r *rig) {
		p := r.part(0)
		r.e.mu.Lock()
		r.e.large = &Delivery{} // of another partition
		p.Progress, p.gapBound = fullOfGaps(0), true
		r.e.mu.Unlock()
		d := r.read(0, 40_000, "large", 2<<20)
		if d.queued.In() != queue.Unloaded || !p.overfull() {
			t.Fatal("it does not wait for its bytes at the bound of gaps")
		}
		if ok, why := r.looks(100); !ok {
			t.Error(why)
		}
	})
}

func TestAHeldRecordWhoseTimeCameIsNotAlive(t *testing.T) {
	var in inbox
	watched(t, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.read(0, 3, "a", 1)
		in.take()[0].AgainAt(time.Now().Add(time.Hour), Hold{})
		r.e.timer.Stop() // and no one sets it again
		if ok, why := r.looks(1000); !ok {
			t.Errorf("its time has not come: %s", why)
		}
		time.Sleep(2 * time.Hour)
		if ok, _ := r.looks(30); !ok {
			t.Error("too early")
		}
		if ok, why := r.looks(1); ok || !strings.Contains(why, "events/0/3") {
			t.Errorf("%v %s", ok, why)
		}
	})
}

// Alive does not wait for the lock, so it can report a lock that is stuck.
func TestALockThatCannotBeHadIsNotAlive(t *testing.T) {
	e := New(Config{})
	e.seen.Store(&seen{})
	e.mu.Lock()
	defer e.mu.Unlock()
	for n := range 35 {
		if ok, why := e.Alive(); ok != (n <= 30) {
			t.Errorf("after %d s: %v %s", n, ok, why)
		}
		e.ticks.Add(1)
	}
}

// A ticker drops ticks that are not received. So nothing is late after the process was frozen or
// the machine slept.
func TestFrozenTimeMakesNothingLate(t *testing.T) {
	var in inbox
	watched(t, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.read(0, 0, "a", 1)
		in.take()
		time.Sleep(24 * time.Hour)
		if ok, why := r.looks(2); !ok {
			t.Error(fmt.Sprint("on waking: ", why))
		}
	})
}

// A backlog moves, whatever its length, if something of it is tried between two looks.
func TestABacklogThatMovesIsNoStandstill(t *testing.T) {
	var in inbox
	watched(t, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.gate.free, r.gate.manual = 0, true
		for n := range int64(200) {
			r.read(0, n, "", 1)
		}
		for range 150 {
			r.gate.add(1)
			if ok, why := r.looks(1); !ok {
				t.Fatal(why)
			}
			for _, d := range in.take() {
				d.AgainAt(time.Now().Add(time.Hour), Hold{})
			}
		}
	})
}
