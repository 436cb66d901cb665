package main

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"

	"release-forwarder/consumer"
)

// mistake is a deliberate bug, put at a seam of the service by a test double. A
// simulation that does not find it is not worth running.
type mistake struct {
	name   string
	double func(v *service, cfg *consumer.Config)
}

func (m *mistake) doubles() []func(*service, *consumer.Config) {
	if m == nil {
		return nil
	}
	return []func(*service, *consumer.Config){m.double}
}

// mistakes are all of them.
func mistakes() []*mistake {
	all := []*mistake{
		commits("a commit is one offset too high", func(_ *wired, p *partitionCommit) { p.CommittedOffset, p.CommittedMetadata = p.CommittedOffset+1, "" }),
		commits("a commit skips the gaps that its metadata tells of", func(_ *wired, p *partitionCommit) {
			c, _ := decodeClaim(clusterID, eventTopic, p.PartitionIndex, p.CommittedOffset, p.CommittedMetadata)
			for done := range c.done {
				p.CommittedOffset, p.CommittedMetadata = max(p.CommittedOffset, done+1), ""
			}
		}),
		earlyCommit(),
		commits("the metadata says of one record more that it is finished", func(_ *wired, p *partitionCommit) {
			c, err := decodeClaim(clusterID, eventTopic, p.PartitionIndex, p.CommittedOffset, p.CommittedMetadata)
			if err == nil && len(c.done) > 0 {
				for done := range c.done {
					if !c.done[done+1] {
						c.done[done+1] = true
						break
					}
				}
				p.CommittedMetadata = c.encode(p.PartitionIndex)
			}
		}),
		commits("the metadata is that of the commit before", func(w *wired, p *partitionCommit) {
			before, seen := w.last[p.PartitionIndex]
			w.last[p.PartitionIndex] = *p
			if seen {
				p.CommittedMetadata = before.CommittedMetadata
			}
		}),
		commits("the metadata is bound to another partition", func(_ *wired, p *partitionCommit) {
			c, err := decodeClaim(clusterID, eventTopic, p.PartitionIndex, p.CommittedOffset, p.CommittedMetadata)
			if err == nil && len(c.done) > 0 {
				p.CommittedMetadata = c.encode(p.PartitionIndex + 1)
			}
		}),
		commits("the metadata is left out", func(_ *wired, p *partitionCommit) { p.CommittedMetadata = "" }),
		staleCommit(),
		onRoundTrip("a refused commit is taken for good", func(_ *wired, _ protocol.Message, res protocol.Message) {
			if res, ok := res.(*offsetcommit.Response); ok {
				for i := range res.Topics {
					for j := range res.Topics[i].Partitions {
						res.Topics[i].Partitions[j].ErrorCode = 0
					}
				}
			}
		}),
		commitsFound("the metadata is not read", func(p *offsetfetch.ResponsePartition) { p.Metadata = "" }),
		commitsFound("reading begins one record late", func(p *offsetfetch.ResponsePartition) {
			if p.CommittedOffset > 0 {
				p.CommittedOffset, p.Metadata = p.CommittedOffset+1, ""
			}
		}),
		commitsFound("reading begins twenty records early", func(p *offsetfetch.ResponsePartition) {
			if p.CommittedOffset > 0 {
				p.CommittedOffset, p.Metadata = max(0, p.CommittedOffset-20), ""
			}
		}),
		{"commits come three times as seldom", func(_ *service, cfg *consumer.Config) { cfg.CommitInterval *= 3 }},
		{"a drain waits for nothing", func(_ *service, cfg *consumer.Config) { cfg.DrainTimeout = time.Nanosecond }},
		{"sessions are not told apart from records", func(_ *service, cfg *consumer.Config) { cfg.Session = func([]byte) string { return "" } }},
		{"a session's records are in two lanes", func(_ *service, cfg *consumer.Config) {
			right := cfg.Session
			var n atomic.Int64
			cfg.Session = func(value []byte) string { return right(value) + []string{"", "other"}[n.Add(1)%2] }
		}},
		{"spoilt records keep no place in their session", func(_ *service, cfg *consumer.Config) {
			right := cfg.Session
			cfg.Session = func(value []byte) string {
				if strings.Contains(string(value), `"plate":""`) {
					return ""
				}
				return right(value)
			}
		}},
		orderAfterRetry(),
		{"reading has no bound", func(_ *service, cfg *consumer.Config) { cfg.MaxPending = 1 << 20 }},
		{"requests in flight have no bound", func(_ *service, cfg *consumer.Config) { cfg.Workers, cfg.Gate = 3*cfg.Workers, freeGate{} }},
		{"the circuit is not asked", func(_ *service, cfg *consumer.Config) { cfg.Gate = freeGate{} }},
	}
	return append(all, handlerMistakes()...)
}

