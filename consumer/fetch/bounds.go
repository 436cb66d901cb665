package fetch

import (
	"cmp"
	"context"
)

// Bounds are the first offset of a partition's log, and the offset behind its last record.
type Bounds struct{ First, End int64 }

// AskBounds asks the leader of a partition for the bounds of its log; if committed is set, for those that a
// reader of committed records sees.
func AskBounds(ctx context.Context, s Sender, broker int32, committed bool, ask OffsetAsk) (Bounds, error) {
	firsts, err := FirstOffsets(ctx, s, broker, []OffsetAsk{ask})
	if err != nil {
		return Bounds{}, err
	}
	ends, err := EndOffsets(ctx, s, broker, committed, []OffsetAsk{ask})
	if err != nil {
		return Bounds{}, err
	}
	if err := cmp.Or(firsts[0].Err, ends[0].Err); err != nil {
		return Bounds{}, err
	}
	return Bounds{firsts[0].Offset, ends[0].Offset}, nil
}
