package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/wire"
)

// consumerProtocol is the kind of group that Kafka's consumers form.
const consumerProtocol = "consumer"

// group examines the group: rights, type, members, commits.
func (p *doctor) group(ctx context.Context, seen []*topic, g general) {
	name := p.settings.Kafka.GroupID
	rights := &findings{area: Rights, subject: "group " + name}
	f := &findings{area: Group, subject: name}
	remedy := p.grant("Read", "--group "+name)
	described, err := p.describe(ctx)
	switch {
	case errors.Is(err, kafka.GroupAuthorizationFailed):
		rights.wrong("read", "missing: this user may not even describe the group", remedy)
		f.unknown("state", "this user may not see it: Describe on the group is missing, which Read implies", "")
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		rights.unknown("read", "the group's coordinator does not report it", "")
		f.unknown("state", "of type consumer; some member reads a topic that this user may not describe, so that the broker reports nothing of the members",
			"look as a user with Describe on all topics; if that member is another program, give it a group of its own")
	case err != nil:
		rights.unknown("read", "the group's coordinator does not report it", "")
		f.unknown("state", say(err), "try again; after a broker's loss a coordinator takes a moment")
	default:
		judgeOperation(rights, "read", described.Operations, operationRead, remedy)
		p.judgeGroup(ctx, f, seen, g, described)
		p.judgeCommits(ctx, f, seen, g, described)
	}
	p.report = append(p.report, rights.list...)
	p.report = append(p.report, f.list...)
}

// A coordinator that is starting or moving is asked again: in a new cluster the first request creates the
// topic of commits.
const (
	coordinatorTries = 10
	coordinatorPause = 500 * time.Millisecond
)

