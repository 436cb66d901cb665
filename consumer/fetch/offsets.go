package fetch

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetAsk asks for an offset of a partition's log.
type OffsetAsk struct {
	Topic     string
	Partition int32
	// LeaderEpoch is the epoch of the leader that is asked, −1 if it is not known. A broker that does not lead
	// by this epoch refuses.
	LeaderEpoch int32
}

// OffsetTold is the answer to an [OffsetAsk].
type OffsetTold struct {
	Offset int64
	// Err says why there is no offset: a kafka.Error, [ErrLeftOut], [ErrTwice] or [ErrNoOffset]. Offset is
	// then −1.
	Err error
}

// newestOffsets is the last version of ListOffsets that is not flexible. Later ones bring nothing new, and
// kmsg believes any number of tagged fields.
const newestOffsets = 5

// FirstOffsets asks the leader of the partitions, each named at most once, where their logs begin. The answers
// are in the order of asks.
func FirstOffsets(ctx context.Context, s Sender, broker int32, asks []OffsetAsk) ([]OffsetTold, error) {
	return offsetsAt(ctx, s, broker, kafka.FirstOffset, false, asks)
}

// EndOffsets is [FirstOffsets] for the offsets behind the last records; if committed is set, behind the last
// record that a reader of committed records sees.
func EndOffsets(ctx context.Context, s Sender, broker int32, committed bool, asks []OffsetAsk) ([]OffsetTold, error) {
	return offsetsAt(ctx, s, broker, kafka.LastOffset, committed, asks)
}

// OffsetsSince is [FirstOffsets] for the first records with a timestamp at or after a time, as a reader of
// committed records sees them (KIP-79): [ErrNoOffset] if there is none.
func OffsetsSince(ctx context.Context, s Sender, broker int32, at time.Time, asks []OffsetAsk) ([]OffsetTold, error) {
	// For Kafka a negative time is a request of another kind.
	return offsetsAt(ctx, s, broker, max(0, at.UnixMilli()), true, asks)
}

// offsetsAt asks for the offsets at one time. A broker refuses a request that names a partition twice.
func offsetsAt(ctx context.Context, s Sender, broker int32, time int64, committed bool, asks []OffsetAsk) ([]OffsetTold, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(newestOffsets)
	req.ReplicaID = replicaNone
	if committed {
		req.IsolationLevel = readCommitted
	}
	for topic, of := range grouped(asks, func(a OffsetAsk) string { return a.Topic }) {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for _, ask := range of {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.Timestamp = ask.Partition, ask.LeaderEpoch, time
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	m, err := s.Send(ctx, broker, req)
	if err != nil {
		return nil, fmt.Errorf("offsets of broker %d: %w", broker, err)
	}
	res, ok := m.(*kmsg.ListOffsetsResponse)
	if !ok {
		return nil, fmt.Errorf("offsets of broker %d: the answer is %T", broker, m)
	}
	list := Told[int64]{}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			list.Add(t.Topic, p.Partition, p.ErrorCode, p.Offset)
		}
	}
	all := make([]OffsetTold, len(asks))
	for i, ask := range asks {
		offset, err := list.Of(ask.Topic, ask.Partition)
		if err == nil && offset < 0 {
			err = ErrNoOffset
		}
		if err != nil {
			offset = -1
		}
		all[i] = OffsetTold{offset, err}
	}
	return all, nil
}
