package scenario

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/consumer"
)

// mistaken is a handler that does something else with the first record.
type mistaken struct {
	consumer.Handler
	first func(ctx context.Context, d *consumer.Delivery)
	once  sync.Once
}

func (m *mistaken) Handle(ctx context.Context, d *consumer.Delivery) {
	begins := false
	m.once.Do(func() { begins = true })
	if begins {
		m.first(ctx, d)
		return
	}
	m.Handler.Handle(ctx, d)
}

// hanging is a service whose first delivery hangs until it is released.
func hanging(release chan struct{}) app.Double {
	return func(_ *app.Parts, cfg *consumer.Config) {
		cfg.Handler = &mistaken{Handler: cfg.Handler, first: func(_ context.Context, d *consumer.Delivery) {
			<-release
			d.AgainAt(time.Now(), consumer.Hold{})
		}}
	}
}

// leaking is a gate whose slots do not come back.
type leaking struct{ consumer.Gate }

func (leaking) Release(bool) {}

// blind is a gate that gives no slot.
type blind struct{ consumer.Gate }

func (blind) Acquire(ctx context.Context) (bool, error) { <-ctx.Done(); return false, ctx.Err() }

// A delivery that is stuck fails /livez within its limit and 30 s, named by its place in Kafka alone.
//
// It does not keep the process from ending.
func TestAStuckReplicaIsNotAlive(t *testing.T) {
	// Its limit, by the settings below: 4 attempts of 10 s, two waits of 1 s and three turns of the rate as late; its dead
	// letter: 30 s behind others, and 3 requests of 10 s.
	const limit = 4*10*time.Second + 5*time.Second + 30*time.Second + 30*time.Second
	handling := func(first func(context.Context, *consumer.Delivery)) app.Double {
		return func(_ *app.Parts, cfg *consumer.Config) { cfg.Handler = &mistaken{Handler: cfg.Handler, first: first} }
	}
	for name, c := range map[string]struct {
		double func(release chan struct{}) app.Double
		after  time.Duration
		names  string
	}{
		"a delivery that never returns": {hanging, limit + 30*time.Second, "events/0/0 "},
		"a delivery that is forgotten": {func(chan struct{}) app.Double {
			return handling(func(context.Context, *consumer.Delivery) {})
		}, limit + 30*time.Second, "events/0/0 "},
		"a gate that gives no slot": {func(chan struct{}) app.Double {
			return func(_ *app.Parts, cfg *consumer.Config) { cfg.Gate = blind{cfg.Gate} }
		}, 30 * time.Second, "events/0 "},
		"slots that do not come back": {func(chan struct{}) app.Double {
			return func(_ *app.Parts, cfg *consumer.Config) { cfg.Gate = leaking{cfg.Gate} }
		}, 30 * time.Second, "events/0 "},
		"no worker": {func(chan struct{}) app.Double {
			return func(_ *app.Parts, cfg *consumer.Config) { cfg.Workers = 0 }
		}, 30 * time.Second, "events/0 "},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				release := make(chan struct{})
				w.Mistakes = append(w.Mistakes, c.double(release))
				r := w.Start()
				w.Until("the group", func() bool { return w.Committed(0) == 0 })
				w.Backlog(1, 200)
				begun := time.Now()
				for ok, why := r.Live(); ok; ok, why = r.Live() {
					if d := time.Since(begun); d > c.after+5*time.Second {
						t.Fatalf("%q after %s", why, d)
					}
					time.Sleep(time.Second)
				}
				_, why := r.Live()
				if d := time.Since(begun); d < c.after-2*time.Second {
					t.Errorf("%q after %s already", why, d)
				}
				if !strings.Contains(why, c.names) || strings.Contains(why, "lot-") {
					t.Errorf("%q does not name its place, or more", why)
				}
				if ok, _ := r.Ready(); ok {
					t.Error("it is ready")
				}
				stopping := time.Now()
				w.End(r)
				if d := time.Since(stopping); d > 30*time.Second {
					t.Errorf("ended after %s, CONSUMER_DRAIN_TIMEOUT + 10s is 30s", d)
				}
				close(release)
				time.Sleep(time.Second)
			})
		})
	}
}

