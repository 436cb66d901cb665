package consumer

import (
	"container/heap"
	"time"
)

// timetable holds the held records, the earliest first: a heap, so that one
// timer serves all.
type timetable []*Delivery

func (t *timetable) add(d *Delivery)    { heap.Push((*timeheap)(t), d) }
func (t *timetable) remove(d *Delivery) { heap.Remove((*timeheap)(t), d.heapIndex) }
func (t *timetable) pop() *Delivery     { return heap.Pop((*timeheap)(t)).(*Delivery) }

// hasten brings every hold that is not firm forward to now.
func (t *timetable) hasten(now time.Time) {
	for _, d := range *t {
		if !d.hold.Firm && d.until.After(now) {
			d.until = now
		}
	}
	heap.Init((*timeheap)(t))
}

type timeheap []*Delivery

func (h timeheap) Len() int           { return len(h) }
func (h timeheap) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h timeheap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}
func (h *timeheap) Push(x any) {
	d := x.(*Delivery)
	d.heapIndex = len(*h)
	*h = append(*h, d)
}
func (h *timeheap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return d
}
