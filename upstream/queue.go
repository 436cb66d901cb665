package upstream

// The queue of those who wait at the gate: a doubly linked list, so that one
// who gives up leaves it at once, wherever he stands. All under the gate's lock.

// enqueue puts a waiter at the end.
func (g *Gate) enqueue() *waiter {
	w := g.free
	if w == nil {
		w = &waiter{granted: make(chan bool, 1)}
	} else {
		g.free, w.next = w.next, nil
	}
	w.queued = true
	w.prev = g.last
	if g.last == nil {
		g.first = w
	} else {
		g.last.next = w
	}
	g.last = w
	g.waiting++
	return w
}

// unlink takes a waiter out of the queue.
func (g *Gate) unlink(w *waiter) {
	if w.prev == nil {
		g.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		g.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	g.waiting--
}

// recycle keeps a waiter that is out of the queue and whose channel is empty.
func (g *Gate) recycle(w *waiter) { w.next, g.free = g.free, w }
