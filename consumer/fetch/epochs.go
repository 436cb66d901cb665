package fetch

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// EpochEnd is how far a log holds what was written under a leader epoch: End is the offset behind its last
// record. If the leader's log has no such epoch, the answer is the next lower one. So what was read under an
// epoch is still in the log only if Epoch is that epoch and End is not below the offset behind it. Both are −1
// if the leader knows no epoch so high: what was read is not in its log.
type EpochEnd struct {
	Epoch int32
	End   int64
}

// EpochAsk asks about a leader epoch of a partition.
type EpochAsk struct {
	Topic     string
	Partition int32
	// LeaderEpoch is the epoch of the leader that is asked, −1 if it is not known. A broker that does not lead
	// by this epoch refuses.
	LeaderEpoch int32
	// Epoch is the epoch asked about.
	Epoch int32
}

// EpochTold is the answer to an [EpochAsk].
type EpochTold struct {
	EpochEnd
	// Err says why there is no answer: a kafka.Error, [ErrLeftOut] or [ErrTwice]. The other fields are then
	// −1.
	Err error
}

// The version of OffsetForLeaderEpoch in use: consumers may send it (KIP-320), from Kafka 2.3 on. Earlier
// versions require more than the right to read, and the first answers without an epoch, which would look like
// a divergence. The next version is flexible and brings nothing new; kmsg believes any number of tagged
// fields.
const epochsVersion = 3

// EpochEnds asks the leader of the partitions, each named at most once, up to where its logs hold what was
// written under leader epochs. The answers are in the order of asks.
func EpochEnds(ctx context.Context, s Sender, broker int32, asks []EpochAsk) ([]EpochTold, error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.SetVersion(epochsVersion)
	req.ReplicaID = replicaNone
	for topic, of := range grouped(asks, func(a EpochAsk) string { return a.Topic }) {
		t := kmsg.NewOffsetForLeaderEpochRequestTopic()
		t.Topic = topic
		for _, ask := range of {
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = ask.Partition, ask.LeaderEpoch, ask.Epoch
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	m, err := s.Send(ctx, broker, req)
	if err != nil {
		return nil, fmt.Errorf("leader epochs of broker %d: %w", broker, err)
	}
	res, ok := m.(*kmsg.OffsetForLeaderEpochResponse)
	if !ok {
		return nil, fmt.Errorf("leader epochs of broker %d: the answer is %T", broker, m)
	}
	if res.Version < epochsVersion {
		return nil, fmt.Errorf("leader epochs of broker %d: %w", broker, kafka.UnsupportedVersion)
	}
	list := Told[EpochEnd]{}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			list.Add(t.Topic, p.Partition, p.ErrorCode, EpochEnd{p.LeaderEpoch, p.EndOffset})
		}
	}
	all := make([]EpochTold, len(asks))
	for i, ask := range asks {
		end, err := list.Of(ask.Topic, ask.Partition)
		if err != nil {
			end = EpochEnd{epochNone, -1}
		}
		all[i] = EpochTold{end, err}
	}
	return all, nil
}
