package progress

import (
	"testing"

	"pgregory.net/rapid"
)

// Whatever is known of our epochs, Parts is at or below the offset where both histories part; at that offset
// if nothing was forgotten.
func TestAFormerLogPartsAtOrBelowWhereItDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := func(name string) (epochOf []int32) {
			epoch := int32(0)
			for range rapid.IntRange(1, 40).Draw(t, name) {
				epoch += int32(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, name))
				epochOf = append(epochOf, epoch)
			}
			return epochOf
		}
		ours := history("ours")
		shared := rapid.IntRange(0, len(ours)).Draw(t, "shared")
		theirs := append([]int32(nil), ours[:shared]...)
		next := int32(0)
		if shared > 0 {
			next = theirs[shared-1]
		}
		for range rapid.IntRange(0, 20).Draw(t, "theirs") {
			// Where they part, an epoch is in one log alone.
			next = max(next, 50) + int32(rapid.IntRange(0, 1).Draw(t, "step"))
			if rapid.Bool().Draw(t, "older") && shared > 0 && len(theirs) == shared {
				next = theirs[shared-1] // the log that was not copied in time
			}
			theirs = append(theirs, next)
		}
		if shared < len(ours) && shared < len(theirs) && ours[shared] == theirs[shared] {
			return // they part later
		}
		from := rapid.IntRange(0, len(ours)-1).Draw(t, "read from")
		var known Epochs
		for o := from; o < len(ours); o++ {
			known.reads(int64(o), ours[o], from == 0)
		}
		last := ours[len(ours)-1]
		told, end := int32(-1), int64(0)
		for o, e := range theirs {
			if e <= last {
				told, end = e, int64(o)+1
			}
		}
		if told < 0 || told == last && end >= int64(len(ours)) {
			return // UNDEFINED, or the same log
		}
		at, sure := known.Parts(told, end)
		if sure && at > int64(shared) {
			t.Fatalf("ours %v, theirs %v: they part at %d, told (%d, %d), taken for %d by %v", ours, theirs, shared, told, end, at, known)
		}
		if from == 0 && len(known) < mostEpochs && !sure {
			t.Fatalf("all is known, and nothing is told")
		}
	})
}
