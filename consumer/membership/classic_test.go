package membership

import (
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
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/memnet"
	"release-forwarder/consumer/wire"
)

// rooms is a group at a broker in virtual time, and who owns what in it: two at once is an error, as is
// a partition that is taken from its owner before that one has given it up.
type rooms struct {
	t       *testing.T
	net     *memnet.Net
	cluster *kfake.Cluster
	counts  map[string]int32

	mu     sync.Mutex
	owners map[Partition]string
	told   []string
}

func inGroup(t *testing.T, test func(g *rooms)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &rooms{t: t, net: &memnet.Net{}, owners: map[Partition]string{}, counts: map[string]int32{"events": 6, "replays": 2}}
		var err error
		if g.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(g.net.Listen), kfake.SeedTopics(6, "events"), kfake.SeedTopics(2, "replays")); err != nil {
			t.Fatal(err)
		}
		defer g.cluster.Close()
		test(g)
	})
}

// person is a member and what it does when partitions are taken back.
type person struct {
	*Classic
	g      *rooms
	name   string
	takes  time.Duration // to give partitions up
	topics []string

	leave  context.CancelFunc
	left   chan struct{}
	until  time.Time // others own nothing of this one's before
	unsafe bool
}

func (g *rooms) joins(name string, change func(*person)) *person {
	p := &person{g: g, name: name, left: make(chan struct{}), topics: []string{"events"}}
	if change != nil {
		change(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := wire.New(ctx, wire.Config{Brokers: g.cluster.ListenAddrs(), ClientID: name, Topics: p.topics, Dial: g.net.Dial})
	p.Classic = NewClassic(Config{
		Group: "group", Wire: w, Owner: p, Log: slog.New(slog.DiscardHandler), WatchInterval: 5 * time.Second,
		SessionTimeout: 10 * time.Second, HeartbeatInterval: time.Second, RebalanceTimeout: 30 * time.Second,
	})
	joining, leave := context.WithCancel(context.Background())
	p.leave = func() { leave(); <-p.left }
	go func() {
		p.Run(joining)
		w.Close()
		cancel()
		p.lets(slices.Clone(p.owned), "left with")
		close(p.left)
	}()
	return p
}

func (p *person) say(format string, args ...any) {
	p.g.told = append(p.g.told, fmt.Sprintf("%s ", p.name)+fmt.Sprintf(format, args...))
}

// Assigned implements Owner, as the methods below.
func (p *person) Assigned(_ Identity, added []Partition) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.unsafe = false
	for _, part := range added {
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
	time.Sleep(p.takes)
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

func (p *person) Joined(_ Identity, unsafe bool) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.unsafe = unsafe
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

// has is how many partitions each one has, in order of names.
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

// wants waits and holds who owns how much to it.
func (g *rooms) wants(after time.Duration, want string) {
	g.t.Helper()
	time.Sleep(after)
	if has := g.has(); has != want {
		g.t.Errorf("%s, want %s; %s", has, want, strings.Join(g.told, "; "))
	}
}

// said takes what was told since.
func (g *rooms) said() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	told := strings.Join(g.told, "; ")
	g.told = nil
	return told
}

// Who joins gets its part, who stays keeps the rest: nothing else is ever given up.
func TestWhatStaysIsNotTouched(t *testing.T) {
	inGroup(t, func(g *rooms) {
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

// Who takes long to give up keeps its membership meanwhile, and what it keeps.
func TestADrainLongerThanTheSessionLosesNothing(t *testing.T) {
	inGroup(t, func(g *rooms) {
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

// Who stops while its join is under way does not wait for the group.
func TestAStopDoesNotWaitForAJoin(t *testing.T) {
	inGroup(t, func(g *rooms) {
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

// A member that knows only range: the group is eager for as long as it is there. With one of ours as
// the leader nothing has two owners on the way there and back.
func TestAMemberThatKnowsOnlyRange(t *testing.T) {
	inGroup(t, func(g *rooms) {
		slow := func(p *person) { p.takes = 3 * time.Second }
		a, b := g.joins("a", slow), g.joins("b", slow)
		g.wants(20*time.Second, "a 3, b 3")
		g.said()
		var mu sync.Mutex
		owned := map[int32]bool{}
		note := func(gets bool) func(context.Context, *kgo.Client, map[string][]int32) {
			return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
				mu.Lock()
				defer mu.Unlock()
				for _, n := range parts["events"] {
					g.mu.Lock()
					if owner := g.owners[Partition{"events", n}]; gets && owner != "" {
						t.Errorf("the other gets %d while %s has it", n, owner)
					}
					g.mu.Unlock()
					owned[n] = gets
				}
			}
		}
		old, err := kgo.NewClient(kgo.SeedBrokers(g.cluster.ListenAddrs()...), kgo.Dialer(g.net.Dial), kgo.ConsumerGroup("group"), kgo.ConsumeTopics("events"),
			kgo.Balancers(kgo.RangeBalancer()), kgo.DisableAutoCommit(), kgo.OnPartitionsAssigned(note(true)), kgo.OnPartitionsRevoked(note(false)), kgo.OnPartitionsLost(note(false)),
			kgo.HeartbeatInterval(time.Second), kgo.SessionTimeout(10*time.Second), kgo.RebalanceTimeout(30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		g.wants(20*time.Second, "a 2, b 2")
		if told := g.said(); strings.Contains(told, "loses") {
			t.Error(told)
		}
		b.leave() // what it had moves, in a generation that is eager as the one before was
		g.wants(20*time.Second, "a 3")
		if told := g.said(); strings.Count(told, "a gives up") != 1 {
			t.Errorf("%s: heartbeats of the drain made another rebalance", told)
		}
		b = g.joins("b", slow)
		g.wants(20*time.Second, "a 2, b 2")
		old.Close()
		g.wants(20*time.Second, "a 3, b 3")
		g.said()
		c := g.joins("c", nil)
		g.wants(20*time.Second, "a 2, b 2, c 2")
		if told := g.said(); strings.Count(told, "gives up") != 2 {
			t.Errorf("%s: not cooperative again", told)
		}
		a.leave()
		b.leave()
		c.leave()
	})
}

// A member as this service had before, which leads: it reads no more of a subscription than the first
// version's, and assigns by range. Its group works, and is cooperative once it is gone.
func TestALeaderOfTheVersionBefore(t *testing.T) {
	inGroup(t, func(g *rooms) {
		old, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
			ID: "group", Brokers: g.cluster.ListenAddrs(), Topics: []string{"events"}, Dialer: &kafka.Dialer{DialFunc: g.net.Dial, Timeout: 5 * time.Second},
			GroupBalancers: []kafka.GroupBalancer{kafka.RangeGroupBalancer{}, kafka.RoundRobinGroupBalancer{}}, StartOffset: kafka.FirstOffset,
			HeartbeatInterval: time.Second, SessionTimeout: 10 * time.Second, RebalanceTimeout: 30 * time.Second, JoinGroupBackoff: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		owned := 0
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				gen, err := old.Next(ctx)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("the member of the version before: %v", err)
					continue
				}
				mu.Lock()
				owned = len(gen.Assignments["events"])
				mu.Unlock()
				gen.Start(func(ctx context.Context) { <-ctx.Done() })
			}
		}()
		time.Sleep(5 * time.Second)
		a := g.joins("a", nil)
		g.wants(10*time.Second, "a 3")
		b := g.joins("b", nil)
		g.wants(10*time.Second, "a 2, b 2")
		mu.Lock()
		if owned != 2 {
			t.Errorf("the other has %d, want 2", owned)
		}
		mu.Unlock()
		stop()
		<-ended
		_ = old.Close()
		g.wants(20*time.Second, "a 3, b 3")
		g.said()
		c := g.joins("c", nil)
		g.wants(20*time.Second, "a 2, b 2, c 2")
		if told := g.said(); strings.Count(told, "gives up") != 2 {
			t.Errorf("%s: not cooperative", told)
		}
		for _, p := range []*person{a, b, c} {
			p.leave()
		}
	})
}

// A topic that nobody knows is its subscribers' trouble, and other settings make no rebalances.
func TestMembersMayReadOtherTopics(t *testing.T) {
	inGroup(t, func(g *rooms) {
		a := g.joins("a", nil)
		b := g.joins("b", func(p *person) { p.topics = []string{"events", "replays"} })
		c := g.joins("c", func(p *person) { p.topics = []string{"missing"} })
		g.wants(30*time.Second, "a 4, b 4")
		joins := 0
		g.cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
			g.cluster.KeepControl()
			joins++
			return nil, nil, false
		})
		time.Sleep(time.Minute)
		if joins > 0 {
			t.Errorf("%d joins in a minute in which nothing changes", joins)
		}
		g.mu.Lock()
		g.counts["missing"] = 1
		g.mu.Unlock()
		g.wants(20*time.Second, "a 4, b 4, c 1")
		for _, p := range []*person{a, b, c} {
			p.leave()
		}
	})
}

// What an answer says of the membership, by when it was sent.
func TestWhatAnAnswerMeans(t *testing.T) {
	const nothing, again, lost = "nothing", "joins again", "all is lost"
	now, before, another := Identity{"m", 5}, Identity{"m", 4}, Identity{"other", 5}
	for _, c := range []struct {
		err     error
		sentAs  Identity
		joining bool
		want    string
	}{
		{nil, now, false, nothing},
		{kerr.RebalanceInProgress, now, false, again}, {kerr.RebalanceInProgress, now, true, nothing}, {kerr.RebalanceInProgress, before, false, nothing},
		{kerr.IllegalGeneration, now, false, lost}, {kerr.IllegalGeneration, now, true, nothing}, {kerr.IllegalGeneration, before, false, nothing},
		{kerr.UnknownMemberID, now, false, lost}, {kerr.UnknownMemberID, now, true, lost}, {kerr.UnknownMemberID, before, false, lost},
		{kerr.UnknownMemberID, another, false, nothing},
		{kerr.FencedInstanceID, now, false, lost},
		{kerr.CoordinatorLoadInProgress, now, false, nothing}, {context.DeadlineExceeded, now, false, nothing},
	} {
		m := NewClassic(Config{Owner: &person{g: &rooms{}}, SessionTimeout: time.Second, RebalanceTimeout: time.Second})
		m.id, m.known, m.joining = now, true, c.joining
		err := c.err
		if k, is := err.(*kerr.Error); is { //nolint:errorlint // as it stands in the table
			err = m.ofGroup(k.Code)
		}
		m.Judge(heartbeats, c.sentAs, time.Now(), err)
		got := nothing
		switch {
		case m.lost != nil:
			got = lost
		case m.again:
			got = again
		}
		if got != c.want {
			t.Errorf("%v, sent as %v, joining %v: %s, want %s", c.err, c.sentAs, c.joining, got, c.want)
		}
	}
}

// However many answers say that all is lost, the owner is told once, and before it is taken from it.
func TestFencedComesBeforeLost(t *testing.T) {
	inGroup(t, func(g *rooms) {
		a := g.joins("a", func(p *person) { p.takes = time.Second })
		g.wants(5*time.Second, "a 6")
		g.said()
		id := a.identity()
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() {
				time.Sleep(time.Duration(n) * 500 * time.Millisecond) // while it is told, and when it was
				a.Judge("commit", id, time.Now(), kafka.UnknownMemberId)
			})
		}
		all.Wait()
		g.wants(10*time.Second, "a 6")
		if told := g.said(); told != "a is fenced; a loses 6; a gets 6" {
			t.Error(told)
		}
		a.Judge("commit", a.identity(), time.Now(), kafka.IllegalGeneration)
		g.wants(10*time.Second, "a 6")
		if told := g.said(); told != "a is fenced; a loses 6; a gets 6" {
			t.Errorf("a second time: %s", told)
		}
		a.leave()
	})
}

// A rebalance in which the member could not join ends its ownership, whatever its heartbeats say.
func TestOwnershipEndsWithTheRebalance(t *testing.T) {
	inGroup(t, func(g *rooms) {
		a := g.joins("a", nil)
		g.wants(5*time.Second, "a 6")
		g.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.NotCoordinator, TopLevel: true, Count: -1})
		g.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress, TopLevel: true, Count: -1})
		began := time.Now()
		time.Sleep(40 * time.Second)
		g.mu.Lock()
		if a.until.After(began.Add(30 * time.Second)) {
			t.Errorf("it trusts in its ownership for %s, the rebalance time-out is 30s", a.until.Sub(began))
		}
		g.mu.Unlock()
		a.leave()
	})
}
