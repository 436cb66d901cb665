package simulation

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/consumer"
	"release-forwarder/consumer/membership"
)

// In which protocol a mistake can be made.
const (
	byClassic  = membership.ProtocolClassic
	byConsumer = membership.ProtocolConsumer
)

// speaking limits a mistake to the plans of a protocol.
func (m *mistake) speaking(protocol membership.Protocol) *mistake {
	m.protocol = protocol
	return m
}

// membershipMistakes are made in what the member tells its group, and in what it makes of the answers.
func membershipMistakes() []*mistake {
	return []*mistake{
		// Two owners.
		onRequest("what is owned is not told", func(_ *apptest.InterceptedWire, req kmsg.Request) kmsg.Response {
			if join, ok := req.(*kmsg.JoinGroupRequest); ok {
				for i := range join.Protocols {
					var meta kmsg.ConsumerMemberMetadata
					if meta.ReadFrom(join.Protocols[i].Metadata) == nil {
						meta.OwnedPartitions, meta.Generation = nil, -1
						join.Protocols[i].Metadata = meta.AppendTo(nil)
					}
				}
			}
			return nil
		}).speaking(byClassic),
		onRequest("heartbeats are not sent", func(_ *apptest.InterceptedWire, req kmsg.Request) kmsg.Response {
			if req, ok := req.(*kmsg.HeartbeatRequest); ok {
				return req.ResponseKind()
			}
			return nil
		}).speaking(byClassic),
		onAnswer("what is taken away is told as released before it is", func(w *apptest.InterceptedWire, group string, req kmsg.Request, res kmsg.Response) {
			beat, ok := req.(*kmsg.ConsumerGroupHeartbeatRequest)
			told, _ := res.(*kmsg.ConsumerGroupHeartbeatResponse)
			if !ok || told.Assignment == nil {
				return
			}
			at := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			at.Group, at.MemberID, at.MemberEpoch = beat.Group, beat.MemberID, told.MemberEpoch
			at.Topics = released(told.Assignment.Topics)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, _ = w.Wire.SendToCoordinator(ctx, group, at)
		}).speaking(byConsumer),
		beatAnswered("what is taken away is kept", func(w *apptest.InterceptedWire, res *kmsg.ConsumerGroupHeartbeatResponse) {
			if res.Assignment == nil || res.ErrorCode != 0 {
				return
			}
			for _, before := range w.Assigned {
				if !slices.ContainsFunc(res.Assignment.Topics, func(t kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic) bool { return t.TopicID == before.TopicID }) {
					res.Assignment.Topics = append(res.Assignment.Topics, before)
					continue
				}
				for i := range res.Assignment.Topics {
					for _, n := range before.Partitions {
						if t := &res.Assignment.Topics[i]; t.TopicID == before.TopicID && !slices.Contains(t.Partitions, n) {
							t.Partitions = append(t.Partitions, n)
						}
					}
				}
			}
		}).speaking(byConsumer),
		beatAnswered("a member that is put out goes on", func(_ *apptest.InterceptedWire, res *kmsg.ConsumerGroupHeartbeatResponse) {
			if res.ErrorCode == kerr.UnknownMemberID.Code || res.ErrorCode == kerr.FencedMemberEpoch.Code {
				res.ErrorCode, res.HeartbeatIntervalMillis = 0, 1500
			}
		}).speaking(byConsumer),
		lease("the lease is trusted for five sessions", byClassic),
		lease("the broker's session is trusted for five", byConsumer),

		// Commits.
		foreignCommit("a commit names partitions that were given up", byClassic),
		foreignCommit("a commit names partitions that were released", byConsumer),
		onAnswer("a commit of a stale epoch is taken for good", func(_ *apptest.InterceptedWire, _ string, _ kmsg.Request, res kmsg.Response) {
			eachCommitted(res, func(code *int16) {
				if *code == kerr.StaleMemberEpoch.Code {
					*code = 0
				}
			})
		}).in("commit refused").speaking(byConsumer),
		lastCommitLost("the last commit before a release is not sent", byConsumer),
		lastCommitLost("the last commit before a join is not sent", byClassic),

		// Nobody gets them.
		onRequest("a release is never told", func(_ *apptest.InterceptedWire, req kmsg.Request) kmsg.Response {
			if beat, ok := req.(*kmsg.ConsumerGroupHeartbeatRequest); ok && beat.MemberEpoch > 0 {
				beat.Topics = nil
			}
			return nil
		}).speaking(byConsumer),
		onRequest("an owner that has left claims all the same", func(w *apptest.InterceptedWire, req kmsg.Request) kmsg.Response {
			join, ok := req.(*kmsg.JoinGroupRequest)
			if !ok {
				return nil
			}
			w.Mu.Lock()
			defer w.Mu.Unlock()
			for i := range join.Protocols {
				var meta kmsg.ConsumerMemberMetadata
				if meta.ReadFrom(join.Protocols[i].Metadata) != nil || meta.Version < 3 {
					continue
				}
				if len(meta.OwnedPartitions) == 0 {
					meta.OwnedPartitions = w.Owned
				}
				meta.Generation = 1 << 20
				w.Owned = meta.OwnedPartitions
				join.Protocols[i].Metadata = meta.AppendTo(nil)
			}
			return nil
		}).speaking(byClassic),
	}
}

