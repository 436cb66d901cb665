package membership

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/consumer/wire"
)

// rooms is a group at a broker in virtual time, and who owns what in it. Two owners at once are an error, and
// so is taking a partition from an owner that has not given it up.
type rooms struct {
	t       *testing.T
	net     *memnet.Net
	cluster *kfake.Cluster
	counts  map[string]int32
	speaks  Protocol

	mu     sync.Mutex
	owners map[Partition]string
	told   []string
}

func inGroup(t *testing.T, protocol Protocol, test func(g *rooms)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &rooms{t: t, speaks: protocol, net: &memnet.Net{}, owners: map[Partition]string{}, counts: map[string]int32{"events": 6, "replays": 2}}
		var err error
		if g.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(g.net.Listen), kfake.SeedTopics(6, "events"), kfake.SeedTopics(2, "replays")); err != nil {
			t.Fatal(err)
		}
		defer g.cluster.Close()
		test(g)
	})
}

func TestAnUnknownProtocolIsNotTakenForAnother(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a member of a protocol that was not asked for")
		}
	}()
	New(Config{Protocol: "unheard-of"})
}

// byEither runs a test by each protocol that there is.
func byEither(t *testing.T, test func(g *rooms)) {
	for _, protocol := range Protocol("").Choices() {
		t.Run(protocol, func(t *testing.T) { inGroup(t, Protocol(protocol), test) })
	}
}

// person is a member, and what it does when partitions are taken back.
type person struct {
	Member
	g      *rooms
	name   string
	takes  time.Duration // to give partitions up
	sits   time.Duration // the session time-out; 0: 10s
	dial   wire.DialFunc // nil: the network's
	topics []string
	wire   *wire.Client

	leave   func()
	left    chan struct{}
	stopped bool
	id      Identity
	until   time.Time // until then no other member owns its partitions
	unsafe  bool
}

func (g *rooms) joins(name string, change func(*person)) *person {
	p := &person{g: g, name: name, left: make(chan struct{}), topics: []string{"events"}}
	if change != nil {
		change(p)
	}
	if p.dial == nil {
		p.dial = g.net.Dial
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.wire = wire.New(ctx, wire.Config{Brokers: g.cluster.ListenAddrs(), ClientID: name, Topics: p.topics, Dial: p.dial})
	p.Member = New(Config{
		Protocol: g.speaks, Group: "group", ClientID: name, Wire: p.wire, Owner: p, Log: slog.New(slog.DiscardHandler), WatchInterval: 5 * time.Second,
		SessionTimeout: cmp.Or(p.sits, 10*time.Second), HeartbeatInterval: time.Second, RebalanceTimeout: 30 * time.Second,
	})
	joining, leave := context.WithCancel(context.Background())
	p.leave = func() {
		p.stop()
		leave()
		<-p.left
	}
	go func() {
		p.Run(joining)
		p.wire.Close()
		cancel()
		close(p.left)
	}()
	return p
}

// stop ends all work before the member leaves: others get its partitions before it has the answer.
func (p *person) stop() {
	p.g.mu.Lock()
	p.stopped = true
	p.g.mu.Unlock()
	p.lets(p.has(), "leaves with")
}

func (p *person) has() (parts []Partition) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	for part, name := range p.g.owners {
		if name == p.name {
			parts = append(parts, part)
		}
	}
	return parts
}

func (p *person) identity() Identity {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	return p.id
}

func (p *person) say(format string, args ...any) {
	p.g.told = append(p.g.told, fmt.Sprintf("%s ", p.name)+fmt.Sprintf(format, args...))
}

// Assigned implements Owner, as the methods below do.
func (p *person) Assigned(added []Assignment) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.unsafe = false
	if p.stopped {
		return
	}
	for _, a := range added {
		part := a.Partition
		if byID := a.TopicID != (wire.ID{}); byID == (p.g.speaks == ProtocolClassic) {
			p.g.t.Errorf("%s gets %v by the topic's ID: %v", p.name, part, byID)
		}
		if owner := p.g.owners[part]; owner != "" {
			p.g.t.Errorf("%s gets %v while %s has it", p.name, part, owner)
		}
		p.g.owners[part] = p.name
	}
	if len(added) > 0 {
		p.say("gets %d", len(added))
	}
}

func (p *person) Revoked(parts []Partition) {
	p.g.mu.Lock()
	takes := p.takes
	p.g.mu.Unlock()
	time.Sleep(takes)
	p.lets(parts, "gives up")
}

func (p *person) Lost(parts []Partition) { p.lets(parts, "loses") }

func (p *person) lets(parts []Partition, how string) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	for _, part := range parts {
		if p.g.owners[part] == p.name {
			delete(p.g.owners, part)
		}
	}
	if len(parts) > 0 {
		p.say("%s %d", how, len(parts))
	}
}

func (p *person) Fenced(string, error) {
	time.Sleep(p.takes)
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.say("is fenced")
}

func (p *person) Joined(id Identity, unsafe bool) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.id, p.unsafe = id, unsafe
}

func (p *person) Renewed(until time.Time) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.until = until
}

func (p *person) Heard()                          {}
func (p *person) Failed(error)                    {}
func (p *person) Topics(context.Context) []string { return p.topics }

func (p *person) Counts(_ context.Context, topics []string) (map[string]int32, error) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	counts := map[string]int32{}
	for _, t := range topics {
		if n := p.g.counts[t]; n > 0 {
			counts[t] = n
		}
	}
	return counts, nil
}

