package membership

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/testkit/memnet"
)

// A member offers only range: the group is eager while it is there. With a leader of this service nothing has
// two owners, neither when it comes nor when it leaves.
func TestAMemberThatKnowsOnlyRange(t *testing.T) {
	inGroup(t, ProtocolClassic, func(g *rooms) {
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
		b.leave() // its partitions move, in an eager generation that follows an eager one
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

// The leader is a member of the version before: it reads only the first version of a subscription, and assigns
// by range. The group works, and is cooperative once that member is gone.
func TestALeaderOfTheVersionBefore(t *testing.T) {
	inGroup(t, ProtocolClassic, func(g *rooms) {
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

// An unknown topic affects its subscribers alone, and different subscriptions cause no rebalances.
func TestMembersMayReadOtherTopics(t *testing.T) {
	inGroup(t, ProtocolClassic, func(g *rooms) {
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

// While a member gives partitions up its generation stops being the group's. It joins at once: otherwise it
// could commit nothing.
func TestAGenerationThatIsNotTheGroupsInADrain(t *testing.T) {
	inGroup(t, ProtocolClassic, func(g *rooms) {
		a := g.joins("a", func(p *person) { p.takes = 20 * time.Second })
		g.wants(5*time.Second, "a 6")
		b := g.joins("b", nil)
		time.Sleep(5 * time.Second) // a drains for b
		before := a.identity()
		g.cluster.ControlKey(int16(kmsg.Heartbeat), func(r kmsg.Request) (kmsg.Response, error, bool) {
			g.cluster.KeepControl()
			if req := r.(*kmsg.HeartbeatRequest); req.MemberID == before.Member && req.Generation == before.Generation {
				res := req.ResponseKind().(*kmsg.HeartbeatResponse)
				res.ErrorCode = kerr.IllegalGeneration.Code
				return res, nil, true
			}
			return nil, nil, false
		})
		g.wants(8*time.Second, "a 6")
		if now := a.identity(); now.Member != before.Member || now.Generation <= before.Generation {
			t.Errorf("%v is still %v", before, now)
		}
		g.wants(30*time.Second, "a 3, b 3")
		if told := g.said(); strings.Contains(told, "loses") || strings.Contains(told, "fenced") {
			t.Error(told)
		}
		a.leave()
		b.leave()
	})
}

// A coordinator dies silently during a join. The join ends when a heartbeat has no answer, not when the
// rebalance time-out is over, so that the next join is in time.
func TestAJoinAtACoordinatorThatHasDied(t *testing.T) {
	inGroup(t, ProtocolClassic, func(g *rooms) {
		link := g.net.NewLink(1)
		a := g.joins("a", func(p *person) {
			p.dial, p.sits = link.Dial, 30*time.Second
			p.takes = time.Second // b hears of its drain before a joins again
		})
		b := g.joins("b", func(p *person) { p.takes = 25 * time.Second })
		g.wants(40*time.Second, "a 3, b 3")
		c := g.joins("c", nil)
		g.wants(10*time.Second, "a 2, b 3") // a has joined again, b drains
		link.Set(func(string) memnet.Condition { return memnet.Condition{LoseRequests: true, LoseAnswers: true} })
		time.Sleep(12 * time.Second) // a heartbeat's time is over
		link.Set(nil)                // open connections stay dead
		before := a.identity()
		g.wants(13*time.Second, "a 2, b 2, c 2")
		if now := a.identity(); now.Member != before.Member {
			t.Errorf("%v has become %v", before, now)
		}
		for _, p := range []*person{a, b, c} {
			p.leave()
		}
	})
}

// What an answer says of the membership, by when the request was sent.
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
		{kerr.IllegalGeneration, now, false, again}, {kerr.IllegalGeneration, now, true, nothing}, {kerr.IllegalGeneration, before, false, nothing},
		{kerr.UnknownMemberID, now, false, lost}, {kerr.UnknownMemberID, now, true, lost}, {kerr.UnknownMemberID, before, false, lost},
		{kerr.UnknownMemberID, another, false, nothing},
		{kerr.FencedInstanceID, now, false, lost},
		{kerr.CoordinatorLoadInProgress, now, false, nothing}, {context.DeadlineExceeded, now, false, nothing},
	} {
		m := newClassic(Config{Owner: &person{g: &rooms{}}, SessionTimeout: time.Second, RebalanceTimeout: time.Second})
		m.id, m.known, m.joining = now, true, c.joining
		err := c.err
		if k, is := err.(*kerr.Error); is { //nolint:errorlint // as it stands in the table
			err = m.ofGroup(k.Code, nil)
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

// A rebalance that the member could not join ends its ownership, even if its heartbeats are answered.
func TestOwnershipEndsWithTheRebalance(t *testing.T) {
	inGroup(t, ProtocolClassic, func(g *rooms) {
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
