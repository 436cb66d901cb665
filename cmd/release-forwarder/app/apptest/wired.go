package apptest

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer"
	"release-forwarder/consumer/wire"
)

type PartitionCommit = kmsg.OffsetCommitRequestTopicPartition

// Wired stands between the engine and the brokers.
type InterceptedWire struct {
	consumer.Wire
	OnMetadata func(w *InterceptedWire, m *wire.Metadata) *wire.Metadata
	OnSend     func(req kmsg.Request)
	// Answers is the answer to what never reaches the coordinator; nil: it does. It may change the request.
	Answer       func(w *InterceptedWire, req kmsg.Request) kmsg.Response
	BeforeCommit func(w *InterceptedWire, ctx context.Context, group string, req *kmsg.OffsetCommitRequest)
	EditCommit   func(w *InterceptedWire, p *PartitionCommit)
	AfterSend    func(w *InterceptedWire, group string, req kmsg.Request, res kmsg.Response)

	Mu            sync.Mutex
	LastCommits   map[int32]PartitionCommit
	FirstMetadata *wire.Metadata
	// What the coordinator has assigned last, and what the member has claimed.
	Assigned []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic
	Owned    []kmsg.ConsumerMemberMetadataOwnedPartition
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
