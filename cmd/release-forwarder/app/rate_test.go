package app_test

import (
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// A replica that owns only replay partitions may send at the rate of one event partition.
func TestReplayPartitionsAloneHaveTheShareOfOne(t *testing.T) {
	apptest.InVirtualTime(t, 4, func(w *apptest.World) {
		r := w.Start("UPSTREAM_MAX_RATE", "20", "KAFKA_REPLAY_TOPIC", "replays")
		time.Sleep(10 * time.Second)
		n := func() int {
			w.Backlog(1, 300)
			time.Sleep(time.Second)
			before := w.Platform.Stats().Received
			time.Sleep(10 * time.Second)
			defer time.Sleep(time.Minute)
			return w.Platform.Stats().Received - before
		}
		for _, c := range []struct {
			owned, all map[string]int
			want       int
		}{
			{map[string]int{"events": 2}, map[string]int{"events": 4, "replays": 4}, 100},
			{map[string]int{"events": 2, "replays": 3}, map[string]int{"events": 4, "replays": 4}, 100},
			{map[string]int{"replays": 3}, map[string]int{"events": 4, "replays": 4}, 50},
			{map[string]int{"events": 4}, map[string]int{"events": 4}, 200},
		} {
			r.ShareRate(c.owned, c.all)
			if n := n(); n < c.want-2 || n > c.want+2 {
				t.Errorf("%v of %v: %d requests in 10 s, want %d", c.owned, c.all, n, c.want)
			}
		}
		w.End(r)
	})
}

// The partitions of all event topics count for the share; of a topic that is not there none does.
func TestTheShareIsOfAllEventTopicsPartitions(t *testing.T) {
	apptest.InVirtualTime(t, 4, func(w *apptest.World) {
		r := w.Start("UPSTREAM_MAX_RATE", "20", "KAFKA_TOPIC", "events,more,absent", "DLQ_TOPIC", "events.dlq", "KAFKA_REPLAY_TOPIC", "replays")
		time.Sleep(10 * time.Second)
		for _, c := range []struct {
			owned, all map[string]int
			want       int
		}{
			{map[string]int{"events": 2}, map[string]int{"events": 4, "more": 4, "replays": 4}, 50},
			{map[string]int{"events": 1, "more": 3, "replays": 1}, map[string]int{"events": 4, "more": 4, "replays": 4}, 100},
			{map[string]int{"replays": 3}, map[string]int{"events": 4, "more": 4, "replays": 4}, 25},
			{map[string]int{"events": 4, "more": 4}, map[string]int{"events": 4, "more": 4}, 200},
		} {
			r.ShareRate(c.owned, c.all)
			w.Backlog(1, 300)
			time.Sleep(time.Second)
			before := w.Platform.Stats().Received
			time.Sleep(10 * time.Second)
			if n := w.Platform.Stats().Received - before; n < c.want-2 || n > c.want+2 {
				t.Errorf("%v of %v: %d requests in 10 s, want %d", c.owned, c.all, n, c.want)
			}
			time.Sleep(time.Minute)
		}
		w.End(r)
	})
}
