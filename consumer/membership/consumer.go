package membership

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
)

// consumer is a member by the consumer group protocol (KIP-848): the coordinator assigns, in its answers to
// heartbeats.
type consumer struct {
	bond
	due chan struct{} // a heartbeat is due

	// Guarded by the bond's mutex:
	again  bool     // the owner must be asked what to subscribe to
	topics []string // to subscribe to; nil: not known yet
	target []topicIDPartition
	owned  map[topicIDPartition]Partition // changed by Run's goroutine alone
	joined bool                           // the coordinator has taken the member in; the owner was not told yet
	told   report
	asked  bool // the coordinator has assigned again, and waits for what is owned now
	barred bool // the last heartbeat was refused for a topic that it named
}

// topicIDPartition is a partition as the coordinator names it: a recreated topic is another one.
type topicIDPartition struct {
	topic  wire.ID
	number int32
}

func (p topicIDPartition) compare(other topicIDPartition) int {
	return cmp.Or(slices.Compare(p.topic[:], other.topic[:]), cmp.Compare(p.number, other.number))
}

// report is what the coordinator knows of the member, certain unless a heartbeat was not answered since.
type report struct {
	certain bool
	topics  []string
	owned   []topicIDPartition
}

func newConsumer(cfg Config) *consumer {
	m := &consumer{bond: newBond(cfg), due: make(chan struct{}, 1), owned: map[topicIDPartition]Partition{}}
	m.id = m.newIdentity()
	return m
}

// newIdentity returns the identity of a new member; the member chooses its ID itself.
func (m *consumer) newIdentity() Identity {
	var id wire.ID
	_, _ = rand.Read(id[:]) // never fails
	return Identity{Member: m.cfg.ClientID + "-" + id.String()}
}

// Run implements Member.
func (m *consumer) Run(ctx context.Context) {
	var beats sync.WaitGroup
	beats.Go(func() { m.beat(ctx) })
	for ctx.Err() == nil && m.subscribe(ctx) {
		m.follow(ctx)
	}
	beats.Wait()
	if m.joins() {
		m.leave(m.identity())
	}
}

// joins reports whether the coordinator may know the member.
func (m *consumer) joins() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics != nil
}

// Rejoin implements Member.
func (m *consumer) Rejoin() {
	m.mu.Lock()
	m.again = true
	m.mu.Unlock()
	m.poke()
}

// subscribe asks the owner what to subscribe to; false: ctx has ended.
func (m *consumer) subscribe(ctx context.Context) bool {
	m.mu.Lock()
	m.again = false
	m.mu.Unlock()
	topics := m.cfg.Owner.Topics(ctx)
	if topics == nil {
		return false
	}
	m.mu.Lock()
	m.topics = topics
	m.mu.Unlock()
	Poke(m.due)
	return true
}

// follow does what the coordinator says, until the subscription must be asked for again.
func (m *consumer) follow(ctx context.Context) {
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
		var look <-chan time.Time
		if !m.reconcile(ctx) {
			look = time.After(joinInterval)
		}
		select {
		case <-m.wake:
		case <-look:
		case <-ctx.Done():
			return
		}
	}
}

// reconcile begins what is assigned, and gives up what is not. It returns false if a topic's name is not known
// yet: its partitions are then not owned, and the next heartbeats say so.
func (m *consumer) reconcile(ctx context.Context) (all bool) {
	names := m.names(ctx)
	m.mu.Lock()
	if m.lost != nil || m.fencing {
		m.mu.Unlock()
		return true
	}
	joined, asked := m.joined, m.asked
	m.joined = false
	held := map[Partition]bool{}
	var gone []topicIDPartition
	for p, of := range m.owned {
		held[of] = true
		if !slices.Contains(m.target, p) {
			gone = append(gone, p)
		}
	}
	all = true
	var added []Assignment
	for _, p := range m.target {
		if _, owned := m.owned[p]; owned {
			continue
		}
		of := Partition{names[p.topic], p.number}
		if of.Topic == "" || held[of] { // the partition of a recreated topic begins when the earlier one is given up
			all = all && of.Topic != ""
			continue
		}
		m.owned[p] = of
		added = append(added, Assignment{of, p.topic})
	}
	m.mu.Unlock()
	if joined || len(added) > 0 {
		m.cfg.Owner.Assigned(added)
	}
	if len(gone) == 0 && asked {
		Poke(m.due) // even if nothing has changed: a partition without a name may be assigned to others
	}
	m.release(gone)
	return all
}

