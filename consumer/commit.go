package consumer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// commitment is one partition's part of a commit.
type commitment struct {
	part  *partition
	logID wire.ID // the topic's; zero: unknown
	offsets.Commit
	refused  error // the last answer's error
	stripped int   // bytes of metadata left out after a refusal
}

// commitLoop commits what has changed, once per Config.CommitInterval. While nothing changes it
// sends nothing.
func (g *member) commitLoop(ctx context.Context) {
	tick := time.NewTicker(g.engine.cfg.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return // a tick may be due at the same time
		}
		g.commit(ctx)
	}
}

// commitLast commits at the end of a drain. It tries again until all is accepted or the drain's
// limit is reached; it has at least lastCommit.
func (g *member) commitLast(limit time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), max(time.Until(limit), lastCommit))
	defer cancel()
	for g.commit(ctx) && !g.isFenced() && ctx.Err() == nil {
		select {
		case <-time.After(lastCommit / 10):
		case <-ctx.Done():
		}
	}
}

const (
	// lastCommit is the least time for the commit at the end of a drain.
	lastCommit = 1500 * time.Millisecond

	// commitRenewal is the greatest age of a commit. An older one is sent again although nothing
	// has changed. A broker forgets a commit after offsets.retention.minutes (7 days by
	// default) if the group is not subscribed to its topic (KIP-211), and an outage may last
	// longer. If another member owned the partition, the age of its commit is unknown: it is sent
	// again at once.
	commitRenewal = 6 * time.Hour

	// commitLate is how long an abandoned commit (unanswered) may still land. It may land
	// after the next one, on another connection, and its older offset would replace the newer one.
	// So for this time the partition is committed in each interval, and once more after it,
	// through any generation of this member. (A broker that is frozen for longer answers
	// nothing meanwhile: each unanswered commit restarts the time.)
	commitLate = 30 * time.Second

	// commitGrace is the least time for the answer to a commit in flight after its sender was
	// told to stop.
	commitGrace = time.Second
)

// patience is how long a commit in flight may run after its sender was told to stop: in a drain,
// the time left minus lastCommit. An abandoned commit may land after the last one and
// replace it by older offsets.
func (g *member) patience() time.Duration {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return max(commitGrace, time.Until(g.limit)-lastCommit)
}

// underWay notes the commit in flight by the function that abandons it; nil: none is in flight. A
// commit that begins in a drain is limited by the drain's time.
func (g *member) underWay(giveUp context.CancelFunc) {
	g.engine.mu.Lock()
	g.giveUpCommit = giveUp
	hurry := g.drains > 0
	g.engine.mu.Unlock()
	if hurry {
		g.hurry()
	}
}

// hurry limits the commit in flight to patience.
func (g *member) hurry() {
	patience := g.patience()
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if giveUp := g.giveUpCommit; giveUp != nil {
		time.AfterFunc(patience, giveUp)
	}
}

// commit sends what has changed since the last accepted commit. It reports whether something
// is left that may be accepted if it is sent again at once.
func (g *member) commit(ctx context.Context) (left bool) {
	if !g.beginRound(ctx) {
		return true
	}
	defer g.endRound()
	commits := g.commitments()
	if len(commits) == 0 {
		return false
	}
	taken := g.send(ctx, commits)
	return len(taken) < len(commits) && !g.refusedAside(notIn(commits, taken))
}

// notIn returns the commits whose partitions have none among the others.
func notIn(commits, others []commitment) []commitment {
	return slices.DeleteFunc(slices.Clone(commits), func(c commitment) bool {
		return slices.ContainsFunc(others, func(o commitment) bool { return o.part == c.part })
	})
}

