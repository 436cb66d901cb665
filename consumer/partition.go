package consumer

import (
	"context"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/queue"
	"release-forwarder/consumer/wire"
)

// phase is where a partition stands between assignment and revocation.
//
//	starting  -> checking   its committed offset is known; if there is none, its first offset is committed first
//	checking  -> reading    the leader has verified the log (see evidence.go)
//	reading   -> checking   the leader, its epoch or the topic's ID changed, or a request failed
//	checking  -> parted     the log differs from an offset on
//	parted    -> checking   all that was read above is finished, and the offset is committed; never for a topic that the group has not assigned
//	checking  -> parked     the same, or records were dropped, and Config.OffsetReset is none: a person decides
//	any       -> revoked
type phase uint8

const (
	starting phase = iota
	checking
	reading
	parted
	parked
	revoked
)

// String is the phase as the status page shows it.
func (p phase) String() string {
	return [...]string{"starting", "reading", "reading", "lost", "parked", "revoked"}[p]
}

// Bound is a limit that pauses a partition's reading.
type Bound string

// The bounds of a partition's unfinished records.
const (
	BoundNone    Bound = ""
	BoundRecords Bound = "records"
	BoundBytes   Bound = "bytes"
	BoundGaps    Bound = "gaps"

	// boundAhead: enough records are ready. The status does not show it.
	boundAhead Bound = "ahead"
)

type topicPartition = membership.Partition

// partition is one assigned partition: its progress, its key queues and what may be delivered
// now. Guarded by the engine's mutex. It serves one ownership: a partition that is given up
// and owned again is a new partition.
type partition struct {
	engine *Engine
	member *member
	topicPartition
	phase phase
	began time.Time
	// ctx is the context of its deliveries; it ends when they are cut.
	ctx    context.Context
	cancel context.CancelFunc
	// drain is not nil while the partition drains, and afterwards.
	drain *drain

	progress.Progress[*Delivery]
	delivering
	fetching
	failing
	ends
	identity
	committing
}

// delivering is what may be delivered, what is open, and the bounds.
type delivering struct {
	queue.Queues[*Delivery]
	inRing    bool
	takes     standstill // see alive.go
	open      int        // open deliveries, and settling records
	settling  queue.Tally
	mostShare int64 // see largestShare
	gapBound  bool  // at the bound of gaps: no delivery may begin that splits a run
	memories  memories
}

// fetching is what is known for the next request.
type fetching struct {
	inRequest    bool
	allotted     int       // fresh records that it may have ready; see allot
	counted      int       // its part of work.ready
	size         int       // average bytes of a record in the log, of the last batch read; 0: unknown
	batch        int64     // expected bytes of its next batch
	batchRecords int       // records in the first batch of the last answer
	notBefore    time.Time // no fetch before, after an error or a throttle
	paused       Bound
	wants        int // cost of the next record if it did not fit; else 0
	near         near
}

// failing is why the partition is not read.
type failing struct {
	failures     int       // failed requests in a row
	failingSince time.Time // since when its requests, or its start, have failed
	cause        string    // Kafka's name of the error
	told         string    // the cause that was last logged
	toldAt       time.Time
	reread       string    // why a large record's bytes cannot be loaded
	rereads      time.Time // since when
	unreadable   bool      // the log cannot be decoded at the position
}

// ends are the ends of the log, as reported.
type ends struct {
	look     retry  // spaces the requests that verify it; only the resolver uses it
	logEnd   int64  // the last high watermark; -1: unknown
	reaches  int64  // the largest end that Engine.Reaches or the cached progress reported
	unread   unread // what the log holds beyond the position
	readable int64  // the last stable offset of the last answer with records; 0 if the answer had none; MaxInt64 before the first
}

// identity is what identifies the log; see evidence.go.
type identity struct {
	assigned   wire.ID   // the topic ID by which the group assigned it; zero: by name
	logID      wire.ID   // the topic ID of the log that is read; zero: unknown
	verified   evidence  // by what it was last verified
	trusted    bool      // it was verified since its assignment
	doubted    time.Time // metadata that was asked for before does not count
	asking     bool      // a request to its leader is under way
	outside    bool      // OFFSET_OUT_OF_RANGE: the position is not in the log
	outOfRange time.Time // since when the position lies above the log's end, and no epoch tells why
	parted     parting
	toldParted bool // the parting was counted and logged, and the progress is not cut yet
}

// foreign reports whether a topic of the partition's name is not the one that the group
// assigned. A recreated topic may have another owner: it is not touched before the group
// assigns it.
func (i *identity) foreign(id wire.ID) bool {
	return i.assigned != (wire.ID{}) && id != (wire.ID{}) && id != i.assigned
}

// committing is what is known of its commits.
type committing struct {
	facts   commitFacts
	refused time.Time // since when each was refused, though others may be accepted; zero: the last was accepted
	refusal string    // the cause
}

