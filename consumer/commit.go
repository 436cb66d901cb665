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
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// commitment is what one partition has to commit.
type commitment struct {
	part  *partition
	logID wire.ID // of the topic that it is about; zero: not known
	mark
	refused  error // by the last answer
	stripped int   // bytes of metadata that were left out after a refusal
}

// commitLoop commits what has changed, once an interval. One request holds all
// partitions; there is none while nothing changes.
func (g *member) commitLoop(ctx context.Context) {
	tick := time.NewTicker(g.engine.cfg.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return // though a tick may have come as well while the last one took long
		}
		g.commit(ctx)
	}
}

// commitLast commits at the end of a drain and tries again until all is taken or
// the drain's limit is reached, but for lastCommit at least.
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
	// lastCommit is what the commit at the end of a drain has at least.
	lastCommit = 1500 * time.Millisecond

	// commitRenewal is how old a commit becomes at the most before it is sent once
	// more, though nothing has changed. A broker forgets commits after
	// offsets.retention.minutes, 7 days by default, of topics to which the group is
	// not subscribed (KIP-211); kafka-go's subscription says version 1 and lacks that
	// version's last field, so that it is for the broker to see what it says. An
	// outage may last longer. Of a partition that another owner had nobody here knows
	// how old its commit is: it is renewed at once.
	commitRenewal = 6 * time.Hour

	// commitLate is how long a commit that was given up unanswered may be on its way.
	// It can take effect after the next one, on another connection, and its older
	// offset would stand. So the partition is committed with each interval meanwhile, and once
	// after it, by whichever generation of this member. (A broker that is frozen for longer
	// answers nothing meanwhile either, and all begins anew.)
	commitLate = 30 * time.Second

	// commitGrace is what a commit that is under way has at least to be answered,
	// when who sent it is to end.
	commitGrace = time.Second
)

// patience is how long a commit that is under way may still take when who sent it
// is to end: of a drain all but what the last commit needs. What is given up may
// take effect after that one, on another connection, and its older offsets
// would stand.
func (g *member) patience() time.Duration {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return max(commitGrace, time.Until(g.limit)-lastCommit)
}

// underWay notes the commit that is under way, by what gives it up; nil: none is. One that begins
// in a drain has what is left of it.
func (g *member) underWay(giveUp context.CancelFunc) {
	g.engine.mu.Lock()
	g.giveUpCommit = giveUp
	hurry := g.drains > 0
	g.engine.mu.Unlock()
	if hurry {
		g.hurry()
	}
}

// hurry gives the commit that is under way what is left of a drain.
func (g *member) hurry() {
	patience := g.patience()
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if giveUp := g.giveUpCommit; giveUp != nil {
		time.AfterFunc(patience, giveUp)
	}
}

// commit sends what has changed since the last commit that was taken, and tells
// whether something is left to commit that may be taken if it is sent again at once.
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

// notIn are the commits whose partitions are in none of the others.
func notIn(commits, others []commitment) []commitment {
	return slices.DeleteFunc(slices.Clone(commits), func(c commitment) bool {
		return slices.ContainsFunc(others, func(o commitment) bool { return o.part == c.part })
	})
}

// beginRound waits until no commit is under way; false where ctx has ended before.
func (g *member) beginRound(ctx context.Context) bool {
	select {
	case g.committing <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *member) endRound() { <-g.committing }

// commitments collects what has changed, what may be overtaken, and what is old.
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
		if c := g.commitment(p); due || c.mark != p.facts.last {
			commits = append(commits, c)
		}
	}
	g.dirty = false
	return commits
}

// commitment is what a partition's commit says now. The engine's mutex is held.
func (g *member) commitment(p *partition) commitment {
	e := g.engine
	c := commitment{part: p, logID: p.logID, mark: mark{offset: p.Watermark(), epoch: p.WatermarkEpoch()}}
	if e.noEvidence {
		return c
	}
	if c.metadata, _ = progress.Encode(p.commitKey(c.offset), p.Knowledge()); e.noMetadata || len(c.metadata) > int(e.size) {
		// By what the log is known takes some 40 bytes: it stays.
		c.metadata, _ = progress.Encode(p.commitKey(c.offset), p.Evidence())
	}
	return c
}

