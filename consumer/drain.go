package consumer

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/queue"
	"release-forwarder/consumer/wire"
)

// How partitions are given up: in order, or at once where others may own them already.

// drain is partitions that are being given up together.
type drain struct {
	open    int           // deliveries in hand
	drained chan struct{} // closed when there are none
	over    chan struct{} // closed when the partitions are given up
}

// ended notes that a delivery ended. The engine's mutex is held.
func (p *partition) ended() {
	p.open--
	if d := p.drain; d != nil {
		if d.open--; d.open == 0 {
			close(d.drained)
		}
	}
}

// giveUp gives partitions up in order: no delivery starts, open ones are waited for up to the
// limit, what is left is cut, and the last commit is sent. It returns when they are given up. What is
// being given up already is waited for.
func (g *member) giveUp(parts []*partition, why string) {
	e := g.engine
	began := time.Now()
	limit := began.Add(e.cfg.DrainTimeout)
	d, parts, others := g.beginDrain(parts, limit)
	defer func() {
		for _, o := range others {
			<-o.over
		}
	}()
	if len(parts) == 0 {
		return
	}
	defer g.endDrain(d)
	g.hurry()
	left := g.await(d, parts, time.Until(limit))
	if g.isFenced() {
		g.lose(parts)
		return
	}
	g.commitLast(limit)
	g.tellRemade(parts)
	e.cfg.Hooks.Drained(time.Since(began))
	g.remove(parts, limit)
	eventDrained.Log(e.log, slog.String("why", why), slog.Int("partitions", len(parts)),
		slog.String("took", time.Since(began).Round(time.Millisecond).String()))
	if left > 0 {
		eventDrainLimit.Log(e.log, slog.Int("cut", left), slog.String("limit", e.cfg.DrainTimeout.String()))
	}
}

// beginDrain lets nothing of the partitions begin any more. Those that are being given up already are
// among the others.
func (g *member) beginDrain(all []*partition, limit time.Time) (d *drain, parts []*partition, others []*drain) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	d = &drain{drained: make(chan struct{}), over: make(chan struct{})}
	for _, p := range all {
		switch {
		case p.phase == revoked:
		case p.drain != nil:
			others = append(others, p.drain)
		default:
			parts = append(parts, p)
			p.drain, p.inRing = d, false
			d.open += p.open
			e.unload(p) // another's may be read
			g.recount(p)
		}
	}
	e.ring = slices.DeleteFunc(e.ring, func(p *partition) bool { return p.drain != nil })
	if d.open == 0 {
		close(d.drained)
	}
	if len(parts) > 0 {
		g.drains++
	}
	if limit.After(g.limit) {
		g.limit = limit
	}
	return d, parts, others
}

func (g *member) endDrain(d *drain) {
	close(d.over)
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	g.drains--
}

// await waits for what is in hand, cuts what is left after a time or when all is lost, and returns
// how much that was.
func (g *member) await(d *drain, parts []*partition, longest time.Duration) (left int) {
	limit := time.NewTimer(longest)
	defer limit.Stop()
	select {
	case <-d.drained:
		return 0
	case <-limit.C:
	case <-g.fencing().Done():
	}
	g.engine.mu.Lock()
	left = d.open
	g.engine.mu.Unlock()
	for _, p := range parts {
		p.cancel()
	}
	// What is cut ends at once, but for what does not listen.
	select {
	case <-d.drained:
	case <-time.After(cutGrace):
	}
	return left
}

// lose cuts what is in hand of partitions that may have other owners, and gives them up without a commit.
func (g *member) lose(parts []*partition) {
	now := time.Now()
	d, own, _ := g.beginDrain(parts, now)
	if len(own) > 0 {
		defer g.endDrain(d)
	}
	g.await(d, own, 0)
	g.remove(parts, now)
	if len(parts) > 0 {
		eventDrained.Log(g.engine.log, slog.String("why", "fenced"), slog.Int("partitions", len(parts)),
			slog.String("took", time.Since(now).Round(time.Millisecond).String()))
	}
}

func (g *member) fencing() context.Context {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return g.fenced
}

func (g *member) isFenced() bool { return g.fencing().Err() != nil }

// tellRemade says what is gone of topics that were deleted and made anew while they were drained:
// Kafka has deleted their commits too, so that nobody else can know.
func (g *member) tellRemade(parts []*partition) {
	e := g.engine
	if !g.refusedAsGone(parts) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitGrace)
	defer cancel()
	leaders, err := g.leaders(ctx)
	if err != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range parts {
		l := leaders.of(p.topicPartition)
		another := l.id != (wire.ID{}) && p.logID != (wire.ID{}) && l.id != p.logID
		if another && p.trusted && (p.phase == reading || p.phase == checking) {
			g.part(p, parting{at: p.Position(), epoch: progress.UnknownEpoch, id: l.id, another: true})
		}
	}
}

// refusedAsGone tells whether a commit was refused since its topic is not there.
func (g *member) refusedAsGone(parts []*partition) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return slices.ContainsFunc(parts, func(p *partition) bool { return p.refusal == wire.Cause(kafka.UnknownTopicID) })
}

// remove takes partitions from the engine: every record of theirs is the next owner's. A commit that
// is under way is waited for, so that none names them afterwards.
func (g *member) remove(parts []*partition, limit time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), max(commitGrace, time.Until(limit))+commitGrace)
	defer cancel()
	if g.beginRound(ctx) {
		defer g.endRound()
	}
	e := g.engine
	e.mu.Lock()
	for _, p := range parts {
		g.removeOne(p)
	}
	if e.large == nil {
		e.loadNext()
	}
	e.schedule()
	e.mu.Unlock()
	g.tellShare()
}

// removeOne takes a partition from the engine. The engine's mutex is held.
func (g *member) removeOne(p *partition) {
	e := g.engine
	if p.phase == revoked {
		return
	}
	r := cachedProgress{facts: p.facts}
	if p.trusted && (p.phase != parted || !p.parted.cut) {
		r.known, r.knowledge, r.logID, r.cluster, r.memories = true, p.Whole(), p.logID, g.cluster, p.remember()
		r.position, r.end = p.Position(), p.known()
		r.parted, r.toldParted = p.parted, p.toldParted
	}
	if before := e.cached[p.topicPartition]; before.known && !r.known { // it was never begun with
		before.facts = r.facts
		r = before
	}
	e.cached[p.topicPartition] = r
	p.phase, g.moved = revoked, true
	for d := range p.All() {
		if d.queued.Blocking() {
			e.heldBy[d.hold.Reason]--
		}
		if d.queued.State() == queue.Held {
			e.timed.Remove(&d.queued)
		}
		if e.large == d {
			e.large = nil
		}
		d.queued.Drop() // but for those that are open: they end by themselves, and give their slots back
	}
	p.cancel()
	g.ready -= p.counted
	p.counted = 0
	if g.parts[p.topicPartition] == p {
		delete(g.parts, p.topicPartition)
	}
}

// cutGrace is how long deliveries that were cut may take to end.
const cutGrace = time.Second
