package consumer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// A partition's progress (the position, what is finished beyond the commit, the cached progress)
// is true of one log only. That log is identified by its topic's ID (KIP-516) and by the leader
// epoch at the upper end of the progress (KIP-320): two logs with the same epoch at an offset are
// the same up to there (KIP-101). One request to the leader, OffsetForLeaderEpoch, verifies this:
// at assignment, when leader, leader epoch or topic ID change, and after any error. A log
// "parts" at the first offset from which it differs.
//
//	the leader's answer                       | consequence
//	------------------------------------------+---------------------------------------------
//	the topic has another ID                  | another log, from its first record on
//	the epoch ends at or above our upper end  | verified
//	the epoch ends below                      | the log parts where the epoch ends
//	no such epoch; a lower one is named       | the log parts where the lower one ends, or where
//	                                          | our first epoch above it began: the lesser of both
//	no epoch is named, or we do not know      | unknown where it parts: it is read from its first
//	where ours began                          | record on
//	no answer, an error                       | asked again
//
// If the group assigns by topic ID (KIP-848), a recreated topic does not belong to this member
// before the group assigns it: the loss is logged, and the partition waits to be revoked.
//
// If the brokers or the commit report no topic ID (brokers before 2.8), a log that ends below may
// be a new one: it is read from its first record on. An epoch of −1 (a commit set by a tool, a
// batch without one) cannot be verified. Then a position within the log is believed; one above
// the log's end is given up after 30 s, since a new leader may lag.

// evidence is the topic ID and the leader's epoch with which a partition's log was last verified.
type evidence struct {
	id    wire.ID
	epoch int32
}

// verifying is one partition to verify.
type verifying struct {
	part   *partition
	leader leader
	logID  wire.ID         // the ID of the topic that was read
	offset int64           // the upper end of the progress
	epoch  int32           // the epoch below offset
	epochs progress.Epochs // the known epochs below offset
}

// doubt has a partition verified before reading resumes. Metadata that was asked for before
// now does not count. The engine's mutex is held.
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

// isVerified reports whether the partition was verified with its present leader epoch and topic
// ID. If not, it must be verified before it is read.
func (g *member) isVerified(p *partition, l leader) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if p.phase == reading && p.verified != (evidence{l.id, l.epoch}) {
		p.phase = checking
		poke(g.looks)
	}
	return p.phase == reading
}

// check starts to verify the doubted partitions, with one request for each leader, and returns
// when to check again; zero: not needed. The requests run in goroutines that wake the resolver
// when they end.
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
		g.forgetUnverified(p)
		v := verifying{part: p, leader: l, logID: p.logID}
		v.offset, v.epoch = p.Upper()
		v.epochs = p.UpperEpochs()
		e.mu.Unlock()
		if l.err == nil && p.foreign(l.id) && v.logID != p.assigned {
			l.err = kafka.InconsistentTopicID // the metadata or the assignment is outdated and will follow
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

// distrusts forgets the epoch below the position after a DIVERGING_EPOCH although a higher end
// was verified: all below that end is the same log, so the epoch is wrong.
func (g *member) distrusts(p *partition) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if p.phase == reading {
		p.Distrust()
	}
}

// forgetUnverified forgets what is finished beyond the position if no epoch can verify it: it was
// true of the log at that time. The engine's mutex is held.
func (g *member) forgetUnverified(p *partition) {
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
			bounds, perr = offsets.Bounds(ctx, g.engine.cfg.Wire, p.Topic, p.Number, wire.Partition{Leader: broker, Epoch: v.leader.epoch}, false)
		}
		if perr != nil {
			why[p] = perr
		}
		g.checked(v, parted, bounds, perr)
	}
	if ctx.Err() == nil && len(why) > 0 {
		g.engine.cfg.Wire.Refresh() // the leader may have changed
	}
	for _, line := range g.waits(ctx, electionTakes, why) {
		eventLogUnverified.Log(g.engine.log, line...)
	}
}

// another reports whether the topic was recreated since it was read.
func (v verifying) another() bool {
	return v.logID != (wire.ID{}) && v.leader.id != (wire.ID{}) && v.logID != v.leader.id
}

// asks reports whether there is an epoch to ask about.
func (v verifying) asks() bool { return !v.another() && v.epoch >= 0 && v.leader.epoch >= 0 }

// judge returns where the log parts; nil: nowhere. An offset of −1 means unknown: the log's first
// record.
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
	case !known, at >= v.offset: // the latter contradicts our epochs
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

// checked applies the result for one partition.
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
		return // it has changed meanwhile: it is checked again
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

// inside judges a position that is not in the log (OFFSET_OUT_OF_RANGE), although no epoch shows
// another log: retention deleted the records, or there is no epoch to verify. It returns
// false if the position is not believed, or not yet. The engine's mutex is held.
func (g *member) inside(p *partition, v verifying, bounds fetch.Bounds) bool {
	e, now := g.engine, time.Now()
	switch {
	case p.Position() < bounds.First:
		return g.dropped(p, bounds.First)
	case v.asks(), v.offset <= bounds.End:
		return true // the leader has caught up
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

// dropped passes over records that retention deleted before they were read. It returns false if
// a person decides. The engine's mutex is held.
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

// staleLeader reports whether an error means that the metadata about the leader, its epoch or
// the topic is outdated.
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
