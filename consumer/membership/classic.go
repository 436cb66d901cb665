package membership

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// classic is a member by the classic group protocol.
type classic struct {
	bond
	stray chan struct{} // while partitions are given up: the generation is not the group's

	// Used by the goroutine that joins:
	owned       []Partition
	topics      []string // of the last join
	protocol    string
	assignedFor map[string]int32 // as leader: the topics' numbers of partitions when it assigned

	// Guarded by the bond's mutex:
	joining bool               // a JoinGroup or SyncGroup is under way
	ended   time.Time          // when the last one ended
	again   bool               // there is a reason to join
	gives   bool               // partitions are being given up
	giveUp  context.CancelFunc // ends the join that is under way
}

func newClassic(cfg Config) *classic {
	// A member that learns of a rebalance only after the rebalance time-out has already lost its partitions.
	cfg.HeartbeatInterval = min(cfg.HeartbeatInterval, cfg.RebalanceTimeout/3)
	return &classic{bond: newBond(cfg), stray: make(chan struct{}, 1)}
}

// Run implements Member.
func (m *classic) Run(ctx context.Context) {
	var beats sync.WaitGroup
	beats.Go(func() { m.beat(ctx) })
	for m.pace.Wait(ctx) == nil {
		m.join(ctx)
		m.await(ctx)
	}
	beats.Wait()
	m.leave(m.identity())
}

// Rejoin implements Member.
func (m *classic) Rejoin() {
	m.mu.Lock()
	m.again = true
	m.mu.Unlock()
	m.poke()
}

// join makes one round: JoinGroup, SyncGroup, and what follows from them. If it fails, another round follows.
func (m *classic) join(ctx context.Context) {
	if m.protocol != "" && m.protocol != cooperative && len(m.owned) > 0 {
		m.revoke(ctx, m.owned)
	}
	topics := m.cfg.Owner.Topics(ctx)
	if topics == nil {
		return
	}
	m.topics = topics
	ctx, giveUp := m.joinBegins(ctx)
	defer giveUp()
	joined, err := m.joinGroup(ctx, topics)
	if err != nil {
		m.failed(ctx, err)
		return
	}
	m.protocol = *joined.Protocol
	// In an eager generation another leader may give away what is owned: see the package comment.
	unsafe := m.protocol != cooperative && len(m.owned) > 0 && joined.LeaderID != joined.MemberID
	m.cfg.Owner.Joined(m.identity(), unsafe)
	assigned, withheld, err := m.sync(ctx, joined)
	if err != nil {
		if unsafe {
			parts := m.owned
			m.owned = nil
			m.cfg.Owner.Lost(parts)
		}
		m.failed(ctx, err)
		return
	}
	m.joinEnded()
	m.take(ctx, assigned, withheld || m.protocol == cooperative)
}

// take begins new partitions, and gives up those that are no longer assigned.
func (m *classic) take(ctx context.Context, assigned []Partition, orderly bool) {
	gone, added := missing(m.owned, assigned), missing(assigned, m.owned)
	if len(gone) > 0 && !orderly {
		m.owned = missing(m.owned, gone)
		m.cfg.Owner.Lost(gone)
	}
	m.owned = append(m.owned, added...)
	byName := make([]Assignment, len(added))
	for i, p := range added {
		byName[i].Partition = p
	}
	m.cfg.Owner.Assigned(byName)
	if len(gone) > 0 {
		if orderly {
			m.revoke(ctx, gone)
		}
		m.Rejoin() // without them, so that they get an owner
	}
}

// revoke gives partitions up. A join waits until that is done, with one exception: if the member's generation
// is no longer the group's, only a join lets it commit what is finished.
func (m *classic) revoke(ctx context.Context, parts []Partition) {
	m.setGives(true)
	select {
	case <-m.stray: // of an earlier drain
	default:
	}
	done := make(chan struct{})
	go func() {
		m.cfg.Owner.Revoked(parts)
		close(done)
	}()
	for given := false; !given; {
		select {
		case <-done:
			given = true
		case <-m.stray:
			m.joinMeanwhile(ctx)
		}
	}
	m.setGives(false)
	m.owned = missing(m.owned, parts)
}

func (m *classic) setGives(gives bool) {
	m.mu.Lock()
	m.gives = gives
	m.mu.Unlock()
}

// joinMeanwhile joins while partitions are given up, with all that is owned. Its assignment does not count:
// another join follows.
func (m *classic) joinMeanwhile(ctx context.Context) {
	ctx, giveUp := m.joinBegins(ctx)
	defer giveUp()
	defer m.joinEnded()
	joined, err := m.joinGroup(ctx, m.topics)
	if err == nil && *joined.Protocol != cooperative { // others may get what is owned
		m.fence("join", m.identity().Member, kafka.IllegalGeneration)
		return
	}
	if err == nil {
		m.cfg.Owner.Joined(m.identity(), false)
		_, _, err = m.sync(ctx, joined)
	}
	switch {
	case err == nil || ctx.Err() != nil:
	case unknown(err):
		m.fence("join", m.identity().Member, err)
	default:
		m.cfg.Owner.Failed(err)
	}
}

