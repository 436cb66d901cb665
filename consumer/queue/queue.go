package queue

import (
	"iter"
	"time"
)

// State is the state of a record; the package comment has the table.
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

// Kind is a queue of key queues whose heads are ready.
type Kind uint8

// The kinds of queues. Each is first in, first out.
const (
	None     Kind = iota
	Fresh         // never tried
	Due           // their hold has ended
	Turn          // they wait for their turn, without a time
	Unloaded      // of any of these kinds: the head's bytes must be read first
	kinds
)

// Item is one record's entry in the queues. Its owner sets the exported fields before the record joins, and
// Unloaded also while the record is Open.
type Item[T any] struct {
	Of   T   // the record
	Cost int // bytes, as Bytes and Tally count them
	// Unloaded: the record's bytes must be read before it may be taken.
	Unloaded bool

	state    State
	then     Kind // where it waits after its bytes are read
	firm     bool // Hasten does not end its hold
	number   int  // the order in which records joined
	keyQueue *keyQueue[T]
	behind   *Item[T] // the next record of the same key queue
	until    time.Time
	// Its index in a timetable, and among the heads of its quota.
	timed, first int32
}

// State returns the state of the record.
func (it *Item[T]) State() State { return it.state }

// In returns the queue in which the record waits as the head of its key queue, and Key its order key. In is
// None for a record that is not such a head.
func (it *Item[T]) In() Kind {
	if it.keyQueue.head != it {
		return None
	}
	return it.keyQueue.in
}

// Key: see In.
func (it *Item[T]) Key() string { return it.keyQueue.key }

// Blocking reports whether the record blocks its key queue.
func (it *Item[T]) Blocking() bool { return it.keyQueue.blocked && it.keyQueue.head == it }

// keyQueue is the queue of one order key's unfinished records in one partition, in offset order. Only its head
// is delivered.
type keyQueue[T any] struct {
	key        string // "" for a record without an order key: it has a key queue of its own
	head, tail *Item[T]
	tally      Tally

	// in is the queue in which the key queue waits while its head is ready, else None.
	in         Kind
	prev, next *keyQueue[T]

	// blocked: the head was tried and waits for another try. All records of the key queue then count as
	// blocked, and against quota.
	blocked bool
	quota   *quota[T] // nil: none
}

// Tally counts records.
type Tally struct{ Records, Bytes int }

func (t *Tally) add(records, bytes int) { t.Records, t.Bytes = t.Records+records, t.Bytes+bytes }

// quota is the blocked key queues of one quota: their records, and their heads, the longest waiting first.
type quota[T any] struct {
	name  string
	tally Tally
	heads ordered[T]
}

// Queues are one partition's unfinished records by order key, and which of them are ready. Make one with
// [New].
type Queues[T any] struct {
	byKey   map[string]*keyQueue[T] // without key queues that have no key
	ready   [kinds]readyQueue[T]
	dueNext bool // alternates between fresh and tried records
	joined  int
	bytes   int
	// The blocked key queues, all and by quota; only quotas that have any.
	blocked Tally
	quotas  map[string]*quota[T]
}

// New makes empty queues.
func New[T any]() Queues[T] {
	return Queues[T]{byKey: map[string]*keyQueue[T]{}, quotas: map[string]*quota[T]{}}
}

// Count returns the number of key queues in a queue.
func (q *Queues[T]) Count(k Kind) int { return q.ready[k].count }

// Head returns the record that has been in a queue longest; T's zero if the queue is empty.
func (q *Queues[T]) Head(k Kind) (head T) {
	if l := q.ready[k].head; l != nil {
		head = l.head.Of
	}
	return head
}

// Ready returns how many records may be taken.
func (q *Queues[T]) Ready() int {
	return q.ready[Fresh].count + q.ready[Due].count + q.ready[Turn].count
}

// Bytes returns the cost of all records.
func (q *Queues[T]) Bytes() int { return q.bytes }

// Blocked counts the records of blocked key queues, and Quota those of one quota.
func (q *Queues[T]) Blocked() Tally { return q.blocked }

// Quota: see Blocked.
func (q *Queues[T]) Quota(name string) (t Tally) {
	if of := q.quotas[name]; of != nil {
		t = of.tally
	}
	return t
}

// Longest returns the record of a quota that joined first of those that wait for another try; T's zero if none
// does.
func (q *Queues[T]) Longest(name string) (longest T) {
	if of := q.quotas[name]; of != nil {
		longest = of.heads.items[0].Of
	}
	return longest
}

// Tried returns the records that are ready for another try, queue by queue. Nothing may change meanwhile.
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

// Join queues the partition's next record, by offset, and reports whether its key queue became ready. A record
// without an order key ("") waits for no other.
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

// Leave removes a finished record. The next record of its key queue becomes ready.
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

// Drop notes that the record's partition is given up. A record that is Open stays Open.
func (it *Item[T]) Drop() {
	if it.state != Open {
		it.state = Gone
	}
}

// Next takes the record to open next; T's zero if none is ready. It alternates between fresh and tried
// records; for a probe, fresh records come first.
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

// Take takes one record to open, and reports whether it may be taken.
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

// Due makes a record ready whose hold has ended, and Turn a record that waits for its turn.
func (q *Queues[T]) Due(it *Item[T]) { q.put(it, Due) }

// Turn: see Due.
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

// Loaded makes a record ready whose bytes were read. It comes first in its queue.
func (q *Queues[T]) Loaded(it *Item[T]) {
	it.Unloaded, it.state = false, Ready
	q.ready[it.then].pushFront(it.then, it.keyQueue)
}

// Unload puts a record back whose bytes are dropped: it was loaded and not taken, or its bytes are not read
// after all.
func (q *Queues[T]) Unload(it *Item[T]) {
	if k := it.In(); k != None {
		q.ready[k].remove(it.keyQueue)
	}
	it.Unloaded = true
	q.put(it, it.then)
}

func (q *Queues[T]) put(it *Item[T], k Kind) {
	it.state = Ready
	if it.Unloaded {
		it.then, k = k, Unloaded
	}
	q.ready[k].push(k, it.keyQueue)
}

// Block notes that the head of a key queue waits for another try, until it is opened or leaves. The records of
// the key queue count against the quota; "": none.
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

// pop removes the head and returns the next head, nil if there is none.
func (l *keyQueue[T]) pop() *Item[T] {
	it := l.head
	l.head, it.behind = it.behind, nil
	if l.head == nil {
		l.tail = nil
	}
	l.tally.add(-1, -it.Cost)
	return l.head
}

// readyQueue is a first-in, first-out queue of key queues whose heads are ready. A key queue is in at most one
// queue.
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