type partitionCommit = offsetcommit.RequestPartition

// wired stands between the engine and its transport.
type wired struct {
	kafka.RoundTripper
	before func(w *wired, ctx context.Context, addr net.Addr, req *offsetcommit.Request)
	edit   func(w *wired, p *partitionCommit)
	after  func(w *wired, req, res protocol.Message)

	addr atomic.Pointer[net.Addr] // the brokers
	mu   sync.Mutex
	last map[int32]partitionCommit
}

func (w *wired) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if commit, ok := req.(*offsetcommit.Request); ok {
		if w.before != nil {
			w.before(w, ctx, addr, commit)
		}
		if w.edit != nil {
			w.mu.Lock()
			for i := range commit.Topics {
				for j := range commit.Topics[i].Partitions {
					w.edit(w, &commit.Topics[i].Partitions[j])
				}
			}
			w.mu.Unlock()
		}
	}
	w.addr.Store(&addr)
	res, err := w.RoundTripper.RoundTrip(ctx, addr, req)
	if err == nil && w.after != nil {
		w.after(w, req, res)
	}
	return res, err
}

func withWire(name string, set func(w *wired)) *mistake {
	return &mistake{name, func(_ *service, cfg *consumer.Config) {
		w := &wired{RoundTripper: cfg.Transport, last: map[int32]partitionCommit{}}
		set(w)
		cfg.Transport = w
	}}
}

func commits(name string, edit func(w *wired, p *partitionCommit)) *mistake {
	return withWire(name, func(w *wired) { w.edit = edit })
}

func onRoundTrip(name string, after func(w *wired, req, res protocol.Message)) *mistake {
	return withWire(name, func(w *wired) { w.after = after })
}

func commitsFound(name string, edit func(p *offsetfetch.ResponsePartition)) *mistake {
	return onRoundTrip(name, func(_ *wired, _, res protocol.Message) {
		if res, ok := res.(*offsetfetch.Response); ok {
			for i := range res.Topics {
				for j := range res.Topics[i].Partitions {
					edit(&res.Topics[i].Partitions[j])
				}
			}
		}
	})
}

// copied is a commit of the same member with other partitions.
func copied(req *offsetcommit.Request, edit func(p *partitionCommit)) *offsetcommit.Request {
	c := *req
	c.Topics = nil
	for _, t := range req.Topics {
		other := offsetcommit.RequestTopic{Name: t.Name}
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
	return withWire("a commit is a millisecond early", func(w *wired) {
		w.before = func(w *wired, ctx context.Context, addr net.Addr, req *offsetcommit.Request) {
			_, _ = w.RoundTripper.RoundTrip(ctx, addr, copied(req, func(p *partitionCommit) { p.CommittedOffset, p.CommittedMetadata = p.CommittedOffset+1, "" }))
			time.Sleep(time.Millisecond)
		}
	})
}

// orderAfterRetry gives the records of a session that are read after one of it was
// tried again lanes of their own.
func orderAfterRetry() *mistake {
	return &mistake{"a session's order is broken after a retry", func(_ *service, cfg *consumer.Config) {
		var retried sync.Map // sessions
		session, right := cfg.Session, cfg.Handler
		cfg.Session = func(value []byte) string {
			key := session(value)
			if _, is := retried.Load(key); is {
				return ""
			}
			return key
		}
		cfg.Handler = handlerFunc(func(ctx context.Context, d *consumer.Delivery) {
			if d.Number > 1 {
				retried.Store(session(d.Record.Value), true)
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
	return withWire("a commit that failed is sent again after the next", func(w *wired) {
		w.after = func(w *wired, req, _ protocol.Message) {
			commit, ok := req.(*offsetcommit.Request)
			if !ok {
				return
			}
			w.mu.Lock()
			again := copied(commit, func(p *partitionCommit) {
				now := *p
				if before, seen := w.last[p.PartitionIndex]; seen {
					*p = before
				}
				w.last[now.PartitionIndex] = now
			})
			w.mu.Unlock()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, _ = w.RoundTripper.RoundTrip(ctx, *w.addr.Load(), again)
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
