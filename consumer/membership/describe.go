package membership

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
)

// Group is what the coordinator reports of a group.
type Group struct {
	// Type is the group's protocol; "" if there is no such group. Of a type other than the two of this service
	// (share, streams) only Type, State and Kind are known.
	Type Protocol
	// State is the coordinator's word: Stable, Empty, PreparingRebalance, Reconciling, …
	State string
	// Kind is the protocol type that a classic group's members state: consumer, connect, …
	Kind string
	// Protocol assigns the partitions: a classic group's protocol, known while it is stable, or a consumer
	// group's assignor.
	Protocol string
	Members  []GroupMember
	// Operations are what this user may do with the group, as bits (KIP-430).
	Operations int32
}

// GroupMember is a member as the coordinator reports it.
type GroupMember struct {
	Client, Host string // its client ID and address
	// Topics are its subscription, Owned what it owns now. Of a classic group they are known while it is
	// stable.
	Topics []string
	Owned  []Partition
	// Unreadable: Topics and Owned cannot be read.
	Unreadable bool
	// Eager: the generation is eager, and this member does not show that it can be cooperative. It is another
	// program, or a version of this service from before it was cooperative.
	Eager bool
	// Classic: it is in a group of type consumer by the classic protocol.
	Classic bool
}

// Protocols are the classic protocols that a member of this service offers.
func Protocols() (names []string) {
	for _, b := range balancers() {
		names = append(names, b.ProtocolName())
	}
	return names
}

// Cluster is the way to a group's coordinator, and to the IDs of topics.
type Cluster interface {
	Wire
	Metadata(ctx context.Context) (*wire.Metadata, error)
}

const (
	// describeVersion: from 6 on a group that is not classic is an error, and this user's rights are left out.
	describeVersion = 5
	groupDead       = "Dead"
	groupEmpty      = "Empty"
	groupStable     = "Stable"
	// memberClassic is the type of a member by the classic protocol in a group of type consumer.
	memberClassic = 0
)

// Describe asks the group's coordinator for the group and its members. A group that does not exist is no
// error. It requires the right Describe on the group, which Read implies.
func Describe(ctx context.Context, c Cluster, group string) (Group, error) {
	g, err := describeClassic(ctx, c, group)
	if err != nil || len(g.Members) > 0 || g.State == groupEmpty {
		return g, err
	}
	operations := g.Operations
	g, err = describeConsumer(ctx, c, group)
	if !errors.Is(err, kafka.GroupIdNotFound) && !errors.Is(err, kafka.UnsupportedVersion) {
		return g, err
	}
	return listed(ctx, c, group, operations)
}

var errLeftOut = errors.New("the coordinator's answer leaves the group out")

// describeConsumer describes a group of type consumer; kafka.GroupIdNotFound if it is of another type.
func describeConsumer(ctx context.Context, c Cluster, group string) (Group, error) {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups, req.IncludeAuthorizedOperations = []string{group}, true
	answer, err := c.SendToCoordinator(ctx, group, req)
	if err != nil {
		return Group{}, err
	}
	res := answer.(*kmsg.ConsumerGroupDescribeResponse)
	if len(res.Groups) != 1 {
		return Group{}, errLeftOut
	}
	told := res.Groups[0]
	if err := CodeError(c, group, told.ErrorCode, nil); err != nil {
		return Group{}, err
	}
	m, err := c.Metadata(ctx)
	if err != nil {
		return Group{}, err
	}
	names := map[wire.ID]string{}
	for name, topic := range m.Topics {
		names[topic.ID] = name
	}
	g := Group{Type: ProtocolConsumer, State: told.State, Kind: consumerType, Protocol: told.AssignorName, Operations: told.AuthorizedOperations}
	for _, tm := range told.Members {
		member := GroupMember{Client: tm.ClientID, Host: host(tm.ClientHost), Topics: tm.SubscribedTopics, Classic: tm.MemberType == memberClassic}
		for _, t := range tm.Assignment.TopicPartitions {
			for _, n := range t.Partitions {
				member.Owned = append(member.Owned, Partition{cmp.Or(t.Topic, names[t.TopicID]), n})
			}
		}
		g.Members = append(g.Members, member)
	}
	return g, nil
}

func host(told string) string { return strings.TrimPrefix(told, "/") }

