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

// How partitions are given up: in order, or at once if other members may own them already.

// drain is the drain of partitions that are given up together.
type drain struct {
	open    int           // open deliveries, and settling records
	drained chan struct{} // closed when there are none
	over    chan struct{} // closed when the partitions are given up
}

// ended notes the end of a delivery. The engine's mutex is held.
func (p *partition) ended() {
	p.open--
	if d := p.drain; d != nil {
		if d.open--; d.open == 0 {
			close(d.drained)
		}
	}
}

// giveUp drains partitions: no delivery starts, open ones have until Config.DrainTimeout to end, the
// rest is cut, and the last commit is sent. It returns when all are given up, including
// partitions that another drain is giving up.
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
	g.tellRecreated(parts)
	e.cfg.Hooks.Drained(time.Since(began))
	g.remove(parts, limit)
	eventDrained.Log(e.log, slog.String("why", why), slog.Int("partitions", len(parts)),
		slog.String("took", time.Since(began).Round(time.Millisecond).String()))
	if left > 0 {
		eventDrainLimit.Log(e.log, slog.Int("cut", left), slog.String("limit", e.cfg.DrainTimeout.String()))
	}
}

// beginDrain stops new deliveries of the partitions and returns those that d drains. others are
// the drains of partitions that drain already.
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
			e.unload(p) // so that another partition's can be loaded
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

// await waits for open deliveries. After longest, or when the member is fenced, it cuts the rest
// and returns how many that were.
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
	// What is cut ends at once, unless it ignores its context.
	select {
	case <-d.drained:
	case <-time.After(cutGrace):
	}
	return left
}

// lose gives up partitions that may have other owners: it cuts their open deliveries and commits
// nothing.
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

// tellRecreated counts and logs what is gone of topics that were recreated during their drain. Kafka
// has deleted their commits too, so that no later owner can know.
func (g *member) tellRecreated(parts []*partition) {
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

// refusedAsGone reports whether a commit was refused because its topic no longer exists.
func (g *member) refusedAsGone(parts []*partition) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return slices.ContainsFunc(parts, func(p *partition) bool { return p.refusal == wire.Cause(kafka.UnknownTopicID) })
}

// remove takes partitions out of the engine: their records belong to the next owner. It first
// waits for a commit in flight, so that none names them afterwards.
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

// removeOne takes a partition out of the engine. The engine's mutex is held.
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
	if before := e.cached[p.topicPartition]; before.known && !r.known { // this ownership never started to read
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
		d.queued.Drop() // not the open ones: they end by themselves and give their slots back
	}
	p.cancel()
	g.ready -= p.counted
	p.counted = 0
	if g.parts[p.topicPartition] == p {
		delete(g.parts, p.topicPartition)
	}
}

// cutGrace is how long cut deliveries may take to end.
const cutGrace = time.Second
