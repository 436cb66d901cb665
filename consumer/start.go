package consumer

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"time"

	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// startLoop finds where to start reading assigned partitions. A leader that does not answer
// delays this loop, but not resolveLoop.
func (g *member) startLoop(ctx context.Context) {
	var starts retry
	for {
		of, started := g.resolveStarting(ctx)
		starts.after(of, started)
		var again <-chan time.Time
		if of > started {
			again = time.After(time.Until(starts.next))
		}
		select {
		case <-again:
		case <-g.starts:
		case <-ctx.Done():
			return
		}
	}
}

// resolveLoop verifies each partition's log before it is read.
func (g *member) resolveLoop(ctx context.Context) {
	defer g.checks.Wait()
	for {
		var again <-chan time.Time
		if next := earlier(g.resettle(ctx), g.check(ctx)); !next.IsZero() {
			again = time.After(time.Until(next))
		}
		select {
		case <-g.looks:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

func (g *member) inPhase(ph phase) []*partition {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	var parts []*partition
	for _, p := range g.parts {
		if p.phase == ph && p.drain == nil {
			parts = append(parts, p)
		}
	}
	return parts
}

// resolveStarting starts the partitions whose committed offsets it can fetch. It returns how
// many were to be started, and how many have started.
func (g *member) resolveStarting(ctx context.Context) (of, started int) {
	parts := g.inPhase(starting)
	if len(parts) == 0 {
		return 0, 0
	}
	commits, ids, err := g.fetchOffsets(ctx, parts)
	why := map[*partition]error{}
	var found []start
	var fresh []*partition
	for _, p := range parts {
		perr := err
		var c offsets.Commit
		if perr == nil {
			c, perr = commits.Of(p.Topic, p.Number)
		}
		switch {
		case perr != nil:
			why[p] = perr
		case c.Offset < 0:
			fresh = append(fresh, p)
		default:
			found = append(found, g.startAt(p, c, ids[p.Topic]))
		}
	}
	g.begins(found...)
	if isStale(err) {
		why = nil // a new generation follows, and then the next try
	}
	for _, line := range g.waits(ctx, 0, why) {
		eventOffsetsUnreadable.Log(g.engine.log, line...)
	}
	return len(parts), len(found) + g.startFirst(ctx, fresh)
}

// fetchOffsets asks the group's coordinator for committed offsets. The topics' IDs are from
// metadata asked for before.
func (g *member) fetchOffsets(ctx context.Context, parts []*partition) (found offsets.Commits, ids map[string]wire.ID, err error) {
	e := g.engine
	if ids, err = g.learnCluster(ctx); err != nil {
		return nil, nil, err
	}
	asked := map[string][]int32{}
	for _, p := range parts {
		asked[p.Topic] = append(asked[p.Topic], p.Number)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	id, sent := g.identity(), time.Now()
	switch e.cfg.GroupProtocol {
	case membership.ProtocolConsumer:
		found, err = offsets.FetchAs(ctx, e.cfg.Wire, e.cfg.GroupID, id, asked)
		if isStale(err) {
			g.group.Judge("offset fetch", id, sent, err)
		}
	case membership.ProtocolClassic:
		found, err = offsets.Fetch(ctx, e.cfg.Wire, e.cfg.GroupID, asked)
	}
	return found, ids, err
}

// learnCluster learns the cluster's ID and the topics' IDs, to which commit metadata is bound,
// and the numbers of partitions.
func (g *member) learnCluster(ctx context.Context) (ids map[string]wire.ID, err error) {
	e := g.engine
	m, err := e.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := e.partitionCounts(ctx); err != nil {
		return nil, err
	}
	ids = map[string]wire.ID{}
	for name, t := range m.Topics {
		ids[name] = t.ID
	}
	g.tellShare()
	e.mu.Lock()
	defer e.mu.Unlock()
	g.cluster = m.ClusterID
	e.brokers = len(m.Brokers)
	return ids, nil
}

// startFirst starts partitions without a committed offset at their first records, and returns
// how many have started. Their first offsets are committed before anything is read, so
// that each later commit can be compared with one. One commit holds all that are known by
// then.
func (g *member) startFirst(ctx context.Context, parts []*partition) (started int) {
	if len(parts) == 0 {
		return 0
	}
	answers := g.firstOffsets(ctx, parts)
	for commits := range answers {
		for more := true; more; {
			select {
			case others, open := <-answers:
				commits, more = append(commits, others...), open
			default:
				more = false
			}
		}
		started += g.commitFirst(ctx, commits)
	}
	return started
}

// commitFirst commits first offsets and starts the partitions whose commit was accepted. It
// returns how many.
func (g *member) commitFirst(ctx context.Context, commits []commitment) (started int) {
	if len(commits) == 0 || !g.beginRound(ctx) {
		return 0
	}
	commits = slices.DeleteFunc(commits, func(c commitment) bool { return !g.starting(c.part) || c.part.foreign(c.logID) || !g.mayBegin(c) })
	taken := g.send(ctx, commits)
	g.endRound()
	var begun []start
	for _, c := range taken {
		g.engine.mu.Lock()
		delete(g.engine.cached, c.part.topicPartition)
		c.part.logID = c.logID
		g.engine.mu.Unlock()
		eventPartitionBegins.Log(g.engine.log, slog.String("topic", c.part.Topic), slog.Any("partition", c.part.Number),
			slog.Int64("offset", c.Offset))
		begun = append(begun, start{c.part, progress.NewLog[*Delivery](c.Offset)})
	}
	g.begins(begun...)
	return len(begun)
}

// starting reports whether a partition is still to be started.
func (g *member) starting(p *partition) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return p.phase == starting && p.drain == nil
}

// mayBegin judges a partition without a commit. If this process had read it under another topic ID,
// the topic was recreated: Kafka deleted the commit with the former topic, and that topic's records
// are gone. This is counted and logged once. It returns false if a person decides.
func (g *member) mayBegin(c commitment) bool {
	e, p := g.engine, c.part
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.cached[p.topicPartition]
	if !r.known || r.logID == c.logID || r.logID == (wire.ID{}) || c.logID == (wire.ID{}) {
		return true
	}
	goesOn := !e.cfg.OffsetReset.waits()
	if !r.toldParted {
		goesOn = e.tellGone(p.topicPartition, recreated, r.position, r.end, c.Offset)
		r.toldParted = true
		e.cached[p.topicPartition] = r
	}
	if !goesOn {
		p.Progress = progress.New[*Delivery](r.position, progress.UnknownEpoch, progress.Nothing(r.position, progress.UnknownEpoch))
		p.phase, p.logID, p.trusted, p.toldParted = parked, r.logID, true, true
		p.parted = parting{at: c.Offset, epoch: progress.UnknownEpoch, id: c.logID, another: true}
		p.reaches = r.end
	}
	return goesOn
}

// start is where the reading of a partition begins.
type start struct {
	part *partition
	at   progress.Progress[*Delivery]
}

// startAt is the start at a committed offset, with what its metadata says. All of it is verified
// before it counts, by the epochs and the topic ID that the commit carries.
func (g *member) startAt(p *partition, found offsets.Commit, id wire.ID) start {
	e := g.engine
	at := p.commitKey(found.Offset)
	at.TopicID = id
	k, err := progress.Decode(at, found.Metadata)
	logID, epoch := wire.ID{}, found.Epoch
	if err == nil || errors.Is(err, progress.ErrAnotherTopic) {
		logID = progress.WrittenID(found.Metadata)
	}
	if epoch == 0 && progress.TellsNoEpoch(found.Metadata) {
		epoch = progress.UnknownEpoch // kafka-go writes 0 if it knows none
	}
	if k.EndEpoch == progress.UnknownEpoch {
		k = progress.Nothing(found.Offset, progress.UnknownEpoch) // without an epoch it cannot be verified
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.cached[p.topicPartition]; r.known && r.cluster == g.cluster && r.facts.ours(found) && !errors.Is(err, progress.ErrAnotherTopic) {
		// No one has committed since this process gave the partition up: what it
		// knows beyond the commit is still true if the log is the same.
		k, logID, p.memories, err = r.knowledge, r.logID, r.memories, nil
		p.reaches, p.parted, p.toldParted = r.end, r.parted, r.toldParted
	}
	if p.phase == starting && p.drain == nil { // if not, the cache may be of a later ownership
		delete(e.cached, p.topicPartition)
	}
	p.facts.found(found)
	if p.logID = logID; logID != (wire.ID{}) && logID != id {
		p.doubted = time.Now() // the metadata may be older than the commit
	}
	if err != nil && !errors.Is(err, progress.ErrAnotherTopic) { // the check logs another topic
		g.ignored(p, found)
	}
	return start{p, progress.New[*Delivery](found.Offset, epoch, k)}
}

// ignored counts and logs that a commit's metadata is ignored. The engine's mutex is held.
func (g *member) ignored(p *partition, commit offsets.Commit) {
	e := g.engine
	e.tell(e.cfg.Hooks.MetadataIgnored)
	eventMetadataIgnored.Log(e.log, slog.String("topic", p.Topic), slog.Any("partition", p.Number),
		slog.Int64("offset", commit.Offset), slog.Int("bytes", len(commit.Metadata)))
}

// begins lets partitions be verified and read, all from the same moment on. Otherwise the reader
// would start a long poll with the first of them alone.
func (g *member) begins(starts ...start) {
	e := g.engine
	e.mu.Lock()
	e.started = e.started || len(starts) > 0
	for _, s := range starts {
		if s.part.phase != starting || s.part.drain != nil {
			continue // it is given up
		}
		s.part.Progress = s.at
		s.part.phase, s.part.readable = checking, math.MaxInt64
		s.part.failingSince, s.part.cause = time.Time{}, ""
	}
	e.mu.Unlock()
	poke(g.looks)
}
