package gate

import (
	"testing"
	"testing/synctest"
	"time"
)

// A watchdog sees no free slot while only time keeps one from being given.
func TestTheGateTellsAWatchdogWhetherItHasASlot(t *testing.T) {
	for name, c := range map[string]struct {
		set       func(g *Gate)
		after     time.Duration
		may, full bool
	}{
		"at rest":              {func(*Gate) {}, 0, true, false},
		"all are out":          {func(g *Gate) { takeOut(t, g, 4) }, 0, true, true},
		"some are out":         {func(g *Gate) { takeOut(t, g, 3) }, 0, true, false},
		"paused":               {func(g *Gate) { g.Pause(time.Now().Add(time.Hour)) }, time.Hour - time.Second, false, false},
		"paused till just now": {func(g *Gate) { g.Pause(time.Now().Add(time.Hour)) }, time.Hour, false, false},
		"paused before":        {func(g *Gate) { g.Pause(time.Now().Add(time.Hour)) }, time.Hour + 2*time.Second, true, false},
		"between two turns":    {func(g *Gate) { g.SetRate(0.01); takeOut(t, g, 1) }, 90 * time.Second, false, false},
		"a turn nobody takes":  {func(g *Gate) { g.SetRate(0.01); takeOut(t, g, 1) }, 102 * time.Second, true, false},
		"between two probes":   {opened, time.Second, false, false},
		"a probe nobody takes": {opened, 3 * time.Second, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := New(Config{MaxInFlight: 4})
				c.set(g)
				time.Sleep(c.after)
				if may, full := g.Slot(); may != c.may || full != c.full {
					t.Errorf("may %v, full %v; want %v, %v", may, full, c.may, c.full)
				}
			})
		})
	}
}

func takeOut(t *testing.T, g *Gate, n int) {
	for range n {
		if _, err := g.Acquire(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func opened(g *Gate) {
	for n := range openAfter {
		g.Failed(n)
	}
}
