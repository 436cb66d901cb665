package consumer

// lane is the queue of one session's unfinished records in one partition, in
// offset order. Only its head is ever delivered.
type lane struct {
	key        string // "" for a record without a session: a lane of its own
	head, tail *Delivery
	count      int
	bytes      int

	// queue is where the lane waits while its head is ready, else nil.
	queue      *laneQueue
	prev, next *lane

	// stuck says that the head was tried and waits for another try; then all of
	// the lane's records count as held back (see partition.crowded), and those
	// with a quota against it.
	stuck bool
	quota string
}

func (l *lane) push(d *Delivery) {
	if l.tail == nil {
		l.head = d
	} else {
		l.tail.behind = d
	}
	l.tail = d
	l.count++
	l.bytes += d.cost
}

// pop takes the head off and returns the lane's next head, nil if none is left.
func (l *lane) pop() *Delivery {
	d := l.head
	l.head, d.behind = d.behind, nil
	if l.head == nil {
		l.tail = nil
	}
	l.count--
	l.bytes -= d.cost
	return l.head
}

// laneQueue is a first-in, first-out queue of lanes whose heads are ready. A
// lane is in one queue at most.
type laneQueue struct {
	head, tail *lane
	count      int
}

func (q *laneQueue) push(l *lane) {
	l.queue, l.prev, l.next = q, q.tail, nil
	if q.tail == nil {
		q.head = l
	} else {
		q.tail.next = l
	}
	q.tail = l
	q.count++
}

func (q *laneQueue) pushFront(l *lane) {
	l.queue, l.prev, l.next = q, nil, q.head
	if q.head == nil {
		q.tail = l
	} else {
		q.head.prev = l
	}
	q.head = l
	q.count++
}

func (q *laneQueue) remove(l *lane) {
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
	l.queue, l.prev, l.next = nil, nil, nil
	q.count--
}
