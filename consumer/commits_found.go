package consumer

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/membership"
)

// commits are the commits of an answer, or the errors, by partition.
type commits = fetch.Told[mark]

const (
	// offsetFetchVersion: 5 has leader epochs. From 6 on the answer is flexible and has nothing
	// more that is needed here.
	offsetFetchVersion = 5
	// memberFetchVersion is the first version that names the asking member (KIP-848).
	memberFetchVersion = 9
)

// fetchCommitsAs asks as a member of the consumer protocol. The coordinator refuses an unknown
// member and any epoch but the member's present one.
func fetchCommitsAs(ctx context.Context, w Wire, group string, as membership.Identity, asked map[string][]int32) (commits, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.SetVersion(memberFetchVersion)
	of := kmsg.NewOffsetFetchRequestGroup()
	of.Group, of.MemberID, of.MemberEpoch = group, &as.Member, as.Generation
	for topic, partitions := range asked {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = topic, partitions
		of.Topics = append(of.Topics, t)
	}
	req.Groups = append(req.Groups, of)
	answer, err := w.SendToCoordinator(ctx, group, req)
	if err != nil {
		return nil, err
	}
	res := answer.(*kmsg.OffsetFetchResponse)
	if len(res.Groups) != 1 || res.Groups[0].Group != group {
		return nil, fetch.ErrLeftOut
	}
	found := &res.Groups[0]
	if err := membership.CodeError(w, group, found.ErrorCode, nil); err != nil {
		return nil, err
	}
	all := commits{}
	for _, t := range found.Topics {
		for _, p := range t.Partitions {
			all.Add(t.Topic, p.Partition, p.ErrorCode, markOf(p.Offset, p.LeaderEpoch, p.Metadata))
		}
	}
	return all, nil
}

// markOf makes a mark of an answer's fields.
func markOf(offset int64, epoch int32, metadata *string) mark {
	m := mark{offset: offset, epoch: epoch}
	if metadata != nil {
		m.metadata = *metadata
	}
	return m
}

// fetchCommits asks a group's coordinator for commits, by topic and partition. The error is the
// request's, or a kafka.Error of the whole group.
func fetchCommits(ctx context.Context, w Wire, group string, asked map[string][]int32) (commits, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.SetVersion(offsetFetchVersion)
	req.Group = group
	for topic, partitions := range asked {
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = topic, partitions
		req.Topics = append(req.Topics, t)
	}
	answer, err := w.SendToCoordinator(ctx, group, req)
	if err != nil {
		return nil, err
	}
	res := answer.(*kmsg.OffsetFetchResponse)
	if err := membership.CodeError(w, group, res.ErrorCode, nil); err != nil {
		return nil, err
	}
	all := commits{}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			all.Add(t.Topic, p.Partition, p.ErrorCode, markOf(p.Offset, p.LeaderEpoch, p.Metadata))
		}
	}
	return all, nil
}
