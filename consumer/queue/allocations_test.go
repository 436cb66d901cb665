//go:build !race

package queue

import "testing"

// Not under the race detector: its build adds allocations for values that escape.
func TestAllocations(t *testing.T) {
	own, same := newTrack(keyOf(1)), newTrack(keyOf(inHand))
	for _, c := range []struct {
		name string
		max  float64
		run  func()
	}{
		{"one for each order key", inHand, func() { own.pass() }},
		{"one for all records of an order key", 1, func() { same.pass() }},
	} {
		if got := testing.AllocsPerRun(100, c.run); got > c.max {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.max)
		}
	}
}
