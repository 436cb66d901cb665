package consumer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/wire"
)

// generation is one membership of the group, from join to the next: the
// partitions it was given and all that works on them.
type generation struct {
	engine *Engine
	joined
	ending
	signals

	parts map[topicPartition]*partition

	work // guarded by the engine's mutex
}

// joined is what the join told, and holds to the generation's end.
type joined struct {
	id      int32
	member  string
	began   time.Time
	cluster string   // the cluster's ID, "" where it has none; learnt before any partition starts
	topics  []string // subscribed to
}

// ending is how the generation comes to its end. Each of these happens once.
type ending struct {
	// ctx is the deliveries': it ends when they must be cut.
	ctx context.Context
	cut context.CancelFunc
	// over ends with the reason for which the generation ends before the group
	// says so itself.
	over context.Context
	end  context.CancelCauseFunc
	// fenced ends when the group refused a request as stale.
	fenced context.Context
	stale  context.CancelFunc
	// resubscribes is closed when other topics are to be read: the group must
	// be left and joined with those.
	resubscribes chan struct{}

	limit time.Time // of the drain, once it has begun
}

// signals go between the generation's loops, until they have ended.
type signals struct {
	wakes chan struct{} // nudges the reader
	looks chan struct{} // nudges the resolver

	checks sync.WaitGroup // of what leaders are asked beside the resolver

	// committing has room for one commit at a time, so that none overtakes another.
	committing chan struct{}
}

// work is how far the generation is with its records. It begins with nothing; draining
// stays once it is set.
type work struct {
	lease    time.Time // until then nobody else can own the partitions
	open     int
	ready    int // records that were read ahead and are ready, of all partitions; see recount
	draining bool
	drained  chan struct{} // closed when draining and nothing is open
	dirty    bool          // something to commit
	// shareOf is how many partitions each topic had when this member's share was last told.
	shareOf map[string]int
}

// Why a generation ends.
var (
	errFenced     = errors.New("another member owns the partitions")
	errRebalance  = errors.New("the group rebalances")
	errPartitions = errors.New("the topics' partitions changed")
)

func (e *Engine) newGeneration(gen *kafka.Generation, topics []string) *generation {
	g := &generation{
		engine: e,
		joined: joined{id: gen.ID, member: gen.MemberID, began: time.Now(), topics: topics},
		ending: ending{resubscribes: make(chan struct{})},
		signals: signals{
			wakes:      make(chan struct{}, 1),
			looks:      make(chan struct{}, 1),
			committing: make(chan struct{}, 1),
		},
		parts: map[topicPartition]*partition{},
		work:  work{drained: make(chan struct{})},
	}
	g.ctx, g.cut = context.WithCancel(context.Background())
	g.over, g.end = context.WithCancelCause(context.Background())
	g.fenced, g.stale = context.WithCancel(context.Background())
	for topic, assignments := range gen.Assignments {
		for _, a := range assignments {
			tp := topicPartition{topic, int32(a.ID)}
			p := &partition{
				engine: e, gen: g, topicPartition: tp,
				delivering: delivering{keyQueues: map[string]*keyQueue{}},
				fetching:   fetching{near: leaderAlone},
				ends:       ends{logEnd: -1},
				committing: committing{facts: commitFacts{last: mark{offset: -1}}},
			}
			e.mu.Lock()
			if r, known := e.cached[tp]; known {
				p.facts = r.facts
			}
			e.mu.Unlock()
			p.facts.begins(g.member)
			g.parts[tp] = p
		}
	}
	return g
}

// run works on the generation until the group ends it (gctx), the program stops,
// or it must end by itself; then it drains. When it returns all it started has
// ended and the partitions are given up.
func (g *generation) run(gctx, stop context.Context) {
	defer g.cut()
	defer g.stale()
	defer g.end(nil)
	if gctx.Err() != nil {
		return
	}
	g.begin()
	var readers, committer, heart sync.WaitGroup
	reading, stopReading := context.WithCancel(context.Background())
	committing, stopCommitting := context.WithCancel(context.Background())
	beating, stopBeating := context.WithCancel(context.Background())
	readers.Go(func() { g.readLoop(reading) })
	readers.Go(func() { g.startLoop(reading) })
	readers.Go(func() { g.resolveLoop(reading) })
	readers.Go(func() { g.watchPartitions(reading) })
	committer.Go(func() { g.commitLoop(committing) })
	heart.Go(func() { g.heartbeatLoop(beating) })

	why := errRebalance
	select {
	case <-gctx.Done():
	case <-stop.Done():
		why = context.Canceled
	case <-g.over.Done():
		why = context.Cause(g.over)
	}
	drain := time.Now()
	g.limit = drain.Add(g.engine.cfg.DrainTimeout)
	stopReading()
	left := g.drain()
	stopCommitting()
	readers.Wait()
	committer.Wait()
	if g.fenced.Err() == nil {
		g.commitLast()
		g.tellRemade()
	}
	stopBeating() // not before: a member that is silent for its session has no last commit
	heart.Wait()
	g.engine.cfg.Hooks.Drained(time.Since(drain))
	g.revoke()
	g.engine.log.Info("partitions given up", "why", reasonWord(why), "generation", g.id, "held_for", time.Since(g.began).Round(time.Millisecond).String())
	if left > 0 && g.fenced.Err() == nil {
		g.engine.log.Warn("the drain's limit was reached: open deliveries were cut, they stay uncommitted and may be sent again",
			"cut", left, "limit", g.engine.cfg.DrainTimeout.String())
	}
	g.pause(gctx, stop)
}

