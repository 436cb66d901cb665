package consumer

import "release-forwarder/consumer/queue"

// What is read ahead is what the workers need, of all partitions together: more would be
// marked by each garbage collection, less fetched more often. The partitions whose records
// an answer brings share what is left of it evenly. So one with a backlog among idle ones
// keeps all workers busy, and a hundred with backlogs take no more memory than a few. A
// part that each has in any case makes it twice as much at the most, but where batches are
// so large that less of them would mean unpacking them over and over.
//
// A partition that has its part is not read on until all have less than half together:
// then one request fills them all. Only one with hardly anything ready does not wait for
// that: it must have its turn, whatever the others have. And a partition whose records may
// be undeliverable for long is not counted: one of which a record waits for another try,
// which the others must get past and so no part binds, and one at the bound of gaps.
const (
	// aheadPerWorker is how many records are ready for each worker, and leastPerWorker
	// where a partition may not have as many pending as that makes.
	aheadPerWorker = 16
	leastPerWorker = 2

	// leastAhead is what a partition may have ready whatever the others have.
	leastAhead = 8

	// batchParts: or that part of a batch, as what does not fit is fetched and unpacked
	// again, up to mostOfBatch records for each worker.
	batchParts  = 4
	mostOfBatch = 2
)

// mostAhead is how many fresh records of all partitions are read ahead. The engine's mutex is
// held here and below.
func (g *member) mostAhead() int {
	c := &g.engine.cfg
	return max(leastPerWorker*c.Workers, min(c.MaxPending, aheadPerWorker*c.Workers))
}

// inAnyCase is how many of them the partition may have.
func (p *partition) inAnyCase() int {
	ofBatch := min(p.batchRecords/batchParts, mostOfBatch*p.engine.cfg.Workers)
	return max(leastAhead, p.member.mostAhead()/max(1, len(p.member.parts)), ofBatch)
}

// low tells whether so few are ready that it is time to read.
func (g *member) low() bool { return g.ready <= g.mostAhead()/2 }

// allot gives a partition its part of what is left, as one of so many that have records to
// take in.
func (g *member) allot(p *partition, among int) {
	left := max(0, g.mostAhead()-g.ready)
	p.allotted = max(p.inAnyCase(), p.Count(queue.Fresh)+left/max(1, among))
}

// recount brings what is ready up to date after a change in a partition, and has all read on
// that wait for it to become low.
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
