package consumer

import (
	"time"

	"release-forwarder/consumer/wire"
)

// span is a run of offsets, first and last included.
type span struct{ first, last int64 }

// progress knows, of one partition's log, what is finished: all below position
// that is not in the list of unfinished records.
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
//     between position and inheritedEnd and in no span was done by it;
//   - memories are of records behind the last that was read, ordered;
//   - epoch is the leader epoch of what was read last below position: a record, or a
//     marker; each record in the list keeps what it was before the record was read;
//   - inheritedEpoch is the one of what lies below inheritedEnd.
//
// Epochs are unknownEpoch where nobody tells them.
type progress struct {
	position   int64
	epoch      int32
	head, tail *Delivery
	count      int
	runs       int
	doneAfter  bool

	epochs epochs
	// bottom says that nothing lies below position.
	bottom bool

	inherited      []span
	inheritedEnd   int64
	inheritedEpoch int32
	inheritedBegan epochBegan

	memories []memory
}

// newProgress starts at a committed offset, with the epoch of the last record below it
// and what its metadata tells.
func newProgress(committed int64, epoch int32, k knowledge) progress {
	p := progress{position: committed, epoch: epoch, inherited: k.unfinished, inheritedEnd: k.end, inheritedEpoch: k.endEpoch, inheritedBegan: k.endBegan()}
	if epoch != unknownEpoch {
		p.epochs = epochs{{epoch: epoch}}
		if began := k.endBegan(); epoch == k.endEpoch && began.first <= committed {
			p.epochs[0].epochBegan = began
		}
	}
	return p
}

// newLog starts at a log's first record.
func newLog(first int64) progress {
	p := newProgress(first, unknownEpoch, knowledge{end: first, endEpoch: unknownEpoch})
	p.bottom = true
	return p
}

// watermark is the offset to commit: every record below it is finished.
func (p *progress) watermark() int64 {
	if p.head != nil {
		return p.head.Record.Offset
	}
	return p.position
}

// watermarkEpoch is the epoch of the last record below the watermark.
func (p *progress) watermarkEpoch() int32 {
	if p.head != nil {
		return p.head.before
	}
	return p.epoch
}

// upper is the uppermost end of what is believed, and the epoch below it: where the
// leader has that epoch there too, all below is the same log.
func (p *progress) upper() (offset int64, epoch int32) {
	if p.inheritedEnd > p.position {
		return p.inheritedEnd, p.inheritedEpoch
	}
	return p.position, p.epoch
}

// upperEpochs are the epochs below the uppermost end.
func (p *progress) upperEpochs() epochs {
	if p.inheritedEnd > p.position {
		return epochs{{p.inheritedEpoch, p.inheritedBegan}}
	}
	return p.epochs
}

// finishedBefore tells whether the owner before finished the record at offset,
// which must not be below position.
func (p *progress) finishedBefore(offset int64) bool {
	if offset >= p.inheritedEnd {
		return false
	}
	for _, s := range p.inherited {
		if offset < s.first {
			return true
		}
		if offset <= s.last {
			return false
		}
	}
	return true
}

// add puts the next record that was read at the end of the list and moves the
// position past it.
func (p *progress) add(d *Delivery) {
	d.before = p.epoch
	d.doneBefore = p.doneAfter
	p.doneAfter = false
	d.prev, d.next = p.tail, nil
	if p.tail == nil {
		p.head = d
	} else {
		p.tail.next = d
	}
	p.tail = d
	if p.count == 0 || d.doneBefore {
		p.runs++
	}
	p.count++
	p.advance(d.Record.Offset+1, d.Record.Epoch)
}

// pass moves the position past a record that the owner before finished.
func (p *progress) pass(d *Delivery) {
	p.doneAfter = p.count > 0
	p.advance(d.Record.Offset+1, d.Record.Epoch)
}