// names returns the names of the topics that are assigned and not owned.
func (m *consumer) names(ctx context.Context) map[wire.ID]string {
	m.mu.Lock()
	var ids []wire.ID
	for _, p := range m.target {
		if _, owned := m.owned[p]; !owned && !slices.Contains(ids, p.topic) {
			ids = append(ids, p.topic)
		}
	}
	m.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	return m.cfg.Owner.Names(ctx, ids)
}

// release gives partitions up. An extra heartbeat reports it at once.
func (m *consumer) release(gone []topicIDPartition) {
	if len(gone) == 0 {
		return
	}
	var parts []Partition
	m.mu.Lock()
	for _, p := range gone {
		parts = append(parts, m.owned[p])
	}
	m.mu.Unlock()
	m.cfg.Owner.Revoked(parts)
	m.mu.Lock()
	for _, p := range gone {
		delete(m.owned, p)
	}
	m.mu.Unlock()
	Poke(m.due)
	m.poke() // some of it may be assigned again
}

// lose gives up all that was owned: others may own it by now.
func (m *consumer) lose() {
	m.mu.Lock()
	parts := slices.Collect(maps.Values(m.owned))
	m.mu.Unlock()
	m.cfg.Owner.Lost(parts)
	m.mu.Lock()
	clear(m.owned)
	m.target, m.joined, m.told, m.asked = nil, false, report{}, false
	id, unknown := m.id, unknown(m.lost)
	if m.id.Generation = 0; unknown {
		m.id = m.newIdentity() // late answers to the earlier identity do not count
	}
	m.lost, m.known = nil, false
	m.mu.Unlock()
	if unknown {
		m.leave(id) // if the coordinator knows it after all, the group need not wait for it
	}
}

// beat sends heartbeats: at the coordinator's interval, and when there is something to report.
func (m *consumer) beat(ctx context.Context) {
	timer := time.NewTimer(joinInterval)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-m.due:
		case <-ctx.Done():
			return
		}
		timer.Reset(m.heartbeat(ctx))
	}
}

// consumerVersion is the first version in which members choose their IDs (Kafka 4.0).
const consumerVersion = 1

// heartbeat sends a heartbeat and applies the answer. It returns the time until the next one.
func (m *consumer) heartbeat(ctx context.Context) (next time.Duration) {
	req, tells := m.request()
	if req == nil {
		return joinInterval
	}
	if req.MemberEpoch == 0 && m.pace.Wait(ctx) != nil {
		return joinInterval
	}
	sent := time.Now()
	answer, err := m.send(ctx, requestTimeout, req)
	var res *kmsg.ConsumerGroupHeartbeatResponse
	if err == nil {
		res = answer.(*kmsg.ConsumerGroupHeartbeatResponse)
		err = m.ofGroup(res.ErrorCode, res.ErrorMessage)
	}
	if err == nil && res.Version < consumerVersion {
		err = kafka.UnsupportedVersion
	}
	if ctx.Err() != nil && !Answered(err) {
		return joinInterval // ended by the stop: that says nothing of the coordinator
	}
	if Answered(err) {
		m.cfg.Owner.Heard()
	}
	if err != nil {
		m.refused(req, err)
		return joinInterval
	}
	m.take(req, res, tells, sent)
	return m.interval(res.HeartbeatIntervalMillis)
}

// interval returns the coordinator's interval, but at most a third of the time-outs, so that the lease does
// not end between two heartbeats.
func (m *consumer) interval(millis int32) time.Duration {
	wanted := time.Duration(millis) * time.Millisecond
	if wanted <= 0 {
		wanted = m.cfg.HeartbeatInterval
	}
	return min(wanted, m.cfg.SessionTimeout/3, m.cfg.RebalanceTimeout/3)
}

// request returns the heartbeat to send, and what the coordinator knows once it has answered. nil: none,
// before the subscription is known and while all is lost. A heartbeat leaves out what has not changed, unless
// the last one may not have arrived, or the subscription is another. The answer to a full heartbeat has the whole assignment.
func (m *consumer) request() (*kmsg.ConsumerGroupHeartbeatRequest, report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.topics == nil || m.lost != nil || m.fencing {
		return nil, report{}
	}
	tells := report{certain: true, topics: m.topics, owned: slices.SortedFunc(maps.Keys(m.owned), topicIDPartition.compare)}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch = m.cfg.Group, m.id.Member, m.id.Generation
	barred := m.barred && m.known
	whole := m.id.Generation == 0 || !m.told.certain || !barred && !slices.Equal(m.told.topics, m.topics)
	if whole {
		req.RebalanceTimeoutMillis = millis(m.cfg.RebalanceTimeout)
	}
	switch {
	case barred: // a topic that may not be named must not end the membership
		tells.topics, tells.certain = m.told.topics, m.told.certain
	case whole:
		req.SubscribedTopicNames = m.topics
	}
	if whole || m.asked || !slices.Equal(m.told.owned, tells.owned) {
		req.Topics = byTopicID(tells.owned)
	}
	return req, tells
}

