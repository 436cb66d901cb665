package simulation

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer"
	"release-forwarder/consumer/membership"
)

// mistake is a deliberate bug, put at a seam of the service by a test double. A
// simulation that does not find it is not worth running.
type mistake struct {
	name   string
	double func(v *app.Parts, cfg *consumer.Config)
	// brokers puts it between the service and what it asks the brokers: an answer that
	// the service does not read is one that says something else.
	brokers func(s *simulation, c *kfake.Cluster)
	// versions is what the service makes of what the brokers know.
	versions *kversion.Versions
	// settings are what the service makes of its settings.
	settings func(c *settings.Settings)
	// needs says in which plans it can be made; nil: in any.
	needs func(plan *schedule) bool
	// shows are the kinds of faults of which a seed must have one to be worth playing; none: any seed is.
	shows []string
	// beside is what goes wrong anyway, without being this mistake: a seed that finds it
	// where that alone is found as well does not count.
	beside *mistake
	// protocol is the group's in which it can be made; "": in either.
	protocol membership.Protocol
}

// in names kinds of faults without one of which it does nothing.
func (m *mistake) in(kinds ...string) *mistake {
	m.shows = kinds
	return m
}

// worth tells whether a mistake may show in a plan. An outage of hours costs more than
// all else together, so it is played for those alone that need it.
func (m *mistake) worth(plan *schedule) bool {
	has := func(kinds ...string) bool {
		return slices.ContainsFunc(plan.faults, func(f *fault) bool { return slices.Contains(kinds, f.kind.name) })
	}
	if m.protocol != "" && m.protocol != plan.protocol || m.needs != nil && !m.needs(plan) {
		return false
	}
	if len(m.shows) > 0 {
		return has(m.shows...) && (slices.Contains(m.shows, hours) || !has(hours))
	}
	return !has(hours)
}

func (m *mistake) doubles() []app.Double {
	if m == nil || m.double == nil {
		return nil
	}
	return []app.Double{m.double}
}

// mistakes are all of them.
func mistakes() []*mistake {
	all := []*mistake{
		commits("a commit is one offset too high", func(_ *apptest.InterceptedWire, p *apptest.PartitionCommit) { p.Offset, p.Metadata = p.Offset+1, nil }),
		commits("a commit skips the gaps that its metadata tells of", func(_ *apptest.InterceptedWire, p *apptest.PartitionCommit) {
			c, _ := apptest.DecodeCommit(apptest.ClusterID, apptest.EventTopic, p.Partition, p.Offset, metadataIn(p))
			for done := range c.Done {
				p.Offset, p.Metadata = max(p.Offset, done+1), nil
			}
		}),
		earlyCommit(),
		commits("the metadata says of one record more that it is finished", func(_ *apptest.InterceptedWire, p *apptest.PartitionCommit) {
			c, err := apptest.DecodeCommit(apptest.ClusterID, apptest.EventTopic, p.Partition, p.Offset, metadataIn(p))
			if err == nil && len(c.Done) > 0 {
				for done := range c.Done {
					if !c.Done[done+1] {
						c.Done[done+1] = true
						break
					}
				}
				p.Metadata = kmsg.StringPtr(c.Encode(p.Partition))
			}
		}),
		commits("the metadata is that of the commit before", func(w *apptest.InterceptedWire, p *apptest.PartitionCommit) {
			before, seen := w.LastCommits[p.Partition]
			w.LastCommits[p.Partition] = *p
			if seen {
				p.Metadata = before.Metadata
			}
		}),
		commits("the metadata is bound to another partition", func(_ *apptest.InterceptedWire, p *apptest.PartitionCommit) {
			c, err := apptest.DecodeCommit(apptest.ClusterID, apptest.EventTopic, p.Partition, p.Offset, metadataIn(p))
			if err == nil && len(c.Done) > 0 {
				p.Metadata = kmsg.StringPtr(c.Encode(p.Partition + 1))
			}
		}),
		commits("the metadata is left out", func(_ *apptest.InterceptedWire, p *apptest.PartitionCommit) { p.Metadata = nil }),
		staleCommit(),
		onAnswer("a refused commit is taken for good", func(_ *apptest.InterceptedWire, _ string, _ kmsg.Request, res kmsg.Response) {
			if res, ok := res.(*kmsg.OffsetCommitResponse); ok {
				for i := range res.Topics {
					for j := range res.Topics[i].Partitions {
						res.Topics[i].Partitions[j].ErrorCode = 0
					}
				}
			}
		}).in("commit refused"),
		commitsFound("the metadata is not read", func(_ *int64, metadata **string) { *metadata = nil }),
		commitsFound("reading begins one record late", func(offset *int64, metadata **string) {
			if *offset > 0 {
				*offset, *metadata = *offset+1, nil
			}
		}),
		commitsFound("reading begins twenty records early", func(offset *int64, metadata **string) {
			if *offset > 0 {
				*offset, *metadata = max(0, *offset-20), nil
			}
		}),
		{name: "commits come three times as seldom", double: func(_ *app.Parts, cfg *consumer.Config) { cfg.CommitInterval *= 3 }, shows: []string{"member killed"}},
		{name: "a drain waits for nothing", double: func(_ *app.Parts, cfg *consumer.Config) { cfg.DrainTimeout = time.Nanosecond }, shows: []string{"member told to stop"}},
		{name: "order keys are not told apart from records", double: func(_ *app.Parts, cfg *consumer.Config) { cfg.OrderKey = func(*consumer.Record) string { return "" } }},
		{name: "an order key's records are in two key queues", double: func(_ *app.Parts, cfg *consumer.Config) {
			right := cfg.OrderKey
			var n atomic.Int64
			cfg.OrderKey = func(r *consumer.Record) string { return right(r) + []string{"", "other"}[n.Add(1)%2] }
		}},
		{name: "spoilt records keep no place in their order key", double: func(_ *app.Parts, cfg *consumer.Config) {
			right := cfg.OrderKey
			cfg.OrderKey = func(r *consumer.Record) string {
				if strings.Contains(string(r.Value), `"plate":""`) {
					return ""
				}
				return right(r)
			}
		}},
		orderAfterRetry(),
		{name: "reading has no bound", double: func(_ *app.Parts, cfg *consumer.Config) { cfg.MaxPending = 1 << 20 }, shows: anOutage},
		{name: "requests in flight have no bound", double: func(_ *app.Parts, cfg *consumer.Config) { cfg.Workers, cfg.Gate = 3*cfg.Workers, freeGate{} }, shows: anOutage},
		{name: "the circuit is not asked", double: func(_ *app.Parts, cfg *consumer.Config) { cfg.Gate = freeGate{} }, shows: anOutage},
	}
	return slices.Concat(all, handlerMistakes(), receiptMistakes(), evidenceMistakes(), membershipMistakes())
}