// beginRound waits until no commit is in flight, and reserves the right to send the next; endRound
// gives it back. false: ctx ended first.
func (g *member) beginRound(ctx context.Context) bool {
	select {
	case g.committing <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *member) endRound() { <-g.committing }

// commitments returns the commits to send: changed ones, old ones, and those that a late commit
// may replace.
func (g *member) commitments() []commitment {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	var commits []commitment
	for _, p := range g.parts {
		due := p.facts.due(now, p.phase)
		if !p.commits() || !due && !g.dirty {
			continue
		}
		if c := g.commitment(p); due || c.Commit != p.facts.last {
			commits = append(commits, c)
		}
	}
	g.dirty = false
	return commits
}

// commitment is a partition's commit as of now. The engine's mutex is held.
func (g *member) commitment(p *partition) commitment {
	e := g.engine
	c := commitment{part: p, logID: p.logID, Commit: offsets.Commit{Offset: p.Watermark(), Epoch: p.WatermarkEpoch()}}
	if e.noEvidence {
		return c
	}
	if c.Metadata, _ = progress.Encode(p.commitKey(c.Offset), p.Knowledge()); e.noMetadata || len(c.Metadata) > int(e.size) {
		// The topic's ID and the epoch take some 40 bytes: they stay.
		c.Metadata, _ = progress.Encode(p.commitKey(c.Offset), p.Evidence())
	}
	return c
}

func (p *partition) commitKey(offset int64) progress.CommitKey {
	return progress.CommitKey{Cluster: p.member.cluster, Topic: p.Topic, Partition: p.Number, Offset: offset, TopicID: p.logID}
}

// outcome is the result of one request's commits.
type outcome struct {
	taken, refused []commitment
	heavy          []commitment // refused for their size, certainly or possibly
	err            error        // the request's, or a refusal; the one that ends the generation, if there is one
}

// request sends one request and notes what was accepted.
func (g *member) request(ctx context.Context, id membership.Identity, commits []commitment) outcome {
	e := g.engine
	req := g.commitRequest(id, commits)
	topic := ""
	if len(req.Topics) == 1 {
		topic = commits[0].part.Topic
	}
	sent, ended := time.Now(), e.cfg.Hooks.Committing(topic, len(commits))
	g.noteSent(commits)
	res, err := g.exchange(ctx, req)
	if !membership.Answered(err) {
		g.noteUnanswered(commits)
	}
	o := g.outcome(commits, res, err)
	if canBeLess(commits, o.err) {
		e.heard() // smaller commits follow, which report the result
	} else {
		g.judge(id, sent, o.err, o.about()...)
	}
	result := "failed"
	switch {
	case o.err == nil:
		result = "ok"
	case isStale(o.err):
		result = "stale"
	}
	ended(result)
	e.cfg.Hooks.Committed(result)
	return o
}

// current returns the commits that may be sent now, and the identity to send them under: those of
// partitions still owned, and none while other members may own them.
func (g *member) current(commits []commitment) (id membership.Identity, current []commitment) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if g.unsafe {
		return g.id, nil
	}
	return g.id, slices.DeleteFunc(slices.Clone(commits), func(c commitment) bool { return c.part.phase == revoked })
}

// judge handles the answer to a commit; about has its fields for the log.
func (g *member) judge(id membership.Identity, sent time.Time, err error, about ...slog.Attr) {
	if !g.group.Judge("commit", id, sent, err) {
		fields := []slog.Attr{slog.String("request", "commit"), slog.String("error", err.Error())}
		membership.EventRequestRefused.Log(g.engine.log, append(fields, about...)...)
	}
}

// isStale reports whether Kafka refused a request because the group no longer knows the member
// or its generation.
func isStale(err error) bool {
	for _, stale := range []error{
		kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.FencedInstanceID, wire.FencedMemberEpoch, wire.StaleMemberEpoch,
	} {
		if errors.Is(err, stale) {
			return true
		}
	}
	return false
}

// exchange sends a commit and waits for the answer, requestTimeout at most. It does not abandon a
// commit for the next one: the next could land first, and the older offset would replace it.
func (g *member) exchange(ctx context.Context, req *kmsg.OffsetCommitRequest) (*kmsg.OffsetCommitResponse, error) {
	e := g.engine
	request, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	g.underWay(cancel)
	defer g.underWay(nil)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(g.patience(), cancel) })()
	defer context.AfterFunc(g.fencing(), func() { time.AfterFunc(commitGrace, cancel) })()
	answer, err := e.cfg.Wire.SendToCoordinator(request, e.cfg.GroupID, req)
	if err != nil {
		return nil, err
	}
	return answer.(*kmsg.OffsetCommitResponse), nil
}

// outcome notes which commits were accepted and which were refused. err is nil if only partitions
// were refused. A partition missing in the answer counts as refused.
func (g *member) outcome(commits []commitment, res *kmsg.OffsetCommitResponse, err error) outcome {
	o := outcome{err: err}
	for _, c := range commits {
		c.refused = err
		if res != nil {
			c.refused = g.engine.commitError(res, c)
		}
		if c.refused == nil {
			o.taken = append(o.taken, c)
			g.noteCommitted(c)
			continue
		}
		o.refused = append(o.refused, c)
		g.noteRefused(c, c.refused)
		if may, _ := ofSize(c.refused); may {
			o.heavy = append(o.heavy, c)
		}
		if o.err == nil || isStale(c.refused) {
			o.err = c.refused
		}
	}
	if len(o.taken) > 0 {
		for _, c := range o.refused {
			g.noteAside(c, c.refused)
		}
	}
	return o
}

