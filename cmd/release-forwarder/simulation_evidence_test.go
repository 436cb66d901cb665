package main

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// evidenceMistakes are those of knowing a log again. Each is put between the service
// and the brokers: evidence that the service would not ask for, or not believe, is
// answered as if the log were the one that was read; what it would not write is taken
// out of what it writes.
func evidenceMistakes() []*mistake {
	return []*mistake{
		epochsEnd("a position is believed without being verified", func(*simulation, int32, int32, int64) bool { return true }),
		epochsEnd("UNDEFINED is taken for unknown", func(_ *simulation, _, epoch int32, _ int64) bool { return epoch < 0 }),
		epochsEnd("an epoch that ended earlier is not looked at", func(_ *simulation, _, epoch int32, _ int64) bool { return epoch >= 0 }),
		epochsEnd("only that the epoch is known is looked at, not where it ended", func(_ *simulation, asked, epoch int32, _ int64) bool { return epoch == asked }),
		epochsEnd("what is remembered is believed after joining again", func(s *simulation, _, _ int32, _ int64) bool {
			s.observer.mu.Lock()
			defer s.observer.mu.Unlock()
			n := len(s.observer.eras)
			return n > 0 && time.Since(s.observer.eras[n-1].from) < 3*time.Second
		}),
		committed("a commit carries no epoch", func(_ *kfake.Cluster, p *kmsg.OffsetCommitRequestTopicPartition) { p.LeaderEpoch = -1 }),
		committed("a commit carries the epoch of the leader, not of its last record", func(c *kfake.Cluster, p *kmsg.OffsetCommitRequestTopicPartition) {
			if info := c.PartitionInfo(eventTopic, p.Partition); info != nil {
				p.LeaderEpoch = info.Epoch
			}
		}),
		divergenceUncommitted(),
		olderBrokers("the topic's ID is not asked for", kmsg.Metadata, 9),
		olderBrokers("the epoch's end is not asked for", kmsg.OffsetForLeaderEpoch, -1),
	}
}

// epochsEnd answers OffsetForLeaderEpoch as if the epoch asked for had not ended, where
// wrong says so of what Kafka answers; a fetch is not told that it diverges.
func epochsEnd(name string, wrong func(s *simulation, asked, epoch int32, end int64) bool) *mistake {
	return &mistake{name: name, brokers: func(s *simulation, _ *kfake.Cluster) {
		s.epochs.diverging = false
		s.epochs.unverified = func(asked, epoch int32, end int64) bool { return wrong(s, asked, epoch, end) }
	}}
}

// committed changes commits on their way.
func committed(name string, edit func(c *kfake.Cluster, p *kmsg.OffsetCommitRequestTopicPartition)) *mistake {
	return &mistake{name: name, brokers: func(_ *simulation, c *kfake.Cluster) {
		c.ControlKey(kmsg.OffsetCommit.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			for i := range r.(*kmsg.OffsetCommitRequest).Topics {
				t := &r.(*kmsg.OffsetCommitRequest).Topics[i]
				for j := range t.Partitions {
					edit(c, &t.Partitions[j])
				}
			}
			return nil, nil, false
		})
	}}
}

// heights are the highest offsets that were committed, by partition.
type heights struct {
	mu sync.Mutex
	of map[int32]int64
}

// raise notes an offset, and tells whether it lies below one before.
func (h *heights) raise(partition int32, offset int64) (falls bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = map[int32]int64{}
	}
	falls = offset < h.of[partition]
	h.of[partition] = max(h.of[partition], offset)
	return falls
}

// divergenceUncommitted takes for good each commit that lies below one before, without
// its being made: the log is read on, and who comes next believes the old commit.
func divergenceUncommitted() *mistake {
	return &mistake{name: "a divergence is read without being committed", brokers: func(s *simulation, c *kfake.Cluster) {
		c.ControlKey(kmsg.OffsetCommit.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			req := r.(*kmsg.OffsetCommitRequest)
			falls := false
			for _, t := range req.Topics {
				for _, p := range t.Partitions {
					falls = s.heights.raise(p.Partition, p.Offset) || falls
				}
			}
			if !falls {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, t := range req.Topics {
				topic := kmsg.NewOffsetCommitResponseTopic()
				topic.Topic, topic.TopicID = t.Topic, t.TopicID
				for _, p := range t.Partitions {
					part := kmsg.NewOffsetCommitResponseTopicPartition()
					part.Partition = p.Partition
					topic.Partitions = append(topic.Partitions, part)
				}
				resp.Topics = append(resp.Topics, topic)
			}
			return resp, nil, true
		})
	}}
}

// olderBrokers has the brokers know a request up to a version only, as if the service
// did not know more; -1: not at all.
func olderBrokers(name string, key kmsg.Key, most int16) *mistake {
	v := kversion.Tip()
	v.SetMaxKeyVersion(key.Int16(), most)
	return &mistake{name: name, versions: v}
}