// advance moves the position, with the epoch of what lies below it; it never goes back.
func (p *progress) advance(position int64, epoch int32) {
	if position <= p.position {
		return
	}
	p.epochs.reads(p.position, epoch, p.bottom)
	p.position, p.epoch, p.bottom = position, epoch, false
	for len(p.inherited) > 0 && p.inherited[0].last < position {
		p.inherited = p.inherited[1:]
	}
	if len(p.inherited) > 0 && p.inherited[0].first < position {
		// Copied on write: the slice is the decoder's, never shared.
		p.inherited[0].first = position
	}
}

// unfinishedFrom counts the records in the list from an offset on.
func (p *progress) unfinishedFrom(offset int64) (n int) {
	for d := p.tail; d != nil && d.Record.Offset >= offset; d = d.prev {
		n++
	}
	return n
}

// cut goes on in a log that is another one from an offset on, where the epoch is the one
// of the last record below it: what is known from there on is forgotten. No record in
// the list may lie there.
func (p *progress) cut(offset int64, epoch int32) {
	if p.inheritedEnd > offset {
		p.inheritedEnd, p.inheritedEpoch, p.inheritedBegan = offset, epoch, epochBegan{}
		n := len(p.inherited)
		for n > 0 && p.inherited[n-1].first >= offset {
			n--
		}
		if p.inherited = p.inherited[:n]; n > 0 {
			p.inherited[n-1].last = min(p.inherited[n-1].last, offset-1)
		}
	}
	kept := 0
	for kept < len(p.memories) && p.memories[kept].offset < offset {
		kept++
	}
	clear(p.memories[kept:]) // their notes
	if p.memories = p.memories[:kept]; kept == 0 {
		p.memories = nil
	}
	if p.position < offset {
		return
	}
	p.position, p.epoch, p.epochs = offset, epoch, p.epochs.cut(offset, epoch)
	if p.tail != nil && p.tail.Record.Offset+1 == offset {
		p.doneAfter = false // that lay behind
	}
}

// finish takes a record off the list.
func (p *progress) finish(d *Delivery) {
	switch {
	case d.prev == nil && d.next == nil:
		p.head, p.tail, p.runs = nil, nil, 0
		// Nothing unfinished: the position itself is the watermark.
		p.doneAfter = false
	case d.prev == nil:
		p.head = d.next
		if d.next.doneBefore {
			p.runs--
		}
		d.next.prev = nil
	case d.next == nil:
		p.tail = d.prev
		d.prev.next = nil
		if d.doneBefore {
			p.runs--
		}
		p.doneAfter = true
	default:
		d.prev.next, d.next.prev = d.next, d.prev
		switch {
		case d.doneBefore && d.next.doneBefore:
			p.runs-- // it was a run of its own
		case !d.doneBefore && !d.next.doneBefore:
			p.runs++ // it stood in the middle of a run
		}
		d.next.doneBefore = true
	}
	d.prev, d.next = nil, nil
	p.count--
}

// worst bounds the size of the metadata that the list can come to need when what
// is open now finishes in any order: of neighbours that are open every other one
// can become a gap of its own.
func (p *progress) worst() int {
	size := p.knowledge().size(p.watermark())
	for first := p.head; first != nil; {
		// first to last is a stretch of neighbours that are all open, or one
		// record that is not.
		n, last := int64(1), first
		for d := first.next; d != nil && !d.doneBefore && d.state == open && first.state == open; d = d.next {
			n, last = n+1, d
		}
		if first.state == open {
			// Lengths that add up to the stretch take most when they are equal.
			gaps := (n + 1) / 2
			each := (last.Record.Offset - first.Record.Offset + 1) / gaps
			size += int(gaps) * (uvarintLen(each) + 1)
		}
		first = last.next
	}
	return size
}

