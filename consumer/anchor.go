package consumer

import (
	"crypto/sha256"
	"encoding/binary"

	"release-forwarder/consumer/fetch"
)

// sumLen bytes of SHA-256 stand for a record.
const sumLen = 8

// anchor is a record by which a log is known again: the last one below the
// place where reading stands, or the one at it where none is below. kafka-go
// knows neither topic IDs nor leader epochs, so a topic that was deleted, made
// anew and written to beyond the committed offset looks like the one before, and
// so does a log that was truncated and written to again. Their records at the
// anchor's offset differ.
type anchor struct {
	known  bool
	offset int64
	sum    [sumLen]byte // of timestamp, key and value
}

// anchorAt takes a record as an anchor.
func anchorAt(r *fetch.Record) anchor {
	h := sha256.New()
	var head [3 * 8]byte
	be := binary.BigEndian
	be.PutUint64(head[:], uint64(r.Timestamp))
	be.PutUint64(head[8:], length(r.Key))
	be.PutUint64(head[16:], length(r.Value))
	h.Write(head[:])
	h.Write(r.Key)
	h.Write(r.Value)
	var sum [sha256.Size]byte
	return anchor{known: true, offset: r.Offset, sum: [sumLen]byte(h.Sum(sum[:0]))}
}

// length tells null from empty.
func length(b []byte) uint64 {
	if b == nil {
		return 1 << 63
	}
	return uint64(len(b))
}

// sight is what a look at the anchor's place shows.
type sight uint8

const (
	sightNothing sight = iota // the answer does not reach it
	sightSame                 // the log is the one that was read
	sightGone                 // it is not there (compaction), or cannot be read: nothing speaks against the log
	sightOther                // another record: another log
)

// look reads the anchor's place in an answer that begins there.
func (a anchor) look(rd *fetch.Reader) sight {
	defer rd.Close()
	rec, err := rd.Next()
	switch {
	case err == nil && rec.Offset != a.offset:
		return sightGone
	case err == nil && anchorAt(&rec) == a:
		return sightSame
	case err == nil:
		return sightOther
	case onlyEnd(err) == nil && rd.Position() <= a.offset:
		return sightNothing
	}
	return sightGone
}

// ask is the offset to fetch from, and the epoch below it: the position's, or the anchor's where
// that must be looked at first.
func (p *partition) ask() (offset int64, epoch int32) {
	if p.unsure {
		return p.anchor.offset, unknownEpoch
	}
	return p.position, p.epoch
}

// known tells whether the answer is of the log that the former version's commit was of; if it
// is not, or cannot be told from this answer, the partition is released.
func (g *generation) known(p *partition, from int64, a *fetch.Answer) bool {
	e := g.engine
	e.mu.Lock()
	unsure, anchor := p.unsure, p.anchor
	e.mu.Unlock()
	if !unsure {
		return true
	}
	seen := anchor.look(a.Records(from, e.limits()))
	e.mu.Lock()
	switch {
	case p.phase != reading:
	case seen == sightOther:
		g.part(p, parting{at: a.LogStartOffset, epoch: unknownEpoch, id: p.verified.id, another: true, anchored: true})
	case seen == sightNothing && a.HighWatermark <= anchor.offset: // the log ends before it
		p.outside = true
		p.doubt()
	case seen == sightGone:
		g.proves(p, false)
	case seen == sightSame:
		g.proves(p, p.inheritedEnd <= a.HighWatermark)
	}
	known := !p.unsure && p.phase == reading
	e.mu.Unlock()
	if !known {
		g.release(p, nil)
	}
	return known
}

// proves decides on the runs of a former version's commit: they count only where its anchor is
// found. The engine's mutex is held.
func (g *generation) proves(p *partition, found bool) {
	if p.inheritedEnd > p.position && !found {
		g.ignored(p, p.facts.last)
		p.inherited, p.inheritedEnd, p.inheritedEpoch = nil, 0, unknownEpoch
	}
	p.unsure, p.trusted = false, true
}