func (p *person) Names(ctx context.Context, ids []wire.ID) map[wire.ID]string {
	names := map[wire.ID]string{}
	if m, err := p.wire.MetadataOf(ctx, nil); err == nil {
		for name, t := range m.Topics {
			if slices.Contains(ids, t.ID) {
				names[t.ID] = name
			}
		}
	}
	return names
}

// has says how many partitions each member has, in order of names.
func (g *rooms) has() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := map[string]int{}
	for _, name := range g.owners {
		n[name]++
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		words = append(words, fmt.Sprintf("%s %d", name, n[name]))
	}
	return strings.Join(words, ", ")
}

// wants waits and then compares who owns how much.
func (g *rooms) wants(after time.Duration, want string) {
	g.t.Helper()
	time.Sleep(after)
	if has := g.has(); has != want {
		g.t.Errorf("%s, want %s; %s", has, want, strings.Join(g.told, "; "))
	}
}

// said returns what was noted since the last call.
func (g *rooms) said() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	told := strings.Join(g.told, "; ")
	g.told = nil
	return told
}

// A new member gets its part, the others keep the rest: nothing else is given up.
func TestWhatStaysIsNotTouched(t *testing.T) {
	byEither(t, func(g *rooms) {
		a := g.joins("a", nil)
		g.wants(5*time.Second, "a 6")
		b := g.joins("b", nil)
		g.wants(10*time.Second, "a 3, b 3")
		c := g.joins("c", nil)
		g.wants(10*time.Second, "a 2, b 2, c 2")
		if told, want := g.said(), "a gets 6; a gives up 3; b gets 3; "; !strings.HasPrefix(told, want) {
			t.Errorf("%s, want %s…", told, want)
		}
		b.leave()
		g.wants(10*time.Second, "a 3, c 3")
		if told := g.said(); strings.Contains(told, "gives up") || strings.Contains(told, "loses") {
			t.Errorf("%s, want nothing given up but by who leaves", told)
		}
		a.leave()
		c.leave()
	})
}

// A member that takes long to give up keeps its membership meanwhile, and its other partitions.
func TestADrainLongerThanTheSessionLosesNothing(t *testing.T) {
	byEither(t, func(g *rooms) {
		a := g.joins("a", func(p *person) { p.takes = 25 * time.Second })
		g.wants(5*time.Second, "a 6")
		b := g.joins("b", nil)
		g.wants(20*time.Second, "a 6")
		g.mu.Lock()
		if !a.until.After(time.Now()) {
			t.Error("others may own what is being given up")
		}
		g.mu.Unlock()
		g.wants(20*time.Second, "a 3, b 3")
		if told := g.said(); strings.Contains(told, "loses") {
			t.Error(told)
		}
		a.leave()
		b.leave()
	})
}

// A member that stops during its join does not wait for the group.
func TestAStopDoesNotWaitForAJoin(t *testing.T) {
	byEither(t, func(g *rooms) {
		a := g.joins("a", func(p *person) { p.takes = 25 * time.Second })
		g.wants(5*time.Second, "a 6")
		b := g.joins("b", nil)
		time.Sleep(5 * time.Second) // a drains for b
		c := g.joins("c", nil)
		time.Sleep(3 * time.Second)
		began := time.Now()
		c.leave()
		b.leave()
		if took := time.Since(began); took > 2*leaveTimeout {
			t.Errorf("it took %s", took)
		}
		g.wants(time.Minute, "a 6")
		a.leave()
	})
}

// However many answers say that all is lost, the owner is told once, before the loss.
func TestFencedComesBeforeLost(t *testing.T) {
	byEither(t, func(g *rooms) {
		a := g.joins("a", func(p *person) { p.takes = time.Second })
		g.wants(5*time.Second, "a 6")
		g.said()
		id := a.identity()
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() {
				time.Sleep(time.Duration(n) * 500 * time.Millisecond) // while the owner is told, and after
				a.Judge("commit", id, time.Now(), kafka.UnknownMemberId)
			})
		}
		all.Wait()
		g.wants(10*time.Second, "a 6")
		if told := g.said(); told != "a is fenced; a loses 6; a gets 6" {
			t.Error(told)
		}
		fences := map[Protocol]kafka.Error{ProtocolClassic: kafka.FencedInstanceID, ProtocolConsumer: wire.FencedMemberEpoch}
		a.Judge("commit", a.identity(), time.Now(), fences[g.speaks])
		g.wants(10*time.Second, "a 6")
		if told := g.said(); told != "a is fenced; a loses 6; a gets 6" {
			t.Errorf("a second time: %s", told)
		}
		a.leave()
	})
}

// A refusal of an ID that the member no longer has takes nothing from it, however late it is judged.
func TestARefusalOfAnEarlierIDTakesNothing(t *testing.T) {
	g := &rooms{}
	b := newBond(Config{Owner: &person{g: g, name: "a"}})
	b.id, b.known = Identity{"new", 1}, true
	if b.fence("commit", "old", kafka.UnknownMemberId) || b.lost != nil || g.said() != "" {
		t.Errorf("all is lost: %v", b.lost)
	}
	if !b.fence("commit", "new", kafka.UnknownMemberId) || b.lost == nil || g.said() != "a is fenced" {
		t.Error("a refusal of its own ID says nothing")
	}
}
