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
	p := &partition{engine: &Engine{}, delivering: delivering{keyQueues: map[string]*keyQueue{}}}
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
	d.progress.Offset = t.offset
	t.offset++
	return d
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
