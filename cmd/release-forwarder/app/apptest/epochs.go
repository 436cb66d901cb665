package apptest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// LeaderEpochs knows at which offset each leader epoch of the topics' partitions began, as Kafka's leaders do
// (LeaderEpochFileCache). With it the embedded Kafka answers as Kafka does where it would not by itself:
//   - OffsetForLeaderEpoch, about these topics alone, for an epoch after which nothing was written. Kafka answers with the offset where the newest
//     epoch began, the embedded one with UNDEFINED, which says that the log is another one: a leader that moves would
//     look like a truncation;
//   - Fetch from version 12 on, where ReportDivergence is set: the embedded Kafka ignores LastFetchedEpoch.
//
// All else the embedded Kafka answers itself.
type LeaderEpochs struct {
	topics  []string
	crafted atomic.Bool // crafted logs are in the topic's place: they know their own epochs

	Mu     sync.Mutex
	Starts map[Partition][]EpochStart // ascending; guarded by Mu
	// ReportDivergence lets a fetch report that the log diverges from what was fetched (KIP-595); guarded by Mu.
	ReportDivergence bool
	// Diverged counts the fetches that were answered so; guarded by Mu.
	Diverged int
	// Unended, where set, chooses the answers that say, wrongly, that the epoch asked for has not ended: so a test plants
	// a mistake. Set it before the brokers start.
	Unended func(asked, epoch int32, end int64) bool

	ids      map[string][16]byte // of the topics, so that a new one has no epochs yet
	refusals []*kfake.Fault      // see Refuse
	lagging  map[Partition]lag   // see Lag
}

// Partition names one of a topic.
type Partition struct {
	Topic  string
	Number int32
}

// lag is where a log ended before it was truncated, and until when its leader still says so.
type lag struct {
	end   int64
	until time.Time
}

// EpochStart is the first offset that records of a leader epoch may have.
type EpochStart struct {
	Epoch  int32
	Offset int64
}

// NewLeaderEpochs are those of topics that do not exist yet, or whose partitions are still empty.
func NewLeaderEpochs(topics ...string) *LeaderEpochs {
	return &LeaderEpochs{topics: topics, Starts: map[Partition][]EpochStart{}, ids: map[string][16]byte{}, lagging: map[Partition]lag{}}
}

// Install makes a cluster's brokers answer by these epochs; after a restart of the brokers call it again. It looks at
// the partitions before each write, so that it sees an epoch while its first offset is still the log's end.
func (e *LeaderEpochs) Install(c *kfake.Cluster) {
	look := func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		e.look(c)
		return nil, nil, false
	}
	e.look(c)
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn, kmsg.WriteTxnMarkers, kmsg.InitProducerID} {
		c.ControlKey(key.Int16(), look)
	}
	c.ControlKey(kmsg.OffsetForLeaderEpoch.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if e.crafted.Load() {
			return nil, nil, false
		}
		e.look(c)
		return e.endOfEpoch(c, r.(*kmsg.OffsetForLeaderEpochRequest))
	})
	c.ControlKey(kmsg.Fetch.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if e.crafted.Load() {
			return nil, nil, false
		}
		e.look(c)
		return e.fetched(c, r.(*kmsg.FetchRequest))
	})
}

func (e *LeaderEpochs) look(c *kfake.Cluster) {
	for _, name := range e.topics {
		topic := c.TopicInfo(name)
		if topic == nil {
			continue
		}
		infos := c.PartitionInfos(name)
		e.Mu.Lock()
		if topic.TopicID != e.ids[name] {
			e.ids[name] = topic.TopicID
			maps.DeleteFunc(e.Starts, func(p Partition, _ []EpochStart) bool { return p.Topic == name })
		}
		for _, info := range infos {
			p := Partition{name, info.Partition}
			all := e.Starts[p]
			if n := len(all); n == 0 || all[n-1].Epoch != info.Epoch {
				e.Starts[p] = append(below(all, info.HighWatermark), EpochStart{info.Epoch, info.HighWatermark})
			}
		}
		e.Mu.Unlock()
	}
}

