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
//	starting  -> checking   its committed offset is known
//	checking  -> reading    the log is the one that is believed in (see evidence.go)
//	reading   -> checking   its leader, the leader's epoch or the topic's ID changed, or a request failed
//	checking  -> parted     the log is another one from an offset on
//	parted    -> checking   what was read above is finished, and the offset is committed; never to a topic that the group has not assigned
//	checking  -> parked     Config.OffsetReset is none: a person decides
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

// String is the phase's word for people.
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

	// boundAhead is none that anybody need know: enough is ready.
	boundAhead Bound = "ahead"
)

type topicPartition = membership.Partition

// partition is one assigned partition: its progress, its key queues and what
// may be delivered now. Guarded by the engine's mutex. All of it is of one
// ownership: where it is given up and owned again that is another one.
type partition struct {
	engine *Engine
	member *member
	topicPartition
	phase phase
	began time.Time
	// ctx is the deliveries': it ends when they must be cut.
	ctx    context.Context
	cancel context.CancelFunc
	// drain is set once the partition is being given up.
	drain *drain

	progress.Progress[*Delivery]
	delivering
	fetching
	failing
	ends
	identity
	committing
}

// delivering is what may be delivered, what is, and what bounds it.
type delivering struct {
	queue.Queues[*Delivery]
	inRing    bool
	takes     standstill // see alive.go
	open      int        // deliveries in hand
	mostShare int64      // see largestShare
	gapBound  bool       // no delivery may begin that splits a run
	memories  memories
}

// fetching is what is known for the next request.
type fetching struct {
	inRequest    bool
	allotted     int       // fresh records that may be ready, as last shared out
	counted      int       // of generation.ready
	size         int       // bytes of a record in the log, as last seen; 0 before
	batch        int64     // bytes that its next batch is thought to have
	batchRecords int       // records that the last answer's first batch had
	notBefore    time.Time // after an error: do not ask before
	paused       Bound
	wants        int // bytes of the next record, where they did not fit; else 0
	near         near
}

// failing is what keeps it from being read.
type failing struct {
	failures     int       // requests that failed in a row
	failingSince time.Time // since when they have, or since when its start has failed
	cause        string    // of it, in Kafka's words
	told         string    // the cause that was last logged
	toldAt       time.Time
	reread       string // why a large record's bytes cannot be read again, and since when
	rereads      time.Time
	unreadable   bool // the log cannot be decoded where reading stands
}

// ends are where the log was heard to end.
type ends struct {
	look     retry  // for its bounds; the resolver's
	logEnd   int64  // high watermark as last heard, -1 before
	reaches  int64  // up to where the log was seen to reach beside reading
	unread   unread // what the log holds beyond the position
	readable int64  // the last stable offset as heard with records; 0 where there were none, and the greatest before
}

// identity is by what the log is known; see evidence.go.
type identity struct {
	assigned   wire.ID   // the topic's by which the group assigned it; zero: by its name
	logID      wire.ID   // that of the log that is read; zero: not known
	verified   evidence  // by what it was last verified
	trusted    bool      // it has been, since it was assigned
	doubted    time.Time // what was told before does not count
	asking     bool      // its leader is being asked
	outside    bool      // Kafka says the position is not in the log
	outOfRange time.Time // since when it has been above the log's end, and no epoch tells why
	parted     parting
	toldParted bool // it was counted and said, and what was read above is not finished
}

// foreign tells whether a topic of the partition's name is not the one that the group assigned: a topic that was
// made anew may have another owner, and is not touched before the group assigns it.
func (i *identity) foreign(id wire.ID) bool {
	return i.assigned != (wire.ID{}) && id != (wire.ID{}) && id != i.assigned
}

// committing is what is known of its commits.
type committing struct {
	facts   commitFacts
	refused time.Time // since when they have been refused, while others may be taken
	refusal string    // the cause
}