func onRequest(name string, answers func(w *apptest.InterceptedWire, req kmsg.Request) kmsg.Response) *mistake {
	return withWire(name, func(w *apptest.InterceptedWire) { w.Answer = answers })
}

// note notes what the coordinator assigns.
func note(w *apptest.InterceptedWire, res kmsg.Response) {
	if res, ok := res.(*kmsg.ConsumerGroupHeartbeatResponse); ok && res.Assignment != nil {
		w.Mu.Lock()
		defer w.Mu.Unlock()
		w.Assigned = slices.Clone(res.Assignment.Topics)
	}
}

// beatAnswered changes what the coordinator answers to heartbeats of the consumer protocol.
func beatAnswered(name string, edit func(w *apptest.InterceptedWire, res *kmsg.ConsumerGroupHeartbeatResponse)) *mistake {
	return onAnswer(name, func(w *apptest.InterceptedWire, _ string, _ kmsg.Request, res kmsg.Response) {
		if res, ok := res.(*kmsg.ConsumerGroupHeartbeatResponse); ok {
			w.Mu.Lock()
			edit(w, res)
			w.Mu.Unlock()
			note(w, res)
		}
	})
}

func released(assigned []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	topics := []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for _, t := range assigned {
		topics = append(topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: t.TopicID, Partitions: t.Partitions})
	}
	return topics
}

func lease(name string, protocol membership.Protocol) *mistake {
	m := &mistake{name: name, double: func(_ *app.Parts, cfg *consumer.Config) { cfg.SessionTimeout *= 5 }}
	if protocol == byClassic {
		m = onRequest(name, func(_ *apptest.InterceptedWire, req kmsg.Request) kmsg.Response {
			if join, ok := req.(*kmsg.JoinGroupRequest); ok {
				join.SessionTimeoutMillis = int32(sessionTime.Milliseconds())
			}
			return nil
		})
		right := m.double
		m.double = func(v *app.Parts, cfg *consumer.Config) { right(v, cfg); cfg.SessionTimeout *= 5 }
	}
	return m.in("member stalled past its session", "member cut off from Kafka").speaking(protocol)
}

// foreignCommit adds to each commit what the member has committed last of partitions that are not in it.
func foreignCommit(name string, protocol membership.Protocol) *mistake {
	return withWire(name, func(w *apptest.InterceptedWire) {
		w.BeforeCommit = func(w *apptest.InterceptedWire, _ context.Context, _ string, req *kmsg.OffsetCommitRequest) {
			w.Mu.Lock()
			defer w.Mu.Unlock()
			for i := range req.Topics {
				t := &req.Topics[i]
				for n, before := range w.LastCommits {
					if !slices.ContainsFunc(t.Partitions, func(p apptest.PartitionCommit) bool { return p.Partition == n }) {
						t.Partitions = append(t.Partitions, before)
					}
				}
				for _, p := range t.Partitions {
					w.LastCommits[p.Partition] = p
				}
			}
		}
	}).speaking(protocol)
}

func eachCommitted(res kmsg.Response, edit func(code *int16)) {
	if res, ok := res.(*kmsg.OffsetCommitResponse); ok {
		for i := range res.Topics {
			for j := range res.Topics[i].Partitions {
				edit(&res.Topics[i].Partitions[j].ErrorCode)
			}
		}
	}
}

// lastCommitLost answers commits by itself for a moment after a partition was taken away.
func lastCommitLost(name string, protocol membership.Protocol) *mistake {
	return withWire(name, func(w *apptest.InterceptedWire) {
		var mu sync.Mutex
		var until time.Time
		var owned int
		w.AfterSend = func(_ *apptest.InterceptedWire, _ string, _ kmsg.Request, res kmsg.Response) {
			n := -1
			switch res := res.(type) {
			case *kmsg.ConsumerGroupHeartbeatResponse:
				if res.Assignment != nil {
					n = 0
					for _, t := range res.Assignment.Topics {
						n += len(t.Partitions)
					}
				}
			case *kmsg.SyncGroupResponse:
				var a kmsg.ConsumerMemberAssignment
				if a.ReadFrom(res.MemberAssignment) == nil {
					n = 0
					for _, t := range a.Topics {
						n += len(t.Partitions)
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if n >= 0 {
				if n < owned {
					until = time.Now().Add(drainTime)
				}
				owned = n
			}
		}
		w.Answer = func(_ *apptest.InterceptedWire, req kmsg.Request) kmsg.Response {
			commit, ok := req.(*kmsg.OffsetCommitRequest)
			mu.Lock()
			defer mu.Unlock()
			if !ok || time.Now().After(until) {
				return nil
			}
			commit.SetVersion(9)
			res := commit.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, t := range commit.Topics {
				rt := kmsg.NewOffsetCommitResponseTopic()
				rt.Topic, rt.TopicID = t.Topic, t.TopicID
				for _, p := range t.Partitions {
					rp := kmsg.NewOffsetCommitResponseTopicPartition()
					rp.Partition = p.Partition
					rt.Partitions = append(rt.Partitions, rp)
				}
				res.Topics = append(res.Topics, rt)
			}
			return res
		}
	}).speaking(protocol)
}
