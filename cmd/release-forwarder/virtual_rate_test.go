package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
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
			if n := len(r.Snapshot().Engine.Partitions); n != 2 {
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

// A broker's answers leave the topic out for some seconds, or tell an error, while the
// group assigns anew. What is not told is not none: the group keeps to its rate.
func TestAnAnswerWithoutTheTopicChangesNoShare(t *testing.T) {
	for name, refusal := range map[string]*kerr.Error{
		"left out": nil, "unknown there": kerr.UnknownTopicOrPartition, "no right": kerr.TopicAuthorizationFailed, "no leader": kerr.LeaderNotAvailable,
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 4, func(w *world) {
				const rate = 8
				var trouble atomic.Bool
				joins := 0
				w.cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
					w.cluster.KeepControl()
					if joins++; joins == 2 { // the second replica's; the first drains now
						trouble.Store(true)
						time.AfterFunc(8*time.Second, func() { trouble.Store(false) })
					}
					return nil, nil, false
				})
				w.losesTopic(&trouble, refusal)
				w.backlog(4, 3000)
				one := w.start("UPSTREAM_MAX_RATE", "8", "KAFKA_CLIENT_ID", "forwarder")
				time.Sleep(10 * time.Second)
				two := w.start()
				time.Sleep(10 * time.Second)
				for what := range 4 {
					if what == 2 {
						time.Sleep(30 * time.Second) // the rest of it
					}
					before := w.platform.Stats().Received
					time.Sleep(30 * time.Second)
					if n := w.platform.Stats().Received - before; n > rate*30+3 {
						t.Errorf("%d requests in half a minute, want %d a second", n, rate)
					}
				}
				if len(one.Snapshot().Engine.Partitions) != 2 || len(two.Snapshot().Engine.Partitions) != 2 {
					t.Error("there was no rebalance")
				}
				before := w.platform.Stats().Received
				time.Sleep(time.Minute)
				if n := w.platform.Stats().Received - before; n < rate*60*9/10 {
					t.Errorf("%d requests in the last minute, want %d a second", n, rate)
				}
				w.end(one)
				w.end(two)
			})
		})
	}
}

// losesTopic has the brokers tell the service nothing of the event topic while there is
// trouble: an error, or without one they leave it out.
func (w *world) losesTopic(trouble *atomic.Bool, refusal *kerr.Error) {
	meta, err := kadm.NewClient(w.kafka).Metadata(context.Background(), deadLetterTopic)
	if err != nil {
		w.t.Fatal(err)
	}
	ofTransport := func(r kmsg.Request) bool { // of the library's group another version
		return trouble.Load() && r.(*kmsg.MetadataRequest).Version == 8
	}
	if refusal != nil {
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: eventTopic, Err: refusal, Count: -1, When: ofTransport})
		return
	}
	w.cluster.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		if !ofTransport(r) {
			return nil, nil, false
		}
		res := r.ResponseKind().(*kmsg.MetadataResponse)
		res.ClusterID, res.ControllerID = &meta.Cluster, meta.Controller
		for _, b := range meta.Brokers {
			rb := kmsg.NewMetadataResponseBroker()
			rb.NodeID, rb.Host, rb.Port = b.NodeID, b.Host, b.Port
			res.Brokers = append(res.Brokers, rb)
		}
		return res, nil, true
	})
}
