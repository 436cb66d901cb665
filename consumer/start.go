package consumer

import (
	"context"
	"math"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

// resolveLoop finds where to read for partitions that have just been assigned,
// and for those whose position Kafka says is not in the log.
func (g *generation) resolveLoop(ctx context.Context) {
	var starts retry
	for {
		if starts.due() {
			starts.after(g.resolveStarting(ctx))
		}
		var again <-chan time.Time
		if next := earlier(starts.next, g.resolveLost(ctx)); !next.IsZero() {
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

func (g *generation) inPhase(ph phase) []*partition {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	var parts []*partition
	for _, p := range g.parts {
		if p.phase == ph {
			parts = append(parts, p)
		}
	}
	return parts
}

// resolveStarting starts the partitions whose committed offsets can be learnt, and tells
// how many there were and how many of them have started.
func (g *generation) resolveStarting(ctx context.Context) (of, started int) {
	parts := g.inPhase(starting)
	if len(parts) == 0 {
		return 0, 0
	}
	res, err := g.fetchOffsets(ctx, parts)
	why := map[*partition]error{}
	var found []start
	var fresh []*partition
	for _, p := range parts {
		perr := err
		var c *kafka.OffsetFetchPartition
		if perr == nil {
			c, perr = committedOf(res, p)
		}
		switch {
		case perr != nil:
			why[p] = perr
		case c.CommittedOffset < 0:
			fresh = append(fresh, p)
		default:
			found = append(found, g.startAt(p, c.CommittedOffset, c.Metadata))
		}
	}
	g.begins(found...)
	for _, line := range g.waits(ctx, 0, why) {
		g.engine.log.Warn("the group's committed offsets cannot be read; tried again", line...)
	}
	return len(parts), len(found) + g.startFirst(ctx, fresh)
}

// fetchOffsets asks the group's coordinator for committed offsets.
func (g *generation) fetchOffsets(ctx context.Context, parts []*partition) (*kafka.OffsetFetchResponse, error) {
	e := g.engine
	if err := g.learnCluster(ctx); err != nil {
		return nil, err
	}
	req := &kafka.OffsetFetchRequest{GroupID: e.cfg.GroupID, Topics: map[string][]int{}}
	for _, p := range parts {
		req.Topics[p.topic] = append(req.Topics[p.topic], int(p.partition))
	}
	res, err := e.client.OffsetFetch(ctx, req)
	if err != nil {
		return nil, err
	}
	return res, res.Error
}

func committedOf(res *kafka.OffsetFetchResponse, p *partition) (*kafka.OffsetFetchPartition, error) {
	c, err := only(res.Topics[p.topic], func(c *kafka.OffsetFetchPartition) bool { return c.Partition == int(p.partition) })
	if err == nil {
		err = c.Error
	}
	return c, err
}

// learnCluster learns the cluster's ID, to which commit metadata is bound, and how many
// partitions there are.
func (g *generation) learnCluster(ctx context.Context) error {
	e := g.engine
	res, err := e.client.Metadata(ctx, &kafka.MetadataRequest{Topics: g.topics})
	if err != nil {
		return err
	}
	if _, err := e.partitionCounts(ctx); err != nil {
		return err
	}
	g.tellShare()
	e.mu.Lock()
	defer e.mu.Unlock()
	g.cluster = res.ClusterID
	e.brokers = len(res.Brokers)
	return nil
}

// startFirst starts partitions that have no committed offset at their first
// records, and tells how many have started. The offsets are committed before
// anything is read: from then on the group has an offset to which every later
// commit can be compared. One commit holds all that are known by then.
func (g *generation) startFirst(ctx context.Context, parts []*partition) (started int) {
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

// commitFirst commits first offsets and starts the partitions whose one was
// taken; it returns how many those are.
func (g *generation) commitFirst(ctx context.Context, commits []commitment) (started int) {
	if len(commits) == 0 || !g.turn(ctx) {
		return 0
	}
	taken := g.send(ctx, commits)
	g.endTurn()
	var begun []start
	for _, c := range taken {
		g.engine.mu.Lock()
		delete(g.engine.recollections, c.part.topicPartition)
		g.engine.mu.Unlock()
		g.engine.log.Info("partition without a committed offset starts at its first record",
			"topic", c.part.topic, "partition", c.part.partition, "offset", c.offset)
		begun = append(begun, start{c.part, newProgress(c.offset, unknownEpoch, knowledge{end: c.offset})})
	}
	g.begins(begun...)
	return len(begun)
}

// start is where the reading of a partition begins.
type start struct {
	part *partition
	at   progress
}

// startAt is the start at a committed offset with what the metadata tells.
func (g *generation) startAt(p *partition, offset int64, metadata string) start {
	e := g.engine
	found := mark{offset, metadata}
	k, err := decodeMetadata(p.place(offset), metadata)
	below, unproven := k.anchor, k.anchor.known && k.end > offset
	var memories []memory
	e.mu.Lock()
	if r, own := e.recollections[p.topicPartition]; own && r.cluster == g.cluster && (found == r.taken || found == r.sent) {
		// Nobody has committed since this process gave the partition up: what it
		// knows beyond the commit still holds.
		k, err, unproven = r.knowledge, nil, false
		memories = r.memories
	}
	delete(e.recollections, p.topicPartition)
	if err != nil {
		g.ignored(p, found)
	}
	p.committed, p.sent = found, found
	p.last, p.unproven = below, unproven
	e.mu.Unlock()
	epoch := unknownEpoch
	if k.end == offset {
		epoch = k.endEpoch
	}
	at := newProgress(offset, epoch, k)
	at.memories = memories
	return start{p, at}
}

// ignored counts and logs that what a commit tells beyond its offset does not count.
func (g *generation) ignored(p *partition, commit mark) {
	e := g.engine
	e.cfg.Hooks.MetadataIgnored()
	e.log.Warn("the commit's metadata is ignored: it was not written at this place by this version (moved beside another offset, copied from another cluster, "+
		"another program's or another version's), or is damaged; records done beyond the commit are sent again, none is skipped",
		"topic", p.topic, "partition", p.partition, "offset", commit.offset, "bytes", len(commit.metadata))
}

// begins lets partitions be read, all from the same moment on: the reader would
// else leave for a long poll with the first of them.
func (g *generation) begins(starts ...start) {
	e := g.engine
	e.mu.Lock()
	e.started = e.started || len(starts) > 0
	for _, s := range starts {
		s.part.progress = s.at
		s.part.phase, s.part.readable = reading, math.MaxInt64
		s.part.failing, s.part.cause = time.Time{}, ""
		s.part.doubt()
	}
	e.mu.Unlock()
	g.nudge()
}

// logBounds asks the partition's leader for the first offset of its log and the
// one behind its last.
func (g *generation) logBounds(ctx context.Context, p *partition) (first, end int64, err error) {
	e := g.engine
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	all, err := fetch.LogBounds(ctx, e.cfg.Transport, e.client.Addr, p.topic, []int32{p.partition}, false)
	if err != nil {
		return 0, 0, err
	}
	b := all[p.partition]
	return b.First, b.End, b.Err
}

// resolveLost decides for partitions whose position is not in the log, and tells
// when some must be looked at again; zero: none.
func (g *generation) resolveLost(ctx context.Context) (next time.Time) {
	why := map[*partition]error{}
	for _, p := range g.inPhase(lost) {
		if !p.look.due() {
			next = earlier(next, p.look.next)
			continue
		}
		first, end, err := g.logBounds(ctx, p)
		switch {
		case err != nil:
			why[p] = err
			p.look.after(1, 0)
			next = earlier(next, p.look.next)
			continue
		case g.resolve(p, first, end):
			next = earlier(next, time.Now().Add(joinInterval))
		}
		p.look = retry{}
		g.bounded(p)
	}
	g.boundsUnread(ctx, why)
	return next
}

// bounded notes that a partition's log has told its bounds.
func (g *generation) bounded(p *partition) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if p.failures == 0 {
		p.failing, p.cause = time.Time{}, ""
	}
}

// resolve decides for one partition whose log reaches from first to end; true
// if it cannot be decided yet.
func (g *generation) resolve(p *partition, first, end int64) (again bool) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if p.last.offset < first {
		p.unsure = false // retention took the anchor
		g.proven(p, false)
	}
	switch {
	case p.replaced:
		return g.replaced(p, first)
	case p.position < first:
		p.outOfRange = time.Time{}
		return g.dropped(p, p.position, first, first)
	case max(p.position, p.inheritedEnd) <= end:
		// It is in the log after all: a leader that lagged has caught up, or
		// another log has grown so far, which the anchor tells.
		p.outOfRange = time.Time{}
		if p.last.offset >= first {
			p.doubt()
		}
		g.reads(p)
		return false
	case p.outOfRange.IsZero():
		p.outOfRange = now
		e.log.Warn("what was read before is above the log's end; believed when it has stood so for 30s, since a new leader may lag",
			"topic", p.topic, "partition", p.partition, "position", p.position, "done_to", p.inheritedEnd, "end", end)
		return true
	case now.Sub(p.outOfRange) < settleTime || p.count > 0:
		// Not believed yet, or what was read before is not finished yet.
		return true
	}
	if p.position <= end {
		g.forgets(p, end)
		return false
	}
	return g.dropped(p, end, p.position, first)
}

// forgets drops what the commit's metadata tells beyond a log that ends before
// it: those are other records, or none. The engine's mutex is held.
func (g *generation) forgets(p *partition, end int64) {
	e := g.engine
	e.log.Error("Kafka no longer has records that were done (truncation, or the topic was made anew); what the commit tells of them is ignored, "+
		"records may be sent again", "topic", p.topic, "partition", p.partition, "from", end, "to", p.inheritedEnd, "count", p.inheritedEnd-end)
	e.cfg.Hooks.MetadataIgnored()
	e.cfg.Hooks.Dropped(p.topic, p.partition, p.inheritedEnd-end)
	p.inherited, p.inheritedEnd, p.memories = nil, 0, nil
	p.outOfRange = time.Time{}
	p.doubt()
	g.dirty = true
	g.reads(p)
}

// restart sets a partition's position lower, once: everything read before is
// finished. The engine's mutex is held.
func (g *generation) restart(p *partition, first int64) {
	p.progress = newProgress(first, unknownEpoch, knowledge{end: first})
	p.last = anchor{}
	p.unsure, p.unproven, p.replaced, p.outOfRange = false, false, false, time.Time{}
	p.logEnd, p.unread = -1, unread{}
	g.dirty = true
	g.reads(p)
}

// dropped reports what Kafka dropped before it could be read and goes on where
// the setting says. The engine's mutex is held.
func (g *generation) dropped(p *partition, from, to, first int64) (again bool) {
	e := g.engine
	e.cfg.Hooks.Dropped(p.topic, p.partition, to-from)
	report := []any{"topic", p.topic, "partition", p.partition, "from", from, "to", to, "count", to - from}
	if e.cfg.OffsetReset == ResetNone {
		p.phase = parked
		e.log.Error("Kafka no longer has records that were not read (retention, truncation, or the topic was made anew); "+
			"the partition waits for a person, as KAFKA_OFFSET_RESET=none says: set the group's offset and start the replicas again", report...)
		return false
	}
	e.log.Error("Kafka dropped records before they could be read (retention, truncation, or the topic was made anew); reading goes on at the first record there is",
		append(report, "next", first)...)
	if first < p.position {
		g.restart(p, first)
		return false
	}
	p.advance(first, unknownEpoch)
	g.dirty = true
	g.reads(p)
	return false
}

func (g *generation) reads(p *partition) {
	if p.phase == lost {
		p.phase = reading
	}
	poke(g.wakes)
}
