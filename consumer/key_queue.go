package consumer

// keyQueue is the queue of one order key's unfinished records in one partition,
// in offset order. Only its head is ever delivered.
type keyQueue struct {
	key        string // "" for a record without an order key: a key queue of its own
	head, tail *Delivery
	count      int
	bytes      int

	// waitsIn is where the key queue waits while its head is ready, else nil.
	waitsIn    *readyQueue
	prev, next *keyQueue

	// blocked says that the head was tried and waits for another try; then all of
	// the key queue's records count as held back (see partition.blockedOverHalf),
	// and those with a quota against it.
	blocked bool
	quota   string
}

func (l *keyQueue) push(d *Delivery) {
	if l.tail == nil {
		l.head = d
	} else {
		l.tail.behind = d
	}
	l.tail = d
	l.count++
	l.bytes += d.cost
}

// pop takes the head off and returns the key queue's next head, nil if none is
// left.
func (l *keyQueue) pop() *Delivery {
	d := l.head
	l.head, d.behind = d.behind, nil
	if l.head == nil {
		l.tail = nil
	}
	l.count--
	l.bytes -= d.cost
	return l.head
}

// readyQueue is a first-in, first-out queue of key queues whose heads are
// ready. A key queue is in one queue at most.
type readyQueue struct {
	head, tail *keyQueue
	count      int
}

func (q *readyQueue) push(l *keyQueue) {
	l.waitsIn, l.prev, l.next = q, q.tail, nil
	if q.tail == nil {
		q.head = l
	} else {
		q.tail.next = l
	}
	q.tail = l
	q.count++
}

func (q *readyQueue) pushFront(l *keyQueue) {
	l.waitsIn, l.prev, l.next = q, nil, q.head
	if q.head == nil {
		q.tail = l
	} else {
		q.head.prev = l
	}
	q.head = l
	q.count++
}

func (q *readyQueue) remove(l *keyQueue) {
	if l.prev == nil {
		q.head = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		q.tail = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.waitsIn, l.prev, l.next = nil, nil, nil
	q.count--
}
