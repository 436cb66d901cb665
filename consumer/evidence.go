package consumer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// What is believed of a partition's log (where reading stands, what is finished beyond, what
// was remembered) is believed of one log, known by its topic's ID (KIP-516) and by the leader
// epoch at its upper end (KIP-320): two logs that have the same epoch at an offset are the same
// up to there (KIP-101). It is verified before it is believed: at assignment, when leader,
// epoch or ID change, and after any error.
//
//	what the leader says                      | what follows
//	------------------------------------------+---------------------------------------------
//	the topic has another ID                  | the log is another one, from its first record on
//	the epoch ends at or above our upper end  | verified
//	it ends below                             | they part where it ends
//	it has no such epoch, and names a lower   | they part where that one ends, or where our first
//	one                                       | epoch above it began, whichever is less
//	it names none, or we do not know where    | nobody can say where: from the first record on
//	ours began                                |
//	no answer, an error                       | asked again
//
// Where the group assigns by topic ID (KIP-848), another topic of the same name is not this member's before the group
// has assigned it: what is gone is told, and the partition waits to be revoked.
//
// Where brokers or the commit tell no ID (brokers before 2.8) a log that ends below may be a new
// one as well: it is read from its first record on. An epoch of −1 (a commit set by a tool, a batch
// that says none) cannot be verified: then a position is believed as long as it lies in the log,
// and one above the log's end is not believed when it has stood so for 30 s.

// evidence is by what a partition's log was last verified.
type evidence struct {
	id    wire.ID
	epoch int32
}

// verifying is what one request is to find out.
type verifying struct {
	part   *partition
	leader leader
	logID  wire.ID // the topic's that was read
	offset int64   // the upper end, and the epoch below it
	epoch  int32
	epochs progress.Epochs // below it, as far as they are known
}

// doubt has what is believed of a partition verified before it is read on; what brokers said
// before now does not count. The engine's mutex is held.
func (p *partition) doubt() {
	if p.phase == reading || p.phase == checking {
		p.phase, p.doubted = checking, time.Now()
		poke(p.member.looks)
	}
}

func (g *member) doubt(p *partition) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	p.doubt()
}

// stands tells whether the partition was verified by what its leader is now. If not, it is
// before it is read.
func (g *member) stands(p *partition, l leader) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if p.phase == reading && p.verified != (evidence{l.id, l.epoch}) {
		p.phase = checking
		poke(g.looks)
	}
	return p.phase == reading
}

// check verifies partitions that are doubted, each leader's by one request, and tells when
// some must be looked at again; zero: none. What takes its time goes on beside, and wakes the
// resolver when it has ended.
func (g *member) check(ctx context.Context) (next time.Time) {
	e := g.engine
	parts := g.inPhase(checking)
	if len(parts) == 0 {
		return next
	}
	leaders, err := g.leaders(ctx)
	unled := map[*partition]error{}
	byBroker := map[int32][]verifying{}
	for _, p := range parts {
		l := leaders.of(p.topicPartition)
		e.mu.Lock()
		busy, due, early := p.asking, p.look.due(), !leaders.asked().After(p.doubted) || l.doubt
		g.vouches(p)
		v := verifying{part: p, leader: l, logID: p.logID}
		v.offset, v.epoch = p.Upper()
		v.epochs = p.UpperEpochs()
		e.mu.Unlock()
		if l.err == nil && p.foreign(l.id) && v.logID != p.assigned {
			l.err = kafka.InconsistentTopicID // the metadata or the assignment is of before: one of them follows
		}
		switch {
		case busy:
		case !due:
			next = earlier(next, p.look.next)
		case err != nil, l.err != nil:
			unled[p] = cmp.Or(err, l.err)
			p.look.failed()
			next = earlier(next, p.look.next)
		case early:
			e.cfg.Wire.Refresh()
			next = earlier(next, time.Now().Add(fetchBackoff/2))
		default:
			p.asking = true
			byBroker[l.broker] = append(byBroker[l.broker], v)
		}
	}
	for _, line := range g.waits(ctx, electionTakes, unled) {
		eventLeaderMissing.Log(e.log, line...)
	}
	for broker, all := range byBroker {
		g.checks.Go(func() {
			g.checkAt(ctx, broker, all)
			poke(g.looks)
		})
	}
	return next
}

// distrusts forgets the epoch below the position where its leader says that the log is another one there,
// although a higher end was verified: then all below it is the same log, and the epoch is wrong.
func (g *member) distrusts(p *partition) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if p.phase == reading {
		p.Distrust()
	}
}

// vouches forgets what this process remembers beyond the position where no epoch tells of it:
// that was of the log as it was then. The engine's mutex is held.
func (g *member) vouches(p *partition) {
	if p.trusted && p.ForgetUnverified() {
		g.ignored(p, p.facts.last)
	}
}

// checkAt verifies the partitions of one leader.
func (g *member) checkAt(ctx context.Context, broker int32, all []verifying) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var asks []fetch.EpochAsk
	for _, v := range all {
		if v.asks() {
			asks = append(asks, fetch.EpochAsk{Topic: v.part.Topic, Partition: v.part.Number, LeaderEpoch: v.leader.epoch, Epoch: v.epoch})
		}
	}
	var ends []fetch.EpochTold
	var err error
	if len(asks) > 0 {
		ends, err = fetch.EpochEnds(ctx, g.engine.cfg.Wire, broker, asks)
	}
	why := map[*partition]error{}
	for _, v := range all {
		p, perr := v.part, error(nil)
		var parted *parting
		if v.asks() {
			if perr = err; perr == nil {
				parted, perr = v.judge(ends[0])
				ends = ends[1:]
			}
		} else if v.another() {
			parted = &parting{at: -1, epoch: -1, another: true}
		}
		var bounds fetch.Bounds
		if perr == nil && (parted != nil && parted.at < 0 || g.isOutside(p)) {
			bounds, perr = boundsOf(ctx, g.engine.cfg.Wire, p.Topic, p.Number, wire.Partition{Leader: broker, Epoch: v.leader.epoch}, false)
		}
		if perr != nil {
			why[p] = perr
		}
		g.checked(v, parted, bounds, perr)
	}
	if ctx.Err() == nil && len(why) > 0 {
		g.engine.cfg.Wire.Refresh() // the leader may be another one
	}
	for _, line := range g.waits(ctx, electionTakes, why) {
		eventLogUnverified.Log(g.engine.log, line...)
	}
}

