//go:build !race

package consumer

import "testing"

// Not under the race detector, whose build allocates what escapes it alone.
func TestAllocations(t *testing.T) {
	own, same := newTrack(orderKeyOf(1)), newTrack(orderKeyOf(inHand))
	usual, most := gaps(here, 1), gaps(here, gapLimit)
	written, _ := encodeMetadata(here, usual)
	longest, _ := encodeMetadata(here, most)
	for _, c := range []struct {
		name string
		max  float64
		run  func()
	}{
		{"progress: nothing for a record", 0, func() {
			d := own.next(0)
			own.add(d)
			own.finish(d)
		}},
		{"key queues: one for each order key", inHand, func() { own.pass() }},
		{"key queues: one for all records of an order key", 1, func() { same.pass() }},
		{"encoding a gap: the runs, their digest, the text", 3, func() { encodeMetadata(here, usual) }},
		{"encoding 500 gaps: what grows, grows by doubling", 7, func() { encodeMetadata(here, most) }},
		{"decoding a gap", 3, func() { _, _ = decodeMetadata(here, written) }},
		{"decoding 500 gaps", 21, func() { _, _ = decodeMetadata(here, longest) }},
	} {
		if got := testing.AllocsPerRun(100, c.run); got > c.max {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.max)
		}
	}
}