// A replica that is no longer stuck is alive again.
func TestAReplicaThatMovesAgainIsAlive(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		release := make(chan struct{})
		w.Mistakes = append(w.Mistakes, hanging(release))
		r := w.Start()
		w.Produce(0, apptest.Event(1, 0))
		w.Until("the fault", func() bool { ok, _ := r.Live(); return !ok }, 3*time.Minute)
		close(release)
		w.Until("the end of the fault", func() bool { ok, _ := r.Live(); return ok })
		w.Until("the commit", w.AllCommitted(1, 1))
		w.End(r)
		if n := strings.Count(w.Log.String(), `"event":"stuck"`); n != 1 {
			t.Errorf("%d lines tell of it", n)
		}
	})
}

// outages are twenty minutes of something that a restart would not fix.
func outages() map[string]func(w *world) (r *apptest.Replica) {
	answer := func(reply *platform.Reply) func(w *world) *apptest.Replica {
		return func(w *world) *apptest.Replica {
			w.Platform.Script(func(*platform.Request) *platform.Reply { return reply })
			return w.Start()
		}
	}
	// kafka has a condition on all ways to the brokers, once some records were read.
	kafka := func(condition memnet.Condition) func(w *world) *apptest.Replica {
		return func(w *world) *apptest.Replica {
			link := w.Net.NewLink(1)
			w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 5 * time.Second} })
			r := w.StartOn(link.Dial, "UPSTREAM_MAX_IN_FLIGHT", "2")
			w.Until("some", func() bool { return w.Platform.Stats().Accepted > 3 })
			link.Set(func(address string) memnet.Condition {
				if strings.HasSuffix(address, ":80") {
					return memnet.Condition{}
				}
				return condition
			})
			if condition.Refuse {
				link.Cut(func(address string) bool { return !strings.HasSuffix(address, ":80") })
			}
			return r
		}
	}
	deadLetters := func(fault func(w *world)) func(w *world) *apptest.Replica {
		return func(w *world) *apptest.Replica {
			for p := range int32(2) {
				var bad []string
				for n := range 200 {
					bad = append(bad, apptest.Event(n, 0), fmt.Sprintf(`{"park_uuid":"lot-%d","flow_no":"bad-%d","parking_serial":"bad-%d-%d"}`, n, n, p, n))
				}
				w.Produce(p, bad...)
			}
			fault(w)
			return w.Start("DLQ_STORM_LIMIT", "0")
		}
	}
	return map[string]func(w *world) *apptest.Replica{
		"the platform answers 500":              answer(&platform.Reply{Status: 500, Body: `{"code":"500"}`}),
		"the platform hangs":                    answer(&platform.Reply{Hang: true}),
		"the platform throttles":                answer(&platform.Reply{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}),
		"the platform throttles without a word": answer(&platform.Reply{Status: 429}),
		"the platform refuses all":              answer(&platform.Reply{Status: 401, Body: `{"code":"401"}`}),
		"the platform is slow":                  answer(&platform.Reply{Delay: 9 * time.Second}),
		"the platform refuses all but one lot": func(w *world) *apptest.Replica {
			w.Platform.Script(func(q *platform.Request) *platform.Reply {
				if q.Params["park_uuid"] != "lot-1" {
					return &platform.Reply{Status: 401, Body: `{"code":"401"}`}
				}
				return nil
			})
			return w.Start()
		},
		"every other attempt fails": func(w *world) *apptest.Replica {
			var n atomic.Int64
			w.Platform.Script(func(*platform.Request) *platform.Reply {
				if n.Add(1)%2 == 0 {
					return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: time.Second}
				}
				return &platform.Reply{Delay: time.Second}
			})
			return w.Start("UPSTREAM_MAX_IN_FLIGHT", "1")
		},
		"a rate next to nothing":    func(w *world) *apptest.Replica { return w.Start("UPSTREAM_MAX_RATE", "0.02") },
		"one attempt a second":      func(w *world) *apptest.Replica { return w.Start("UPSTREAM_MAX_RATE", "1") },
		"Kafka hangs":               kafka(memnet.Condition{Hold: true}),
		"Kafka refuses connections": kafka(memnet.Condition{Refuse: true}),
		"Kafka's answers are lost":  kafka(memnet.Condition{LoseAnswers: true}),
		"Kafka was never there": func(w *world) *apptest.Replica {
			link := w.Net.NewLink(1)
			link.Set(func(string) memnet.Condition { return memnet.Condition{Hold: true} })
			return w.StartOn(link.Dial)
		},
		"the group forgets its members": func(w *world) *apptest.Replica {
			w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 5 * time.Second} })
			r := w.Start("UPSTREAM_MAX_IN_FLIGHT", "2")
			w.Until("some", func() bool { return w.Platform.Stats().Accepted > 1 })
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: -1})
			return r
		},
		"no commit is taken": func(w *world) *apptest.Replica {
			r := w.Start()
			w.Until("some", func() bool { return w.Platform.Stats().Accepted > 1 })
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorNotAvailable, Count: -1})
			return r
		},
		"the dead-letter topic refuses all": deadLetters(func(w *world) {
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.DeadLetterTopic, Err: kerr.NotEnoughReplicas, Count: -1})
		}),
		"the dead-letter topic refuses each dead letter": deadLetters(func(w *world) {
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.DeadLetterTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		}),
		"the dead-letter topic hangs": deadLetters(func(w *world) {
			w.Cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				w.Cluster.KeepControl()
				if req.(*kmsg.ProduceRequest).Topics[0].Topic == apptest.DeadLetterTopic {
					w.Cluster.SleepControl(func() { time.Sleep(25 * time.Second) })
				}
				return nil, nil, false
			})
		}),
		"held records fill the bound of gaps": func(w *world) *apptest.Replica {
			w.FailFlows(func(flow string) bool {
				var orderKey, n int
				_, _ = fmt.Sscanf(flow, "F-%d-%d", &orderKey, &n)
				return orderKey%2 == 0
			})
			return w.Start("RETRY_BUDGET", "0", "RETRY_BACKOFF_MAX", "10m")
		},
	}
}

