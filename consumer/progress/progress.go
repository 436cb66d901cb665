package progress

import (
	"iter"
	"slices"
)

// Item is one unfinished record. Its owner sets the exported fields before Add and does not change them until
// it is finished. Then it may be added again.
type Item[T any] struct {
	Of     T // the record
	Offset int64
	Epoch  int32 // leader epoch of the record
	// Before is the leader epoch of what was read last before the record. Add sets it.
	Before int32

	prev, next *Item[T]
	doneBefore bool
	open       bool // it may finish at any time
}

// Progress knows which records of one partition's log are finished: all below position that are not in the
// list of unfinished records. Make one with [New] or [NewLog].
//
// Only unfinished records are stored. A finished record leaves the list, so thousands of finished records
// behind one held record cost no memory. Offsets without a record (transaction markers, compacted records)
// need no care: they are below position and not in the list.
//
// Invariants:
//   - the list is ordered by offset, and every offset in it is below position;
//   - doneBefore of a record: something between its predecessor in the list and itself is finished
//     (of the head it says nothing);
//   - doneAfter: the same of what lies between the tail and position;
//   - runs counts the records with doneBefore except the head, plus one if the list is not empty: the
//     unfinished runs that a commit has to write;
//   - inherited holds what the previous owner left unfinished at or above position, ordered.
//     inheritedEnd is where its knowledge ended: what lies between position and inheritedEnd and in
//     no run was finished by that owner;
//   - epoch is the leader epoch of what was read last below position: a record or a marker. Each record
//     in the list keeps the epoch from before it was read;
//   - inheritedEpoch is the epoch of what lies below inheritedEnd;
//   - bound is at least what the metadata can come to take when open records finish.
//
// Epochs that are not known are UnknownEpoch.
type Progress[T any] struct {
	position   int64
	epoch      int32
	head, tail *Item[T]
	count      int
	runs       int
	doneAfter  bool

	epochs Epochs
	// bottom: nothing lies below position.
	bottom bool

	inherited      []Range
	inheritedEnd   int64
	inheritedEpoch int32
	inheritedBegan epochBegan

	bound int // bytes of the metadata's payload
}

// New starts at a committed offset, with the epoch of the last record below it and what its metadata says. The
// progress owns k from then on.
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

// Position returns the next offset to read, and Epoch the leader epoch below it.
func (p *Progress[T]) Position() int64 { return p.position }

// Epoch: see Position.
func (p *Progress[T]) Epoch() int32 { return p.epoch }

// Len counts the unfinished records, and Runs the runs of neighbours among them.
func (p *Progress[T]) Len() int { return p.count }

// Runs: see Len.
func (p *Progress[T]) Runs() int { return p.runs }

// First returns the unfinished record with the least offset; T's zero if there is none.
func (p *Progress[T]) First() (first T) {
	if p.head != nil {
		first = p.head.Of
	}
	return first
}

// All returns the unfinished records by offset. None may be finished meanwhile.
func (p *Progress[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for r := p.head; r != nil && yield(r.Of); r = r.next {
		}
	}
}

// Watermark returns the offset to commit: every record below it is finished.
func (p *Progress[T]) Watermark() int64 {
	if p.head != nil {
		return p.head.Offset
	}
	return p.position
}

// WatermarkEpoch returns the epoch of the last record below the watermark.
func (p *Progress[T]) WatermarkEpoch() int32 {
	if p.head != nil {
		return p.head.Before
	}
	return p.epoch
}

// Upper returns the highest offset up to which something is believed, and the epoch below it. If the leader
// has that epoch there, all below is the same log.
func (p *Progress[T]) Upper() (offset int64, epoch int32) {
	if p.inheritedEnd > p.position {
		return p.inheritedEnd, p.inheritedEpoch
	}
	return p.position, p.epoch
}

// UpperEpochs returns the epochs below Upper's offset; they belong to the caller.
func (p *Progress[T]) UpperEpochs() Epochs {
	if p.inheritedEnd > p.position {
		return Epochs{{p.inheritedEpoch, p.inheritedBegan}}
	}
	return slices.Clone(p.epochs)
}

// Distrust forgets the epoch below the position if a higher end is believed for its own epoch: then all below
// that end is the same log, and a leader that does not know the epoch here is right.
func (p *Progress[T]) Distrust() {
	if p.tellsInherited() {
		p.epoch = UnknownEpoch
	}
}

