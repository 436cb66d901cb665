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
type Wired struct {
	consumer.Wire
	Learnt func(w *Wired, m *wire.Metadata) *wire.Metadata
	Asked  func(req kmsg.Request)
	// Answers is the answer to what never reaches the coordinator; nil: it does. It may change the request.
	Answers func(w *Wired, req kmsg.Request) kmsg.Response
	Before  func(w *Wired, ctx context.Context, group string, req *kmsg.OffsetCommitRequest)
	Edit    func(w *Wired, p *PartitionCommit)
	After   func(w *Wired, group string, req kmsg.Request, res kmsg.Response)

	Mu    sync.Mutex
	Last  map[int32]PartitionCommit
	First *wire.Metadata
	// What the coordinator has assigned last, and what the member has claimed.
	Assigned []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic
	Claims   []kmsg.ConsumerMemberMetadataOwnedPartition
}

// Metadata implements consumer.Wire.
func (w *Wired) Metadata(ctx context.Context) (*wire.Metadata, error) {
	m, err := w.Wire.Metadata(ctx)
	if err == nil && w.Learnt != nil {
		m = w.Learnt(w, m)
	}
	return m, err
}

// Send implements consumer.Wire.
func (w *Wired) Send(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error) {
	if w.Asked != nil {
		w.Asked(req)
	}
	return w.Wire.Send(ctx, broker, req)
}

// SendToCoordinator implements consumer.Wire.
func (w *Wired) SendToCoordinator(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	if w.Answers != nil {
		if res := w.Answers(w, req); res != nil {
			return res, nil
		}
	}
	if commit, ok := req.(*kmsg.OffsetCommitRequest); ok {
		if w.Before != nil {
			w.Before(w, ctx, group, commit)
		}
		if w.Edit != nil {
			w.Mu.Lock()
			for i := range commit.Topics {
				for j := range commit.Topics[i].Partitions {
					w.Edit(w, &commit.Topics[i].Partitions[j])
				}
			}
			w.Mu.Unlock()
		}
	}
	res, err := w.Wire.SendToCoordinator(ctx, group, req)
	if err == nil && w.After != nil {
		w.After(w, group, req, res)
	}
	return res, err
}
