package queue

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Held records come in the order of their times, whichever of them are hastened or removed.
func TestHeldRecordsComeInTheOrderOfTheirTimes(t *testing.T) {
	for seed := range uint64(20) {
		random, times := rand.New(rand.NewPCG(seed, 0)), NewTimetable[*record]()
		var left, all []*record
		for range 200 {
			r := &record{}
			r.Of = r
			times.Add(&r.Item, epoch.Add(time.Duration(random.IntN(100))), random.IntN(2) == 0)
			all = append(all, r)
		}
		for _, r := range all[:50] {
			times.Remove(&r.Item)
		}
		hastened := times.Hasten()
		earlier := func(a, b *record) int { return a.until.Compare(b.until) }
		if !slices.IsSortedFunc(hastened, earlier) {
			t.Errorf("seed %d: hastened in another order", seed)
		}
		for r, at := times.First(); r != nil; r, at = times.First() {
			if !r.firm || !at.Equal(r.until) {
				t.Errorf("seed %d: left is what is not firm, or of another time", seed)
			}
			times.Remove(&r.Item)
			left = append(left, r)
		}
		if !slices.IsSortedFunc(left, earlier) || len(left)+len(hastened) != 150 {
			t.Errorf("seed %d: %d came, in order or not, and %d were hastened, want 150", seed, len(left), len(hastened))
		}
	}
}
