package membership

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
)

// watchHeartbeats calls see with each heartbeat of the consumer protocol. What see returns is the answer; nil:
// the cluster answers.
func (g *rooms) watchHeartbeats(see func(*kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response) {
	g.cluster.ControlKey(int16(kmsg.ConsumerGroupHeartbeat), func(r kmsg.Request) (kmsg.Response, error, bool) {
		g.cluster.KeepControl()
		if answer := see(r.(*kmsg.ConsumerGroupHeartbeatRequest)); answer != nil {
			return answer, nil, true
		}
		return nil, nil, false
	})
}

// A release is reported at once, by one heartbeat of its own, and not before.
func TestAReleaseIsToldAtOnce(t *testing.T) {
	inGroup(t, ProtocolConsumer, func(g *rooms) {
		a := g.joins("a", func(p *person) { p.takes = 2 * time.Second })
		g.wants(7*time.Second, "a 6")
		var mu sync.Mutex
		var released time.Time
		g.watchHeartbeats(func(req *kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response {
			n := 0
			for _, topic := range req.Topics {
				n += len(topic.Partitions)
			}
			mu.Lock()
			defer mu.Unlock()
			if strings.HasPrefix(req.MemberID, "a-") && req.Topics != nil && n == 3 && released.IsZero() {
				released = time.Now()
				if has := len(a.has()); has != 3 {
					t.Errorf("told as released while a has %d", has)
				}
			}
			return nil
		})
		b := g.joins("b", nil)
		for len(a.has()) == 6 {
			time.Sleep(time.Millisecond)
		}
		gaveUp := time.Now()
		time.Sleep(time.Second)
		mu.Lock()
		if released.IsZero() || released.Sub(gaveUp) > 10*time.Millisecond {
			t.Errorf("given up at %s, told at %s", gaveUp, released)
		}
		mu.Unlock()
		g.wants(10*time.Second, "a 3, b 3")
		a.leave()
		b.leave()
	})
}

// A member whose answers are lost reports all again, and neither loses nor misses a partition.
func TestLostAnswersOfHeartbeats(t *testing.T) {
	for every := range 4 {
		inGroup(t, ProtocolConsumer, func(g *rooms) {
			n := 0
			g.cluster.ControlKey(int16(kmsg.ConsumerGroupHeartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
				g.cluster.KeepControl()
				if n++; n%(every+2) == 0 {
					return nil, fmt.Errorf("the connection breaks"), true
				}
				return nil, nil, false
			})
			a := g.joins("a", nil)
			g.wants(10*time.Second, "a 6")
			b, c := g.joins("b", nil), g.joins("c", nil)
			g.wants(30*time.Second, "a 2, b 2, c 2")
			b.leave()
			g.wants(30*time.Second, "a 3, c 3")
			if told := g.said(); strings.Contains(told, "loses") || strings.Contains(told, "fenced") {
				t.Errorf("1 of %d lost: %s", every+2, told)
			}
			a.leave()
			c.leave()
		})
	}
}

// The partitions of a topic that is deleted and recreated are given up. They begin as others when the new ID
// is known.
func TestARecreatedTopicIsAnotherAssignment(t *testing.T) {
	inGroup(t, ProtocolConsumer, func(g *rooms) {
		a := g.joins("a", nil)
		g.wants(7*time.Second, "a 6")
		g.said()
		req := kmsg.NewPtrDeleteTopicsRequest()
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.Topic = kmsg.StringPtr("events")
		req.TopicNames, req.Topics = []string{"events"}, append(req.Topics, topic)
		if _, err := a.wire.Send(context.Background(), wire.Any, req); err != nil {
			t.Fatal(err)
		}
		create := kmsg.NewPtrCreateTopicsRequest()
		recreated := kmsg.NewCreateTopicsRequestTopic()
		recreated.Topic, recreated.NumPartitions, recreated.ReplicationFactor = "events", 4, 1
		create.Topics = append(create.Topics, recreated)
		if _, err := a.wire.Send(context.Background(), wire.Any, create); err != nil {
			t.Fatal(err)
		}
		g.wants(30*time.Second, "a 4")
		if told := g.said(); told != "a gives up 6; a gets 4" {
			t.Error(told)
		}
		a.leave()
	})
}

// A topic that this user may no longer describe does not end the membership.
func TestATopicThatMayNotBeNamed(t *testing.T) {
	inGroup(t, ProtocolConsumer, func(g *rooms) {
		a := g.joins("a", nil)
		g.wants(7*time.Second, "a 6")
		g.said()
		named := 0
		g.watchHeartbeats(func(req *kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response {
			if req.SubscribedTopicNames == nil {
				return nil
			}
			named++
			res := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
			res.ErrorCode = kerr.TopicAuthorizationFailed.Code
			return res
		})
		g.mu.Lock()
		a.topics = []string{"events", "replays"}
		g.mu.Unlock()
		a.Rejoin()
		g.wants(2*time.Minute, "a 6")
		g.mu.Lock()
		if named < 5 || !a.until.After(time.Now()) {
			t.Errorf("named %d times, its own until %s", named, a.until)
		}
		g.mu.Unlock()
		if told := g.said(); told != "" {
			t.Error(told)
		}
		a.leave()
	})
}

// What an answer says of the membership, by the epoch of the request.
func TestWhatAnAnswerMeansByEpoch(t *testing.T) {
	const nothing, beats, lost = "nothing", "a heartbeat", "all is lost"
	now, before, another := Identity{"m", 5}, Identity{"m", 4}, Identity{"other", 5}
	for _, c := range []struct {
		err    error
		sentAs Identity
		want   string
	}{
		{nil, now, nothing},
		{wire.StaleMemberEpoch, now, beats}, {wire.StaleMemberEpoch, before, nothing}, {kafka.IllegalGeneration, now, beats},
		{wire.FencedMemberEpoch, now, lost}, {wire.FencedMemberEpoch, before, lost}, {wire.FencedMemberEpoch, another, nothing},
		{kafka.UnknownMemberId, now, lost}, {kafka.UnknownMemberId, before, lost}, {kafka.UnknownMemberId, another, nothing},
		{kafka.GroupLoadInProgress, now, nothing}, {context.DeadlineExceeded, now, nothing},
	} {
		m := newConsumer(Config{Owner: &person{g: &rooms{}}, SessionTimeout: time.Second, RebalanceTimeout: time.Second})
		m.id, m.known = now, true
		m.Judge("commit", c.sentAs, time.Now(), c.err)
		got := nothing
		switch {
		case m.lost != nil:
			got = lost
		case len(m.due) > 0:
			got = beats
		}
		if got != c.want {
			t.Errorf("%v, sent as %v: %s, want %s", c.err, c.sentAs, got, c.want)
		}
	}
}

// The coordinator removes a member that does not give partitions up when asked, even if it sends heartbeats:
// its lease ends no later.
func TestOwnershipEndsWithARevocationThatIsNotDone(t *testing.T) {
	inGroup(t, ProtocolConsumer, func(g *rooms) {
		a := g.joins("a", func(p *person) { p.takes = time.Minute })
		g.wants(7*time.Second, "a 6")
		began := time.Now()
		b := g.joins("b", nil)
		time.Sleep(40 * time.Second)
		g.mu.Lock()
		if a.until.After(began.Add(36 * time.Second)) { // the rebalance time-out, and a heartbeat's interval
			t.Errorf("it trusts in its ownership for %s", a.until.Sub(began))
		}
		g.mu.Unlock()
		a.leave()
		b.leave()
	})
}

// coordinator answers heartbeats with the test's answers in turn; the last one is repeated.
type coordinator struct {
	mu      sync.Mutex
	answers []kmsg.ConsumerGroupHeartbeatResponse
	asked   []*kmsg.ConsumerGroupHeartbeatRequest
	takes   func(n int) time.Duration
}

func (c *coordinator) ForgetCoordinator(string) {}

func (c *coordinator) SendToCoordinator(_ context.Context, _ string, r kmsg.Request) (kmsg.Response, error) {
	req := r.(*kmsg.ConsumerGroupHeartbeatRequest)
	c.mu.Lock()
	c.asked = append(c.asked, req)
	n := len(c.asked)
	res := c.answers[min(n, len(c.answers))-1]
	c.mu.Unlock()
	if c.takes != nil {
		time.Sleep(c.takes(n))
	}
	res.Version = consumerVersion
	return &res, nil
}

// says is an answer with an assignment: partition 0 of each topic.
func says(epoch int32, topics ...wire.ID) (res kmsg.ConsumerGroupHeartbeatResponse) {
	res.MemberEpoch, res.HeartbeatIntervalMillis = epoch, 1000
	a := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
	for _, id := range topics {
		a.Topics = append(a.Topics, kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{TopicID: id, Partitions: []int32{0}})
	}
	res.Assignment = &a
	return res
}

// namer is a person for whom the test names the topics.
type namer struct {
	*person
	names func(wire.ID) string
}

func (n *namer) Names(_ context.Context, ids []wire.ID) map[wire.ID]string {
	names := map[wire.ID]string{}
	for _, id := range ids {
		if name := n.names(id); name != "" {
			names[id] = name
		}
	}
	return names
}

// withCoordinator runs a member against the test's coordinator while test runs.
func withCoordinator(t *testing.T, c *coordinator, names func(wire.ID) string, test func(*consumer, *person)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &person{g: &rooms{t: t, owners: map[Partition]string{}}, name: "a", topics: []string{"events"}}
		m := newConsumer(Config{
			Group: "group", Wire: c, Owner: &namer{p, names}, Log: slog.New(slog.DiscardHandler),
			SessionTimeout: 30 * time.Second, HeartbeatInterval: time.Second, RebalanceTimeout: time.Minute,
		})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { m.Run(ctx); close(ended) }()
		test(m, p)
		stop()
		<-ended
	})
}

// One answer takes a topic's partition away and assigns that of the recreated topic of the same name.
func TestOneAnswerWithARecreatedTopic(t *testing.T) {
	c := &coordinator{answers: []kmsg.ConsumerGroupHeartbeatResponse{says(1, wire.ID{1}), says(2, wire.ID{2})}}
	withCoordinator(t, c, func(wire.ID) string { return "events" }, func(_ *consumer, p *person) {
		p.g.mu.Lock()
		p.takes = 2 * time.Second
		p.g.mu.Unlock()
		time.Sleep(10 * time.Second)
		if told := p.g.said(); told != "a gets 1; a gives up 1; a gets 1" {
			t.Error(told)
		}
	})
}

// A partition whose topic has no name yet is neither owned nor reported as owned.
func TestATopicWhoseNameIsNotKnownYet(t *testing.T) {
	c := &coordinator{answers: []kmsg.ConsumerGroupHeartbeatResponse{says(1, wire.ID{1}, wire.ID{2})}}
	var known atomic.Bool
	name := func(id wire.ID) string {
		if id == (wire.ID{1}) {
			return "events"
		}
		if known.Load() {
			return "replays"
		}
		return ""
	}
	withCoordinator(t, c, name, func(m *consumer, p *person) {
		time.Sleep(10 * time.Second)
		told := p.g.said()
		c.mu.Lock()
		for _, req := range c.asked {
			if len(req.Topics) > 1 {
				t.Errorf("it says that it owns %v", req.Topics)
			}
		}
		c.mu.Unlock()
		known.Store(true)
		time.Sleep(5 * time.Second)
		if told += "; " + p.g.said(); told != "a gets 1; a gets 1" {
			t.Error(told)
		}
		if last := m.told.owned; len(last) != 2 {
			t.Errorf("it has said that it owns %v", last)
		}
	})
}

// A partition that had no name is released like any other when it is taken away: the coordinator waits for it.
func TestAReleaseOfWhatWasNeverNamed(t *testing.T) {
	c := &coordinator{answers: []kmsg.ConsumerGroupHeartbeatResponse{says(1, wire.ID{1}), says(1, wire.ID{1}), says(1), {MemberEpoch: 1, HeartbeatIntervalMillis: 1000}}}
	withCoordinator(t, c, func(wire.ID) string { return "" }, func(*consumer, *person) {
		time.Sleep(10 * time.Second)
		c.mu.Lock()
		defer c.mu.Unlock()
		if after := c.asked[3]; after.Topics == nil || len(after.Topics) > 0 {
			t.Errorf("the heartbeat after it says %v", after.Topics)
		}
	})
}

// An answer to an earlier identity does not count.
func TestAnAnswerThatComesWhenAllIsLost(t *testing.T) {
	c := &coordinator{
		answers: []kmsg.ConsumerGroupHeartbeatResponse{says(1, wire.ID{1}), says(7, wire.ID{1}), says(1)},
		takes: func(n int) time.Duration {
			if n == 2 {
				return 3 * time.Second
			}
			return 0
		},
	}
	withCoordinator(t, c, func(wire.ID) string { return "events" }, func(m *consumer, p *person) {
		time.Sleep(2 * time.Second) // the second heartbeat is under way
		m.Judge("commit", m.identity(), time.Now(), kafka.UnknownMemberId)
		time.Sleep(10 * time.Second)
		if told := p.g.said(); told != "a gets 1; a is fenced; a loses 1" {
			t.Error(told)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		before := c.asked[1].MemberID
		for _, req := range c.asked[2:] {
			if req.MemberEpoch > 1 || req.MemberEpoch != leaves && req.MemberID == before {
				t.Errorf("it goes on as %s of epoch %d", req.MemberID, req.MemberEpoch)
			}
		}
	})
}
