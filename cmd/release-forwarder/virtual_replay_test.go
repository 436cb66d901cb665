package main

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The replay topic is read beside the events', in the same group, and found when
// it is made later.
func TestTheReplayTopicIsReadOnceItExists(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.start("KAFKA_REPLAY_TOPIC", "replays")
		second := w.start("KAFKA_REPLAY_TOPIC", "replays")
		w.produce(0, event(1, 0))
		w.produce(1, event(2, 0))
		w.until("the events", func() bool { return w.platform.Stats().Accepted == 2 })
		if _, err := kadm.NewClient(w.kafka).CreateTopic(context.Background(), 2, 1, nil, "replays"); err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: "replays", Partition: 1, Value: []byte(event(3, 0))}
		w.until("the topic", func() bool { return w.kafka.ProduceSync(context.Background(), record).FirstErr() == nil })
		w.until("the replay", func() bool { return w.platform.Stats().Accepted == 3 }, 5*time.Minute)
		w.produce(0, event(4, 0))
		w.until("events still", func() bool { return w.platform.Stats().Accepted == 4 })
		w.end(r)
		w.end(second)
		if s := w.platform.Stats(); s.Received != 4 {
			t.Errorf("%d requests for 4 events", s.Received)
		}
	})
}
