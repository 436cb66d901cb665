package simulation

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/consumer/wire"
)

// evidenceMistakes are those of knowing a log again. Where the service's own wire shows
// the evidence they are put there, else between it and the brokers: evidence that the
// service would not ask for, or not believe, is answered as if the log were the one that
// was read; what it would not write is taken out of what it writes.
func evidenceMistakes() []*mistake {
	all := []*mistake{
		epochsEnd("a position is believed without being verified", func(*simulation, int32, int32, int64) bool { return true }),
		undefinedUnknown(),
		epochsEnd("an epoch that ended earlier is not looked at", func(_ *simulation, _, epoch int32, _ int64) bool { return epoch >= 0 }),
		epochsEnd("only that the epoch is known is looked at, not where it ended", func(_ *simulation, asked, epoch int32, _ int64) bool { return epoch == asked }),
		epochsEnd("what is remembered is believed after joining again", func(s *simulation, _, _ int32, _ int64) bool {
			s.observer.mu.Lock()
			defer s.observer.mu.Unlock()
			n := len(s.observer.eras)
			return n > 0 && time.Since(s.observer.eras[n-1].from) < 3*time.Second
		}),
		deposedDecides(),
		committed("a commit carries no epoch", func(_ *kfake.Cluster, p *kmsg.OffsetCommitRequestTopicPartition) { p.LeaderEpoch = -1 }),
		committed("a commit carries the epoch of the leader, not of its last record", func(c *kfake.Cluster, p *kmsg.OffsetCommitRequestTopicPartition) {
			if info := c.PartitionInfo(apptest.EventTopic, p.Partition); info != nil {
				p.LeaderEpoch = info.Epoch
			}
		}),
		commits("a commit's metadata names no topic's ID", func(_ *apptest.InterceptedWire, p *apptest.PartitionCommit) {
			if c, err := apptest.DecodeCommit(apptest.ClusterID, apptest.EventTopic, p.Partition, p.Offset, text(p.Metadata)); err == nil {
				c.TopicID = ""
				p.Metadata = kmsg.StringPtr(c.Encode(p.Partition))
			}
		}),
		unknownEqual(),
		otherTopicsCommit(),
		oldMetadata(),
		divergenceUncommitted(),
		olderBrokers("the topic's ID is not asked for", kmsg.Metadata, 9),
		olderBrokers("the epoch's end is not asked for", kmsg.OffsetForLeaderEpoch, -1),
	}
	for _, m := range all {
		if m.shows == nil {
			m.in(truncation, remaking)
		}
	}
	return all
}

// undefinedUnknown believes a log of which the leader knows no epoch so high, as where
// leaders had moved before the topic was made anew. Where brokers tell topics' IDs those
// say the same, so here they do not: they are as before Kafka 2.8.
func undefinedUnknown() *mistake {
	m := epochsEnd("UNDEFINED is taken for unknown", func(_ *simulation, _, epoch int32, _ int64) bool { return epoch < 0 }).in(remaking)
	m.beside = olderBrokers("", kmsg.Metadata, 9)
	m.versions = m.beside.versions
	moved := func(_ *simulation, c *kfake.Cluster) {
		for _, p := range c.PartitionInfos(apptest.EventTopic) {
			for i := range int32(3) {
				_ = c.MoveTopicPartition(apptest.EventTopic, p.Partition, (p.Leader+1+i)%3) // it is there
			}
		}
	}
	wrong := m.brokers
	m.beside.brokers = moved
	m.brokers = func(s *simulation, c *kfake.Cluster) { moved(s, c); wrong(s, c) }
	return m
}

// deposedDecides asks a leader without naming its epoch. A fetch, which names it, is not
// told that it diverges.
func deposedDecides() *mistake {
	m := withWire("a leader is asked without its epoch, so that one decides that has not heard of its own", func(w *apptest.InterceptedWire) {
		w.OnSend = func(req kmsg.Request) {
			if req, ok := req.(*kmsg.OffsetForLeaderEpochRequest); ok {
				for i := range req.Topics {
					for j := range req.Topics[i].Partitions {
						req.Topics[i].Partitions[j].CurrentLeaderEpoch = -1
					}
				}
			}
		}
	}).in(truncation)
	m.brokers = func(s *simulation, _ *kfake.Cluster) { s.epochs.ReportDivergence = false }
	return m
}

