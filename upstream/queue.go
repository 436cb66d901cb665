package upstream

import "time"

// queue is one of those who wait at the gate, in the order of asking: a doubly
// linked list, so that one who gives up leaves it at once, wherever he stands. All
// under the gate's lock.
type queue struct{ first, last *waiter }

// push puts a waiter at the end.
func (q *queue) push(w *waiter) {
	w.prev = q.last
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
}

// remove takes a waiter out.
func (q *queue) remove(w *waiter) {
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
}

// enqueue puts a new waiter at the end of his queue.
func (g *Gate) enqueue(resting bool) *waiter {
	w := g.free
	if w == nil {
		w = &waiter{granted: make(chan bool, 1)}
	} else {
		g.free, w.next = w.next, nil
	}
	w.queued, w.resting, w.denied = true, resting, false
	g.queueOf(w).push(w)
	g.waiting++
	return w
}

// unlink takes a waiter out of his queue.
func (g *Gate) unlink(w *waiter) {
	g.queueOf(w).remove(w)
	w.queued = false
	g.waiting--
}

func (g *Gate) queueOf(w *waiter) *queue {
	if w.resting {
		return &g.retries
	}
	return &g.asking
}

// next is who is to have his turn first; nil: nobody waits.
func (g *Gate) next() *waiter {
	if g.retries.first != nil {
		return g.retries.first
	}
	return g.asking.first
}

// recycle keeps a waiter that is out of the queue and whose channel is empty.
func (g *Gate) recycle(w *waiter) { w.next, g.free = g.free, w }

// wakeAt sets the alarm. One that goes off too early does no harm, so it is
// never stopped, only moved.
func (g *Gate) wakeAt(at time.Time) {
	if at.IsZero() || at.Equal(g.due) {
		return
	}
	g.due = at
	if g.alarm == nil {
		g.alarm = time.AfterFunc(time.Until(at), g.ring)
	} else {
		g.alarm.Reset(time.Until(at))
	}
}

func (g *Gate) ring() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.due = time.Time{}
	g.dispatch()
}

// abandon takes a waiter out of the queue whose context has ended. A slot that
// it was given meanwhile goes to the next.
func (g *Gate) abandon(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.queued {
		g.unlink(w)
	} else {
		<-w.granted // there already: given under the lock
		g.release(false)
	}
	g.recycle(w)
}