// commits tells whether what is believed of the partition may be committed: not before it was
// verified, else an unverified commit would be given new evidence, and not where it is cut, which
// must be committed before it is read.
func (p *partition) commits() bool {
	cut := p.phase == parted && p.parted.cut
	gone := (p.phase == parted || p.phase == parked) && p.parted.another
	return p.trusted && !cut && !gone && p.phase != revoked
}

// join takes in a record that was read, in offset order, and tells whether its key
// queue became ready.
func (p *partition) join(d *Delivery, orderKey string) (readied bool) {
	p.Add(&d.progress)
	return p.Join(&d.queued, orderKey)
}

// leave takes a finished record out; its key queue's next becomes ready.
func (p *partition) leave(d *Delivery) {
	p.Finish(&d.progress)
	p.Leave(&d.queued)
}

// overHalf tells whether so many take more than half of one of the partition's bounds.
func (p *partition) overHalf(t queue.Tally) bool {
	return t.Records > p.engine.cfg.MaxPending/2 ||
		int64(t.Bytes) > p.largestShare()/2 ||
		min(t.Records, p.Runs()) > progress.MaxRuns/2
}

// largestShare is the largest share of bytes that the partition has had. A share becomes less when
// partitions are added: then it is not read on for a while, and what waits is no reason to evict.
func (p *partition) largestShare() int64 {
	p.mostShare = max(p.mostShare, p.engine.share())
	return p.mostShare
}

// longest returns the record of a quota that has waited longest, where all of them take more
// than half of a bound; else nil.
func (p *partition) longest(quota string) *Delivery {
	if quota == "" || !p.overHalf(p.Quota(quota)) {
		return nil
	}
	return p.Longest(quota)
}

// fits tells whether one more delivery that splits a run may begin: what is open
// may finish in any order, and all of it must fit into the metadata then.
func (p *partition) fits() bool {
	p.gapBound = !p.engine.noMetadata && !p.Fits()
	return !p.gapBound
}

// overfull is whether nothing fits, and gapBound as it was: for the watchdog.
func (p *partition) overfull() bool { return p.gapBound && !p.engine.noMetadata && !p.Fits() }

// choose takes the record to deliver next out of its queue, nil if there is none.
func (p *partition) choose(probe bool) *Delivery {
	if p.fits() {
		return p.Next(probe)
	}
	// Only the first unfinished record: it makes the metadata shorter.
	if d := p.First(); d != nil && p.Take(&d.queued) {
		return d
	}
	p.engine.unload(p)
	return nil
}

// room tells how many records and bytes may be read now, and which bound stands
// in the way where none may. A partition without unfinished records always has
// room for one.
func (p *partition) room() (records, bytes int, bound Bound) {
	ahead := p.ahead()
	p.largestShare()
	if p.Len() == 0 {
		return min(max(1, ahead), p.engine.cfg.MaxPending), int(p.engine.share()), BoundNone
	}
	records = p.engine.cfg.MaxPending - p.Len()
	bytes = int(p.engine.share()) - p.Bytes()
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

// ahead tells how many more records are worth reading. As long as nothing waits for another
// try, those that are ready are enough for the workers; the rest costs no memory
// in the log. Where something waits others must get past it, up to the bounds.
func (p *partition) ahead() int {
	if p.Blocked().Records > 0 {
		return p.engine.cfg.MaxPending
	}
	return p.allotted - p.Count(queue.Fresh)
}

// obstacle tells what keeps a paused partition from being read on. That is worth a
// request with so much room again as is a quarter of what the records that wait for
// another try leave of its bounds, and enough for the record that did not fit. Where
// nothing waits it is when it has hardly anything ready, or when all have so little that
// one request may fill many.
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

// readOn lets a paused partition be read again once nothing stands in the way.
func (p *partition) readOn() {
	if p.paused == BoundNone {
		return
	}
	if p.paused = p.obstacle(); p.paused == BoundNone {
		p.member.nudge()
	}
}

// payload is the bytes of a record.
func payload(r *fetch.Record) int { return len(r.Key) + len(r.Value) + r.Headers.Size() }