// unknownEqual takes every commit as one whose epoch is not known, and that for the one
// that its log has now.
func unknownEqual() *mistake {
	return foundAs("an epoch that is not known is taken for equal", func(_ *apptest.InterceptedWire, now wire.Topic, p *kmsg.OffsetFetchResponseTopicPartition) {
		c, err := apptest.DecodeCommit(apptest.ClusterID, apptest.EventTopic, p.Partition, p.Offset, text(p.Metadata))
		if err != nil || p.Offset < 0 {
			return
		}
		p.LeaderEpoch = now.Partitions[p.Partition].Epoch
		c.Epoch = uint64(p.LeaderEpoch + 1)
		p.Metadata = kmsg.StringPtr(c.Encode(p.Partition))
	})
}

// otherTopicsCommit believes, where the topic that was made anew has no commit, the last
// one of the topic before.
func otherTopicsCommit() *mistake {
	return foundAs("another topic's commit is believed", func(w *apptest.InterceptedWire, now wire.Topic, p *kmsg.OffsetFetchResponseTopicPartition) {
		last, ours := w.LastCommits[p.Partition]
		c, err := apptest.DecodeCommit(apptest.ClusterID, apptest.EventTopic, p.Partition, last.Offset, text(last.Metadata))
		if p.Offset >= 0 || !ours || err != nil {
			return
		}
		c.TopicID = now.ID.String()
		p.Offset, p.LeaderEpoch, p.Metadata = last.Offset, last.LeaderEpoch, kmsg.StringPtr(c.Encode(p.Partition))
	}).in(remaking)
}

// foundAs changes the commits that are found, by what the topic is now and what this
// replica committed last.
func foundAs(name string, edit func(w *apptest.InterceptedWire, now wire.Topic, p *kmsg.OffsetFetchResponseTopicPartition)) *mistake {
	return withWire(name, func(w *apptest.InterceptedWire) {
		w.EditCommit = func(w *apptest.InterceptedWire, p *apptest.PartitionCommit) { w.LastCommits[p.Partition] = *p }
		w.AfterSend = func(w *apptest.InterceptedWire, _ string, _ kmsg.Request, res kmsg.Response) {
			found, ok := res.(*kmsg.OffsetFetchResponse)
			m, err := w.Wire.Metadata(context.Background()) // it was learnt before
			if !ok || err != nil {
				return
			}
			w.Mu.Lock()
			defer w.Mu.Unlock()
			for i := range found.Topics {
				for j := range found.Topics[i].Partitions {
					edit(w, m.Topics[apptest.EventTopic], &found.Topics[i].Partitions[j])
				}
			}
		}
	})
}

// oldMetadata believes for good what the brokers told first. That what they told before
// the last is believed is no mistake: who is asked by it refuses (he leads no more, or by
// another epoch; the ID is gone), and by the next all is verified anew.
func oldMetadata() *mistake {
	return withWire("the metadata told first is believed for good", func(w *apptest.InterceptedWire) {
		w.OnMetadata = func(w *apptest.InterceptedWire, m *wire.Metadata) *wire.Metadata {
			w.Mu.Lock()
			defer w.Mu.Unlock()
			if w.FirstMetadata == nil {
				w.FirstMetadata = m
			}
			old := *w.FirstMetadata
			old.Asked = m.Asked
			return &old
		}
	})
}

// epochsEnd answers OffsetForLeaderEpoch as if the epoch asked for had not ended, where
// wrong says so of what Kafka answers; a fetch is not told that it diverges.
func epochsEnd(name string, wrong func(s *simulation, asked, epoch int32, end int64) bool) *mistake {
	return &mistake{name: name, brokers: func(s *simulation, _ *kfake.Cluster) {
		s.epochs.ReportDivergence = false
		s.epochs.Unended = func(asked, epoch int32, end int64) bool { return wrong(s, asked, epoch, end) }
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