// pause waits until the group may be told that the generation has ended: a member joins at
// most once an interval, whatever the broker answers, and one that leaves would join again
// if this returned before the group is closed.
func (g *generation) pause(gctx, stop context.Context) {
	if stop.Err() == nil && !closed(g.resubscribes) {
		select {
		case <-time.After(time.Until(g.began.Add(joinInterval))):
		case <-stop.Done():
		}
	}
	if stop.Err() != nil || closed(g.resubscribes) {
		select {
		case <-gctx.Done():
		case <-time.After(joinInterval):
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func reasonWord(why error) string {
	switch {
	case errors.Is(why, errFenced):
		return "fenced"
	case errors.Is(why, errPartitions):
		return "partitions-changed"
	case errors.Is(why, context.Canceled):
		return "stop"
	}
	return "rebalance"
}

// begin makes the generation the engine's.
func (g *generation) begin() {
	e := g.engine
	e.mu.Lock()
	e.gen = g
	e.joined = true
	e.outside, e.refused, e.uncommitted = time.Time{}, time.Time{}, time.Time{}
	e.contact = time.Now()
	for tp, r := range e.cached {
		if g.parts[tp] == nil { // it has moved: its records are another's now
			r.memories = nil
			r.facts.renewed = time.Time{} // and its commits
			e.cached[tp] = r
		}
	}
	e.mu.Unlock()
	for tp := range g.parts {
		e.cfg.Hooks.Assigned(tp.topic, tp.partition)
	}
	e.cfg.Hooks.Rebalanced()
	e.log.Info("joined the group", "group", e.cfg.GroupID, "generation", g.id, "partitions", len(g.parts))
}

// closed notes that a delivery ended. The engine's mutex is held.
func (g *generation) closed() {
	g.open--
	if g.draining && g.open == 0 {
		close(g.drained)
	}
}

// drain starts no new delivery, waits for the open ones up to the limit, cuts
// what is left, and returns how many that were. A fenced generation cuts at
// once: its records are another's.
func (g *generation) drain() (left int) {
	e := g.engine
	limit := time.NewTimer(e.cfg.DrainTimeout)
	defer limit.Stop()
	e.mu.Lock()
	g.draining = true
	clear(e.ring)
	e.ring = e.ring[:0]
	for _, p := range g.parts {
		p.inRing = false
	}
	if g.open == 0 {
		close(g.drained)
	}
	e.mu.Unlock()

	select {
	case <-g.drained:
		return 0
	case <-limit.C:
	case <-g.fenced.Done():
	}
	e.mu.Lock()
	left = g.open
	e.mu.Unlock()
	g.cut()
	// What is cut ends at once, but for what does not listen.
	select {
	case <-g.drained:
	case <-time.After(cutGrace):
	}
	return left
}

// tellRemade says what is gone of topics that were deleted and made anew while the generation drained:
// Kafka has deleted their commits too, so that nobody else can know.
func (g *generation) tellRemade() {
	e := g.engine
	if !g.refusedAsGone() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitGrace)
	defer cancel()
	leaders, _, err := g.leaders(ctx)
	if err != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for tp, p := range g.parts {
		l := leaders[tp]
		another := l.id != (wire.ID{}) && p.logID != (wire.ID{}) && l.id != p.logID
		if another && p.trusted && (p.phase == reading || p.phase == checking) {
			g.part(p, parting{at: p.position, epoch: unknownEpoch, id: l.id, another: true})
		}
	}
}

// refusedAsGone tells whether a commit was refused since its topic is not there.
func (g *generation) refusedAsGone() bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	for _, p := range g.parts {
		if p.refusal == wire.Cause(kafka.UnknownTopicID) {
			return true
		}
	}
	return false
}

// revoke takes the partitions from the engine: every record of theirs is the next
// owner's.
func (g *generation) revoke() {
	e := g.engine
	e.mu.Lock()
	e.timed = nil
	clear(e.heldBy)
	e.large = nil
	for tp, p := range g.parts {
		r := cachedProgress{facts: p.facts}
		if p.trusted && (p.phase != parted || !p.parted.cut) {
			r.known, r.knowledge, r.logID, r.cluster, r.memories = true, p.toCache(), p.logID, g.cluster, p.remember()
			r.position, r.end = p.position, p.known()
			r.parted, r.toldParted = p.parted, p.toldParted
		}
		e.cached[tp] = r
		p.phase = revoked
		for d := p.head; d != nil; d = d.next {
			if d.state != open { // those end by themselves, and give their slots back
				d.state = gone
			}
		}
	}
	e.gen = nil
	e.outside = time.Now()
	e.mu.Unlock()
	e.cfg.Hooks.Owns(nil, nil)
}

// nudge wakes the reader; at most one nudge is remembered.
func (g *generation) nudge() { poke(g.wakes) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fence ends the generation at once: a request was refused as stale.
func (g *generation) fence(request string, err error) {
	if g.fenced.Err() == nil {
		g.engine.log.Warn("fenced: the group took this member's partitions away; what was open is cut and may be sent again by their new owner",
			"request", request, slog.Any("error", err), "generation", g.id)
	}
	g.engine.mu.Lock()
	g.lease = time.Time{} // nothing more is delivered
	g.engine.mu.Unlock()
	g.stale()
	g.end(errFenced)
}

// isStale tells whether Kafka refused a request because the member or generation
// is no longer the group's.
func isStale(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.FencedInstanceID)
}

// cutGrace is how long deliveries that were cut may take to end.
const cutGrace = time.Second
