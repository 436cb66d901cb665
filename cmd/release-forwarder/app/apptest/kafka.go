package apptest

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Committed gives the committed offset of a partition of the events; -1 where there is none.
func (w *World) Committed(partition int32) int64 {
	w.T.Helper()
	offsets, err := kadm.NewClient(w.Kafka).FetchOffsets(context.Background(), Group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1 // no member has joined yet
	}
	if err != nil {
		w.T.Fatal(err)
	}
	o, ok := offsets.Lookup(EventTopic, partition)
	if !ok {
		return -1
	}
	return o.At
}

// AllCommitted gives a condition (see Until): each of the first partitions is committed at offset n, exactly.
func (w *World) AllCommitted(partitions int32, n int64) func() bool {
	return func() bool {
		for p := range partitions {
			if w.Committed(p) != n {
				return false
			}
		}
		return true
	}
}

// CommitOf gives the commit of a partition of the events as Kafka holds it, with leader epoch and metadata. The client
// is w.Kafka, or one of another cluster.
func (w *World) CommitOf(client *kgo.Client, partition int32) kadm.Offset {
	w.T.Helper()
	offsets, err := kadm.NewClient(client).FetchOffsets(context.Background(), Group)
	if err != nil {
		w.T.Fatal(err)
	}
	o, _ := offsets.Lookup(EventTopic, partition)
	return o.Offset
}

// CommitAsTool commits an offset of partition 0 for the group as a tool does: without a member, and without a leader
// epoch. Kafka takes that only while the group has no member.
func (w *World) CommitAsTool(client *kgo.Client, offset int64, metadata string) {
	w.T.Helper()
	w.CommitWithEpoch(client, offset, -1, metadata)
}

// CommitWithEpoch is CommitAsTool with the leader epoch of the last record below the offset, as the service commits.
func (w *World) CommitWithEpoch(client *kgo.Client, offset int64, epoch int32, metadata string) {
	w.T.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: EventTopic, Partition: 0, At: offset, LeaderEpoch: epoch, Metadata: metadata})
	answer, err := kadm.NewClient(client).CommitOffsets(context.Background(), Group, offsets)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		w.T.Fatal(err)
	}
}

// ConfigureTopic sets a configuration of the event topic, such as retention.ms.
func (w *World) ConfigureTopic(name, value string) {
	w.T.Helper()
	if _, err := kadm.NewClient(w.Kafka).AlterTopicConfigs(context.Background(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, EventTopic); err != nil {
		w.T.Fatal(err)
	}
}

// RecreateTopic deletes the event topic and creates it again, empty, with one partition and these configurations (nil:
// the defaults). The test's own client knows the new one.
func (w *World) RecreateTopic(configs map[string]string) {
	w.T.Helper()
	if err := w.Cluster.DeleteTopic(EventTopic); err != nil {
		w.T.Fatal(err)
	}
	if err := w.Cluster.CreateTopic(EventTopic, 1, configs); err != nil {
		w.T.Fatal(err)
	}
	w.ReconnectObserver()
}

// Rebalance makes the group assign its partitions again, once.
func (w *World) Rebalance() {
	w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress, Count: 1})
}

// ForgetMember makes the group forget the member of the next heartbeat: its partitions are lost, and it joins as a new
// one.
func (w *World) ForgetMember() {
	w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1})
}

// DeadLetters reads all dead letters. It takes the 5 s in which no further one comes.
func (w *World) DeadLetters() []*kgo.Record {
	w.T.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.ConsumeTopics(DeadLetterTopic))
	if err != nil {
		w.T.Fatal(err)
	}
	defer c.Close()
	var all []*kgo.Record
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		fetches := c.PollFetches(ctx)
		ended := ctx.Err() != nil
		cancel()
		all = append(all, fetches.Records()...)
		if ended {
			return all
		}
	}
}

// DeadLetterCount counts the dead letters that were written so far, and takes no time.
func (w *World) DeadLetterCount() int64 {
	w.T.Helper()
	ends, err := kadm.NewClient(w.Kafka).ListEndOffsets(context.Background(), DeadLetterTopic)
	if err != nil {
		w.T.Fatal(err)
	}
	n := int64(0)
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// DeadLetterHeader gives a header of a dead letter, named without its prefix, such as "reason"; "" where it is absent.
func DeadLetterHeader(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == "__forwarder.errors."+name {
			return string(h.Value)
		}
	}
	return ""
}