func (p *partition) commitKey(offset int64) progress.CommitKey {
	return progress.CommitKey{Cluster: p.member.cluster, Topic: p.Topic, Partition: p.Number, Offset: offset, TopicID: p.logID}
}

// outcome is what became of the commits of one request.
type outcome struct {
	taken, refused []commitment
	heavy          []commitment // refused for their size, or may have been
	err            error        // the request's, or a refusal: of several the one that ends the generation
}

// request sends one request and notes what was taken.
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
		e.heard() // what follows is said there
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

// current are those of the commits that may be sent now, and under which name: of partitions that are
// still owned, and none while others may own them.
func (g *member) current(commits []commitment) (id membership.Identity, current []commitment) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if g.unsafe {
		return g.id, nil
	}
	return g.id, slices.DeleteFunc(slices.Clone(commits), func(c commitment) bool { return c.part.phase == revoked })
}

// judge draws the conclusions from the answer to a commit; about says what it was about.
func (g *member) judge(id membership.Identity, sent time.Time, err error, about ...slog.Attr) {
	if !g.group.Judge("commit", id, sent, err) {
		fields := []slog.Attr{slog.String("request", "commit"), slog.String("error", err.Error())}
		membership.EventRequestRefused.Log(g.engine.log, append(fields, about...)...)
	}
}

// isStale tells whether Kafka refused a request because the member or generation
// is no longer the group's.
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

// exchange sends a commit and waits for the answer. It is not given up for the next one:
// that could overtake it, and the older offset would stand.
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

// outcome notes what was taken and what was refused. The request's own error is nil when
// partitions were refused, and a partition that the answer does not name was not taken.
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

// about says for the log which commits were refused: the first of them, and how many.
func (o *outcome) about() []slog.Attr {
	if len(o.refused) == 0 {
		return nil
	}
	c := o.refused[0]
	return []slog.Attr{slog.String("topic", c.part.Topic), slog.Any("partition", c.part.Number),
		slog.String("cause", wire.Cause(c.refused)), slog.Int("partitions", len(o.refused))}
}

// byName is the newest version of OffsetCommit that names topics by their names; from the
// next one on it is by ID, so that a late commit cannot land on a new topic of the name
// (Kafka 4.2).
const byName = 9

// commitRequest is the request for commits of this member.
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
		p.Partition, p.Offset, p.LeaderEpoch = c.part.Number, c.offset, c.epoch
		p.Metadata = kmsg.StringPtr(c.metadata)
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	return req
}

// logName is a topic by its name and ID: partitions of one name may be known by two IDs
// while one after the other learns that the topic was made anew.
type logName struct {
	topic string
	id    wire.ID
}

// canBeLess tells whether a commit was refused for what can be left out of it: other
// partitions, or metadata.
func canBeLess(commits []commitment, err error) bool {
	bare := !slices.ContainsFunc(commits, func(c commitment) bool { return c.metadata != "" })
	if errors.Is(err, kafka.OffsetMetadataTooLarge) {
		return !bare
	}
	_, certain := ofSize(err)
	return certain && (len(commits) > 1 || !bare)
}

// commitError is what the answer says of one commit. It is an error if it says nothing, or
// says it twice.
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
	c.part.facts.taken(c.mark, time.Now())
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
		e.noEvidence = !first && len(c.metadata) <= progress.EvidenceLimit
		if e.noMetadata = true; first {
			for _, p := range g.parts { // the bound of gaps is no more
				p.fits()
				e.markReady(p)
				e.unpause(p)
			}
		}
		e.mu.Unlock()
		if first {
			eventMetadataTooLarge.Log(e.log, slog.String("topic", c.part.Topic), slog.Any("partition", c.part.Number),
				slog.Int("bytes", len(c.metadata)))
		}
	}
}

// noteAside notes a commit that was refused while others are taken.
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

// refusedAside tells whether all of these are noted so: that they are refused, again
// perhaps and alone, says nothing of others.
func (g *member) refusedAside(commits []commitment) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return !slices.ContainsFunc(commits, func(c commitment) bool { return c.part.refused.IsZero() })
}

// ofPartition tells whether a commit was refused for its partition's sake: others are
// taken.
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

// refusesAll tells whether Kafka takes no commit of this generation, as far as the
// refusals tell. The engine's mutex is held.
func (g *member) refusesAll() bool {
	for _, p := range g.parts {
		if p.refused.IsZero() {
			return false
		}
	}
	return true
}
