// Package topictest is a rig for tests: a cluster in virtual time, and an observer that reads and
// writes it with another client than the code under test.
package topictest

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/consumer/wire"
)

// Hall is a cluster in virtual time. Ctx ends with the test.
type Hall struct {
	T        *testing.T
	Net      *memnet.Net
	Cluster  *kfake.Cluster
	Observer *kgo.Client
	Ctx      context.Context
}

// In runs a test in a hall: one broker, unless the options say more.
func In(t *testing.T, test func(h *Hall), options ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &Hall{T: t, Net: &memnet.Net{}}
		cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.ListenFn(h.Net.Listen)}, options...)...)
		if err != nil {
			t.Fatal(err)
		}
		h.Cluster = cluster
		h.Observer, err = kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.Dialer(h.Net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		var end context.CancelFunc
		h.Ctx, end = context.WithCancel(context.Background())
		defer func() {
			end()
			h.Observer.Close()
			cluster.Close()
		}()
		test(h)
	})
}

// Wire is a client that keeps the metadata of topics until the end of the test.
func (h *Hall) Wire(topics ...string) *wire.Client {
	return wire.New(h.Ctx, wire.Config{Brokers: h.Cluster.ListenAddrs(), Topics: topics, Dial: h.Net.Dial})
}

// Fill writes n records to a topic, to its partitions in turn.
func (h *Hall) Fill(topic string, n int) {
	h.T.Helper()
	partitions := int32(len(h.Cluster.PartitionInfos(topic)))
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(i) % partitions, Value: []byte(strconv.Itoa(i))}
	}
	h.Produce(records...)
}

// Produce writes records as they are.
func (h *Hall) Produce(records ...*kgo.Record) {
	h.T.Helper()
	if err := h.Observer.ProduceSync(h.Ctx, records...).FirstErr(); err != nil {
		h.T.Fatal(err)
	}
}

// Read returns all current records of a topic, partition by partition.
func (h *Hall) Read(topic string) []*kgo.Record {
	h.T.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(h.Cluster.ListenAddrs()...), kgo.Dialer(h.Net.Dial), kgo.ConsumeTopics(topic))
	if err != nil {
		h.T.Fatal(err)
	}
	defer c.Close()
	left := map[int32]int64{} // the ends of partitions that are not read yet
	for _, p := range h.Cluster.PartitionInfos(topic) {
		if p.HighWatermark > p.LogStartOffset {
			left[p.Partition] = p.HighWatermark
		}
	}
	ctx, cancel := context.WithTimeout(h.Ctx, time.Minute)
	defer cancel()
	var all []*kgo.Record
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			h.T.Fatalf("%s: partitions are not read to their ends: %v", topic, left)
		}
		for _, r := range fetches.Records() {
			all = append(all, r)
			if end, is := left[r.Partition]; is && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *kgo.Record) int { return int(a.Partition - b.Partition) })
	return all
}

// Move makes a broker the leader of a partition.
func (h *Hall) Move(topic string, partition, to int32) {
	h.T.Helper()
	if err := h.Cluster.MoveTopicPartition(topic, partition, to); err != nil {
		h.T.Fatal(err)
	}
}
