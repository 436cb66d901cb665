package progress

import (
	"iter"
	"slices"
)

// Item is one unfinished record. Whoever adds it sets the exported fields, and leaves them alone
// until it is finished; then it may be added again.
type Item[T any] struct {
	Of     T // whose it is
	Offset int64
	Epoch  int32 // leader epoch of the record
	// Before is the leader epoch of what was read last before the record. Add sets it.
	Before int32

	prev, next *Item[T]
	doneBefore bool
	open       bool // it may finish at any time
}

// Progress knows, of one partition's log, what is finished: all below position
// that is not in the list of unfinished records. Make one with [New] or [NewLog].
//
// Only what is unfinished is stored. A record that is done leaves the list, so
// one held record does not make thousands of finished ones cost memory, and
// offsets that hold no record (transaction markers, what compaction removed)
// need no thought: they are below position and not in the list.
//
// Invariants:
//   - the list is ordered by offset, every offset in it is below position;
//   - doneBefore of a record says that something between its predecessor in
//     the list and itself is done (of the head it says nothing);
//   - doneAfter says the same of what lies between the tail and position;
//   - runs counts the records with doneBefore that are not the head, plus one
//     where the list is not empty: the unfinished runs a commit has to tell of;
//   - inherited holds what the owner before left unfinished at or above
//     position, ordered; inheritedEnd is where its knowledge ended: what lies
//     between position and inheritedEnd and in no run was done by it;
//   - epoch is the leader epoch of what was read last below position: a record, or a
//     marker; each record in the list keeps what it was before the record was read;
//   - inheritedEpoch is the one of what lies below inheritedEnd;
//   - bound is at least what the metadata may come to take when what is open finishes.
//
// Epochs are UnknownEpoch where nobody tells them.
type Progress[T any] struct {
	position   int64
	epoch      int32
	head, tail *Item[T]
	count      int
	runs       int
	doneAfter  bool

	epochs Epochs
	// bottom says that nothing lies below position.
	bottom bool

	inherited      []Range
	inheritedEnd   int64
	inheritedEpoch int32
	inheritedBegan epochBegan

	bound int // bytes of the metadata's payload
}

// New starts at a committed offset, with the epoch of the last record below it
// and what its metadata tells, which the progress owns from then on.
func New[T any](committed int64, epoch int32, k Knowledge) Progress[T] {
	p := Progress[T]{position: committed, epoch: epoch, inherited: k.Unfinished, inheritedEnd: k.End, inheritedEpoch: k.EndEpoch, inheritedBegan: k.endBegan()}
	if epoch != UnknownEpoch {
		p.epochs = Epochs{{epoch: epoch}}
		if began := k.endBegan(); epoch == k.EndEpoch && began.first <= committed {
			p.epochs[0].epochBegan = began
		}
	}
	p.bound = p.worst()
	return p
}

// NewLog starts at a log's first record.
func NewLog[T any](first int64) Progress[T] {
	p := New[T](first, UnknownEpoch, Nothing(first, UnknownEpoch))
	p.bottom = true
	return p
}

// Position is the next offset to read, and Epoch the leader epoch below it.
func (p *Progress[T]) Position() int64 { return p.position }

// Epoch is explained with Position.
func (p *Progress[T]) Epoch() int32 { return p.epoch }

// Len counts the unfinished records, and Runs the runs of neighbours among them.
func (p *Progress[T]) Len() int { return p.count }

// Runs is explained with Len.
func (p *Progress[T]) Runs() int { return p.runs }

// First is the unfinished record of the least offset, T's zero where there is none.
func (p *Progress[T]) First() (first T) {
	if p.head != nil {
		first = p.head.Of
	}
	return first
}

// All are the unfinished records, by offset. None may be finished meanwhile.
func (p *Progress[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for r := p.head; r != nil && yield(r.Of); r = r.next {
		}
	}
}

// Watermark is the offset to commit: every record below it is finished.
func (p *Progress[T]) Watermark() int64 {
	if p.head != nil {
		return p.head.Offset
	}
	return p.position
}

// WatermarkEpoch is the epoch of the last record below the watermark.
func (p *Progress[T]) WatermarkEpoch() int32 {
	if p.head != nil {
		return p.head.Before
	}
	return p.epoch
}

// Upper is the uppermost end of what is believed, and the epoch below it: where the
// leader has that epoch there too, all below is the same log.
func (p *Progress[T]) Upper() (offset int64, epoch int32) {
	if p.inheritedEnd > p.position {
		return p.inheritedEnd, p.inheritedEpoch
	}
	return p.position, p.epoch
}

