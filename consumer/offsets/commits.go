package offsets

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/membership"
)

// Commit is a group's commit for a partition, as Kafka stores it.
type Commit struct {
	Offset   int64 // −1: there is no commit
	Epoch    int32 // the leader epoch of the last record below; −1: the commit names none
	Metadata string
}

// Commits are the commits of an answer, or the errors, by partition.
type Commits = fetch.Told[Commit]

const (
	// offsetFetchVersion: 5 has leader epochs. From 6 on the answer is flexible and has nothing
	// more that is needed here.
	offsetFetchVersion = 5
	// memberFetchVersion is the first version that names the asking member (KIP-848).
	memberFetchVersion = 9
)

// FetchAs is Fetch by a member of the consumer protocol (KIP-848). The coordinator refuses an unknown
// member, and any epoch but the member's present one.
func FetchAs(ctx context.Context, w Wire, group string, as membership.Identity, asked map[string][]int32) (Commits, error) {
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
	all := Commits{}
	for _, t := range found.Topics {
		for _, p := range t.Partitions {
			all.Add(t.Topic, p.Partition, p.ErrorCode, commitOf(p.Offset, p.LeaderEpoch, p.Metadata))
		}
	}
	return all, nil
}

// commitOf makes a Commit of an answer's fields.
func commitOf(offset int64, epoch int32, metadata *string) Commit {
	c := Commit{Offset: offset, Epoch: epoch}
	if metadata != nil {
		c.Metadata = *metadata
	}
	return c
}

// Fetch asks a group's coordinator for commits, by topic and partition. The error is the
// request's, or a kafka.Error of the whole group.
func Fetch(ctx context.Context, w Wire, group string, asked map[string][]int32) (Commits, error) {
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
	all := Commits{}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			all.Add(t.Topic, p.Partition, p.ErrorCode, commitOf(p.Offset, p.LeaderEpoch, p.Metadata))
		}
	}
	return all, nil
}
