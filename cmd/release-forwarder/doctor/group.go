package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/consumer"
	"github.com/segmentio/kafka-go/protocol/describegroups"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
)

// consumerProtocol is the kind of group that Kafka's consumers form.
const consumerProtocol = "consumer"

// group looks at the group: rights, members, commits.
func (p *doctor) group(ctx context.Context, seen []*topic, g general) {
	name := p.settings.Kafka.GroupID
	rights := &findings{area: Rights, subject: "group " + name}
	f := &findings{area: Group, subject: name}
	remedy := p.grant("Read", "--group "+name)
	described, err := p.describe(ctx)
	switch {
	case errors.Is(err, kafka.GroupAuthorizationFailed):
		rights.wrong("read", "missing: this user may not even describe the group", remedy)
		f.unknown("state", "this user may not see it", "")
	case err != nil:
		rights.unknown("read", "the group's coordinator does not tell", "")
		f.unknown("state", say(err), "try again; after a broker's loss a coordinator takes a moment")
	default:
		judgeOperation(rights, "read", described.AuthorizedOperations, operationRead, remedy)
		p.judgeMembers(f, described)
		p.judgeCommits(ctx, f, seen, g, described)
	}
	p.report = append(p.report, rights.list...)
	p.report = append(p.report, f.list...)
}

// withGroupOperations is the version of DescribeGroups from which on rights are
// told.
const withGroupOperations = 3

// A coordinator that is starting or moving is asked again: the first question of
// all makes a new cluster create the topic that commits are kept in.
const (
	coordinatorTries = 10
	coordinatorPause = 500 * time.Millisecond
)

// describe asks the group's coordinator.
func (p *doctor) describe(ctx context.Context) (g describegroups.ResponseGroup, err error) {
	for range coordinatorTries {
		if g, err = p.describeOnce(ctx); !moving(err) {
			return g, err
		}
		select {
		case <-time.After(coordinatorPause):
		case <-ctx.Done():
			return g, ctx.Err()
		}
	}
	return g, err
}

func moving(err error) bool {
	return errors.Is(err, kafka.GroupCoordinatorNotAvailable) || errors.Is(err, kafka.NotCoordinatorForGroup) || errors.Is(err, kafka.GroupLoadInProgress)
}

func (p *doctor) describeOnce(ctx context.Context) (describegroups.ResponseGroup, error) {
	none := describegroups.ResponseGroup{}
	name := p.settings.Kafka.GroupID
	coordinator, _, err := ask[*findcoordinator.Response](ctx, p.cluster, anyNode, &findcoordinator.Request{Key: name})
	if err != nil {
		return none, err
	}
	if err := refusal(coordinator.ErrorCode); err != nil {
		return none, err
	}
	answer, version, err := ask[*describegroups.Response](ctx, p.cluster, coordinator.NodeID, &describegroups.Request{
		Groups: []string{name}, IncludeAuthorizedOperations: true,
	})
	if err != nil {
		return none, err
	}
	if len(answer.Groups) != 1 {
		return none, errors.New("the coordinator's answer leaves the group out")
	}
	g := answer.Groups[0]
	if version < withGroupOperations {
		g.AuthorizedOperations = unsaid
	}
	return g, refusal(g.ErrorCode)
}

// judgeMembers judges who is in the group.
func (p *doctor) judgeMembers(f *findings, g describegroups.ResponseGroup) {
	const check = "members"
	if g.ProtocolType != "" && g.ProtocolType != consumerProtocol {
		f.wrong("state", fmt.Sprintf("%s, but of another kind: %s", g.GroupState, g.ProtocolType), "choose another KAFKA_GROUP_ID: no consumer can join this one")
		return
	}
	if len(g.Members) == 0 {
		f.ok("state", "no replica is running (%s)", orDead(g.GroupState))
		return
	}
	f.ok("state", "%s", strings.TrimSuffix(g.GroupState+", protocol "+g.ProtocolData, ", protocol "))
	clients, foreign, readable := map[string]int{}, map[string]bool{}, true
	for _, m := range g.Members {
		topics, err := assigned(m.MemberAssignment)
		readable = readable && err == nil
		n := 0
		for topic, partitions := range topics {
			if n += partitions; !slices.Contains(p.settings.Topics(), topic) {
				foreign[topic] = true
			}
		}
		clients[fmt.Sprintf("%s at %s with %d", m.ClientID, strings.TrimPrefix(m.ClientHost, "/"), n)]++
	}
	text := fmt.Sprintf("%d: %s partitions", len(g.Members), few(counted(clients)))
	switch {
	case len(foreign) > 0:
		f.warn(check, text+"; some of "+few(slices.Sorted(maps.Keys(foreign))), "another program is in this group, and each takes partitions the other cannot read: give one of them a group of its own")
	case !readable:
		f.warn(check, text+"; an assignment cannot be read", "look whether another program is in this group")
	default:
		f.ok(check, "%s", text)
	}
}

// orDead is the state of a group; one that never was has none.
func orDead(state string) string {
	if state == "" {
		return "Dead"
	}
	return state
}

// counted lists what was counted, sorted.
func counted(counts map[string]int) []string {
	var list []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[what]; n > 1 {
			what = fmt.Sprintf("%d × %s", n, what)
		}
		list = append(list, what)
	}
	return list
}

// assigned counts the partitions of each topic that a member has; nothing during
// a rebalance.
func assigned(data []byte) (map[string]int, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var a consumer.Assignment
	if err := protocol.Unmarshal(data, 0, &a); err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, t := range a.AssignedPartitions {
		counts[t.Topic] += len(t.Partitions)
	}
	return counts, nil
}
