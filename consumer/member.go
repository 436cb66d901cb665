package consumer

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/queue"
	"release-forwarder/consumer/wire"
)

// member is this process in the group, from start to stop: the partitions that it owns now, and
// the loops that work on them. A rebalance does not touch the partitions that stay.
type member struct {
	engine *Engine
	group  membership.Member
	signals

	// The rest is guarded by the engine's mutex.
	standing
	parts map[topicPartition]*partition
	work
}

// standing is what the group and the cluster report.
type standing struct {
	id      membership.Identity
	began   time.Time // when this generation began
	cluster string    // the cluster's ID, "" if it has none; known before any partition starts
	// fenced ends, through stale, when the member is fenced; the commit under way is then given
	// up soon. Lost replaces it.
	fenced context.Context
	stale  context.CancelFunc
	// unsafe: no commit may be sent before the next assignment.
	unsafe bool
}

// signals go between the member's loops.
type signals struct {
	wakes  chan struct{} // wakes readLoop
	looks  chan struct{} // wakes resolveLoop
	starts chan struct{} // wakes startLoop

	checks sync.WaitGroup // requests of the resolver that are under way

	// committing holds one commit at a time, so that none overtakes another. giveUpCommit cancels
	// the one under way; the engine's mutex guards it.
	committing   chan struct{}
	giveUpCommit context.CancelFunc
}

// work is how far the member is with its records.
type work struct {
	lease    time.Time // until then no other member can own the partitions
	ready    int       // records read ahead and ready, over all partitions; see recount
	stopping bool
	moved    bool      // partitions were given up since the last assignment
	limit    time.Time // when the last drain must end
	drains   int       // drains under way
	dirty    bool      // there is something to commit
	// shareOf and owned are the last arguments of Hooks.Owns.
	shareOf, owned map[string]int
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
	g.group = membership.New(membership.Config{
		Protocol: e.cfg.GroupProtocol, Group: e.cfg.GroupID, ClientID: e.cfg.ClientID, Wire: e.cfg.Wire, Owner: owner{g}, Log: e.log,
		SessionTimeout: e.cfg.SessionTimeout, HeartbeatInterval: e.cfg.HeartbeatInterval,
		RebalanceTimeout: e.cfg.RebalanceTimeout, WatchInterval: watchInterval,
	})
	return g
}

// run works until stop ends; then it drains, commits and leaves the group. All that it
// started has ended when it returns.
func (g *member) run(stop context.Context) {
	joining, leave := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { g.group.Run(joining) })
	g.serve(stop)
	leave()
	group.Wait()
	g.stale()
}

// serve runs the loops until stop ends and all partitions are given up.
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

func (g *member) identity() membership.Identity {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return g.id
}

// all returns the partitions owned now.
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
func (o owner) Assigned(added []membership.Assignment) {
	g, e := o.g, o.g.engine
	e.mu.Lock()
	g.began, g.unsafe = time.Now(), false
	e.joined = true
	e.outside, e.refused, e.uncommitted = time.Time{}, time.Time{}, time.Time{}
	e.contact = time.Now()
	if g.stopping {
		e.mu.Unlock()
		return
	}
	for _, a := range added {
		g.begin(a)
	}
	for tp, r := range e.cached {
		if g.parts[tp] == nil { // another member reads and commits it now
			r.memories = nil
			r.facts.renewed = time.Time{}
			e.cached[tp] = r
		}
	}
	owned, changed, generation := len(g.parts), len(added) > 0 || g.moved, g.id.Generation
	g.moved = false
	e.mu.Unlock()
	for _, a := range added {
		e.cfg.Hooks.Assigned(a.Topic, a.Number)
	}
	if changed {
		e.cfg.Hooks.Rebalanced()
	}
	eventJoined.Log(e.log, slog.String("group", e.cfg.GroupID), slog.Any("generation", generation),
		slog.Int("partitions", owned), slog.Int("new", len(added)))
	g.tellShare()
	poke(g.starts)
}

// begin adds an assigned partition. The engine's mutex is held.
func (g *member) begin(a membership.Assignment) {
	e, tp := g.engine, a.Partition
	p := &partition{
		engine: e, member: g, topicPartition: tp, began: time.Now(),
		delivering: delivering{Queues: queue.New[*Delivery]()},
		fetching:   fetching{near: leaderAlone},
		ends:       ends{logEnd: -1},
		identity:   identity{assigned: a.TopicID},
		committing: committing{facts: commitFacts{last: offsets.Commit{Offset: -1}}},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if r, known := e.cached[tp]; known {
		p.facts = r.facts
	}
	p.facts.begins(g.id.Member)
	g.parts[tp] = p
}

// owns returns those of the named partitions that are owned.
func (g *member) owns(named []membership.Partition) (parts []*partition) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	for _, n := range named {
		if p := g.parts[n]; p != nil {
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
	g.lease = time.Time{} // no delivery starts
	e.outside = time.Now()
	for _, p := range g.parts {
		p.cancel()
	}
	g.stale()
	e.mu.Unlock()
	eventFenced.Log(e.log, slog.String("request", request), slog.Any("error", err), slog.Any("generation", generation))
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
	if before != nil { // a join must not wait for a topic that brokers leave out for a moment
		if counts, err := e.partitionCounts(ctx); err != nil || !e.enough(counts) {
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

// Names implements membership.Owner.
func (o owner) Names(ctx context.Context, ids []wire.ID) map[wire.ID]string {
	names := map[wire.ID]string{}
	m, err := o.g.engine.metadata(ctx)
	if err != nil {
		return names
	}
	for name, t := range m.Topics {
		if slices.Contains(ids, t.ID) {
			names[t.ID] = name
		}
	}
	if len(names) < len(ids) {
		o.g.engine.cfg.Wire.Refresh() // one was created just now
	}
	return names
}

// nudge wakes readLoop.
func (g *member) nudge() { poke(g.wakes) }

// poke wakes the loop that reads a channel of one signal.
var poke = membership.Poke