// UpperEpochs are the epochs below the uppermost end, the caller's own.
func (p *Progress[T]) UpperEpochs() Epochs {
	if p.inheritedEnd > p.position {
		return Epochs{{p.inheritedEpoch, p.inheritedBegan}}
	}
	return slices.Clone(p.epochs)
}

// Distrust forgets the epoch below the position where a higher end is believed by its own: then all
// below that is the same log, and a leader that knows no such epoch here is right.
func (p *Progress[T]) Distrust() {
	if p.tellsInherited() {
		p.epoch = UnknownEpoch
	}
}

// ForgetUnverified forgets what the owner before finished beyond the position where no epoch
// tells of it, and reports whether there was any.
func (p *Progress[T]) ForgetUnverified() bool {
	if p.inheritedEnd <= p.position || p.inheritedEpoch != UnknownEpoch {
		return false
	}
	p.inherited, p.inheritedEnd = nil, 0
	return true
}

// FinishedBefore tells whether the owner before finished the record at offset,
// which must not be below position.
func (p *Progress[T]) FinishedBefore(offset int64) bool {
	if offset >= p.inheritedEnd {
		return false
	}
	for _, s := range p.inherited {
		if offset < s.First {
			return true
		}
		if offset <= s.Last {
			return false
		}
	}
	return true
}

// Add puts the next record that was read at the end of the list and moves the
// position past it.
func (p *Progress[T]) Add(r *Item[T]) {
	r.Before = p.epoch
	r.doneBefore = p.doneAfter
	p.doneAfter = false
	r.prev, r.next = p.tail, nil
	if p.tail == nil {
		p.head = r
	} else {
		p.tail.next = r
	}
	p.tail = r
	if p.count == 0 || r.doneBefore {
		p.runs++
	}
	p.count++
	p.Advance(r.Offset+1, r.Epoch)
}

// Pass moves the position past a record that the owner before finished.
func (p *Progress[T]) Pass(offset int64, epoch int32) {
	p.doneAfter = p.count > 0
	p.Advance(offset+1, epoch)
}

// Advance moves the position, with the epoch of what lies below it; it never goes back.
func (p *Progress[T]) Advance(position int64, epoch int32) {
	if position <= p.position {
		return
	}
	p.epochs.reads(p.position, epoch, p.bottom)
	p.position, p.epoch, p.bottom = position, epoch, false
	for len(p.inherited) > 0 && p.inherited[0].Last < position {
		p.inherited = p.inherited[1:]
	}
	if len(p.inherited) > 0 && p.inherited[0].First < position {
		// Copied on write: the slice is the decoder's, never shared.
		p.inherited[0].First = position
	}
}

// UnfinishedFrom counts the unfinished records from an offset on.
func (p *Progress[T]) UnfinishedFrom(offset int64) (n int) {
	for r := p.tail; r != nil && r.Offset >= offset; r = r.prev {
		n++
	}
	return n
}

// Cut goes on in a log that is another one from an offset on, where the epoch is the one
// of the last record below it: what is known from there on is forgotten. No record in
// the list may lie there.
func (p *Progress[T]) Cut(offset int64, epoch int32) {
	if p.inheritedEnd > offset {
		p.inheritedEnd, p.inheritedEpoch, p.inheritedBegan = offset, epoch, epochBegan{}
		n := len(p.inherited)
		for n > 0 && p.inherited[n-1].First >= offset {
			n--
		}
		if p.inherited = p.inherited[:n]; n > 0 {
			p.inherited[n-1].Last = min(p.inherited[n-1].Last, offset-1)
		}
	}
	if p.position < offset {
		return
	}
	p.position, p.epoch, p.epochs = offset, epoch, p.epochs.cut(offset, epoch)
	if p.tail != nil && p.tail.Offset+1 == offset {
		p.doneAfter = false // that lay behind
	}
}

// Finish takes a record off the list.
func (p *Progress[T]) Finish(r *Item[T]) {
	switch {
	case r.prev == nil && r.next == nil:
		p.head, p.tail, p.runs = nil, nil, 0
		// Nothing unfinished: the position itself is the watermark.
		p.doneAfter = false
	case r.prev == nil:
		p.head = r.next
		if r.next.doneBefore {
			p.runs--
		}
		r.next.prev = nil
	case r.next == nil:
		p.tail = r.prev
		r.prev.next = nil
		if r.doneBefore {
			p.runs--
		}
		p.doneAfter = true
	default:
		r.prev.next, r.next.prev = r.next, r.prev
		switch {
		case r.doneBefore && r.next.doneBefore:
			p.runs-- // it was a run of its own
		case !r.doneBefore && !r.next.doneBefore:
			p.runs++ // it stood in the middle of a run
		}
		r.next.doneBefore = true
	}
	r.prev, r.next = nil, nil
	p.count--
}