// ForgetUnverified forgets what the previous owner finished beyond the position if no epoch verifies it, and
// reports whether there was anything.
func (p *Progress[T]) ForgetUnverified() bool {
	if p.inheritedEnd <= p.position || p.inheritedEpoch != UnknownEpoch {
		return false
	}
	p.inherited, p.inheritedEnd = nil, 0
	return true
}

// FinishedBefore reports whether the previous owner finished the record at offset, which must not be below
// position.
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

// Add appends the next record that was read to the list, and moves the position past it.
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

// Pass moves the position past a record that the previous owner finished.
func (p *Progress[T]) Pass(offset int64, epoch int32) {
	p.doneAfter = p.count > 0
	p.Advance(offset+1, epoch)
}

// Advance moves the position forward, with the epoch of what lies below it. It never goes back.
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
		// Safe to change: the slice is the decoder's, never shared.
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

// Cut continues in a log that is another one from offset on; epoch is that of the last record below. What is
// known from there on is forgotten. No record in the list may lie there.
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
		p.doneAfter = false // what was finished lay there
	}
}

// Finish removes a record from the list.
func (p *Progress[T]) Finish(r *Item[T]) {
	switch {
	case r.prev == nil && r.next == nil:
		p.head, p.tail, p.runs = nil, nil, 0
		// Nothing is unfinished: the position itself is the watermark.
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

// Opened notes that a record in the list may finish at any time from now on, and Closed that it may not any
// more. Open records may finish in any order, and what is known then must fit into the metadata.
func (p *Progress[T]) Opened(r *Item[T]) {
	r.open = true
	p.bound += openCost
}

// Closed: see Opened.
func (p *Progress[T]) Closed(r *Item[T]) { r.open = false }

const (
	// openCost bounds what one more open record may add: a finished run, and a run that was split off, each
	// shorter than 2^21.
	openCost = 6

	// boundLimit leaves room for lengths that grow by a byte between two computations.
	boundLimit = payloadLimit - 64
)

// Fits reports whether one more record that splits a run may be opened. The first record always may: it
// shortens the metadata.
func (p *Progress[T]) Fits() bool {
	if p.bound+openCost > boundLimit {
		p.bound = p.worst()
	}
	return p.bound+openCost <= boundLimit
}

// worst bounds the size of the metadata that the list can come to need when the open records finish in any
// order: of open neighbours every other one can become a gap.
func (p *Progress[T]) worst() int {
	size := p.Knowledge().size(p.Watermark())
	for first := p.head; first != nil; {
		// first to last is an unfinished run; row counts the open records in a row before last.
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

// Whole returns all that is known, for this process itself: the unfinished runs, and that all else up to the
// position is finished.
func (p *Progress[T]) Whole() Knowledge {
	k := p.Knowledge()
	if p.tellsInherited() {
		return k
	}
	k.End, k.EndEpoch = p.position, p.epoch
	if p.tail != nil && !p.doneAfter {
		// Knowledge leaves out the last run.
		first := p.tail
		for first != p.head && !first.doneBefore {
			first = first.prev
		}
		k.Unfinished = append(k.Unfinished, Range{first.Offset, p.tail.Offset})
		k.epochs = append(k.epochs, first.Before)
	}
	return k
}

// tellsInherited reports whether our commits carry what the previous owner knew: not below the position, and
// not if it could not be verified.
func (p *Progress[T]) tellsInherited() bool {
	return p.inheritedEnd > p.position && p.inheritedEpoch != UnknownEpoch
}

// Evidence is what a commit carries if nothing beyond its offset may be written.
func (p *Progress[T]) Evidence() Knowledge {
	return Knowledge{End: p.Watermark(), EndEpoch: p.WatermarkEpoch(), read: p.epochs}
}

// Knowledge is what a commit carries beside its offset: the unfinished runs from the watermark on, and the end
// before which all else is finished.
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
		// Nothing beyond the last run is finished: it need not be written.
		k.End, k.EndEpoch = k.Unfinished[n-1].First, k.epochs[n-1]
		k.Unfinished, k.epochs = k.Unfinished[:n-1], k.epochs[:n-1]
	}
	return k
}