var anOutage = []string{"outage", "brown-out"}

func metadataIn(p *apptest.PartitionCommit) string {
	if p.Metadata == nil {
		return ""
	}
	return *p.Metadata
}

func withWire(name string, set func(w *apptest.InterceptedWire)) *mistake {
	return &mistake{name: name, double: func(_ *app.Parts, cfg *consumer.Config) {
		w := &apptest.InterceptedWire{Wire: cfg.Wire, LastCommits: map[int32]apptest.PartitionCommit{}}
		set(w)
		cfg.Wire = w
	}}
}

func commits(name string, edit func(w *apptest.InterceptedWire, p *apptest.PartitionCommit)) *mistake {
	return withWire(name, func(w *apptest.InterceptedWire) { w.EditCommit = edit })
}

func onAnswer(name string, after func(w *apptest.InterceptedWire, group string, req kmsg.Request, res kmsg.Response)) *mistake {
	return withWire(name, func(w *apptest.InterceptedWire) { w.AfterSend = after })
}

func commitsFound(name string, edit func(offset *int64, metadata **string)) *mistake {
	return onAnswer(name, func(_ *apptest.InterceptedWire, _ string, _ kmsg.Request, res kmsg.Response) {
		if res, ok := res.(*kmsg.OffsetFetchResponse); ok {
			eachFound(res, edit)
		}
	})
}

// copied is a commit of the same member with other partitions.
func copied(req *kmsg.OffsetCommitRequest, edit func(p *apptest.PartitionCommit)) *kmsg.OffsetCommitRequest {
	c := *req
	c.Topics = nil
	for _, t := range req.Topics {
		other := t
		other.Partitions = nil
		for _, p := range t.Partitions {
			edit(&p)
			other.Partitions = append(other.Partitions, p)
		}
		c.Topics = append(c.Topics, other)
	}
	return &c
}

// earlyCommit commits one record too many for a millisecond, then what is right.
func earlyCommit() *mistake {
	return withWire("a commit is a millisecond early", func(w *apptest.InterceptedWire) {
		w.BeforeCommit = func(w *apptest.InterceptedWire, ctx context.Context, group string, req *kmsg.OffsetCommitRequest) {
			_, _ = w.Wire.SendToCoordinator(ctx, group, copied(req, func(p *apptest.PartitionCommit) { p.Offset, p.Metadata = p.Offset+1, nil }))
			time.Sleep(time.Millisecond)
		}
	})
}

// orderAfterRetry gives the records of an order key that are read after one of it
// was tried again key queues of their own.
func orderAfterRetry() *mistake {
	return &mistake{name: "an order key's order is broken after a retry", double: func(_ *app.Parts, cfg *consumer.Config) {
		var retried sync.Map // order keys
		orderKey, right := cfg.OrderKey, cfg.Handler
		cfg.OrderKey = func(r *consumer.Record) string {
			key := orderKey(r)
			if _, is := retried.Load(key); is {
				return ""
			}
			return key
		}
		cfg.Handler = handlerFunc(func(ctx context.Context, d *consumer.Delivery) {
			if d.Number > 1 {
				retried.Store(orderKey(&d.Record), true)
			}
			right.Handle(ctx, d)
		})
	}}
}

type handlerFunc func(context.Context, *consumer.Delivery)

// Handle implements consumer.Handler.
func (f handlerFunc) Handle(ctx context.Context, d *consumer.Delivery) { f(ctx, d) }

// staleCommit sends each commit once more after the next.
func staleCommit() *mistake {
	return withWire("a commit that failed is sent again after the next", func(w *apptest.InterceptedWire) {
		w.AfterSend = func(w *apptest.InterceptedWire, group string, req kmsg.Request, _ kmsg.Response) {
			commit, ok := req.(*kmsg.OffsetCommitRequest)
			if !ok {
				return
			}
			w.Mu.Lock()
			again := copied(commit, func(p *apptest.PartitionCommit) {
				now := *p
				if before, seen := w.LastCommits[p.Partition]; seen {
					*p = before
				}
				w.LastCommits[now.Partition] = now
			})
			w.Mu.Unlock()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, _ = w.Wire.SendToCoordinator(ctx, group, again)
		}
	})
}

// freeGate lets everything pass, a little later: time would stand still where a
// request fails at once.
type freeGate struct{}

func (freeGate) Acquire(ctx context.Context) (bool, error) {
	time.Sleep(10 * time.Millisecond)
	return false, ctx.Err()
}
func (freeGate) Release(bool) {}
