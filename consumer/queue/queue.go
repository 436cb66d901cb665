package queue

import (
	"iter"
	"time"
)

// State is where a record stands; see the package's table.
type State uint8

// The states of a record.
const (
	Waiting State = iota
	Ready
	Open
	Held
	Loading
	Gone
)

// Kind is one of the queues of key queues whose heads are ready.
type Kind uint8

// The kinds of queues. Each is first in, first out.
const (
	None     Kind = iota
	Fresh         // never tried
	Due           // their hold has ended
	Turn          // they wait for their turn, untimed
	Unloaded      // of any of these, those whose head's bytes must be read first
	kinds
)

// Item is one record's place. Its owner sets the exported fields before it joins, and Unloaded also
// while it is Open.
type Item[T any] struct {
	Of   T   // whose it is
	Cost int // bytes, as Bytes and the tallies count them
	// Unloaded says that its bytes must be read before it may be taken.
	Unloaded bool

	state    State
	then     Kind // where it waits when its bytes are read
	firm     bool // its hold is not shortened
	number   int  // by which those that joined are ordered
	keyQueue *keyQueue[T]
	behind   *Item[T] // the next record of the same key queue
	until    time.Time
	// Where it lies in a timetable, and among the heads of its quota.
	timed, first int32
}

// State tells where the record stands.
func (it *Item[T]) State() State { return it.state }

// In tells in which queue it waits as its key queue's head, and Key its order key.
func (it *Item[T]) In() Kind {
	if it.keyQueue.head != it {
		return None
	}
	return it.keyQueue.in
}

// Key is explained with In.
func (it *Item[T]) Key() string { return it.keyQueue.key }

// Blocking tells whether its key queue waits for another try of it.
func (it *Item[T]) Blocking() bool { return it.keyQueue.blocked && it.keyQueue.head == it }

// keyQueue is the queue of one order key's unfinished records in one partition,
// in offset order. Only its head is ever delivered.
type keyQueue[T any] struct {
	key        string // "" for a record without an order key: a key queue of its own
	head, tail *Item[T]
	tally      Tally

	// in is where the key queue waits while its head is ready, else None.
	in         Kind
	prev, next *keyQueue[T]

	// blocked says that the head was tried and waits for another try; then all of
	// the key queue's records count as held back, and those with a quota against it.
	blocked bool
	quota   *quota[T] // nil: it has none
}

// Tally counts records.
type Tally struct{ Records, Bytes int }

func (t *Tally) add(records, bytes int) { t.Records, t.Bytes = t.Records+records, t.Bytes+bytes }

// quota is the blocked key queues of one quota, all together and by their heads, the longest waiting first.
type quota[T any] struct {
	name  string
	tally Tally
	heads ordered[T]
}

// Queues are one partition's records that are not finished, by order key, and what of them is
// ready. Make one with [New].
type Queues[T any] struct {
	byKey   map[string]*keyQueue[T] // key queues without a key are not in it
	ready   [kinds]readyQueue[T]
	dueNext bool // take turns between fresh and tried ones
	joined  int
	bytes   int
	// The blocked key queues, all and by quota; of a quota that has any.
	blocked Tally
	quotas  map[string]*quota[T]
}

// New makes queues that are empty.
func New[T any]() Queues[T] {
	return Queues[T]{byKey: map[string]*keyQueue[T]{}, quotas: map[string]*quota[T]{}}
}

// Count is how many key queues are in a queue.
func (q *Queues[T]) Count(k Kind) int { return q.ready[k].count }

// Head is the record that has been in a queue longest, T's zero where none is in it.
func (q *Queues[T]) Head(k Kind) (head T) {
	if l := q.ready[k].head; l != nil {
		head = l.head.Of
	}
	return head
}

// Ready is how many may be taken.
func (q *Queues[T]) Ready() int {
	return q.ready[Fresh].count + q.ready[Due].count + q.ready[Turn].count
}

// Bytes is what all records cost.
func (q *Queues[T]) Bytes() int { return q.bytes }

// Blocked counts the records of blocked key queues, and Quota those of one quota.
func (q *Queues[T]) Blocked() Tally { return q.blocked }

// Quota is explained with Blocked.
func (q *Queues[T]) Quota(name string) (t Tally) {
	if of := q.quotas[name]; of != nil {
		t = of.tally
	}
	return t
}

// Longest is the record of a quota that waits for another try and joined first; T's zero where none does.
func (q *Queues[T]) Longest(name string) (longest T) {
	if of := q.quotas[name]; of != nil {
		longest = of.heads.items[0].Of
	}
	return longest
}

// Tried are the records that are ready for another try, queue by queue. Nothing may change meanwhile.
func (q *Queues[T]) Tried() iter.Seq[T] {
	return func(yield func(T) bool) {
		for k := range q.ready {
			for l := q.ready[k].head; l != nil; l = l.next {
				if l.blocked && !yield(l.head.Of) {
					return
				}
			}
		}
	}
}

// Join queues the next record of the partition, by offset, and tells whether its key queue became
// ready. One without an order key ("") waits for no other.
func (q *Queues[T]) Join(it *Item[T], key string) (readied bool) {
	l := q.byKey[key]
	if l == nil {
		l = &keyQueue[T]{key: key}
		if key != "" {
			q.byKey[key] = l
		}
	}
	it.keyQueue, it.number = l, q.joined
	q.joined++
	l.push(it)
	q.bytes += it.Cost
	if l.blocked {
		q.count(l, 1, it.Cost)
	}
	if l.head != it {
		it.state = Waiting
		return false
	}
	q.put(it, Fresh)
	return true
}

