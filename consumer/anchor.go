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

// ask is the offset to fetch from: the position, or the anchor where it must be
// looked at first.
func (p *partition) ask() int64 {
	if p.unsure {
		return p.last.offset
	}
	return p.position
}

// sees takes the last record of a batch as the anchor. The engine's mutex is held.
func (p *partition) sees(batch []*Delivery) {
	if n := len(batch); n > 0 && !batch[n-1].oversized { // whose bytes are given up
		p.last = anchorAt(&batch[n-1].Record.Record)
	}
}

// doubt makes the next fetch look at the anchor.
func (p *partition) doubt() { p.unsure = p.last.known }

// known tells whether the answer is of the log that was read before; if it is
// not, or cannot be told from this answer, the partition is released.
func (g *generation) known(p *partition, from int64, a *fetch.Answer) bool {
	e := g.engine
	e.mu.Lock()
	unsure, last := p.unsure, p.last
	e.mu.Unlock()
	if !unsure {
		return true
	}
	seen := last.look(a.Records(from, e.limits()))
	e.mu.Lock()
	switch {
	case seen == sightOther && p.phase == reading:
		p.phase, p.replaced = lost, true
	case seen == sightNothing && a.HighWatermark <= last.offset && p.phase == reading:
		p.phase = lost // the log ends before it
	case seen != sightNothing:
		p.unsure = false
		g.proven(p, seen == sightSame)
	}
	known, isLost := !p.unsure, p.phase == lost
	e.mu.Unlock()
	if isLost {
		poke(g.looks)
	}
	if !known {
		g.release(p, nil)
	}
	return known
}

// proven decides on the runs of a commit that has an anchor: they count only where it is
// found. The engine's mutex is held.
func (g *generation) proven(p *partition, found bool) {
	if p.unproven && !found {
		g.ignored(p, p.committed)
		p.inherited, p.inheritedEnd = nil, 0
	}
	p.unproven = false
}

func (g *generation) doubt(p *partition) {
	g.engine.mu.Lock()
	p.doubt()
	g.engine.mu.Unlock()
}

// replaced goes on in a log that is not the one that was read before, when all
// that was read is finished. What the old one held beyond the position is known
// only as far as this process has heard of its end. The engine's mutex is held.
func (g *generation) replaced(p *partition, first int64) (again bool) {
	if p.count > 0 {
		return true
	}
	e := g.engine
	from, to := p.position, max(p.position, p.logEnd)
	// At least one: nobody can say that there was none, and it must alert.
	e.cfg.Hooks.Dropped(p.topic, p.partition, max(1, to-from))
	report := []any{"topic", p.topic, "partition", p.partition, "from", from, "to", to, "count", to - from, "anchor", p.last.offset}
	if e.cfg.OffsetReset == ResetNone {
		p.phase = parked
		e.log.Error("the log is another one than was read before (the topic was deleted and made anew, or truncated and written to again); "+
			"the partition waits for a person, as KAFKA_OFFSET_RESET=none says: set the group's offset and start the replicas again", report...)
		return false
	}
	e.log.Error("the log is another one than was read before (the topic was deleted and made anew, or truncated and written to again); "+
		"what it held from the first of these offsets on was dropped before it could be read; reading goes on at the first record there is",
		append(report, "next", first)...)
	g.restart(p, first)
	return false
}
