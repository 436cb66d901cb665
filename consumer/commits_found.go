package consumer

import (
	"context"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
)

// Commit is a group's commit for a partition, as Kafka keeps it.
type Commit struct {
	// Offset is −1 where there is none.
	Offset int64
	// LeaderEpoch is that of the last record below Offset; −1: whoever committed told none.
	LeaderEpoch int32
	Metadata    string
}

// commits are those that an answer tells of, or the errors.
type commits map[topicPartition]foundCommit

type foundCommit struct {
	Commit
	err error
}

// of is one partition's. One that is missing is an error, and so is one that is there twice.
func (c commits) of(tp topicPartition) (Commit, error) {
	found, told := c[tp]
	if !told {
		return Commit{}, fetch.ErrLeftOut
	}
	return found.Commit, found.err
}

// offsetFetchVersion: 5 has leader epochs, from 6 on the answer is flexible and brings nothing
// that is needed here.
const offsetFetchVersion = 5

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
	if res.ErrorCode != 0 {
		return nil, kafka.Error(res.ErrorCode)
	}
	all := commits{}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			c := foundCommit{Commit: Commit{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch}}
			if p.Metadata != nil {
				c.Metadata = *p.Metadata
			}
			if p.ErrorCode != 0 {
				c.err = kafka.Error(p.ErrorCode)
			}
			tp := topicPartition{t.Topic, p.Partition}
			if _, twice := all[tp]; twice {
				c = foundCommit{err: fetch.ErrTwice}
			}
			all[tp] = c
		}
	}
	return all, nil
}
