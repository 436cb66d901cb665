//go:build !race

package progress

import "testing"

// Not under the race detector: its build adds allocations for values that escape.
func TestAllocations(t *testing.T) {
	own := &track{}
	usual, most := gaps(here, 1), gaps(here, MaxRuns)
	written, _ := Encode(here, usual)
	longest, _ := Encode(here, most)
	for _, c := range []struct {
		name string
		max  float64
		run  func()
	}{
		{"nothing for a record", 0, func() { own.Finish(own.next(0)) }},
		{"encoding a gap: the runs, their digest, the text", 3, func() { Encode(here, usual) }},
		{"encoding 500 gaps: what grows, grows by doubling", 7, func() { Encode(here, most) }},
		{"decoding a gap", 3, func() { _, _ = Decode(here, written) }},
		{"decoding 500 gaps", 21, func() { _, _ = Decode(here, longest) }},
	} {
		if got := testing.AllocsPerRun(100, c.run); got > c.max {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.max)
		}
	}
}