func byTopicID(sorted []topicIDPartition) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	topics := []kmsg.ConsumerGroupHeartbeatRequestTopic{} // an empty list says that nothing is owned; nil would say that nothing has changed
	for _, p := range sorted {
		if n := len(topics); n == 0 || topics[n-1].TopicID != p.topic {
			t := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			t.TopicID = p.topic
			topics = append(topics, t)
		}
		t := &topics[len(topics)-1]
		t.Partitions = append(t.Partitions, p.number)
	}
	return topics
}

// take applies the coordinator's answer.
func (m *consumer) take(req *kmsg.ConsumerGroupHeartbeatRequest, res *kmsg.ConsumerGroupHeartbeatResponse, tells report, sent time.Time) {
	m.mu.Lock()
	if m.id != (Identity{req.MemberID, req.MemberEpoch}) || m.lost != nil || m.fencing {
		m.mu.Unlock()
		return
	}
	m.joined = m.joined || req.MemberEpoch == 0
	m.known, m.told, m.barred, m.asked = true, tells, false, false
	m.id.Generation = res.MemberEpoch
	if res.Assignment != nil {
		before := m.target
		m.target = assigned(res.Assignment)
		m.asked = !slices.Equal(before, m.target)
	}
	calm := true
	for p := range m.owned {
		calm = calm && slices.Contains(m.target, p)
	}
	id, changed := m.id, res.MemberEpoch != req.MemberEpoch
	m.mu.Unlock()
	if changed {
		m.cfg.Owner.Joined(id, false)
	}
	m.renew(sent, calm)
	if res.Assignment != nil || req.MemberEpoch == 0 {
		m.poke()
	}
}

// assigned returns the partitions of an assignment, sorted.
func assigned(a *kmsg.ConsumerGroupHeartbeatResponseAssignment) (parts []topicIDPartition) {
	for _, t := range a.Topics {
		for _, n := range t.Partitions {
			parts = append(parts, topicIDPartition{t.TopicID, n})
		}
	}
	slices.SortFunc(parts, topicIDPartition.compare)
	return parts
}

// refused handles a heartbeat that was refused, or not answered.
func (m *consumer) refused(req *kmsg.ConsumerGroupHeartbeatRequest, err error) {
	m.mu.Lock()
	known := m.known
	m.barred = errors.Is(err, kafka.TopicAuthorizationFailed) && req.SubscribedTopicNames != nil
	if !Answered(err) {
		m.told.certain = false
	}
	m.mu.Unlock()
	switch {
	case unknown(err), known && (errors.Is(err, wire.FencedMemberEpoch) || errors.Is(err, kafka.GroupIdNotFound)):
		m.fence(heartbeats, req.MemberID, err)
	case !known:
		m.cfg.Owner.Failed(err)
	default:
		EventRequestRefused.Log(m.cfg.Log, slog.String("request", heartbeats), slog.String("error", err.Error()))
	}
}

// Judge implements Member. In this protocol only heartbeats renew the lease.
func (m *consumer) Judge(request string, id Identity, _ time.Time, err error) (settled bool) {
	if Answered(err) {
		m.cfg.Owner.Heard()
	}
	m.mu.Lock()
	ours, held := id.Member == m.id.Member && m.known, id == m.id
	m.mu.Unlock()
	switch {
	case err == nil:
		return true
	case unknown(err), errors.Is(err, wire.FencedMemberEpoch):
		if ours {
			m.fence(request, id.Member, err)
		}
		return true
	case errors.Is(err, wire.StaleMemberEpoch), errors.Is(err, kafka.IllegalGeneration):
		if held { // a heartbeat's answer brings the epoch, or says that all is lost
			Poke(m.due)
		}
		return true
	}
	return false
}

const leaves = -1 // the epoch in a heartbeat that leaves the group

// leave tells the group at once that this member is gone.
func (m *consumer) leave(id Identity) {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch = m.cfg.Group, id.Member, leaves
	m.depart(req, func(res kmsg.Response) error {
		told := res.(*kmsg.ConsumerGroupHeartbeatResponse)
		return m.ofGroup(told.ErrorCode, told.ErrorMessage)
	})
}