// cachedProgress is what the process knows of a partition that it gave up: of its commits, and,
// where that is known, more than its last commit tells, where that was not taken.
type cachedProgress struct {
	facts commitFacts

	known     bool
	knowledge knowledge
	logID     wire.ID
	cluster   string // the cluster's ID
	position  int64
	end       int64 // up to which the log was known to reach
	// parted is where the log had parted from another one, which was told; zero: nowhere.
	parted     parting
	toldParted bool
	// Of the unfinished records that were read; none where a generation has passed
	// without the partition.
	memories []memory
}

// memory is what is kept of an unfinished record from one generation to the next.
type memory struct {
	offset int64
	epoch  int32 // a record of another one at its place is another record
	read   time.Time
	note   any
}

// remember tells what is to be kept of the records in the list, and of those that were to
// be read again. What an open delivery notes is its handler's.
func (p *progress) remember() []memory {
	kept := make([]memory, 0, p.count+len(p.memories))
	for d := p.head; d != nil; d = d.next {
		m := memory{offset: d.Record.Offset, epoch: d.Record.Epoch, read: d.Read}
		if d.state != open {
			m.note = d.Note
		}
		kept = append(kept, m)
	}
	return append(kept, p.memories...)
}

// recall gives a record that is read again what was kept of it.
func (p *progress) recall(d *Delivery) {
	for len(p.memories) > 0 && p.memories[0].offset <= d.Record.Offset {
		if m := p.memories[0]; m.offset == d.Record.Offset && m.epoch == d.Record.Epoch {
			d.Note = m.note
			d.readAt(m.read)
		}
		p.memories[0] = memory{}
		if p.memories = p.memories[1:]; len(p.memories) == 0 {
			p.memories = nil
		}
	}
}

// mark is a commit as Kafka keeps it.
type mark struct {
	offset   int64
	epoch    int32 // of the last record below
	metadata string
}

// toCache tells all that is known: what is unfinished, and that everything
// else up to the position is done.
func (p *progress) toCache() knowledge {
	k := p.knowledge()
	if p.tellsInherited() {
		return k
	}
	k.end, k.endEpoch = p.position, p.epoch
	if p.tail != nil && !p.doneAfter {
		// knowledge leaves the last run out.
		first := p.tail
		for first != p.head && !first.doneBefore {
			first = first.prev
		}
		k.unfinished = append(k.unfinished, span{first.Record.Offset, p.tail.Record.Offset})
		k.epochs = append(k.epochs, first.before)
	}
	return k
}

// tellsInherited tells whether what the owner before knew goes into our own commits:
// not where it lies below the position, and not where it could not be verified there.
func (p *progress) tellsInherited() bool {
	return p.inheritedEnd > p.position && p.inheritedEpoch != unknownEpoch
}

// knowledge is what a commit tells beside its offset: the unfinished runs from
// the watermark on, and the end before which everything else is done.
func (p *progress) knowledge() knowledge {
	k := knowledge{end: p.watermark(), endEpoch: p.watermarkEpoch(), read: p.epochs}
	for d := p.head; d != nil; d = d.next {
		if len(k.unfinished) == 0 || d.doneBefore {
			k.unfinished = append(k.unfinished, span{d.Record.Offset, d.Record.Offset})
			k.epochs = append(k.epochs, d.before)
		} else {
			k.unfinished[len(k.unfinished)-1].last = d.Record.Offset
		}
	}
	if p.tellsInherited() {
		k.unfinished = append(k.unfinished, p.inherited...)
		k.end, k.endEpoch, k.began = p.inheritedEnd, p.inheritedEpoch, p.inheritedBegan
		return k
	}
	switch n := len(k.unfinished); {
	case n == 0:
	case p.doneAfter:
		k.end, k.endEpoch = p.position, p.epoch
	default:
		// Nothing beyond the last run is done: it need not be told.
		k.end, k.endEpoch = k.unfinished[n-1].first, k.epochs[n-1]
		k.unfinished, k.epochs = k.unfinished[:n-1], k.epochs[:n-1]
	}
	return k
}
