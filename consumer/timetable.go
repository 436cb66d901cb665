package consumer

import (
	"container/heap"
	"slices"
)

// timetable holds the held records, the earliest first: a heap, so that one
// timer serves all.
type timetable []*Delivery

func (t *timetable) add(d *Delivery)    { heap.Push((*timeheap)(t), d) }
func (t *timetable) remove(d *Delivery) { heap.Remove((*timeheap)(t), d.heapIndex) }
func (t *timetable) pop() *Delivery     { return heap.Pop((*timeheap)(t)).(*Delivery) }

// hasten takes out every hold that is not firm, the earliest first.
func (t *timetable) hasten() (hastened []*Delivery) {
	firm := (*t)[:0]
	for _, d := range *t {
		if !d.hold.Firm {
			hastened = append(hastened, d)
			continue
		}
		d.heapIndex = len(firm)
		firm = append(firm, d)
	}
	clear((*t)[len(firm):])
	*t = firm
	heap.Init((*timeheap)(t))
	slices.SortStableFunc(hastened, func(a, b *Delivery) int { return a.until.Compare(b.until) })
	return hastened
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