// Truncated notes that a partition's log was truncated, and now ends here.
func (e *LeaderEpochs) Truncated(p Partition, end int64) {
	e.Mu.Lock()
	defer e.Mu.Unlock()
	e.Starts[p] = below(e.Starts[p], end)
}

// below leaves the epochs that hold something below an offset.
func below(all []EpochStart, end int64) (left []EpochStart) {
	for _, b := range all {
		if b.Offset < end {
			left = append(left, b)
		}
	}
	return left
}

// end is Kafka's own rule: the largest epoch that is not above the one asked for, and
// where the next one begins.
func (e *LeaderEpochs) end(topic string, info *kfake.PartitionInfo, asked int32) (epoch int32, end int64) {
	e.Mu.Lock()
	defer e.Mu.Unlock()
	if asked == info.Epoch {
		return info.Epoch, info.HighWatermark
	}
	epoch = -1
	for _, b := range e.Starts[Partition{topic, info.Partition}] {
		if b.Epoch > asked {
			if epoch < 0 {
				epoch = asked
			}
			return epoch, b.Offset
		}
		epoch = b.Epoch
	}
	return -1, -1
}

func (e *LeaderEpochs) endOfEpoch(c *kfake.Cluster, req *kmsg.OffsetForLeaderEpochRequest) (kmsg.Response, error, bool) {
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	ours := false
	refused := e.refused(req)
	for _, t := range req.Topics {
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			info := c.PartitionInfo(t.Topic, p.Partition)
			if !slices.Contains(e.topics, t.Topic) || info == nil {
				return nil, nil, false
			}
			part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			part.Partition = p.Partition
			before, lags := e.lags(Partition{t.Topic, p.Partition})
			switch {
			case refused != nil:
				part.ErrorCode, ours = refused.Code, true
			case info.Leader != c.CurrentNode():
				part.ErrorCode = kerr.NotLeaderForPartition.Code
			case lags && p.CurrentLeaderEpoch < 0:
				part.LeaderEpoch, part.EndOffset, ours = p.LeaderEpoch, before, true
			case lags:
				part.ErrorCode, ours = kerr.UnknownLeaderEpoch.Code, true
			case p.CurrentLeaderEpoch >= 0 && p.CurrentLeaderEpoch < info.Epoch:
				part.ErrorCode = kerr.FencedLeaderEpoch.Code
			case p.CurrentLeaderEpoch > info.Epoch:
				part.ErrorCode = kerr.UnknownLeaderEpoch.Code
			default:
				part.LeaderEpoch, part.EndOffset = e.end(t.Topic, info, p.LeaderEpoch)
				ours = ours || part.EndOffset == info.HighWatermark
				if e.Unended != nil && e.Unended(p.LeaderEpoch, part.LeaderEpoch, part.EndOffset) {
					part.LeaderEpoch, part.EndOffset, ours = p.LeaderEpoch, math.MaxInt64, true
				}
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp, nil, ours
}

// Refuse has requests for the ends of epochs refused, those that f.When chooses with f.Err, until the returned function
// is called.
func (e *LeaderEpochs) Refuse(f *kfake.Fault) (remove func()) {
	e.Mu.Lock()
	defer e.Mu.Unlock()
	e.refusals = append(e.refusals, f)
	return func() {
		e.Mu.Lock()
		defer e.Mu.Unlock()
		e.refusals = slices.DeleteFunc(e.refusals, func(other *kfake.Fault) bool { return other == f })
	}
}

// refused is the error with which a request is refused, nil: it is not.
func (e *LeaderEpochs) refused(req kmsg.Request) *kerr.Error {
	e.Mu.Lock()
	defer e.Mu.Unlock()
	for _, f := range e.refusals {
		if f.When(req) {
			return f.Err
		}
	}
	return nil
}

// Lag has a partition's leader answer for a while as if its log still ended at an offset: it does not know yet that it
// leads in a new epoch. A request that names that epoch is answered with UNKNOWN_LEADER_EPOCH.
func (e *LeaderEpochs) Lag(p Partition, end int64, d time.Duration) {
	e.Mu.Lock()
	defer e.Mu.Unlock()
	e.lagging[p] = lag{end, time.Now().Add(d)}
}

func (e *LeaderEpochs) lags(p Partition) (end int64, lags bool) {
	e.Mu.Lock()
	defer e.Mu.Unlock()
	d := e.lagging[p]
	return d.end, time.Now().Before(d.until)
}

// fetched answers a fetch of which a partition diverges, with that alone.
func (e *LeaderEpochs) fetched(c *kfake.Cluster, req *kmsg.FetchRequest) (kmsg.Response, error, bool) {
	e.Mu.Lock()
	wanted, ids := e.ReportDivergence && req.Version >= 12, maps.Clone(e.ids)
	e.Mu.Unlock()
	if !wanted {
		return nil, nil, false
	}
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	found := false
	for _, t := range req.Topics {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		name := t.Topic
		for of, id := range ids {
			if t.TopicID == id {
				name = of // from version 13 on a request names the ID alone
			}
		}
		for _, p := range t.Partitions {
			info := c.PartitionInfo(name, p.Partition)
			if !slices.Contains(e.topics, name) || info == nil || info.Leader != c.CurrentNode() || p.LastFetchedEpoch < 0 || p.CurrentLeaderEpoch >= 0 && p.CurrentLeaderEpoch != info.Epoch {
				continue
			}
			epoch, end := e.end(name, info, p.LastFetchedEpoch)
			if epoch == p.LastFetchedEpoch && end >= p.FetchOffset {
				continue
			}
			found = true
			part := kmsg.NewFetchResponseTopicPartition()
			part.Partition, part.HighWatermark, part.LastStableOffset, part.LogStartOffset = p.Partition, info.HighWatermark, info.LastStableOffset, info.LogStartOffset
			part.DivergingEpoch.Epoch, part.DivergingEpoch.EndOffset = epoch, end
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	if found {
		e.Mu.Lock()
		e.Diverged++
		e.Mu.Unlock()
	}
	return resp, nil, found
}

// RaiseEpoch moves the leader of partition 0 of the events until its epoch is at least this.
func (w *World) RaiseEpoch(epoch int32) {
	w.T.Helper()
	for {
		p := w.Cluster.PartitionInfo(EventTopic, 0)
		if p.Epoch >= epoch {
			return
		}
		if err := w.Cluster.MoveTopicPartition(EventTopic, 0, (p.Leader+1)%3); err != nil {
			w.T.Fatal(err)
		}
	}
}

// TruncateLog removes the batches that reach offset to from the log of a partition of the events, in the folder that the
// brokers keep their logs in, and returns the new end. The brokers must be stopped. Its one segment is record batches,
// one after the other. The snapshot beside it says where the log ended; without it the brokers read that from the log,
// and take the leader's epoch from the last batch.
func TruncateLog(folder string, partition int32, to int64) (end int64, err error) {
	dir := filepath.Join(folder, "partitions", fmt.Sprintf("%s-%d", EventTopic, partition))
	segment := filepath.Join(dir, "0.dat")
	log, err := os.ReadFile(segment)
	if err != nil {
		return 0, err
	}
	size := 0
	for size < len(log) {
		b := log[size:]
		first, length, last := binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[23:])
		if int64(first)+int64(last) >= to {
			break
		}
		size, end = size+12+int(length), int64(first)+int64(last)+1
	}
	if err := os.Truncate(segment, int64(size)); err != nil {
		return 0, err
	}
	return end, os.Remove(filepath.Join(dir, "snapshot.json"))
}
