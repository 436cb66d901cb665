package gate_test

import (
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream/gate"
)

func TestARetryReservesATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.gate.SetRate(2)
		s.ask(1)
		s.want("the delivery", 0)
		for i, c := range []struct {
			within, wait time.Duration
			ok           bool
		}{
			{499 * time.Millisecond, 0, false},
			{500 * time.Millisecond, 500 * time.Millisecond, true},
			{999 * time.Millisecond, 0, false},
			{time.Second, time.Second, true},
		} {
			if wait, ok := s.gate.Retry(s.begun, c.within); wait != c.wait || ok != c.ok {
				t.Errorf("%d: %v, %v; want %v, %v", i, wait, ok, c.wait, c.ok)
			}
		}
		s.ask(1)
		time.Sleep(2 * time.Second)
		s.want("behind the two turns that were reserved", 1.5)
	})
}

func TestARetryWaitsForTheEndOfAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.ask(1)
		if s.gate.Paused() {
			t.Error("paused before")
		}
		s.gate.Pause(s.begun.Add(time.Second))
		if wait, ok := s.gate.Retry(s.begun, time.Second); wait != time.Second || !ok || !s.gate.Paused() {
			t.Errorf("%v, %v, paused %v", wait, ok, s.gate.Paused())
		}
		if _, ok := s.gate.Retry(s.begun, time.Second-1); ok {
			t.Error("the end of the pause is too far away")
		}
		time.Sleep(time.Second)
		if wait, ok := s.gate.Retry(s.begun, 0); wait != 0 || !ok || s.gate.Paused() {
			t.Errorf("after it: %v, %v, paused %v", wait, ok, s.gate.Paused())
		}
	})
}

func TestATurnThatIsReservedForTheEndOfAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.gate.SetRate(2)
		s.ask(1)
		s.gate.Pause(s.begun.Add(2 * time.Second))
		if wait, ok := s.gate.Retry(s.begun, 2*time.Second); wait != 2*time.Second || !ok {
			t.Errorf("%v, %v", wait, ok)
		}
		s.ask(1)
		time.Sleep(3 * time.Second)
		s.want("the first, and one turn behind the reserved", 0, 2.5)
	})
}

// recovered returns a gate whose circuit has just closed, with two requests that began before
// the outage and may hang, and one of the ramp's.
func recovered(t *testing.T) (s *slots, hang [2]*gate.Attempt) {
	s = newSlots(t, 64)
	s.ask(3)
	hang = [2]*gate.Attempt{s.gate.Begin(false), s.gate.Begin(false)}
	s.open()
	time.Sleep(500 * time.Millisecond)
	s.gate.Accepted()
	s.gate.Release(true) // the one that was accepted
	s.ask(1)
	s.want("two hang, and the ramp gives one", 0, 0, 0, 0.5)
	time.Sleep(time.Second)
	return s, hang
}

// A slot from before the outage counts again once its request is known to have ended: the
// limit is not exceeded by it.
func TestASlotOfTheOutageCountsOnceItsRequestHasEnded(t *testing.T) {
	t.Run("its request ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, hang := recovered(t)
			s.gate.Observe(hang[0], gate.LoadTimedOut, time.Since(s.begun))
			s.gate.Release(true)
			s.ask(2)
			s.want("the ramp's is still in use")
			s.gate.Release(true)
			s.want("the ramp's came back", 1.5)
		})
	})
	t.Run("it waits for another attempt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, _ := recovered(t)
			s.gate.Retry(s.begun, 0)
			s.gate.Release(true)
			s.ask(1)
			s.want("it counts in place of the ramp's")
		})
	})
	t.Run("all come back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, _ := recovered(t)
			for range 3 {
				s.gate.Release(true)
			}
			s.ask(3)
			s.want("one at a time", 1.5)
		})
	})
}

// Only the first attempt of a delivery that is refused lowers the limit.
func TestQuickRetriesDoNotLowerTheLimit(t *testing.T) {
	for name, retry := range map[string]bool{"the first attempt": false, "a quick retry": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := gate.New(gate.Config{MaxInFlight: 64, Adaptive: true})
				if _, err := g.Acquire(t.Context()); err != nil {
					t.Fatal(err)
				}
				g.Observe(g.Begin(retry), gate.LoadRefused, time.Millisecond)
				if lowered := g.State().Limit < 64; lowered == retry {
					t.Errorf("the limit is %d", g.State().Limit)
				}
			})
		})
	}
}