// another tells whether the topic is another one than the one that was read.
func (v verifying) another() bool {
	return v.logID != (wire.ID{}) && v.leader.id != (wire.ID{}) && v.logID != v.leader.id
}

// asks tells whether there is an epoch to ask about.
func (v verifying) asks() bool { return !v.another() && v.epoch >= 0 && v.leader.epoch >= 0 }

// judge tells where the logs part, nil: nowhere. An offset of −1: at the log's first record.
func (v verifying) judge(end fetch.EpochTold) (*parting, error) {
	switch {
	case end.Err != nil:
		return nil, end.Err
	case end.Epoch == v.epoch && end.End >= v.offset:
		return nil, nil //nolint:nilnil // they do not part
	case end.Epoch < 0, end.End < 0, v.logID == (wire.ID{}), v.leader.id == (wire.ID{}):
		return &parting{at: -1, epoch: -1}, nil
	}
	at, known := v.epochs.Parts(end.Epoch, end.End)
	switch {
	case !known, at >= v.offset: // the latter cannot be: our history would be another one
		return &parting{at: -1, epoch: -1}, nil
	case at < end.End:
		return &parting{at: at, epoch: v.epochs.Below(at)}, nil
	}
	return &parting{at: at, epoch: end.Epoch}, nil
}

func (g *member) isOutside(p *partition) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return p.outside
}

// checked takes in what was found out of a partition.
func (g *member) checked(v verifying, parted *parting, bounds fetch.Bounds, err error) {
	e, p := g.engine, v.part
	e.mu.Lock()
	defer e.mu.Unlock()
	p.asking = false
	if err != nil {
		p.look.failed()
		p.doubted = time.Now()
		return
	}
	offset, epoch := p.Upper()
	if p.phase != checking || offset != v.offset || epoch != v.epoch {
		return // it is asked about as it is now
	}
	if p.look = (retry{}); parted != nil {
		if parted.at < 0 {
			parted.at, parted.atFirst = bounds.First, !parted.another
		}
		parted.id = v.leader.id
		g.part(p, *parted)
		return
	}
	if p.outside && !g.inside(p, v, bounds) {
		return
	}
	p.verified = evidence{v.leader.id, v.leader.epoch}
	p.logID, p.trusted = v.leader.id, true
	p.outside, p.outOfRange = false, time.Time{}
	p.phase = reading
	if p.failures == 0 {
		p.failingSince, p.cause = time.Time{}, ""
	}
	g.nudge()
}

// inside decides for a position that Kafka says is not in the log, although that is the one
// that was read: retention took what it points to, or nothing can tell. It reports false where
// the position is not believed, or not yet. The engine's mutex is held.
func (g *member) inside(p *partition, v verifying, bounds fetch.Bounds) bool {
	e, now := g.engine, time.Now()
	switch {
	case p.Position() < bounds.First:
		return g.dropped(p, bounds.First)
	case v.asks(), v.offset <= bounds.End:
		return true // a leader that lagged has caught up
	case p.outOfRange.IsZero():
		p.outOfRange = now
		eventAboveLogEnd.Log(e.log,
			slog.String("topic", p.Topic), slog.Any("partition", p.Number), slog.Int64("position", p.Position()),
			slog.Int64("done_to", v.offset), slog.Int64("end", bounds.End))
		fallthrough
	case now.Sub(p.outOfRange) < settleTime:
		p.look.next = now.Add(joinInterval)
		return false
	case p.Position() <= bounds.End:
		g.part(p, parting{at: bounds.End, epoch: -1, id: v.leader.id})
	default:
		g.part(p, parting{at: bounds.First, epoch: -1, id: v.leader.id, atFirst: true, since: bounds.End})
	}
	return false
}

// dropped passes over what retention took before it could be read. It reports false where a
// person decides. The engine's mutex is held.
func (g *member) dropped(p *partition, first int64) bool {
	e := g.engine
	e.dropped(p.topicPartition, first-p.Position())
	report := []slog.Attr{slog.String("topic", p.Topic), slog.Any("partition", p.Number), slog.Int64("from", p.Position()),
		slog.Int64("to", first), slog.Int64("count", first-p.Position())}
	if e.cfg.OffsetReset.waits() {
		p.phase = parked
		eventPartitionParked.Log(e.log, report...)
		return false
	}
	eventRecordsDropped.Log(e.log, append(report, slog.Int64("next", first))...)
	p.Advance(first, progress.UnknownEpoch)
	g.dirty = true
	return true
}

// staleLeader tells whether an error says that the metadata is old: of the leader, its epoch,
// or the topic.
func staleLeader(err error) bool {
	for _, of := range []kafka.Error{
		kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch,
		kafka.UnknownTopicOrPartition, kafka.UnknownTopicID, kafka.InconsistentTopicID, kafka.KafkaStorageError,
	} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}
