package scenario

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/consumer/membership"
)

// protocols are those by which a group can be joined.
var protocols = []membership.Protocol{membership.ProtocolClassic, membership.ProtocolConsumer}

// Records of partitions that stay with their replica are sent at once, whoever joins, leaves or dies.
//
// Where no backlog of another replica builds up, answers take 3 s, so that a drain is seen.
func TestNoDeliveryWaitsForTheGroup(t *testing.T) {
	const partitions, long, short = 6, 3 * time.Second, 50 * time.Millisecond
	// A partition whose answer has just come may wait for the end of a poll that began without it: with or
	// without the group.
	const poll = 500 * time.Millisecond
	for name, c := range map[string]struct {
		takes   time.Duration
		happens func(w *world)
	}{
		"nothing, the control": {long, func(*world) { time.Sleep(30 * time.Second) }},
		"a third joins and leaves": {long, func(w *world) {
			third := w.Start()
			time.Sleep(20 * time.Second)
			w.End(third)
			time.Sleep(20 * time.Second)
		}},
		"a third dies right after its join, five times": {short, func(w *world) {
			for range 5 {
				third := w.startMortal()
				w.Until("its join", func() bool { return third.Snapshot().Engine.Joined }, time.Minute)
				w.kill(third)
				time.Sleep(10 * time.Second)
			}
			time.Sleep(time.Minute)
		}},
		"a third hangs": {short, func(w *world) {
			third := w.startMortal()
			time.Sleep(20 * time.Second)
			third.link.Set(func(string) memnet.Condition { return memnet.Condition{Hold: true} })
			time.Sleep(2 * time.Minute)
			third.link.Set(func(string) memnet.Condition { return memnet.Condition{} })
			time.Sleep(time.Minute)
			w.End(third.Replica)
			time.Sleep(20 * time.Second)
		}},
		"a third reads another topic too": {long, func(w *world) {
			if _, err := kadm.NewClient(w.Kafka).CreateTopic(w.T.Context(), 2, 1, nil, "replays"); err != nil {
				w.T.Fatal(err)
			}
			third := w.Start("KAFKA_REPLAY_TOPIC", "replays")
			time.Sleep(time.Minute)
			w.End(third)
			time.Sleep(20 * time.Second)
		}},
	} {
		for _, protocol := range protocols {
			t.Run(name+", "+string(protocol), func(t *testing.T) {
				t.Setenv("KAFKA_GROUP_PROTOCOL", string(protocol))
				inVirtualTime(t, partitions, func(w *world) {
					var mu sync.Mutex
					produced, longest := map[string]time.Time{}, map[int]time.Duration{}
					w.Platform.Script(func(q *platform.Request) *platform.Reply {
						mu.Lock()
						defer mu.Unlock()
						var order, n int
						if _, err := fmt.Sscanf(q.Params["flow_no"], "F-%d-%d", &order, &n); err == nil && !produced[q.Params["flow_no"]].IsZero() {
							p := order % partitions
							longest[p] = max(longest[p], time.Since(produced[q.Params["flow_no"]]))
						}
						return &platform.Reply{Delay: c.takes}
					})
					first, second := w.Start("UPSTREAM_MAX_IN_FLIGHT", "256"), w.Start("UPSTREAM_MAX_IN_FLIGHT", "256")
					w.Until("both", func() bool {
						return len(first.Snapshot().Engine.Partitions) == partitions/2 && len(second.Snapshot().Engine.Partitions) == partitions/2
					}, time.Minute)
					w.Backlog(partitions, 600) // until the limit is no reason to wait
					w.Until("the backlog", func() bool { return w.Platform.Stats().Accepted == 600*partitions }, 10*time.Minute)
					time.Sleep(20 * time.Second)
					before := owned(first, second)
					stop, stopped := make(chan struct{}), make(chan struct{})
					go func() {
						defer close(stopped)
						for n := 0; ; n++ {
							select {
							case <-stop:
								return
							case <-time.After(200 * time.Millisecond):
							}
							for p := range partitions {
								order := p + partitions*n
								mu.Lock()
								produced[fmt.Sprintf("F-%d-9", order)] = time.Now()
								mu.Unlock()
								w.Produce(int32(p), apptest.Event(order, 9))
							}
						}
					}()
					stays := map[int]bool{}
					for p := range before {
						stays[p] = true
					}
					watch := make(chan struct{})
					go func() {
						defer close(watch)
						for {
							select {
							case <-stop:
								return
							case <-time.After(100 * time.Millisecond):
							}
							now := owned(first, second)
							for p := range before {
								stays[p] = stays[p] && now[p] == before[p]
							}
						}
					}()
					c.happens(w)
					close(stop)
					<-stopped
					<-watch
					mu.Lock()
					kept := 0
					for p, s := range stays {
						if !s {
							continue
						}
						kept++
						if longest[p] > poll {
							t.Errorf("partition %d stays, and a record of it waited %s", p, longest[p])
						}
					}
					mu.Unlock()
					least := partitions / 2
					if protocol == membership.ProtocolConsumer {
						least = 1 // the broker chooses what moves
					}
					if kept < least {
						t.Errorf("%d partitions stayed, want %d at least", kept, least)
					}
					w.Until("all", func() bool { return w.Platform.Stats().Accepted == 600*partitions+len(produced) }, 5*time.Minute)
					w.End(first)
					w.End(second)
					if strings.Contains(name, "joins") || strings.Contains(name, "control") {
						if s := w.Platform.Stats(); s.Received != s.Accepted {
							t.Errorf("%d received of %d: repeated", s.Received, s.Accepted)
						}
					}
				})
			})
		}
	}
}

// owned gives for each partition of the events the number of the replica that owns it, from 1.
func owned(replicas ...*apptest.Replica) map[int]int {
	all := map[int]int{}
	for i, r := range replicas {
		for _, p := range r.Snapshot().Engine.Partitions {
			if p.Topic == apptest.EventTopic && !p.Draining {
				all[int(p.Partition)] = i + 1
			}
		}
	}
	return all
}
