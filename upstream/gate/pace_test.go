package gate_test

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheRateSpacesAttemptsEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.gate.SetRate(4)
		s.ask(4)
		time.Sleep(time.Second)
		s.want("one a turn", 0, 0.25, 0.5, 0.75)
		time.Sleep(time.Hour - time.Second)
		s.ask(3)
		time.Sleep(time.Second)
		s.want("unused turns are not saved up", 3600, 3600.25, 3600.5)
	})
}

func TestAnUnusedSlotGivesItsTurnBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.gate.SetRate(1)
		s.ask(3)
		for range 2 {
			s.want("the first turn", 0)
			s.gate.Release(false)
		}
		s.want("the first turn, again", 0)
		s.gate.Release(true)
		s.ask(1)
		time.Sleep(time.Second)
		s.want("the second", 1)
	})
}

func TestAnotherRateAppliesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.gate.SetRate(0.01)
		s.ask(5)
		time.Sleep(time.Second)
		s.want("a slow rate", 0)
		s.gate.SetRate(4)
		time.Sleep(500 * time.Millisecond)
		s.want("a faster one", 1.25, 1.5)
		s.gate.SetRate(0)
		s.want("none", 1.5, 1.5)
		s.gate.SetRate(1e-30)
		s.ask(1)
		s.want("one that is nearly 0, the turn nobody took before it", 1.5)
		s.ask(1)
		time.Sleep(23 * time.Hour)
		s.want("less than a day later")
		time.Sleep(time.Hour)
		s.want("a day later", 86401.5)
	})
}

// A caller that waited for a slot takes its turn late. Up to 10 ms of that are caught up, as
// much as a timer may be late.
func TestALateTurnIsCaughtUp(t *testing.T) {
	for name, c := range map[string]struct {
		late time.Duration
		next float64
	}{
		"a little": {5 * time.Millisecond, 0.5},
		"by much":  {125 * time.Millisecond, 0.615},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlots(t, 1)
				s.gate.SetRate(4)
				s.ask(3)
				time.Sleep(250*time.Millisecond + c.late)
				s.want("the first keeps the only slot", 0)
				s.gate.Release(true)
				s.want("its turn is over", 0.25+c.late.Seconds())
				s.gate.Release(true)
				time.Sleep(time.Second)
				s.want("the next turn", c.next)
			})
		})
	}
}