// await waits for a reason to join again.
func (m *classic) await(ctx context.Context) {
	watch := time.NewTicker(m.cfg.WatchInterval)
	defer watch.Stop()
	for {
		m.mu.Lock()
		lost, again := m.lost, m.again
		m.mu.Unlock()
		switch {
		case lost != nil:
			m.lose()
			return
		case again:
			return
		}
		select {
		case <-m.wake:
		case <-watch.C:
			m.watch(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// lose gives up all that was owned: others may own it by now.
func (m *classic) lose() {
	parts := m.owned
	m.owned = nil
	m.cfg.Owner.Lost(parts)
	m.mu.Lock()
	id, unknown := m.id, unknown(m.lost)
	m.lost, m.known = nil, false
	if unknown {
		m.id.Member = ""
	}
	m.mu.Unlock()
	if unknown {
		m.leave(id) // if the coordinator knows it after all, the group need not wait for it
	}
}

// watch rejoins the leader, which assigns again, when its members' topics have other numbers of partitions.
// Only the leader's join makes a new generation.
func (m *classic) watch(ctx context.Context) {
	if m.assignedFor == nil {
		return
	}
	counts, err := m.cfg.Owner.Counts(ctx, slices.Sorted(maps.Keys(m.assignedFor)))
	if err != nil {
		return
	}
	for topic, before := range m.assignedFor {
		if now := counts[topic]; now != before {
			eventPartitionsChanged.Log(m.cfg.Log, slog.String("topic", topic), slog.Any("before", before), slog.Any("now", now))
			m.Rejoin()
			return
		}
	}
}

// failed handles a join that failed.
func (m *classic) failed(ctx context.Context, err error) {
	m.joinEnded()
	if ctx.Err() != nil {
		return
	}
	if Answered(err) {
		m.cfg.Owner.Heard()
	}
	if unknown(err) {
		m.fence("join", m.identity().Member, err)
		return
	}
	m.cfg.Owner.Failed(err)
	m.Rejoin()
	select {
	case <-time.After(joinInterval):
	case <-ctx.Done():
	}
}

// fence notes that all is lost, and ends a join that is under way.
func (m *classic) fence(request, member string, err error) {
	m.mu.Lock()
	giveUp := m.giveUp
	m.mu.Unlock()
	if m.bond.fence(request, member, err) && giveUp != nil {
		giveUp() // the coordinator does not know the member that waits there
	}
}

// joinBegins notes that a join is under way. Its context ends it.
func (m *classic) joinBegins(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, giveUp := context.WithCancel(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.joining, m.again, m.giveUp = true, false, giveUp // this join covers all reasons so far
	return ctx, giveUp
}

func (m *classic) joinEnded() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.joining, m.giveUp, m.ended = false, nil, time.Now()
}

// Judge implements Member.
func (m *classic) Judge(request string, id Identity, sent time.Time, err error) (settled bool) {
	if Answered(err) {
		m.cfg.Owner.Heard()
	}
	m.mu.Lock()
	ours := id.Member == m.id.Member && m.known
	current := id == m.id && ours && !m.joining && sent.After(m.ended) // a request sent during a join says nothing of the generation after it
	stray := current && m.gives && errors.Is(err, kafka.IllegalGeneration)
	// Code 22 means that the member is known, so no round has ended without it. Its generation differs because
	// the group's type has changed, or the coordinator's log was cut. It joins with what it owns.
	again := current && !stray && (errors.Is(err, kafka.IllegalGeneration) || request == heartbeats && errors.Is(err, kafka.RebalanceInProgress))
	m.again = m.again || again // under the lock: no join has begun since
	m.mu.Unlock()
	switch {
	case stray:
		Poke(m.stray)
	case again:
		m.poke()
	}
	switch {
	case err == nil, errors.Is(err, kafka.RebalanceInProgress):
		if ours {
			m.renew(sent, err == nil && request == heartbeats && current) // a member that has not sent SyncGroup in time is forgotten too
		}
		return true
	case unknown(err):
		if ours {
			m.fence(request, id.Member, err)
		}
		return true
	}
	return errors.Is(err, kafka.IllegalGeneration)
}

// beat sends heartbeats, also during joins and while partitions are given up. Their answers prove that no
// other member owns its partitions.
func (m *classic) beat(ctx context.Context) {
	tick := time.NewTicker(m.cfg.HeartbeatInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		m.mu.Lock()
		id, beats := m.id, m.known && m.lost == nil
		m.mu.Unlock()
		if beats {
			m.heartbeat(ctx, id)
		}
	}
}

// heartbeatVersion: from 4 on the answer is flexible and brings nothing that is needed here.
const heartbeatVersion = 3

func (m *classic) heartbeat(ctx context.Context, id Identity) {
	req := kmsg.NewPtrHeartbeatRequest()
	req.SetVersion(heartbeatVersion)
	req.Group, req.Generation, req.MemberID = m.cfg.Group, id.Generation, id.Member
	sent := time.Now()
	res, err := m.send(ctx, requestTimeout, req)
	if err == nil {
		err = m.ofGroup(res.(*kmsg.HeartbeatResponse).ErrorCode, nil)
	}
	if ctx.Err() != nil && !Answered(err) {
		return // ended by the stop: that says nothing of the coordinator
	}
	if !Answered(err) {
		m.abandon()
	}
	if !m.Judge(heartbeats, id, sent, err) {
		EventRequestRefused.Log(m.cfg.Log, slog.String("request", heartbeats), slog.String("error", err.Error()))
		if errors.Is(err, kafka.GroupAuthorizationFailed) {
			m.Rejoin() // the coordinator may take the join, and its answer shows the group's state
		}
	}
}

// abandon ends a join that waits at a coordinator which answers no heartbeat, so that the next join finds the
// present one: the host may have died silently, and a join waits as long as a rebalance may take.
func (m *classic) abandon() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.giveUp != nil {
		m.again = true
		m.giveUp()
	}
}

// leave tells the group at once that this member is gone. A join under way does not delay it: it is on another
// connection.
func (m *classic) leave(id Identity) {
	if id.Member == "" {
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = m.cfg.Group, id.Member
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = id.Member
	member.Reason = kmsg.StringPtr("the program stops")
	req.Members = append(req.Members, member)
	m.depart(req, func(res kmsg.Response) error { return m.ofGroup(res.(*kmsg.LeaveGroupResponse).ErrorCode, nil) })
}