// describeClassic describes a classic group. Its state is Dead if the group is of another type or does not
// exist.
func describeClassic(ctx context.Context, c Cluster, group string) (Group, error) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.SetVersion(describeVersion)
	req.Groups, req.IncludeAuthorizedOperations = []string{group}, true
	answer, err := c.SendToCoordinator(ctx, group, req)
	if err != nil {
		return Group{}, err
	}
	res := answer.(*kmsg.DescribeGroupsResponse)
	if len(res.Groups) != 1 {
		return Group{}, errLeftOut
	}
	told := res.Groups[0]
	if err := CodeError(c, group, told.ErrorCode, nil); err != nil {
		return Group{}, err
	}
	g := Group{Type: ProtocolClassic, State: told.State, Kind: told.ProtocolType, Protocol: told.Protocol, Operations: told.AuthorizedOperations}
	if g.State == "" { // some coordinators answer so
		g.State = groupDead
	}
	for _, tm := range told.Members {
		member := GroupMember{Client: tm.ClientID, Host: host(tm.ClientHost)}
		if g.Kind == consumerType && g.State == groupStable {
			member.read(tm.ProtocolMetadata, tm.MemberAssignment, g.Protocol != cooperative)
		}
		g.Members = append(g.Members, member)
	}
	return g, nil
}

// read reads a member's subscription and assignment.
func (m *GroupMember) read(subscription, assignment []byte, eager bool) {
	var meta kmsg.ConsumerMemberMetadata
	m.Unreadable = meta.ReadFrom(subscription) != nil
	m.Topics, m.Eager = meta.Topics, eager && !bytes.HasPrefix(meta.UserData, []byte(owns))
	if len(assignment) == 0 {
		return // the leader has nothing for it
	}
	var a kmsg.ConsumerMemberAssignment
	m.Unreadable = a.ReadFrom(assignment) != nil || m.Unreadable
	for _, t := range a.Topics {
		for _, n := range t.Partitions {
			m.Owned = append(m.Owned, Partition{t.Topic, n})
		}
	}
}

// listed finds out whether a group that is Dead or unknown to the other two requests is of a type that they do
// not know.
func listed(ctx context.Context, c Cluster, group string, operations int32) (Group, error) {
	none := Group{State: groupDead, Operations: operations}
	req := kmsg.NewPtrListGroupsRequest()
	req.TypesFilter = []string{"share", "streams"}
	answer, err := c.SendToCoordinator(ctx, group, req)
	if err != nil {
		return none, err
	}
	res := answer.(*kmsg.ListGroupsResponse)
	if err := CodeError(c, group, res.ErrorCode, nil); err != nil {
		return none, err
	}
	for _, told := range res.Groups {
		if told.Group == group {
			return Group{Type: Protocol(told.GroupType), State: told.GroupState, Kind: told.ProtocolType, Operations: operations}, nil
		}
	}
	return none, nil
}

// Unowned returns the partitions that no member owns, of topics with these numbers of partitions. told is
// false while the coordinator does not say who owns what: during a classic group's rebalance, or if that
// cannot be read.
func (g Group) Unowned(counts map[string]int) (parts []Partition, told bool) {
	switch {
	case g.Type == "", g.Type == ProtocolConsumer:
	case g.Type != ProtocolClassic, g.State != groupStable && g.State != groupEmpty:
		return nil, false
	}
	owned := map[Partition]bool{}
	for _, m := range g.Members {
		if m.Unreadable {
			return nil, false
		}
		for _, p := range m.Owned {
			owned[p] = true
		}
	}
	for topic, n := range counts {
		for number := range int32(n) {
			if p := (Partition{topic, number}); !owned[p] {
				parts = append(parts, p)
			}
		}
	}
	slices.SortFunc(parts, Partition.Compare)
	return parts, true
}

// membersSaid is how many clients a sentence names.
const membersSaid = 5

// String says what the group is and who is in it, for a log or a page.
func (g Group) String() string {
	if g.Type == "" {
		return "no such group"
	}
	words := []string{"type " + harmless(string(g.Type))}
	if g.Kind != consumerType && g.Kind != "" {
		words = append(words, "of kind "+harmless(g.Kind))
	}
	words = append(words, harmless(g.State))
	if g.Protocol != "" {
		words = append(words, "protocol "+harmless(g.Protocol))
	}
	if g.Type == ProtocolClassic || g.Type == ProtocolConsumer {
		words = append(words, g.clients())
	}
	return strings.Join(words, ", ")
}

// clients names the members' clients; equal ones once, with their number.
func (g Group) clients() string {
	if len(g.Members) == 0 {
		return "no members"
	}
	counts := map[string]int{}
	for _, m := range g.Members {
		counts[harmless(m.Client)+" at "+harmless(m.Host)]++
	}
	var said []string
	for _, client := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[client]; n > 1 {
			client = fmt.Sprintf("%d × %s", n, client)
		}
		said = append(said, client)
	}
	if n := len(said); n > membersSaid {
		said = append(said[:membersSaid], fmt.Sprintf("and %d more", n-membersSaid))
	}
	return "members: " + strings.Join(said, ", ")
}

// harmless returns another program's word, safe for a log or a page: at most 64 characters, `?` for others.
func harmless(word string) string {
	word = strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-:", r) {
			return r
		}
		return '?'
	}, word)
	return word[:min(len(word), 64)]
}
