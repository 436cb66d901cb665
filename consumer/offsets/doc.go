// Package offsets asks the cluster what a group has committed, and where partitions' logs begin
// and end. It only reads: whether the group runs makes no difference.
//
// [Fetch] and [FetchAs] return commits as the coordinator reports them, for the engine.
// [ReadProgress] puts commits beside the bounds of their logs, for commands that look at a group
// from outside. [ProducerAt] names the producer whose open transaction holds back a
// partition.
//
// What it leaves to others: which commit to believe, and the meaning of its metadata (package
// progress).
package offsets

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
)

// Wire is what the package needs of a [wire.Client].
type Wire interface {
	MetadataOf(ctx context.Context, topics []string) (*wire.Metadata, error)
	Send(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error)
	SendToCoordinator(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error)
	ForgetCoordinator(group string)
}

// requestTimeout bounds one request to a partition's leader.
const requestTimeout = 10 * time.Second