// Leave takes out a record that is finished; its key queue's next becomes ready.
func (q *Queues[T]) Leave(it *Item[T]) {
	q.unblock(it.keyQueue)
	it.state = Gone
	q.bytes -= it.Cost
	l := it.keyQueue
	if next := l.pop(); next != nil {
		q.put(next, Fresh)
	} else if l.key != "" {
		delete(q.byKey, l.key)
	}
}

// Drop notes that the record's partition is given up. One that is open stays so.
func (it *Item[T]) Drop() {
	if it.state != Open {
		it.state = Gone
	}
}

// Next takes the record that is to be opened next, T's zero where none is ready: those never tried and
// the others in turn; for a probe, those never tried first.
func (q *Queues[T]) Next(probe bool) (next T) {
	order := [...]Kind{Fresh, Due, Turn}
	if !probe {
		if q.dueNext {
			order = [...]Kind{Due, Turn, Fresh}
		}
		q.dueNext = !q.dueNext
	}
	for _, k := range order {
		if l := q.ready[k].head; l != nil {
			q.ready[k].remove(l)
			return l.head.Of
		}
	}
	return next
}

// Take takes a record to be opened, and reports whether it may be.
func (q *Queues[T]) Take(it *Item[T]) bool {
	k := it.In()
	if k == None || k == Unloaded {
		return false
	}
	q.ready[k].remove(it.keyQueue)
	return true
}

// Open begins a try of a record that was taken, or whose wait has ended.
func (q *Queues[T]) Open(it *Item[T]) {
	q.unblock(it.keyQueue)
	it.state = Open
}

// Due makes a record ready whose hold has ended, and Turn one that waits for its turn.
func (q *Queues[T]) Due(it *Item[T]) { q.put(it, Due) }

// Turn is explained with Due.
func (q *Queues[T]) Turn(it *Item[T]) { q.put(it, Turn) }

// Load takes a record whose bytes are to be read, and reports whether it waits for them.
func (q *Queues[T]) Load(it *Item[T]) bool {
	if it.In() != Unloaded {
		return false
	}
	q.ready[Unloaded].remove(it.keyQueue)
	it.state = Loading
	return true
}

// Loaded makes a record ready whose bytes are read, before all others of its queue.
func (q *Queues[T]) Loaded(it *Item[T]) {
	it.Unloaded, it.state = false, Ready
	q.ready[it.then].pushFront(it.then, it.keyQueue)
}

// Unload puts a record back whose bytes are given up: one that was loaded and not taken, or whose
// bytes are not read after all.
func (q *Queues[T]) Unload(it *Item[T]) {
	if k := it.In(); k != None {
		q.ready[k].remove(it.keyQueue)
	}
	it.Unloaded = true
	q.put(it, it.then)
}

// put makes a key queue's head ready.
func (q *Queues[T]) put(it *Item[T], k Kind) {
	it.state = Ready
	if it.Unloaded {
		it.then, k = k, Unloaded
	}
	q.ready[k].push(k, it.keyQueue)
}

// Block notes that a key queue's head waits for another try, until it is opened or leaves, and against
// which quota it and those behind it count; "": none.
func (q *Queues[T]) Block(it *Item[T], quotaName string) {
	l := it.keyQueue
	l.blocked = true
	if quotaName != "" {
		if l.quota = q.quotas[quotaName]; l.quota == nil {
			l.quota = &quota[T]{name: quotaName, heads: byNumber[T]()}
			q.quotas[quotaName] = l.quota
		}
		l.quota.heads.add(it)
	}
	q.count(l, l.tally.Records, l.tally.Bytes)
}

func (q *Queues[T]) unblock(l *keyQueue[T]) {
	if !l.blocked {
		return
	}
	q.count(l, -l.tally.Records, -l.tally.Bytes)
	if of := l.quota; of != nil {
		if of.heads.remove(l.head); len(of.heads.items) == 0 {
			delete(q.quotas, of.name)
		}
	}
	l.blocked, l.quota = false, nil
}

// count counts records that are held back with a key queue.
func (q *Queues[T]) count(l *keyQueue[T], records, bytes int) {
	q.blocked.add(records, bytes)
	if l.quota != nil {
		l.quota.tally.add(records, bytes)
	}
}

func (l *keyQueue[T]) push(it *Item[T]) {
	if l.tail == nil {
		l.head = it
	} else {
		l.tail.behind = it
	}
	l.tail = it
	l.tally.add(1, it.Cost)
}

// pop takes the head off and returns the key queue's next head, nil if none is
// left.
func (l *keyQueue[T]) pop() *Item[T] {
	it := l.head
	l.head, it.behind = it.behind, nil
	if l.head == nil {
		l.tail = nil
	}
	l.tally.add(-1, -it.Cost)
	return l.head
}

// readyQueue is a first-in, first-out queue of key queues whose heads are
// ready. A key queue is in one queue at most.
type readyQueue[T any] struct {
	head, tail *keyQueue[T]
	count      int
}

func (q *readyQueue[T]) push(k Kind, l *keyQueue[T]) {
	l.in, l.prev, l.next = k, q.tail, nil
	if q.tail == nil {
		q.head = l
	} else {
		q.tail.next = l
	}
	q.tail = l
	q.count++
}

func (q *readyQueue[T]) pushFront(k Kind, l *keyQueue[T]) {
	l.in, l.prev, l.next = k, nil, q.head
	if q.head == nil {
		q.tail = l
	} else {
		q.head.prev = l
	}
	q.head = l
	q.count++
}

func (q *readyQueue[T]) remove(l *keyQueue[T]) {
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
	l.in, l.prev, l.next = None, nil, nil
	q.count--
}
