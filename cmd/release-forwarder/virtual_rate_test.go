package main

import (
	"testing"
	"time"
)

func TestTheGroupKeepsToItsRateHoweverManyReplicasThereAre(t *testing.T) {
	inVirtualTime(t, 4, func(w *world) {
		const rate = 20
		w.backlog(4, 3000)
		received := func(d time.Duration) int {
			before := w.platform.Stats().Received
			time.Sleep(d)
			return w.platform.Stats().Received - before
		}
		about := func(what string, n int, seconds float64) {
			t.Helper()
			if least, most := int(rate*seconds*0.95), int(rate*seconds)+2; n < least || n > most {
				t.Errorf("%s: %d requests in %.0f s, want %d a second", what, n, seconds, rate)
			}
		}
		one := w.start("UPSTREAM_MAX_RATE", "20")
		time.Sleep(10 * time.Second)
		about("alone", received(time.Minute), 60)
		two := w.start()
		time.Sleep(30 * time.Second) // the rebalance
		about("two replicas", received(time.Minute), 60)
		for _, r := range []*replica{one, two} {
			if n := len(r.engine.Status().Partitions); n != 2 {
				t.Errorf("a replica has %d partitions", n)
			}
		}
		w.end(one)
		time.Sleep(30 * time.Second)
		about("alone again", received(time.Minute), 60)
		w.end(two)
	})
}

// Every HTTP attempt takes its turn, quick retries too.
func TestQuickRetriesCountForTheRate(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.failing(func(flow string) bool { return len(flow)%2 == 0 })
		w.backlog(1, 1000)
		r := w.start("UPSTREAM_MAX_RATE", "2.5")
		time.Sleep(5 * time.Second)
		before := w.platform.Stats().Received
		time.Sleep(2 * time.Minute)
		if n := w.platform.Stats().Received - before; n > 302 {
			t.Errorf("%d requests in two minutes, want 2.5 a second at most", n)
		}
		w.end(r)
	})
}

func TestAReplicaWithReplayPartitionsAloneHasTheShareOfOne(t *testing.T) {
	inVirtualTime(t, 4, func(w *world) {
		r := w.start("UPSTREAM_MAX_RATE", "20", "KAFKA_REPLAY_TOPIC", "replays")
		time.Sleep(10 * time.Second)
		n := func() int {
			w.backlog(1, 300)
			time.Sleep(time.Second)
			before := w.platform.Stats().Received
			time.Sleep(10 * time.Second)
			defer time.Sleep(time.Minute)
			return w.platform.Stats().Received - before
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
			r.shareRate(c.owned, c.all)
			if n := n(); n < c.want-2 || n > c.want+2 {
				t.Errorf("%v of %v: %d requests in 10 s, want %d", c.owned, c.all, n, c.want)
			}
		}
		w.end(r)
	})
}