func (p *doctor) describe(ctx context.Context) (g membership.Group, err error) {
	for range coordinatorTries {
		asking, cancel := context.WithTimeout(ctx, connect.RequestTimeout)
		g, err = membership.Describe(asking, p.cluster.kafka.Wire, p.settings.Kafka.GroupID)
		cancel()
		if !wire.Moved(err) && !errors.Is(err, kafka.GroupLoadInProgress) {
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

// judgeGroup judges what the group is, who is in it, and whether each partition has an owner.
func (p *doctor) judgeGroup(ctx context.Context, f *findings, seen []*topic, g general, described membership.Group) {
	const check = "state"
	words := []string{described.State}
	if described.Type != "" {
		words = append(words, "type "+string(described.Type))
	}
	if described.Protocol != "" {
		words = append(words, "protocol "+described.Protocol)
	}
	text := strings.Join(words, ", ")
	ours := slices.Contains(described.Type.Choices(), string(described.Type))
	switch {
	case described.Type != "" && !ours, described.Kind != "" && described.Kind != consumerProtocol:
		f.wrong(check, text+", but of another kind: "+described.Kind, "choose another KAFKA_GROUP_ID: no consumer can join this one")
		return
	case len(described.Members) == 0:
		f.ok(check, "no replica is running (%s)", text)
	case described.Type == membership.ProtocolClassic && described.Protocol != "" && !slices.Contains(membership.Protocols(), described.Protocol):
		f.warn(check, text+": unless its members know one of "+strings.Join(membership.Protocols(), ", ")+" too, no replica can join them", "give those members a group of their own")
	default:
		f.ok(check, "%s", text)
	}
	if described.Type == membership.ProtocolConsumer || p.settings.Kafka.GroupProtocol == membership.ProtocolConsumer {
		p.judgeGroupTimes(ctx, f, g)
	}
	if len(described.Members) > 0 {
		unowned, known := described.Unowned(counts(seen))
		p.judgeMembers(f, described, known)
		judgeOwners(f, unowned, known, counts(seen))
	}
}

// counts returns the numbers of partitions of the topics that are read.
func counts(seen []*topic) map[string]int {
	n := map[string]int{}
	for _, t := range seen {
		if !t.written() && t.err == nil {
			n[t.name] = len(t.partitions)
		}
	}
	return n
}

// judgeMembers judges who is in the group; known: the broker reported what each member owns.
func (p *doctor) judgeMembers(f *findings, g membership.Group, known bool) {
	const check = "members"
	clients, foreign, eager, others, readable := map[string]int{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, true
	for _, m := range g.Members {
		readable = readable && !m.Unreadable
		topics := slices.Clone(m.Topics)
		for _, part := range m.Owned {
			topics = append(topics, part.Topic)
		}
		for _, topic := range topics {
			if !slices.Contains(p.settings.Topics(), topic) {
				foreign[topic] = true
			}
		}
		client := m.Client + " at " + m.Host
		eager[client] = eager[client] || m.Eager
		others[client] = m.Client != p.settings.Kafka.ClientID
		if known {
			client += fmt.Sprintf(" with %d", len(m.Owned))
		}
		if m.Classic {
			client += " (classic protocol)"
		}
		clients[client]++
	}
	text := fmt.Sprintf("%d: %s", len(g.Members), few(counted(clients)))
	if known {
		text += " partitions"
	}
	switch {
	case len(foreign) > 0:
		f.warn(check, text+"; some read "+few(slices.Sorted(maps.Keys(foreign))), "another program is in this group, and each may take partitions the other cannot read: give one of them a group of its own; replicas read the same topics, KAFKA_REPLAY_TOPIC included")
	case !readable:
		f.warn(check, text+"; a subscription or an assignment cannot be read", "look whether another program is in this group")
	case len(those(eager)) > 0:
		f.warn(check, text+"; every rebalance stops all of them, since "+few(those(eager))+" know only "+g.Protocol, "update these replicas, or give that program a group of its own")
	case len(those(others)) > 0:
		f.warn(check, text+"; "+few(those(others))+" by another client ID than "+p.settings.Kafka.ClientID, "if it is another program, it takes events that are then not sent: give it a group of its own; if it is a replica, give all of them one KAFKA_CLIENT_ID")
	default:
		f.ok(check, "%s", text)
	}
}

// those returns the names that are set, sorted.
func those(set map[string]bool) []string {
	maps.DeleteFunc(set, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(set))
}

// judgeOwners judges whether each partition has an owner.
func judgeOwners(f *findings, unowned []membership.Partition, known bool, counts map[string]int) {
	const check = "owners"
	all := 0
	for _, n := range counts {
		all += n
	}
	switch {
	case !known:
		f.unknown(check, "unknown while the group rebalances", "try again in a minute")
	case len(unowned) > 0:
		var names []string
		for _, p := range unowned {
			names = append(names, fmt.Sprintf("%s/%d", p.Topic, p.Number))
		}
		f.warn(check, fmt.Sprintf("no one reads %d of %d partitions: %s", len(unowned), all, few(names)),
			"a partition that moves has no owner for a moment: look again in a minute; if it stays, the member that leads the group assigns wrongly, or members subscribe to other topics: stop those that are not replicas")
	default:
		f.ok(check, "each of %d partitions has one", all)
	}
}

// judgeGroupTimes judges the times of a group of type consumer, which are the broker's. If the group's session
// is shorter than KAFKA_SESSION_TIMEOUT another member may own what a replica that was cut off still believes
// to own.
func (p *doctor) judgeGroupTimes(ctx context.Context, f *findings, g general) {
	const session, interval = "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"
	name, ours := p.settings.Kafka.GroupID, p.settings.Kafka.SessionTimeout
	own, err := configs(ctx, p.cluster, wire.Any, kmsg.ConfigResourceTypeGroupConfig, name, []string{session, interval})
	ms := func(setting string) int64 {
		for _, value := range []string{own[setting], g.configs["group."+setting]} {
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				return n
			}
		}
		return 0
	}
	if ms(session) == 0 {
		why := "the broker does not report it"
		if err != nil {
			why = say(err)
		}
		f.unknown(session, why+"; it is the broker's, and must not be below KAFKA_SESSION_TIMEOUT ("+ours.String()+")", p.grant("DescribeConfigs", "--group "+name))
		return
	}
	theirs := time.Duration(ms(session)) * time.Millisecond
	text := theirs.String()
	if n := ms(interval); n > 0 {
		text += ", heartbeats each " + (time.Duration(n) * time.Millisecond).String()
	}
	if text += ": the broker's"; theirs < ours {
		f.warn(session, fmt.Sprintf("%s, below KAFKA_SESSION_TIMEOUT (%s): a replica that is cut off still trusts its partitions when others already own them, and both send", text, ours),
			fmt.Sprintf("set KAFKA_SESSION_TIMEOUT to no more, or: kafka-configs.sh --alter --entity-type groups --entity-name %s --add-config %s=%d", name, session, ours.Milliseconds()))
		return
	}
	f.ok(session, "%s, not below KAFKA_SESSION_TIMEOUT (%s)", text, ours)
}

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