// about has the fields for the log: the first refused commit, and how many were refused.
func (o *outcome) about() []slog.Attr {
	if len(o.refused) == 0 {
		return nil
	}
	c := o.refused[0]
	return []slog.Attr{slog.String("topic", c.part.Topic), slog.Any("partition", c.part.Number),
		slog.String("cause", wire.Cause(c.refused)), slog.Int("partitions", len(o.refused))}
}

// byName is the newest version of OffsetCommit that names topics by name. The next one, from
// Kafka 4.2 on, names them by ID: a late commit cannot land on a recreated topic.
const byName = 9

// commitRequest makes the request.
func (g *member) commitRequest(id membership.Identity, commits []commitment) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID = g.engine.cfg.GroupID, id.Generation, id.Member
	at := map[logName]int{}
	for _, c := range commits {
		name := logName{c.part.Topic, c.logID}
		if c.logID == (wire.ID{}) {
			req.SetVersion(byName)
		}
		i, known := at[name]
		if !known {
			i = len(req.Topics)
			at[name] = i
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic, t.TopicID = name.topic, name.id
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = c.part.Number, c.Offset, c.Epoch
		p.Metadata = kmsg.StringPtr(c.Metadata)
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	return req
}

// logName is a topic's name and ID. After a topic was recreated, its partitions may have
// different IDs for a while: they learn of it one by one.
type logName struct {
	topic string
	id    wire.ID
}

// canBeLess reports whether a refused request can be made smaller: by fewer partitions, or
// without metadata.
func canBeLess(commits []commitment, err error) bool {
	bare := !slices.ContainsFunc(commits, func(c commitment) bool { return c.Metadata != "" })
	if errors.Is(err, kafka.OffsetMetadataTooLarge) {
		return !bare
	}
	_, certain := ofSize(err)
	return certain && (len(commits) > 1 || !bare)
}

// commitError is the answer's error for one commit. It is also an error if the answer leaves the
// partition out or names it twice.
func (e *Engine) commitError(res *kmsg.OffsetCommitResponse, c commitment) error {
	err, told := fetch.ErrLeftOut, false
	for _, t := range res.Topics {
		if res.Version > byName && t.TopicID != c.logID || res.Version <= byName && t.Topic != c.part.Topic {
			continue
		}
		for _, p := range t.Partitions {
			switch {
			case p.Partition != c.part.Number:
			case told:
				return fetch.ErrTwice
			default:
				err, told = membership.CodeError(e.cfg.Wire, e.cfg.GroupID, p.ErrorCode, nil), true
			}
		}
	}
	return err
}

func (g *member) noteCommitted(c commitment) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	c.part.facts.taken(c.Commit, time.Now())
	c.part.refused, c.part.refusal = time.Time{}, ""
}

func (g *member) noteRefused(c commitment, err error) {
	e := g.engine
	if ofPartition(err) {
		g.noteAside(c, err)
		e.cfg.Wire.Refresh() // the topic may be gone
	}
	if errors.Is(err, kafka.OffsetMetadataTooLarge) {
		e.mu.Lock()
		first := !e.noMetadata
		e.noEvidence = !first && len(c.Metadata) <= progress.EvidenceLimit
		if e.noMetadata = true; first {
			for _, p := range g.parts { // the bound of gaps no longer applies
				p.fits()
				e.markReady(p)
				e.unpause(p)
			}
		}
		e.mu.Unlock()
		if first {
			eventMetadataTooLarge.Log(e.log, slog.String("topic", c.part.Topic), slog.Any("partition", c.part.Number),
				slog.Int("bytes", len(c.Metadata)))
		}
	}
}

// noteAside notes a commit that was refused although others may be accepted.
func (g *member) noteAside(c commitment, err error) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	c.part.isRefused(err)
}

// isRefused notes that the partition's commits are refused. The engine's mutex is held.
func (p *partition) isRefused(err error) {
	if p.refused.IsZero() {
		p.refused = time.Now()
	}
	p.refusal = wire.Cause(err)
}

// refusedAside reports whether all these commits are noted by noteAside: their refusal says
// nothing about others.
func (g *member) refusedAside(commits []commitment) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return !slices.ContainsFunc(commits, func(c commitment) bool { return c.part.refused.IsZero() })
}

// ofPartition reports whether a commit was refused for a reason of its partition alone: others
// may be accepted.
func ofPartition(err error) bool {
	for _, of := range []error{
		kafka.TopicAuthorizationFailed, kafka.UnknownTopicOrPartition, kafka.InvalidTopic, kafka.UnknownTopicID, fetch.ErrLeftOut, fetch.ErrTwice,
	} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// refusesAll reports whether the last commit of each partition was refused. The engine's mutex is
// held.
func (g *member) refusesAll() bool {
	for _, p := range g.parts {
		if p.refused.IsZero() {
			return false
		}
	}
	return true
}
