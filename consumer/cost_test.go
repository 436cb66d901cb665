package consumer

import (
	"fmt"
	"testing"
	"time"

	"release-forwarder/consumer/fetch"
)

// inHand is how many records are unfinished at once in the benchmarks.
const inHand = 64

// track is a partition without an engine at work, and deliveries that are used
// again.
type track struct {
	*partition
	deliveries [inHand]*Delivery
	orderKeys  [inHand]string
	offset     int64
}

func newTrack(orderKey func(i int) string) *track {
	p := &partition{engine: &Engine{}, delivering: delivering{keyQueues: map[string]*keyQueue{}}, progress: newProgress(0, unknownEpoch, knowledge{})}
	t := &track{partition: p}
	for i := range t.deliveries {
		t.deliveries[i] = newDelivery(p, fetch.Record{Value: []byte("event")}, time.Time{})
		t.orderKeys[i] = orderKey(i)
	}
	return t
}

// next puts the i-th delivery's next record at the end of the log.
func (t *track) next(i int) *Delivery {
	d := t.deliveries[i]
	d.Record.Offset = t.offset
	t.offset++
	return d
}

// BenchmarkProgress adds and finishes inHand records. A held one at the head is
// what makes gaps of all that finish behind it.
func BenchmarkProgress(b *testing.B) {
	for _, c := range []struct {
		name string
		held int
		slot func(i int) int // which is finished as the i-th
	}{
		{"in order", 0, func(i int) int { return i }},
		{"from the last to the first", 0, func(i int) int { return inHand - 1 - i }},
		{"every other one first", 0, func(i int) int { return (2*i)%inHand + 2*i/inHand }},
		{"behind a held one", 1, func(i int) int { return i }},
	} {
		b.Run(c.name, func(b *testing.B) {
			t := newTrack(func(int) string { return "" })
			for i := range c.held {
				t.add(t.next(i))
			}
			b.ReportAllocs()
			for b.Loop() {
				for i := c.held; i < inHand; i++ {
					t.add(t.next(i))
				}
				for i := range inHand {
					if slot := c.slot(i); slot >= c.held {
						t.finish(t.deliveries[slot])
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(inHand-c.held)), "ns/record")
			if t.count != c.held {
				b.Fatal(t.count)
			}
		})
	}
}

// pass queues inHand records, delivers them as their key queues allow and finishes
// them.
func (t *track) pass() (delivered int) {
	for i := range inHand {
		t.join(t.next(i), t.orderKeys[i])
	}
	for l := t.choose(false); l != nil; l = t.choose(false) {
		t.leave(l.head)
		delivered++
	}
	return delivered
}

func orderKeyOf(of int) func(i int) string {
	return func(i int) string { return fmt.Sprintf("lot\x00%d", i/of) }
}

func BenchmarkKeyQueues(b *testing.B) {
	for _, c := range []struct {
		name string
		of   int // records of an order key
	}{{"an order key each", 1}, {"order keys of 8", 8}, {"one order key", inHand}} {
		b.Run(c.name, func(b *testing.B) {
			t := newTrack(orderKeyOf(c.of))
			b.ReportAllocs()
			for b.Loop() {
				if n := t.pass(); n != inHand {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*inHand), "ns/record")
		})
	}
}

// gaps is what is known of a log with n unfinished runs.
func gaps(at commitKey, n int) knowledge {
	k := knowledge{end: at.offset}
	for range n {
		k.unfinished = append(k.unfinished, span{k.end, k.end})
		k.end += 2
	}
	return k
}

func BenchmarkMetadata(b *testing.B) {
	for _, n := range []int{0, 1, 64, gapLimit} {
		k := gaps(here, n)
		metadata, whole := encodeMetadata(here, k)
		if !whole {
			b.Fatal("cut")
		}
		b.Run(fmt.Sprintf("encode/%d gaps", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encodeMetadata(here, k)
			}
		})
		b.Run(fmt.Sprintf("decode/%d gaps", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decodeMetadata(here, metadata); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
