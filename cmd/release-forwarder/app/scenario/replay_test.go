package scenario

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// The replay topic is read beside the events' topic, in the same group, also where it is created later.
func TestTheReplayTopicIsReadOnceItExists(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.Start("KAFKA_REPLAY_TOPIC", "replays")
		second := w.Start("KAFKA_REPLAY_TOPIC", "replays")
		w.Produce(0, apptest.Event(1, 0))
		w.Produce(1, apptest.Event(2, 0))
		w.Until("the events", func() bool { return w.Platform.Stats().Accepted == 2 })
		if _, err := kadm.NewClient(w.Kafka).CreateTopic(context.Background(), 2, 1, nil, "replays"); err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: "replays", Partition: 1, Value: []byte(apptest.Event(3, 0))}
		w.Until("the topic", func() bool { return w.Kafka.ProduceSync(context.Background(), record).FirstErr() == nil })
		w.Until("the replay", func() bool { return w.Platform.Stats().Accepted == 3 }, 5*time.Minute)
		w.Produce(0, apptest.Event(4, 0))
		w.Until("events still", func() bool { return w.Platform.Stats().Accepted == 4 })
		w.End(r)
		w.End(second)
		if s := w.Platform.Stats(); s.Received != 4 {
			t.Errorf("%d requests for 4 events", s.Received)
		}
	})
}
