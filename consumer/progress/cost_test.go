package progress

import (
	"fmt"
	"testing"
)

// inHand is the number of records that are unfinished at once in the benchmarks.
const inHand = 64

// track is a progress, and items that are used again.
type track struct {
	Progress[int]
	items [inHand]Item[int]
}

// next adds the i-th item as the next record of the log.
func (t *track) next(i int) *Item[int] {
	t.items[i].Offset = t.position
	t.Add(&t.items[i])
	return &t.items[i]
}

// BenchmarkProgress adds and finishes inHand records. If the head is held, the records that finish behind it
// leave gaps.
func BenchmarkProgress(b *testing.B) {
	for _, c := range []struct {
		name string
		held int
		slot func(i int) int // which record finishes as the i-th
	}{
		{"in order", 0, func(i int) int { return i }},
		{"from the last to the first", 0, func(i int) int { return inHand - 1 - i }},
		{"every other one first", 0, func(i int) int { return (2*i)%inHand + 2*i/inHand }},
		{"behind a held one", 1, func(i int) int { return i }},
	} {
		b.Run(c.name, func(b *testing.B) {
			t := &track{}
			for i := range c.held {
				t.next(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				for i := c.held; i < inHand; i++ {
					t.next(i)
				}
				for i := range inHand {
					if slot := c.slot(i); slot >= c.held {
						t.Finish(&t.items[slot])
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(inHand-c.held)), "ns/record")
			if t.Len() != c.held {
				b.Fatal(t.Len())
			}
		})
	}
}

// gaps is the knowledge of a log with n unfinished runs.
func gaps(at CommitKey, n int) Knowledge {
	k := Knowledge{End: at.Offset}
	for range n {
		k.Unfinished = append(k.Unfinished, Range{k.End, k.End})
		k.End += 2
	}
	return k
}

func BenchmarkMetadata(b *testing.B) {
	for _, n := range []int{0, 1, 64, MaxRuns} {
		k := gaps(here, n)
		metadata, whole := Encode(here, k)
		if !whole {
			b.Fatal("cut")
		}
		b.Run(fmt.Sprintf("encode/%d gaps", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Encode(here, k)
			}
		})
		b.Run(fmt.Sprintf("decode/%d gaps", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(here, metadata); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