// commits reports whether commitLoop may commit the partition. Not before it was verified: an
// unverified commit would get new evidence. Not once it is cut: resettle commits it.
func (p *partition) commits() bool {
	cut := p.phase == parted && p.parted.cut
	gone := (p.phase == parted || p.phase == parked) && p.parted.another
	return p.trusted && !cut && !gone && p.phase != revoked
}

// join adds a record that was read, in offset order. It reports whether its key queue
// became ready.
func (p *partition) join(d *Delivery, orderKey string) (readied bool) {
	p.Add(&d.progress)
	return p.Join(&d.queued, orderKey)
}

// leave removes a finished record; the next one of its key queue becomes ready.
func (p *partition) leave(d *Delivery) {
	p.Finish(&d.progress)
	p.Leave(&d.queued)
}

// overHalf reports whether t is more than half of one of the partition's bounds.
func (p *partition) overHalf(t queue.Tally) bool {
	return t.Records > p.engine.cfg.MaxPending/2 ||
		int64(t.Bytes) > p.largestShare()/2 ||
		min(t.Records, p.Runs()) > progress.MaxRuns/2
}

// largestShare is the largest share of bytes that the partition has had. Added partitions reduce
// the share: that pauses reading, but evicts nothing.
func (p *partition) largestShare() int64 {
	p.mostShare = max(p.mostShare, p.engine.share())
	return p.mostShare
}

// longest returns the longest waiting record of a quota if its records take more than half of
// a bound; else nil.
func (p *partition) longest(quota string) *Delivery {
	if quota == "" || !p.overHalf(p.Quota(quota)) {
		return nil
	}
	return p.Longest(quota)
}

// fits reports whether one more delivery that splits a run may begin. Open deliveries finish in
// any order, and the runs must fit into the metadata whatever the order.
func (p *partition) fits() bool {
	p.gapBound = !p.engine.noMetadata && !p.Fits()
	return !p.gapBound
}

// overfull is the opposite of fits and does not change gapBound; for the watchdog.
func (p *partition) overfull() bool { return p.gapBound && !p.engine.noMetadata && !p.Fits() }

// choose takes the next record to deliver out of its queue; nil: none.
func (p *partition) choose(probe bool) *Delivery {
	if p.fits() {
		return p.Next(probe)
	}
	// Only the first unfinished record may start: it makes the metadata shorter.
	if d := p.First(); d != nil && p.Take(&d.queued) {
		return d
	}
	p.engine.unload(p)
	return nil
}

// room returns how many records and bytes may be read now, and the bound that forbids it,
// if any. A partition without unfinished records always has room for one.
func (p *partition) room() (records, bytes int, bound Bound) {
	ahead := p.ahead()
	p.largestShare()
	if p.Len() == 0 {
		return min(max(1, ahead), p.engine.cfg.MaxPending), int(p.engine.share()), BoundNone
	}
	records = p.engine.cfg.MaxPending - p.Len()
	bytes = int(p.engine.share()) - p.Bytes() - p.settling.Bytes
	switch {
	case records <= 0:
		bound = BoundRecords
	case ahead <= 0:
		bound = boundAhead
	case bytes <= 0:
		bound = BoundBytes
	case p.gapBound && !p.fits():
		bound = BoundGaps
	}
	return min(records, ahead), bytes, bound
}

// ahead returns how many more records are worth reading. While nothing is blocked, the workers
// need only what is allotted; the rest costs no memory in the log. While something is
// blocked, other records must get past it, up to the bounds.
func (p *partition) ahead() int {
	if p.Blocked().Records > 0 {
		return p.engine.cfg.MaxPending
	}
	return p.allotted - p.Count(queue.Fresh)
}

// obstacle returns the bound that keeps a paused partition from being read. Reading resumes
// when more than a quarter of what blocked records leave of a bound is free, and there is room for
// the record that did not fit. While nothing is blocked, it also needs that hardly anything of
// the partition is ready, or that all partitions are low, so that one request may fill many.
func (p *partition) obstacle() Bound {
	_, bytes, bound := p.room()
	if bound != BoundNone || p.Len() == 0 {
		return bound
	}
	most, free := p.engine.cfg.MaxPending, p.engine.share()-int64(p.Blocked().Bytes)
	switch {
	case p.Blocked().Records == 0 && p.Count(queue.Fresh) > p.inAnyCase()/4 && !p.member.low():
		return boundAhead
	case most-p.Len() <= (most-p.Blocked().Records)/4:
		return BoundRecords
	case int64(bytes) <= free/4 || bytes < p.wants:
		return BoundBytes
	}
	return BoundNone
}

// readOn resumes reading of a paused partition if no bound forbids it.
func (p *partition) readOn() {
	if p.paused == BoundNone {
		return
	}
	if p.paused = p.obstacle(); p.paused == BoundNone {
		p.member.nudge()
	}
}

// payload is the bytes of a record's key, value and headers.
func payload(r *fetch.Record) int { return len(r.Key) + len(r.Value) + r.Headers.Size() }
