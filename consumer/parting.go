package consumer

import (
	"context"
	"log/slog"
	"time"

	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// What is counted and logged when a log parts (see evidence.go), and how reading goes on.

// parting is where a log parts from the one that was read.
type parting struct {
	at    int64   // the first offset that differs
	epoch int32   // the epoch below it; −1: unknown
	id    wire.ID // the topic ID of the log now
	// atFirst: unknown where it parts; at is the log's first record.
	atFirst bool
	another bool  // the topic was recreated: nothing of the former progress is kept
	cut     bool  // the progress is cut at this offset and must be committed
	since   int64 // the first offset that is gone
}

// part notes that the log parts, counts and logs what is gone, and makes the partition wait
// until all that was read above is finished. The engine's mutex is held.
func (g *member) part(p *partition, at parting) {
	e := g.engine
	known := p.known()
	switch {
	case at.another:
		at.since = p.Position()
	case at.since == 0:
		at.since = min(at.at, known)
	}
	told := p.parted.at == at.at && p.parted.id == at.id && p.parted.another == at.another && !p.parted.cut && p.toldParted
	if p.parted, p.toldParted = at, true; told {
		p.phase = parted
		if e.cfg.OffsetReset.waits() {
			p.phase = parked
		}
		poke(g.looks)
		return
	}
	if upper, _ := p.Upper(); upper > max(p.Position(), at.at) {
		e.tell(e.cfg.Hooks.MetadataIgnored)
	}
	if e.tellGone(p.topicPartition, at.why(), at.since, known, at.at) {
		p.phase = parted
		poke(g.looks)
	} else {
		p.phase = parked
	}
}

// known is the largest known end of the log.
func (p *partition) known() int64 {
	upper, _ := p.Upper()
	return max(upper, p.logEnd, p.reaches)
}

// Reaches reports the end of a partition's log as seen from outside while a bound pauses its
// reading. If the log parts later, records up to end count as gone. It has an effect only while
// the partition's position is position, and its leader epoch and topic ID are those verified.
func (e *Engine) Reaches(topic string, partition int32, position, end int64) {
	e.mu.Lock()
	g := e.member
	e.mu.Unlock()
	if g == nil {
		return
	}
	leaders, err := g.leaders(e.ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	p := g.parts[topicPartition{Topic: topic, Number: partition}]
	if err != nil || p == nil || p.phase != reading || p.Position() != position {
		return
	}
	if l := leaders.of(p.topicPartition); p.verified == (evidence{l.id, l.epoch}) {
		p.reaches = max(p.reaches, end)
	}
}

// Why a log parts, for people.
const (
	recreated = "the topic was deleted and recreated"
	truncated = "an election of a leader that did not have all records cut it"
	untold    = "it was truncated, or the topic was recreated"
)

func (at *parting) why() string {
	switch {
	case at.atFirst:
		return untold
	case at.another:
		return recreated
	}
	return truncated
}

// tellGone counts and logs the offsets of a log that are gone: from since to the known end. It
// returns false if a person decides. The mutex is held.
func (e *Engine) tellGone(tp topicPartition, why string, since, known, next int64) bool {
	// At least one: the true number is unknown, and the loss must alert.
	until := max(known, since+1)
	e.dropped(tp, until-since)
	report := []slog.Attr{slog.String("topic", tp.Topic), slog.Any("partition", tp.Number), slog.Int64("from", since),
		slog.Int64("to", until), slog.Int64("count", until-since), slog.String("why", why)}
	if e.cfg.OffsetReset.waits() {
		eventLogReplacedParked.Log(e.log, report...)
		return false
	}
	eventLogReplaced.Log(e.log, append(report, slog.Int64("next", next))...)
	return true
}

// resettle lets partitions whose log has parted go on: it cuts their progress there and commits
// it, before anything is read. It returns when to look again; zero: not needed.
func (g *member) resettle(ctx context.Context) (next time.Time) {
	e := g.engine
	if len(g.inPhase(parted)) == 0 {
		return next
	}
	leaders, err := g.leaders(ctx)
	if err != nil {
		return time.Now().Add(joinInterval)
	}
	if !g.beginRound(ctx) {
		return next
	}
	var commits []commitment
	waits := false
	e.mu.Lock()
	for _, p := range g.parts {
		l := leaders.of(p.topicPartition)
		switch {
		case p.phase != parted || p.drain != nil:
		case l.err == nil && l.id != p.parted.id: // recreated again: it parts elsewhere
			p.phase, p.doubted = checking, time.Now()
			poke(g.looks)
		case p.foreign(p.parted.id): // the group revokes it and assigns the new topic
			waits = true
		case !p.parted.cut && !g.cutAt(p):
			waits = true
		default:
			commits = append(commits, g.commitment(p))
		}
	}
	e.mu.Unlock()
	var taken []commitment
	if len(commits) > 0 {
		taken = g.send(ctx, commits)
	}
	g.endRound()
	e.mu.Lock()
	for _, c := range taken {
		if c.part.phase == parted {
			c.part.phase = checking
			poke(g.looks)
		}
	}
	e.mu.Unlock()
	if waits || len(taken) < len(commits) {
		return time.Now().Add(joinInterval)
	}
	return next
}

// cutAt cuts the progress where the log parts. It returns false while a record above is
// unfinished. The engine's mutex is held.
func (g *member) cutAt(p *partition) bool {
	at := &p.parted
	switch {
	case at.another && p.Len() > 0, p.UnfinishedFrom(at.at) > 0:
		return false
	case at.another:
		p.Progress, p.memories = progress.NewLog[*Delivery](at.at), nil
	default:
		p.Cut(at.at, at.epoch)
		p.memories.cut(at.at)
		if at.atFirst {
			p.Advance(at.at, at.epoch) // if the first record lies above
		}
	}
	at.cut, p.toldParted = true, false
	p.logID = at.id
	p.outside, p.outOfRange = false, time.Time{}
	p.logEnd, p.reaches, p.unread = -1, -1, unread{}
	p.facts.sent = nil // they were of another log
	return true
}
