package upstream

// The queue of those who wait at the gate: a doubly linked list, so that one
// who gives up leaves it at once, wherever he stands. All under the gate's lock.

// newWaiter returns one that is in no queue yet.
func (g *Gate) newWaiter() *waiter {
	w := g.free
	if w == nil {
		w = &waiter{granted: make(chan bool, 1)}
	} else {
		g.free, w.next = w.next, nil
	}
	w.queued, w.resting, w.denied = true, false, false
	return w
}

// enqueueFirst puts one that rests before those who have no slot yet.
func (g *Gate) enqueueFirst() *waiter {
	w := g.newWaiter()
	w.resting = true
	w.next = g.first
	if g.first == nil {
		g.last = w
	} else {
		g.first.prev = w
	}
	g.first = w
	g.waiting++
	return w
}

// enqueue puts a waiter at the end.
func (g *Gate) enqueue() *waiter {
	w := g.newWaiter()
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
