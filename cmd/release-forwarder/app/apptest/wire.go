package apptest

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer"
	"release-forwarder/consumer/wire"
)

// PartitionCommit is what an OffsetCommit request says of one partition.
type PartitionCommit = kmsg.OffsetCommitRequestTopicPartition

// InterceptedWire lies between the engine of one replica and the brokers, and changes what they send each other: put it
// into consumer.Config.Wire by World.Mistakes. Each function may be nil; all may run at the same time.
type InterceptedWire struct {
	consumer.Wire // to the brokers

	// OnMetadata gives the metadata that the engine learns instead of m.
	OnMetadata func(w *InterceptedWire, m *wire.Metadata) *wire.Metadata
	// OnSend may change a request before it goes to a broker that is no coordinator.
	OnSend func(req kmsg.Request)
	// Answer answers a request in the coordinator's place. Where it gives nil the request is sent, as Answer may have
	// changed it.
	Answer func(w *InterceptedWire, req kmsg.Request) kmsg.Response
	// BeforeCommit is called before a commit is sent, without Mu.
	BeforeCommit func(w *InterceptedWire, ctx context.Context, group string, req *kmsg.OffsetCommitRequest)
	// EditCommit may change each partition of a commit; called after BeforeCommit, under Mu.
	EditCommit func(w *InterceptedWire, p *PartitionCommit)
	// AfterSend may change the coordinator's answer before the engine sees it; called without Mu.
	AfterSend func(w *InterceptedWire, group string, req kmsg.Request, res kmsg.Response)

	// What the functions above keep from one call to the next. Guarded by Mu. InterceptedWire itself does not use it.
	Mu            sync.Mutex
	LastCommits   map[int32]PartitionCommit // by partition; make it before EditCommit writes to it
	FirstMetadata *wire.Metadata
	Assigned      []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic // by the coordinator, last
	Owned         []kmsg.ConsumerMemberMetadataOwnedPartition          // as the member has said, last
}

// Metadata implements consumer.Wire.
func (w *InterceptedWire) Metadata(ctx context.Context) (*wire.Metadata, error) {
	m, err := w.Wire.Metadata(ctx)
	if err == nil && w.OnMetadata != nil {
		m = w.OnMetadata(w, m)
	}
	return m, err
}

// Send implements consumer.Wire.
func (w *InterceptedWire) Send(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error) {
	if w.OnSend != nil {
		w.OnSend(req)
	}
	return w.Wire.Send(ctx, broker, req)
}

// SendToCoordinator implements consumer.Wire.
func (w *InterceptedWire) SendToCoordinator(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	if w.Answer != nil {
		if res := w.Answer(w, req); res != nil {
			return res, nil
		}
	}
	if commit, ok := req.(*kmsg.OffsetCommitRequest); ok {
		if w.BeforeCommit != nil {
			w.BeforeCommit(w, ctx, group, commit)
		}
		if w.EditCommit != nil {
			w.Mu.Lock()
			for i := range commit.Topics {
				for j := range commit.Topics[i].Partitions {
					w.EditCommit(w, &commit.Topics[i].Partitions[j])
				}
			}
			w.Mu.Unlock()
		}
	}
	res, err := w.Wire.SendToCoordinator(ctx, group, req)
	if err == nil && w.AfterSend != nil {
		w.AfterSend(w, group, req, res)
	}
	return res, err
}
