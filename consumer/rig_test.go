package consumer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// rig is an engine in a generation, without Kafka: the test adds the records that a reader would
// take in. It runs in a bubble of virtual time.
type rig struct {
	t    *testing.T
	e    *Engine
	g    *member
	gate *semaphore
}

// inRig runs a test with an engine that owns partitions of topic "events".
func inRig(t *testing.T, partitions int, change func(*Config), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, partitions, change)
		defer r.close()
		test(r)
	})
}

func newRig(t testing.TB, partitions int, change func(*Config)) *rig {
	r := &rig{gate: &semaphore{free: 4}}
	r.t, _ = t.(*testing.T)
	cfg := Config{
		Topics: []string{"events"}, GroupID: "group",
		SessionTimeout: 30 * time.Second, HeartbeatInterval: 3 * time.Second, RebalanceTimeout: time.Minute,
		GroupProtocol: membership.ProtocolClassic, OffsetReset: ResetEarliest, MaxPending: 1000, MaxPendingBytes: 16 << 20, MaxRecordBytes: 1 << 20,
		Workers: 8, CommitInterval: time.Second, DrainTimeout: 20 * time.Second,
		OrderKey: func(r *Record) string { return string(r.Value) },
		Wire:     away{}, Gate: r.gate, Log: slog.New(slog.DiscardHandler),
		Hooks: Hooks{
			Assigned:        func(string, int32) {},
			Dropped:         func(string, int32, int64) {},
			Committing:      func(string, int) func(string) { return func(string) {} },
			Committed:       func(string) {},
			Drained:         func(time.Duration) {},
			Rebalanced:      func() {},
			Owns:            func(owned, all map[string]int) {},
			MetadataIgnored: func() {},
		},
	}
	if change != nil {
		change(&cfg)
	}
	if _, ok := cfg.Handler.(*inbox); ok {
		cfg.Workers = 1 // the order of two workers' deliveries would depend on Go's scheduler
	}
	r.e = New(cfg)
	r.join(partitions)
	return r
}

// join begins a new generation with all partitions read from offset 0.
func (r *rig) join(partitions int) {
	var assigned []membership.Assignment
	for n := range partitions {
		assigned = append(assigned, membership.Assignment{Partition: membership.Partition{Topic: "events", Number: int32(n)}})
	}
	if r.g == nil {
		r.g = r.e.newMember()
		r.e.member = r.g
	}
	owner{r.g}.Joined(membership.Identity{Member: "member", Generation: 1}, false)
	owner{r.g}.Assigned(assigned)
	for _, p := range r.g.parts {
		r.g.begins(start{p, progress.New[*Delivery](0, progress.UnknownEpoch, progress.Knowledge{})})
		p.phase, p.trusted = reading, true
	}
	r.heard(time.Now().Add(1000 * time.Hour))
}

// away is a cluster that does not answer.
type away struct{}

var errAway = errors.New("nobody is there")

func (away) Metadata(context.Context) (*wire.Metadata, error)             { return nil, errAway }
func (away) MetadataOf(context.Context, []string) (*wire.Metadata, error) { return nil, errAway }
func (away) Refresh()                                                     {}
func (away) ForgetCoordinator(string)                                     {}

func (away) Send(context.Context, int32, kmsg.Request) (kmsg.Response, error) { return nil, errAway }

func (away) SendToCoordinator(context.Context, string, kmsg.Request) (kmsg.Response, error) {
	return nil, errAway
}

func (away) Exchange(context.Context, int32, int16, func(io.ReadWriter, int16) error) error {
	return errAway
}

func (r *rig) close() {
	for _, p := range r.g.all() {
		p.cancel()
	}
	r.e.stopWorkers()
}

// drain drains all partitions and returns how many deliveries were cut.
func (r *rig) drain() (left int) {
	limit := time.Now().Add(r.e.cfg.DrainTimeout)
	d, parts, _ := r.g.beginDrain(r.g.all(), limit)
	return r.g.await(d, parts, time.Until(limit))
}

// revoke gives up all partitions.
func (r *rig) revoke() { r.g.remove(r.g.all(), time.Now()) }

// heard sets when the group's coordinator last answered.
func (r *rig) heard(at time.Time) {
	r.e.mu.Lock()
	r.g.lease = time.Time{}
	r.e.mu.Unlock()
	r.e.renew(r.g, at.Add(r.e.cfg.SessionTimeout))
}

func (r *rig) part(n int) *partition {
	return r.g.parts[topicPartition{Topic: "events", Number: int32(n)}]
}

// read adds one record with an order key and a value of size bytes.
func (r *rig) read(partition int, offset int64, orderKey string, size int) *Delivery {
	p := r.part(partition)
	d := newDelivery(p, fetch.Record{Offset: offset, Value: make([]byte, size)}, time.Now())
	r.g.add(p, []*Delivery{d}, []string{orderKey}, BoundNone, nil, nil, offset+1, 0)
	return d
}

// room returns the bound that forbids reading on, and pauses the partition as the reader does.
func (r *rig) room(p *partition) (b Bound) {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	if _, _, b = p.room(); b != BoundNone {
		p.paused = b
	}
	return b
}

// semaphore is a well-behaved gate with free slots, which may be probes.
type semaphore struct {
	mu      sync.Mutex
	free    int
	out     int
	probe   bool
	unused  int
	manual  bool // slots given back are lost: the test adds each slot
	waiting []chan bool
}

func (s *semaphore) Acquire(ctx context.Context) (bool, error) {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.out++
		defer s.mu.Unlock()
		return s.probe, nil
	}
	c := make(chan bool, 1)
	s.waiting = append(s.waiting, c)
	s.mu.Unlock()
	select {
	case probe := <-c:
		return probe, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (s *semaphore) Release(used bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == 0 {
		panic("a slot was released that was not taken")
	}
	if !used {
		s.unused++
	}
	s.out--
	if !s.manual {
		s.give()
	}
}

// give hands free slots to the waiting workers.
func (s *semaphore) give() {
	s.free++
	for s.free > 0 && len(s.waiting) > 0 {
		s.free--
		s.out++
		s.waiting[0] <- s.probe
		s.waiting = s.waiting[1:]
	}
}

// add adds n slots.
func (s *semaphore) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.give()
	}
}

func (s *semaphore) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out
}

// handler is a function as a Handler.
type handler func(ctx context.Context, d *Delivery)

func (h handler) Handle(ctx context.Context, d *Delivery) { h(ctx, d) }

// inbox is a handler that leaves every delivery open until the test ends it.
type inbox struct {
	mu   sync.Mutex
	open []*Delivery
}

func (b *inbox) Handle(_ context.Context, d *Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, d)
}

// take returns the deliveries since the last call, in order.
func (b *inbox) take() []*Delivery {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	open := b.open
	b.open = nil
	return open
}
