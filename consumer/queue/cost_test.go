package queue

import (
	"fmt"
	"testing"
)

// inHand is the number of records that are unfinished at once in the benchmarks.
const inHand = 64

// record is what the tests queue.
type record struct {
	Item[*record]
	offset int
	quota  string // its quota when it was blocked last
	line   Kind   // where it must wait after its bytes are read
}

// track is queues, and records that are used again.
type track struct {
	Queues[*record]
	records [inHand]record
	keys    [inHand]string
}

func newTrack(key func(i int) string) *track {
	t := &track{Queues: New[*record]()}
	for i := range t.records {
		t.records[i].Of, t.records[i].Cost = &t.records[i], 517
		t.keys[i] = key(i)
	}
	return t
}

// pass queues inHand records, takes them as their key queues allow, and finishes them.
func (t *track) pass() (taken int) {
	for i := range inHand {
		t.Join(&t.records[i].Item, t.keys[i])
	}
	for r := t.Next(false); r != nil; r = t.Next(false) {
		t.Open(&r.Item)
		t.Leave(&r.Item)
		taken++
	}
	return taken
}

func keyOf(of int) func(i int) string {
	return func(i int) string { return fmt.Sprintf("lot\x00%d", i/of) }
}

func BenchmarkKeyQueues(b *testing.B) {
	for _, c := range []struct {
		name string
		of   int // records of an order key
	}{{"an order key each", 1}, {"order keys of 8", 8}, {"one order key", inHand}} {
		b.Run(c.name, func(b *testing.B) {
			t := newTrack(keyOf(c.of))
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

// BenchmarkHold holds inHand records of one quota beside as many others, and ends their wait.
func BenchmarkHold(b *testing.B) {
	t, times := newTrack(keyOf(1)), NewTimetable[*record]()
	for i := range inHand {
		t.Join(&t.records[i].Item, t.keys[i])
	}
	b.ReportAllocs()
	for b.Loop() {
		for r := t.Next(false); r != nil; r = t.Next(false) {
			t.Open(&r.Item)
			times.Add(&r.Item, epoch, false)
			t.Block(&r.Item, "lot")
		}
		for _, r := range times.Hasten() {
			t.Due(&r.Item)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*inHand), "ns/record")
}
