package consumer

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/wire"
)

// member is this process in the group, for as long as it runs: the partitions that it owns now,
// and the loops that work on them. What stays through a rebalance is not touched by it.
type member struct {
	engine *Engine
	group  *membership.Classic
	signals

	// The rest is guarded by the engine's mutex.
	standing
	parts map[topicPartition]*partition
	work
}

// standing is what the group and the cluster told.
type standing struct {
	id      membership.Identity
	began   time.Time // this generation
	cluster string    // the cluster's ID, "" where it has none; learnt before any partition starts
	// fenced ends when the group has taken all away, and with it the commit that is under way. A
	// new one follows.
	fenced context.Context
	stale  context.CancelFunc
	// unsafe: no commit may be sent before partitions are assigned again.
	unsafe bool
}

// signals go between the member's loops.
type signals struct {
	wakes  chan struct{} // nudges the reader
	looks  chan struct{} // nudges the resolver
	starts chan struct{} // nudges who learns committed offsets

	checks sync.WaitGroup // of what leaders are asked beside the resolver

	// committing has room for one commit at a time, so that none overtakes another. giveUpCommit gives
	// up the one that is under way; guarded by the engine's mutex.
	committing   chan struct{}
	giveUpCommit context.CancelFunc
}

// work is how far the member is with its records.
type work struct {
	lease    time.Time // until then nobody else can own the partitions
	ready    int       // records that were read ahead and are ready, of all partitions; see recount
	stopping bool
	moved    bool      // partitions were given up since the last assignment
	limit    time.Time // of the drain that ends last
	drains   int       // under way
	dirty    bool      // something to commit
	// shareOf and owned are the shares that were last told.
	shareOf, owned map[string]int
}

// drain is partitions that are being given up together.
type drain struct {
	open    int           // deliveries in hand
	drained chan struct{} // closed when there are none
	over    chan struct{} // closed when the partitions are given up
}

func (e *Engine) newMember() *member {
	g := &member{
		engine: e,
		signals: signals{
			wakes: make(chan struct{}, 1), looks: make(chan struct{}, 1), starts: make(chan struct{}, 1),
			committing: make(chan struct{}, 1),
		},
		parts: map[topicPartition]*partition{},
	}
	g.fenced, g.stale = context.WithCancel(context.Background())
	g.group = membership.NewClassic(membership.Config{
		Group: e.cfg.GroupID, Wire: e.cfg.Wire, Owner: owner{g}, Log: e.log,
		SessionTimeout: e.cfg.SessionTimeout, HeartbeatInterval: e.cfg.HeartbeatInterval,
		RebalanceTimeout: e.cfg.RebalanceTimeout, WatchInterval: watchInterval,
	})
	return g
}

// run works until stop ends; then it drains, commits and leaves the group. When it returns all
// it started has ended.
func (g *member) run(stop context.Context) {
	joining, leave := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { g.group.Run(joining) })
	g.serve(stop)
	leave()
	group.Wait()
	g.stale()
}

// serve works on what is owned, until stop ends and all is given up.
func (g *member) serve(stop context.Context) {
	life, end := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	loops.Go(func() { g.readLoop(life) })
	loops.Go(func() { g.startLoop(life) })
	loops.Go(func() { g.resolveLoop(life) })
	loops.Go(func() { g.watchTopics(life) })
	loops.Go(func() { g.commitLoop(life) })

	<-stop.Done()
	g.engine.mu.Lock()
	g.stopping = true
	g.engine.mu.Unlock()
	g.giveUp(g.all(), "stop")
	end()
	loops.Wait()
}

// all are the partitions that are owned now.
func (g *member) all() []*partition {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	var parts []*partition
	for _, p := range g.parts {
		parts = append(parts, p)
	}
	return parts
}

// owner is the member as its membership sees it.
type owner struct{ g *member }

// Assigned implements membership.Owner.
func (o owner) Assigned(id membership.Identity, added []membership.Partition) {
	g, e := o.g, o.g.engine
	e.mu.Lock()
	g.id, g.began, g.unsafe = id, time.Now(), false
	e.joined = true
	e.outside, e.refused, e.uncommitted = time.Time{}, time.Time{}, time.Time{}
	e.contact = time.Now()
	if g.stopping {
		e.mu.Unlock()
		return
	}
	for _, a := range added {
		g.begin(topicPartition{a.Topic, a.Number})
	}
	for tp, r := range e.cached {
		if g.parts[tp] == nil { // it has moved: its records are another's now
			r.memories = nil
			r.facts.renewed = time.Time{} // and its commits
			e.cached[tp] = r
		}
	}
	owned, changed := len(g.parts), len(added) > 0 || g.moved
	g.moved = false
	e.mu.Unlock()
	for _, a := range added {
		e.cfg.Hooks.Assigned(a.Topic, a.Number)
	}
	if changed {
		e.cfg.Hooks.Rebalanced()
	}
	e.log.Info("joined the group", "group", e.cfg.GroupID, "generation", id.Generation, "partitions", owned, "new", len(added))
	g.tellShare()
	poke(g.starts)
}

