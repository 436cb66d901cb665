package offsets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// PartitionProgress is a group's progress on one partition, with the log's bounds.
type PartitionProgress struct {
	Topic     string
	Partition int32
	// Told is what the group committed. Its Committed is -1 if the group has no commit for
	// the partition: it was never read, or the commit expired.
	progress.Told
	// LogStart is the log's first offset, LogEnd the offset after its last record. Both are
	// -1 if Err is set.
	LogStart, LogEnd int64
	// Stable is the last stable offset: offsets from it to LogEnd wait for the end of an open
	// transaction. It is -1 if Err is set.
	Stable int64
	// Err is why this partition cannot be read. Other partitions may be complete.
	Err error
}

// Lag is the number of offsets from the committed offset to the log's end, as Kafka's tools show
// it; without a commit, from the log's start. It includes finished ones; see Open.
func (p PartitionProgress) Lag() int64 { return max(0, p.LogEnd-p.from()) }

// DoneOfLag is how many offsets of Lag are finished.
func (p PartitionProgress) DoneOfLag() int64 {
	n := int64(0)
	for _, r := range p.Done {
		first, last := max(r.First, p.from()), min(r.Last, p.LogEnd-1)
		n += max(0, last-first+1)
	}
	return n
}

// Open is how many offsets of Lag are not finished.
func (p PartitionProgress) Open() int64 { return p.Lag() - p.DoneOfLag() }

// Dropped is how many unfinished offsets from the commit on are no longer in the log: retention
// or a person deleted them before they were read.
func (p PartitionProgress) Dropped() int64 {
	if p.Committed < 0 || p.AnotherTopic || p.LogStart <= p.Committed {
		return 0
	}
	n := p.LogStart - p.Committed
	for _, r := range p.Done {
		n -= max(0, min(r.Last, p.LogStart-1)-r.First+1)
	}
	return n
}

// HeldBack is how many offsets an open transaction holds back. With transactions this is usual
// for a moment.
func (p PartitionProgress) HeldBack() int64 {
	if p.Stable < 0 {
		return 0
	}
	return max(0, p.LogEnd-max(p.Stable, p.from()))
}

// Beyond reports whether the commit, or an offset in its metadata, lies above the log's end: the
// log was truncated, the topic was recreated, or a leader lags.
func (p PartitionProgress) Beyond() bool {
	return p.Err == nil && !p.AnotherTopic && max(p.Committed, p.End) > p.LogEnd
}

// from is the offset at which the group reads on.
func (p PartitionProgress) from() int64 {
	if p.AnotherTopic {
		return max(p.LogStart, 0)
	}
	return max(p.Committed, p.LogStart, 0)
}

// ReadProgress returns a group's progress on topics, ordered by topic and partition. It changes
// nothing, and works whether or not the group runs. The user needs Describe on the group and
// the topics.
//
// A topic that does not exist is an error that wraps [kafka.UnknownTopicOrPartition]. An
// error of one partition is in its Err.
func ReadProgress(ctx context.Context, w Wire, group string, topics []string) ([]PartitionProgress, error) {
	m, err := w.MetadataOf(ctx, topics)
	if err != nil {
		return nil, fmt.Errorf("the topics' partitions cannot be read: %w", err)
	}
	var all []PartitionProgress
	asked := map[string][]int32{}
	for _, topic := range topics {
		t := m.Topics[topic]
		if t.Err == nil && len(t.Partitions) == 0 {
			t.Err = kafka.UnknownTopicOrPartition
		}
		if t.Err != nil {
			return nil, fmt.Errorf("topic %s: %w", topic, t.Err)
		}
		for n := range t.Partitions {
			all = append(all, PartitionProgress{Topic: topic, Partition: n, Told: progress.Told{Committed: -1, End: -1}, LogStart: -1, LogEnd: -1, Stable: -1})
			asked[topic] = append(asked[topic], n)
		}
	}
	slices.SortFunc(all, func(a, b PartitionProgress) int {
		return membership.Partition{Topic: a.Topic, Number: a.Partition}.Compare(membership.Partition{Topic: b.Topic, Number: b.Partition})
	})
	found, err := Fetch(ctx, w, group, asked)
	if errors.Is(err, kafka.GroupIdNotFound) {
		err = nil // most brokers answer without commits instead
	}
	if err != nil {
		return nil, fmt.Errorf("the commits of group %s cannot be read: %w", group, err)
	}
	var asking sync.WaitGroup
	slots := make(chan struct{}, logsAtOnce)
	for i := range all {
		p := &all[i]
		if found != nil {
			p.readCommit(m, found)
		}
		asking.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p.readLog(ctx, w, m.Topics[p.Topic].Partitions[p.Partition])
		})
	}
	asking.Wait()
	return all, nil
}

// logsAtOnce is how many partitions are asked about at a time.
const logsAtOnce = 8

func (p *PartitionProgress) readCommit(m *wire.Metadata, found Commits) {
	c, err := found.Of(p.Topic, p.Partition)
	switch {
	case err != nil:
		p.Err = fmt.Errorf("the commit cannot be read: %w", err)
	case c.Offset >= 0:
		at := progress.CommitKey{Cluster: m.ClusterID, Topic: p.Topic, TopicID: m.Topics[p.Topic].ID, Partition: p.Partition, Offset: c.Offset}
		p.Told = progress.Parse(at, c.Metadata)
	}
}

// readLog asks the leader for the log's bounds. Each partition has its own request, so that one
// without a leader does not hide the others.
func (p *PartitionProgress) readLog(ctx context.Context, w Wire, leader wire.Partition) {
	if p.Err != nil {
		return
	}
	err := leader.Err
	var bounds, stable fetch.Bounds
	// The last stable offset is asked for after the end. So it is below the end only if a
	// transaction is open.
	if err == nil {
		bounds, err = Bounds(ctx, w, p.Topic, p.Partition, leader, false)
	}
	if err == nil {
		stable, err = Bounds(ctx, w, p.Topic, p.Partition, leader, true)
	}
	if err != nil {
		p.Err = fmt.Errorf("the log's bounds cannot be read: %w", err)
		return
	}
	p.LogStart, p.LogEnd, p.Stable = bounds.First, bounds.End, stable.End
}

// Bounds asks a partition's leader for the bounds of its log. committed: its end is the last stable offset.
func Bounds(ctx context.Context, w Wire, topic string, partition int32, leader wire.Partition, committed bool) (fetch.Bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ask := fetch.OffsetAsk{Topic: topic, Partition: partition, LeaderEpoch: leader.Epoch}
	return fetch.AskBounds(ctx, w, leader.Leader, committed, ask)
}
