package lanes_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/sandbox/lanes"
)

type place struct {
	partition int32
	offset    int64
}

func TestASenderKnowsWhereEachEventLies(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := lanes.Dial(cluster.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	ctx, stop := context.WithCancel(t.Context())
	sent, acked := 0, map[place]lanes.Event{}
	sender := &lanes.Sender{
		Street: lanes.NewStreet(lanes.Config{Seed: 9, Spoilt: 0.2, Start: noon}), Topic: "events", Rate: 5000,
		OnSend: func(lanes.Event) { sent++ },
		OnAck: func(e lanes.Event, partition int32, offset int64) { // one at a time, as the client promises
			if acked[place{partition, offset}] = e; len(acked) == 500 {
				stop()
			}
		},
	}
	if err := sender.Run(ctx, client, time.Minute); err != nil {
		t.Fatal(err)
	}
	if n, failed := sender.Counts(); int(n) != sent || len(acked) != sent || failed != 0 {
		t.Fatalf("%d sent, %d acknowledged at %d places, %d failed", sent, n, len(acked), failed)
	}

	reader, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("events"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for len(acked) > 0 {
		fetches := reader.PollFetches(t.Context())
		if fetches.Err() != nil {
			t.Fatal(fetches.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := place{r.Partition, r.Offset}
			e, known := acked[at]
			if !known || !bytes.Equal(e.Value, r.Value) || (e.Value == nil) != (r.Value == nil) || !bytes.Equal(e.Key, r.Key) || len(e.Headers) != len(r.Headers) {
				t.Errorf("at %v lies %q, the sender says %q", at, r.Value, e.Value)
			}
			delete(acked, at)
		})
	}
}

func TestASenderToATopicThatIsNotThereFails(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := lanes.Dial(cluster.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, stop := context.WithCancel(t.Context())
	stop() // it sends at least one event all the same
	sender := &lanes.Sender{Street: lanes.NewStreet(lanes.Config{Start: noon}), Topic: "events", Rate: 1}
	if err := sender.Run(ctx, client, time.Minute); err == nil {
		t.Error("ends well")
	}
}