// begin begins with a partition. The engine's mutex is held.
func (g *member) begin(tp topicPartition) {
	e := g.engine
	p := &partition{
		engine: e, member: g, topicPartition: tp, began: time.Now(),
		delivering: delivering{keyQueues: map[string]*keyQueue{}},
		fetching:   fetching{near: leaderAlone},
		ends:       ends{logEnd: -1},
		committing: committing{facts: commitFacts{last: mark{offset: -1}}},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if r, known := e.cached[tp]; known {
		p.facts = r.facts
	}
	p.facts.begins(g.id.Member)
	g.parts[tp] = p
}

// owns are the partitions of those named.
func (g *member) owns(named []membership.Partition) (parts []*partition) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	for _, n := range named {
		if p := g.parts[topicPartition{n.Topic, n.Number}]; p != nil {
			parts = append(parts, p)
		}
	}
	return parts
}

// Revoked implements membership.Owner.
func (o owner) Revoked(parts []membership.Partition) { o.g.giveUp(o.g.owns(parts), "rebalance") }

// Lost implements membership.Owner.
func (o owner) Lost(parts []membership.Partition) {
	g, e := o.g, o.g.engine
	g.lose(g.owns(parts))
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(g.parts) == 0 && e.outside.IsZero() {
		e.outside = time.Now()
	}
	if g.fenced.Err() != nil {
		g.fenced, g.stale = context.WithCancel(context.Background())
	}
}

// Fenced implements membership.Owner.
func (o owner) Fenced(request string, err error) {
	g, e := o.g, o.g.engine
	e.mu.Lock()
	generation := g.id.Generation
	g.lease = time.Time{} // nothing more is delivered
	e.outside = time.Now()
	for _, p := range g.parts {
		p.cancel()
	}
	g.stale()
	e.mu.Unlock()
	e.log.Warn("fenced: the group took this member's partitions away; what was open is cut and may be sent again by their new owner",
		"request", request, slog.Any("error", err), "generation", generation)
}

// Joined implements membership.Owner.
func (o owner) Joined(id membership.Identity, unsafe bool) {
	o.g.engine.mu.Lock()
	defer o.g.engine.mu.Unlock()
	o.g.id, o.g.unsafe = id, unsafe
}

// Renewed implements membership.Owner.
func (o owner) Renewed(until time.Time) { o.g.engine.renew(o.g, until) }

// Heard implements membership.Owner.
func (o owner) Heard() { o.g.engine.heard() }

// Failed implements membership.Owner.
func (o owner) Failed(err error) { o.g.engine.joinFailed(err) }

// Topics implements membership.Owner.
func (o owner) Topics(ctx context.Context) []string {
	e := o.g.engine
	e.mu.Lock()
	before := e.subscribed
	e.mu.Unlock()
	if before != nil { // the group must not wait for what cannot be seen for a moment
		if counts, err := e.partitionCounts(ctx); err != nil || len(missing(e.cfg.Topics, counts)) > 0 {
			return before
		}
	}
	topics := e.awaitTopics(ctx)
	e.mu.Lock()
	e.subscribed = topics
	e.mu.Unlock()
	return topics
}

// Counts implements membership.Owner.
func (o owner) Counts(ctx context.Context, topics []string) (map[string]int32, error) {
	return o.g.engine.countsOf(ctx, topics)
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
	e.log.Info("partitions given up", "why", why, "partitions", len(parts), "took", time.Since(began).Round(time.Millisecond).String())
	if left > 0 {
		e.log.Warn("the drain's limit was reached: open deliveries were cut, they stay uncommitted and may be sent again",
			"cut", left, "limit", e.cfg.DrainTimeout.String())
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
		g.engine.log.Info("partitions given up", "why", "fenced", "partitions", len(parts), "took", time.Since(now).Round(time.Millisecond).String())
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
			g.part(p, parting{at: p.position, epoch: unknownEpoch, id: l.id, another: true})
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
		r.known, r.knowledge, r.logID, r.cluster, r.memories = true, p.toCache(), p.logID, g.cluster, p.remember()
		r.position, r.end = p.position, p.known()
		r.parted, r.toldParted = p.parted, p.toldParted
	}
	if before := e.cached[p.topicPartition]; before.known && !r.known { // it was never begun with
		before.facts = r.facts
		r = before
	}
	e.cached[p.topicPartition] = r
	p.phase, g.moved = revoked, true
	for d := p.head; d != nil; d = d.next {
		if d.keyQueue.blocked && d.keyQueue.head == d {
			e.heldBy[d.hold.Reason]--
		}
		if d.state == held {
			e.timed.remove(d)
		}
		if e.large == d {
			e.large = nil
		}
		if d.state != open { // those end by themselves, and give their slots back
			d.state = gone
		}
	}
	p.cancel()
	g.ready -= p.counted
	p.counted = 0
	if g.parts[p.topicPartition] == p {
		delete(g.parts, p.topicPartition)
	}
}

// nudge wakes the reader; at most one nudge is remembered.
func (g *member) nudge() { poke(g.wakes) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// cutGrace is how long deliveries that were cut may take to end.
const cutGrace = time.Second
