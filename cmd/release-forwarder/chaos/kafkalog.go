package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaLog reads what the brokers hold, with another client library than the
// forwarders' and past the proxies.
type kafkaLog struct {
	seeds []string
	admin *kadm.Client
}

// entry is a record of the event topic.
type entry struct {
	partition int32
	offset    int64
	produced  time.Time
	flow      string
	orderKey  string
	lot       string
	signed    string // what is signed for it
}

// events reads the whole event topic, in offset order within each partition.
func (k *kafkaLog) events(ctx context.Context) ([]entry, error) {
	var log []entry
	records, err := k.read(ctx, eventTopic)
	for _, r := range records {
		var e struct {
			Lot      string `json:"park_uuid"`
			Flow     string `json:"flow_no"`
			OrderKey string `json:"parking_serial"`
			Plate    string
		}
		if err := json.Unmarshal(r.Value, &e); err != nil {
			return nil, fmt.Errorf("partition %d offset %d: %w", r.Partition, r.Offset, err)
		}
		log = append(log, entry{r.Partition, r.Offset, r.Timestamp, e.Flow, e.Lot + "/" + e.OrderKey, e.Lot, signedString(e.Lot, e.Flow, e.OrderKey, e.Plate)})
	}
	return log, err
}

// commit is one commit of the group for a partition, as the coordinator wrote it
// into Kafka's own log.
type commit struct {
	// at is when the coordinator took it up, in whole milliseconds: the commit was
	// sent before the end of that millisecond.
	at       time.Time
	offset   int64
	metadata string
}

// commitTopic is where coordinators keep commits (GroupMetadataManager in Apache
// Kafka). It is compacted, but not within the segment that is written to, which
// holds 100 MiB: nothing of a run is removed.
const commitTopic = "__consumer_offsets"

// commits reads every commit of the group for the event topic, in the order in
// which the coordinator took them. None escapes, however short it stood.
func (k *kafkaLog) commits(ctx context.Context) (map[int32][]commit, error) {
	records, err := k.read(ctx, commitTopic)
	if err != nil {
		return nil, err
	}
	all := map[int32][]commit{}
	for _, r := range records {
		key := kmsg.NewOffsetCommitKey()
		// Versions 0 and 1 of the key are commits, later ones other things.
		if len(r.Key) < 2 || r.Key[0] != 0 || r.Key[1] > 1 {
			continue
		}
		if err := key.ReadFrom(r.Key); err != nil {
			return nil, fmt.Errorf("%s, partition %d offset %d: its key: %w", commitTopic, r.Partition, r.Offset, err)
		}
		if key.Group != groupID || key.Topic != eventTopic {
			continue
		}
		if r.Value == nil {
			return nil, fmt.Errorf("%s says that the commit of partition %d was removed, but no one removed it", commitTopic, key.Partition)
		}
		value := kmsg.NewOffsetCommitValue()
		if err := value.ReadFrom(r.Value); err != nil {
			return nil, fmt.Errorf("%s, partition %d offset %d: its value: %w", commitTopic, r.Partition, r.Offset, err)
		}
		all[key.Partition] = append(all[key.Partition], commit{time.UnixMilli(value.CommitTimestamp), value.Offset, value.Metadata})
	}
	return all, nil
}

// lag is how many records of the event topic lie behind the group's commits.
func (k *kafkaLog) lag(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := k.admin.ListEndOffsets(ctx, eventTopic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, err
	}
	commits, err := k.admin.FetchOffsets(ctx, groupID)
	if err == nil {
		err = commits.Error()
	}
	left := int64(0)
	for partition, end := range ends[eventTopic] {
		left += end.Offset - max(0, commits[eventTopic][partition].At)
	}
	return left, err
}

// read reads a topic from its start to its end of now.
func (k *kafkaLog) read(ctx context.Context, topic string) ([]*kgo.Record, error) {
	ends, err := k.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, err
	}
	left := map[int32]int64{}
	for partition, end := range ends[topic] {
		if end.Offset > 0 {
			left[partition] = end.Offset
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(k.seeds...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.KeepControlRecords()) // one may be the last
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var all []*kgo.Record
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("topic %s is not read to its end: %w", topic, ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return all, nil
}

// assigning watches the group until ctx ends, and gives the times in which it waited for an assignment.
func (k *kafkaLog) assigning(ctx context.Context) (times []injected) {
	before, waits := time.Now(), false
	for sleep(ctx, 100*time.Millisecond) {
		groups, err := k.admin.DescribeGroups(ctx, groupID)
		now := time.Now()
		if err != nil || groups[groupID].Err != nil {
			continue // its coordinator is away: a broker's fault
		}
		was := waits
		if waits = groups[groupID].State == "CompletingRebalance"; waits && !was {
			times = append(times, injected{planned: planned{Kind: assigning}, begun: before, healed: now})
		}
		if was {
			times[len(times)-1].healed = now
		}
		before = now
	}
	return times
}
