package fetch

import (
	"cmp"
	"context"
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
