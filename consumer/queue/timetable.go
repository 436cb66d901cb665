package queue

import (
	"container/heap"
	"iter"
	"slices"
	"time"
)

// Timetable holds the held records of all partitions, the earliest first. It is a heap, so one timer serves
// all. Make one with [NewTimetable].
type Timetable[T any] struct{ heap ordered[T] }

// NewTimetable makes an empty timetable.
func NewTimetable[T any]() Timetable[T] {
	return Timetable[T]{ordered[T]{
		before: func(a, b *Item[T]) bool { return a.until.Before(b.until) },
		at:     func(it *Item[T]) *int32 { return &it.timed },
	}}
}

// Len returns the number of held records.
func (t *Timetable[T]) Len() int { return len(t.heap.items) }

// All returns the held records with their times, in no order.
func (t *Timetable[T]) All() iter.Seq2[T, time.Time] {
	return func(yield func(T, time.Time) bool) {
		for _, it := range t.heap.items {
			if !yield(it.Of, it.until) {
				return
			}
		}
	}
}

// First returns the record whose time comes first, and that time; T's zero if none is held.
func (t *Timetable[T]) First() (first T, at time.Time) {
	if t.Len() > 0 {
		first, at = t.heap.items[0].Of, t.heap.items[0].until
	}
	return first, at
}

// Add holds a record until a time. Hasten does not end a firm hold.
func (t *Timetable[T]) Add(it *Item[T], until time.Time, firm bool) {
	it.state, it.until, it.firm = Held, until, firm
	t.heap.add(it)
}

// Remove ends a record's wait. The caller decides what follows.
func (t *Timetable[T]) Remove(it *Item[T]) { t.heap.remove(it) }

// Hasten ends every wait that is not firm and returns those records, the earliest first.
func (t *Timetable[T]) Hasten() (hastened []T) {
	var ended []*Item[T]
	firm := t.heap.items[:0]
	for _, it := range t.heap.items {
		if !it.firm {
			ended = append(ended, it)
			continue
		}
		it.timed = int32(len(firm))
		firm = append(firm, it)
	}
	clear(t.heap.items[len(firm):])
	t.heap.items = firm
	heap.Init(&t.heap)
	slices.SortStableFunc(ended, func(a, b *Item[T]) int { return a.until.Compare(b.until) })
	for _, it := range ended {
		hastened = append(hastened, it.Of)
	}
	return hastened
}

func byNumber[T any]() ordered[T] {
	return ordered[T]{
		before: func(a, b *Item[T]) bool { return a.number < b.number },
		at:     func(it *Item[T]) *int32 { return &it.first },
	}
}

// ordered is a heap of items that know their index in it.
type ordered[T any] struct {
	items  []*Item[T]
	before func(a, b *Item[T]) bool
	at     func(*Item[T]) *int32
}

func (h *ordered[T]) add(it *Item[T])    { heap.Push(h, it) }
func (h *ordered[T]) remove(it *Item[T]) { heap.Remove(h, int(*h.at(it))) }

func (h *ordered[T]) Len() int           { return len(h.items) }
func (h *ordered[T]) Less(i, j int) bool { return h.before(h.items[i], h.items[j]) }
func (h *ordered[T]) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	*h.at(h.items[i]), *h.at(h.items[j]) = int32(i), int32(j)
}
func (h *ordered[T]) Push(x any) {
	it := x.(*Item[T])
	*h.at(it) = int32(len(h.items))
	h.items = append(h.items, it)
}
func (h *ordered[T]) Pop() any {
	last := len(h.items) - 1
	it := h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	return it
}
