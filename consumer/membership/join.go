package membership

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	consumerType = "consumer"
	cooperative  = "cooperative-sticky"
)

// balancers are the ways in which a leader assigns, the best first: the coordinator takes the first that all
// members offer. The last two are eager, for members that cannot be cooperative.
func balancers() []kgo.GroupBalancer {
	return []kgo.GroupBalancer{kgo.CooperativeStickyBalancer(), kgo.RangeBalancer(), kgo.RoundRobinBalancer()}
}

// joinGroup sends JoinGroup and waits for the answer, which comes when all members have joined. A new member
// first gets its ID (KIP-394), so that a lost answer leaves no unknown member in the group.
func (m *classic) joinGroup(ctx context.Context, topics []string) (*kmsg.JoinGroupResponse, error) {
	for {
		id := m.identity()
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.MemberID, req.ProtocolType = m.cfg.Group, id.Member, consumerType
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = millis(m.cfg.SessionTimeout), millis(m.cfg.RebalanceTimeout)
		for _, b := range balancers() {
			p := kmsg.NewJoinGroupRequestProtocol()
			p.Name, p.Metadata = b.ProtocolName(), m.subscription(topics, id.Generation)
			if !b.IsCooperative() {
				p.Metadata = m.plainSubscription(topics, id.Generation)
			}
			req.Protocols = append(req.Protocols, p)
		}
		answer, err := m.send(ctx, m.cfg.RebalanceTimeout+requestTimeout, req)
		if err != nil {
			return nil, err
		}
		res := answer.(*kmsg.JoinGroupResponse)
		err = m.ofGroup(res.ErrorCode, nil)
		switch {
		case errors.Is(err, kafka.MemberIDRequired) && id.Member == "" && res.MemberID != "":
			m.mu.Lock()
			m.id.Member = res.MemberID
			m.mu.Unlock()
			m.cfg.Owner.Heard()
			if err := m.pace.Wait(ctx); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		case res.Protocol == nil || !slices.ContainsFunc(balancers(), func(b kgo.GroupBalancer) bool { return b.ProtocolName() == *res.Protocol }):
			return nil, fmt.Errorf("the group's protocol is none of this member's: %w", kafka.InconsistentGroupProtocol)
		}
		m.mu.Lock()
		m.id, m.known = Identity{res.MemberID, res.Generation}, true
		m.mu.Unlock()
		m.cfg.Owner.Heard()
		return res, nil
	}
}

func millis(d time.Duration) int32 { return int32(d / time.Millisecond) }

// plainSubscription is the subscription in an eager protocol, in its first version: a leader that knows only
// eager protocols (kafka-go) may not read later ones. Its user data holds what is owned, for leaders of this
// service.
func (m *classic) plainSubscription(topics []string, generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Topics = topics
	meta.UserData = append([]byte(owns), m.subscription(nil, generation)...)
	return meta.AppendTo(nil)
}

// owns begins the user data of this service's members in an eager protocol; a subscription follows.
const owns = "owns:"

// subscription is what a leader gets from this member: its topics, what it owns, and since which generation
// (version 3, without a rack).
func (m *classic) subscription(topics []string, generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version, meta.Topics = 3, topics
	meta.Generation = generation
	if len(m.owned) == 0 {
		meta.Generation = -1
	}
	for topic, partitions := range byTopic(m.owned) {
		t := kmsg.NewConsumerMemberMetadataOwnedPartition()
		t.Topic, t.Partitions = topic, partitions
		meta.OwnedPartitions = append(meta.OwnedPartitions, t)
	}
	// In the same order each time: the coordinator compares the bytes.
	slices.SortFunc(meta.OwnedPartitions, func(a, b kmsg.ConsumerMemberMetadataOwnedPartition) int {
		return strings.Compare(a.Topic, b.Topic)
	})
	return meta.AppendTo(nil)
}

func byTopic(parts []Partition) map[string][]int32 {
	all := map[string][]int32{}
	for _, p := range parts {
		all[p.Topic] = append(all[p.Topic], p.Number)
	}
	for _, numbers := range all {
		slices.Sort(numbers)
	}
	return all
}

