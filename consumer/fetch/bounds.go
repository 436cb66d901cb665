package fetch

import (
	"cmp"
	"context"
	"fmt"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// Bounds are where a partition's log begins, and the offset behind its last record.
type Bounds struct {
	First, End int64
	// Err says why they cannot be told; then the others are -1.
	Err error
}

// BoundsOf names a partition whose bounds are wanted, and its leader's epoch; −1 where it
// is not known.
type BoundsOf struct{ Partition, LeaderEpoch int32 }

// AskBounds asks a broker that leads the partitions of a topic, each at most once, for the
// bounds of their logs, up to what a reader sees that reads committed records only where
// committed is set. Each partition asked for is in the result, with an error where the
// broker did not tell.
func AskBounds(ctx context.Context, s Sender, broker int32, topic string, partitions []BoundsOf, committed bool) (map[int32]Bounds, error) {
	asks := make([]OffsetAsk, len(partitions))
	for i, p := range partitions {
		asks[i] = OffsetAsk{topic, p.Partition, p.LeaderEpoch}
	}
	firsts, err := FirstOffsets(ctx, s, broker, asks)
	if err != nil {
		return nil, err
	}
	ends, err := EndOffsets(ctx, s, broker, committed, asks)
	if err != nil {
		return nil, err
	}
	all := make(map[int32]Bounds, len(asks))
	for i, p := range partitions {
		all[p.Partition] = Bounds{First: firsts[i].Offset, End: ends[i].Offset}
		if err := cmp.Or(firsts[i].Err, ends[i].Err); err != nil {
			all[p.Partition] = Bounds{First: -1, End: -1, Err: err}
		}
	}
	return all, nil
}

// LogBounds asks the leaders of a topic's partitions for the bounds of their logs, up to
// what a reader sees that reads committed records only where committed is set. Each
// partition asked for is in the result, with an error where its leader did not tell.
// kafka-go's ListOffsets gives 0 for what an answer leaves out, as of an empty log.
func LogBounds(ctx context.Context, transport kafka.RoundTripper, addr net.Addr, topic string, partitions []int32, committed bool) (map[int32]Bounds, error) {
	req := &listoffsets.Request{ReplicaID: -1, Topics: []listoffsets.RequestTopic{{Topic: topic}}}
	if committed {
		req.IsolationLevel = int8(kafka.ReadCommitted)
	}
	for _, p := range partitions {
		for _, at := range []int64{kafka.FirstOffset, kafka.LastOffset} {
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, listoffsets.RequestPartition{Partition: p, CurrentLeaderEpoch: -1, Timestamp: at})
		}
	}
	m, err := transport.RoundTrip(ctx, addr, req)
	if err != nil {
		return nil, err
	}
	res, ok := m.(*listoffsets.Response)
	if !ok {
		return nil, fmt.Errorf("the round tripper answered with %T", m)
	}
	all := map[int32]Bounds{}
	for _, p := range partitions {
		first, err := boundOf(res, topic, p, kafka.FirstOffset)
		end := int64(-1)
		if err == nil {
			end, err = boundOf(res, topic, p, kafka.LastOffset)
		}
		if err != nil {
			first, end = -1, -1
		}
		all[p] = Bounds{First: first, End: end, Err: err}
	}
	return all, nil
}

// boundOf walks an answer for one partition's offset at a time; kafka-go notes beside
// each which time was asked for.
func boundOf(res *listoffsets.Response, topic string, partition int32, at int64) (offset int64, err error) {
	found := false
	for _, t := range res.Topics {
		if t.Topic != topic {
			continue
		}
		for _, p := range t.Partitions {
			switch {
			case p.Partition != partition:
			case p.ErrorCode != 0:
				return -1, kafka.Error(p.ErrorCode)
			case p.Timestamp != at:
			case p.Offset < 0:
				return -1, ErrNoOffset
			case found && p.Offset != offset:
				return -1, ErrTwice
			default:
				offset, found = p.Offset, true
			}
		}
	}
	if !found {
		return -1, ErrLeftOut
	}
	return offset, nil
}