// No outage of Kafka or of the platform, however long, fails /livez: a restart would not help.
func TestNoOutageFailsLiveness(t *testing.T) {
	lasts := min(20*time.Minute, max(5*time.Minute, time.Duration(*outageDays*float64(10*time.Minute))))
	for name, begin := range outages() {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 2, func(w *world) {
				w.Backlog(2, 3000)
				r := begin(w)
				for begun := time.Now(); time.Since(begun) < lasts; time.Sleep(time.Second) {
					if ok, why := r.Live(); !ok {
						t.Fatalf("after %s: %s", time.Since(begun), why)
					}
				}
				begun := time.Now()
				w.End(r)
				if d := time.Since(begun); d > 30*time.Second {
					t.Errorf("ended after %s, CONSUMER_DRAIN_TIMEOUT + 10s is 30s", d)
				}
				time.Sleep(5 * time.Minute) // what the brokers hold back ends by then
			})
		})
	}
}

// A stuck delivery fails /livez in any outage too.
func TestAStuckDeliveryIsReportedInAnyOutage(t *testing.T) {
	for name, begin := range outages() {
		if name == "Kafka was never there" {
			continue // nothing to be stuck with
		}
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 2, func(w *world) {
				release := make(chan struct{})
				w.Mistakes = append(w.Mistakes, hanging(release))
				w.Backlog(2, 300)
				r := begin(w)
				w.Until("the fault", func() bool { ok, why := r.Live(); return !ok && strings.Contains(why, "the delivery of events/") }, 5*time.Minute)
				w.End(r)
				close(release)
				time.Sleep(5 * time.Minute) // what the brokers hold back ends by then
			})
		})
	}
}
