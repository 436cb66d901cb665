package consumer

import (
	"context"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/membership"
)

// commits are those that an answer tells of, or the errors.
type commits map[topicPartition]foundCommit

type foundCommit struct {
	mark
	err error
}

// of is one partition's. One that is missing is an error, and so is one that is there twice.
func (c commits) of(tp topicPartition) (mark, error) {
	found, told := c[tp]
	if !told {
		return mark{}, fetch.ErrLeftOut
	}
	return found.mark, found.err
}

const (
	// offsetFetchVersion: 5 has leader epochs, from 6 on the answer is flexible and brings nothing
	// that is needed here.
	offsetFetchVersion = 5
	// memberFetchVersion is the first one that names the member that asks (KIP-848).
	memberFetchVersion = 9
)

// fetchCommitsAs asks as a member of the consumer protocol: the coordinator refuses one that is not, or
// whose epoch is another one.
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
	told := &res.Groups[0]
	if err := membership.CodeError(w, group, told.ErrorCode, nil); err != nil {
		return nil, err
	}
	all := commits{}
	for _, t := range told.Topics {
		for _, p := range t.Partitions {
			all.add(topicPartition{Topic: t.Topic, Number: p.Partition}, mark{offset: p.Offset, epoch: p.LeaderEpoch}, p.Metadata, p.ErrorCode)
		}
	}
	return all, nil
}

// add notes what an answer says of one partition.
func (c commits) add(tp topicPartition, found mark, metadata *string, code int16) {
	f := foundCommit{mark: found}
	if metadata != nil {
		f.metadata = *metadata
	}
	if code != 0 {
		f.err = kafka.Error(code)
	}
	if _, twice := c[tp]; twice {
		f = foundCommit{err: fetch.ErrTwice}
	}
	c[tp] = f
}

// fetchCommits asks a group's coordinator for commits, by topic and partition. The error is the
// request's, or a kafka.Error about the group.
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
			all.add(topicPartition{Topic: t.Topic, Number: p.Partition}, mark{offset: p.Offset, epoch: p.LeaderEpoch}, p.Metadata, p.ErrorCode)
		}
	}
	return all, nil
}