// sync sends the leader's assignment and waits for this member's part.
func (m *classic) sync(ctx context.Context, joined *kmsg.JoinGroupResponse) (assigned []Partition, withheld bool, err error) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = m.cfg.Group, joined.MemberID, joined.Generation
	req.ProtocolType, req.Protocol = kmsg.StringPtr(consumerType), joined.Protocol
	m.assignedFor = nil
	if joined.LeaderID == joined.MemberID {
		if req.GroupAssignment, err = m.assign(ctx, joined); err != nil {
			return nil, false, err
		}
	}
	sent := time.Now()
	answer, err := m.send(ctx, m.cfg.RebalanceTimeout+requestTimeout, req)
	if err != nil {
		return nil, false, err
	}
	res := answer.(*kmsg.SyncGroupResponse)
	if err = m.ofGroup(res.ErrorCode, nil); err != nil {
		return nil, false, err
	}
	m.joinEnded()
	m.renew(sent, true)
	m.cfg.Owner.Heard()
	if len(res.MemberAssignment) == 0 {
		return nil, false, nil // the leader has nothing for this member
	}
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(res.MemberAssignment); err != nil {
		return nil, false, fmt.Errorf("the leader's assignment cannot be read: %w", err)
	}
	for _, t := range a.Topics {
		for _, n := range t.Partitions {
			if p := (Partition{t.Topic, n}); !slices.Contains(assigned, p) {
				assigned = append(assigned, p)
			}
		}
	}
	return assigned, string(a.UserData) == withholds, nil
}

// withholds is the user data of a leader of this service in an eager generation: it has left out what others
// still own.
const withholds = "withholds"

// assign decides for all members who gets what. Partitions of unknown topics are assigned to no one: that
// affects their subscribers alone.
func (m *classic) assign(ctx context.Context, joined *kmsg.JoinGroupResponse) ([]kmsg.SyncGroupRequestGroupAssignment, error) {
	var balancer kgo.GroupBalancer
	for _, b := range balancers() {
		if b.ProtocolName() == *joined.Protocol {
			balancer = b
		}
	}
	members := slices.Clone(joined.Members)
	slices.SortFunc(members, func(a, b kmsg.JoinGroupResponseMember) int { return strings.Compare(a.MemberID, b.MemberID) })
	plan, topics, err := balancer.MemberBalancer(members)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(topics))
	for t := range topics {
		names = append(names, t)
	}
	slices.Sort(names)
	counts, err := m.cfg.Owner.Counts(ctx, names)
	if err != nil {
		return nil, err
	}
	var all kgo.IntoSyncAssignment
	if b, can := plan.(kgo.GroupMemberBalancerOrError); can {
		all, err = b.BalanceOrError(counts)
	} else {
		all = plan.Balance(counts)
	}
	if err != nil {
		return nil, err
	}
	m.assignedFor = map[string]int32{}
	for _, t := range names {
		m.assignedFor[t] = counts[t]
	}
	assignments := all.IntoSyncAssignment()
	if *joined.Protocol != cooperative {
		return withhold(assignments, members)
	}
	return assignments, nil
}

// withhold leaves out of an eager assignment what other members still own from a cooperative generation. They
// give it up and join again.
func withhold(assignments []kmsg.SyncGroupRequestGroupAssignment, members []kmsg.JoinGroupResponseMember) ([]kmsg.SyncGroupRequestGroupAssignment, error) {
	owners := map[Partition]string{}
	for i := range members {
		var meta kmsg.ConsumerMemberMetadata
		if meta.ReadFrom(members[i].ProtocolMetadata) != nil {
			continue // an old version, which owns nothing when it joins
		}
		if told, ours := bytes.CutPrefix(meta.UserData, []byte(owns)); ours {
			if err := meta.ReadFrom(told); err != nil {
				return nil, err
			}
		}
		for _, t := range meta.OwnedPartitions {
			for _, n := range t.Partitions {
				owners[Partition{t.Topic, n}] = members[i].MemberID
			}
		}
	}
	for i := range assignments {
		var a kmsg.ConsumerMemberAssignment
		if err := a.ReadFrom(assignments[i].MemberAssignment); err != nil {
			return nil, err
		}
		for j := range a.Topics {
			t := &a.Topics[j]
			t.Partitions = slices.DeleteFunc(t.Partitions, func(n int32) bool {
				owner, owned := owners[Partition{t.Topic, n}]
				return owned && owner != assignments[i].MemberID
			})
		}
		a.UserData = []byte(withholds)
		assignments[i].MemberAssignment = a.AppendTo(nil)
	}
	return assignments, nil
}