// Opened notes that a record in the list may finish from now on at any time, and Closed that it may not
// any more. What is open may finish in any order, and what is known then must fit into the metadata.
func (p *Progress[T]) Opened(r *Item[T]) {
	r.open = true
	p.bound += openCost
}

// Closed is explained with Opened.
func (p *Progress[T]) Closed(r *Item[T]) { r.open = false }

const (
	// openCost bounds what one more open record may add: a done run, and a
	// run that was split off, both of less than 2^21.
	openCost = 6

	// boundLimit leaves room for lengths that grow by a byte between two
	// computations.
	boundLimit = payloadLimit - 64
)

// Fits tells whether one more record may be opened that splits a run. The first one may be in any
// case: what is known becomes less with it.
func (p *Progress[T]) Fits() bool {
	if p.bound+openCost > boundLimit {
		p.bound = p.worst()
	}
	return p.bound+openCost <= boundLimit
}

// worst bounds the size of the metadata that the list can come to need when what
// is open now finishes in any order: of neighbours that are open every other one
// can become a gap of its own.
func (p *Progress[T]) worst() int {
	size := p.Knowledge().size(p.Watermark())
	for first := p.head; first != nil; {
		// first to last is an unfinished run; in a row, so many before last are open.
		gaps, row, last := int64(0), int64(0), first
		for r := first; r != nil && (r == first || !r.doneBefore); r = r.next {
			if last = r; !r.open {
				row = 0
			} else if row++; row%2 == 1 {
				gaps++
			}
		}
		if length := last.Offset - first.Offset + 1; gaps > 0 {
			size += longest(2*gaps+1, length) - uvarintLen(length)
		}
		first = last.next
	}
	return size
}

// Whole is all that is known, for this process itself: what is unfinished, and that everything
// else up to the position is done.
func (p *Progress[T]) Whole() Knowledge {
	k := p.Knowledge()
	if p.tellsInherited() {
		return k
	}
	k.End, k.EndEpoch = p.position, p.epoch
	if p.tail != nil && !p.doneAfter {
		// Knowledge leaves the last run out.
		first := p.tail
		for first != p.head && !first.doneBefore {
			first = first.prev
		}
		k.Unfinished = append(k.Unfinished, Range{first.Offset, p.tail.Offset})
		k.epochs = append(k.epochs, first.Before)
	}
	return k
}

// tellsInherited tells whether what the owner before knew goes into our own commits:
// not where it lies below the position, and not where it could not be verified there.
func (p *Progress[T]) tellsInherited() bool {
	return p.inheritedEnd > p.position && p.inheritedEpoch != UnknownEpoch
}

// Evidence is what a commit tells where nothing beyond its offset may be told.
func (p *Progress[T]) Evidence() Knowledge {
	return Knowledge{End: p.Watermark(), EndEpoch: p.WatermarkEpoch(), read: p.epochs}
}

// Knowledge is what a commit tells beside its offset: the unfinished runs from
// the watermark on, and the end before which everything else is done.
func (p *Progress[T]) Knowledge() Knowledge {
	k := p.Evidence()
	for r := p.head; r != nil; r = r.next {
		if len(k.Unfinished) == 0 || r.doneBefore {
			k.Unfinished = append(k.Unfinished, Range{r.Offset, r.Offset})
			k.epochs = append(k.epochs, r.Before)
		} else {
			k.Unfinished[len(k.Unfinished)-1].Last = r.Offset
		}
	}
	if p.tellsInherited() {
		k.Unfinished = append(k.Unfinished, p.inherited...)
		k.End, k.EndEpoch, k.began = p.inheritedEnd, p.inheritedEpoch, p.inheritedBegan
		return k
	}
	switch n := len(k.Unfinished); {
	case n == 0:
	case p.doneAfter:
		k.End, k.EndEpoch = p.position, p.epoch
	default:
		// Nothing beyond the last run is done: it need not be told.
		k.End, k.EndEpoch = k.Unfinished[n-1].First, k.epochs[n-1]
		k.Unfinished, k.epochs = k.Unfinished[:n-1], k.epochs[:n-1]
	}
	return k
}
