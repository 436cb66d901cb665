package consumer

import "release-forwarder/consumer/queue"

// Records are read ahead for the workers: about 16 for each, over all partitions together. More
// would cost each garbage collection time; fewer would mean more fetches. The partitions with
// records in an answer share evenly what is left of that total. So one backlog among idle
// partitions keeps all workers busy, and a hundred backlogs take no more memory than a few.
// Each partition may hold a minimum, so the total can double. With large batches it can be
// more: fewer records would mean unpacking the same batch again and again.
//
// A partition that has its part is read again when all partitions together have at most half
// of the total ready: one request then fills all of them. A partition with hardly anything
// ready does not wait for that.
//
// Partitions whose ready records may stay undeliverable for long do not count: one with a
// blocked record, which is read up to its bounds instead, and one at the bound of gaps.
const (
	// aheadPerWorker is the records read ahead for each worker. If Config.MaxPending is less than
	// that total, it is the total instead, but not below leastPerWorker for each worker.
	aheadPerWorker = 16
	leastPerWorker = 2

	// leastAhead is how many a partition may always have ready.
	leastAhead = 8

	// A partition may also have a quarter (1/batchParts) of its batch ready, since the rest is
	// fetched and unpacked again; at most mostOfBatch records for each worker.
	batchParts  = 4
	mostOfBatch = 2
)

// mostAhead is how many fresh records are read ahead, of all partitions together. The engine's
// mutex is held here and below.
func (g *member) mostAhead() int {
	c := &g.engine.cfg
	return max(leastPerWorker*c.Workers, min(c.MaxPending, aheadPerWorker*c.Workers))
}

// inAnyCase is how many fresh records the partition may have, whatever the others have.
func (p *partition) inAnyCase() int {
	ofBatch := min(p.batchRecords/batchParts, mostOfBatch*p.engine.cfg.Workers)
	return max(leastAhead, p.member.mostAhead()/max(1, len(p.member.parts)), ofBatch)
}

// low reports whether at most half of mostAhead is ready: time to read.
func (g *member) low() bool { return g.ready <= g.mostAhead()/2 }

// allot gives a partition its part of what is left of mostAhead; among is how many partitions
// share it.
func (g *member) allot(p *partition, among int) {
	left := max(0, g.mostAhead()-g.ready)
	p.allotted = max(p.inAnyCase(), p.Count(queue.Fresh)+left/max(1, among))
}

// recount updates the count of ready records after a change in a partition. If the count becomes
// low, paused partitions are read again.
func (g *member) recount(p *partition) {
	has := p.Count(queue.Fresh)
	if p.Blocked().Records > 0 || p.gapBound || p.drain != nil {
		has = 0
	}
	waits := !g.low()
	g.ready += has - p.counted
	p.counted = has
	if waits && g.low() {
		for _, other := range g.parts {
			g.allot(other, len(g.parts))
			other.readOn()
		}
	}
}
