package scenario

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// UPSTREAM_MAX_RATE is the rate of the whole group, however many replicas there are.
func TestTheGroupKeepsToItsRate(t *testing.T) {
	inVirtualTime(t, 4, func(w *world) {
		const rate = 20
		w.Backlog(4, 3000)
		received := func(d time.Duration) int {
			before := w.Platform.Stats().Received
			time.Sleep(d)
			return w.Platform.Stats().Received - before
		}
		about := func(what string, n int, seconds float64) {
			t.Helper()
			if least, most := int(rate*seconds*0.95), int(rate*seconds)+2; n < least || n > most {
				t.Errorf("%s: %d requests in %.0f s, want %d a second", what, n, seconds, rate)
			}
		}
		one := w.Start("UPSTREAM_MAX_RATE", "20")
		time.Sleep(10 * time.Second)
		about("alone", received(time.Minute), 60)
		two := w.Start()
		time.Sleep(30 * time.Second) // the rebalance
		about("two replicas", received(time.Minute), 60)
		for _, r := range []*apptest.Replica{one, two} {
			if n := len(r.Snapshot().Engine.Partitions); n != 2 {
				t.Errorf("a replica has %d partitions", n)
			}
		}
		w.End(one)
		time.Sleep(30 * time.Second)
		about("alone again", received(time.Minute), 60)
		w.End(two)
	})
}

// Each HTTP attempt counts for the rate, quick retries too.
func TestQuickRetriesCountForTheRate(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(flow string) bool { return len(flow)%2 == 0 })
		w.Backlog(1, 1000)
		r := w.Start("UPSTREAM_MAX_RATE", "2.5")
		time.Sleep(5 * time.Second)
		before := w.Platform.Stats().Received
		time.Sleep(2 * time.Minute)
		if n := w.Platform.Stats().Received - before; n > 302 {
			t.Errorf("%d requests in two minutes, want 2.5 a second at most", n)
		}
		w.End(r)
	})
}

// The group keeps to its rate while brokers leave the topic out of their answers.
//
// They do so for some seconds, or report an error, while the group assigns its partitions.
func TestAnAnswerWithoutTheTopicChangesNoShare(t *testing.T) {
	for name, refusal := range map[string]*kerr.Error{
		"left out": nil, "unknown there": kerr.UnknownTopicOrPartition, "no right": kerr.TopicAuthorizationFailed, "no leader": kerr.LeaderNotAvailable,
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 4, func(w *world) {
				const rate = 8
				var trouble atomic.Bool
				joins := 0
				w.Cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
					w.Cluster.KeepControl()
					if joins++; joins == 2 { // the second replica's; the first drains now
						trouble.Store(true)
						time.AfterFunc(8*time.Second, func() { trouble.Store(false) })
					}
					return nil, nil, false
				})
				w.losesTopic(&trouble, refusal)
				w.Backlog(4, 3000)
				one := w.Start("UPSTREAM_MAX_RATE", "8", "KAFKA_CLIENT_ID", "forwarder")
				time.Sleep(10 * time.Second)
				two := w.Start()
				time.Sleep(10 * time.Second)
				for what := range 4 {
					if what == 2 {
						time.Sleep(30 * time.Second) // the rest of it
					}
					before := w.Platform.Stats().Received
					time.Sleep(30 * time.Second)
					if n := w.Platform.Stats().Received - before; n > rate*30+3 {
						t.Errorf("%d requests in half a minute, want %d a second", n, rate)
					}
				}
				if len(one.Snapshot().Engine.Partitions) != 2 || len(two.Snapshot().Engine.Partitions) != 2 {
					t.Error("there was no rebalance")
				}
				before := w.Platform.Stats().Received
				time.Sleep(time.Minute)
				if n := w.Platform.Stats().Received - before; n < rate*60*9/10 {
					t.Errorf("%d requests in the last minute, want %d a second", n, rate)
				}
				w.End(one)
				w.End(two)
			})
		})
	}
}

// losesTopic has the brokers report nothing of the event topic to the service while there is
// trouble: they answer with an error, or without one leave it out.
func (w *world) losesTopic(trouble *atomic.Bool, refusal *kerr.Error) {
	meta, err := kadm.NewClient(w.Kafka).Metadata(context.Background(), apptest.DeadLetterTopic)
	if err != nil {
		w.T.Fatal(err)
	}
	ofTransport := func(r kmsg.Request) bool { // of the library's group another version
		return trouble.Load() && r.(*kmsg.MetadataRequest).Version == 8
	}
	if refusal != nil {
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: apptest.EventTopic, Err: refusal, Count: -1, When: ofTransport})
		return
	}
	w.Cluster.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
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
