package membership

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
)

// described describes the group as another program would.
func (g *rooms) described() (Group, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := wire.New(ctx, wire.Config{Brokers: g.cluster.ListenAddrs(), ClientID: "observer", Topics: []string{"events", "replays"}, Dial: g.net.Dial})
	defer w.Close()
	return Describe(ctx, w, "group")
}

// other is a member that is another program.
func (g *rooms) other(opts ...kgo.Opt) (leave func()) {
	g.t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(g.cluster.ListenAddrs()...), kgo.Dialer(g.net.Dial), kgo.ConsumerGroup("group"), kgo.ClientID("billing"),
	}, opts...)...)
	if err != nil {
		g.t.Fatal(err)
	}
	return c.Close
}

func TestAGroupAsItsCoordinatorTells(t *testing.T) {
	for _, c := range []struct {
		name    string
		gathers func(g *rooms) (end func())
		want    string // the sentence
		unowned int    // of 6 + 2
		untold  bool
	}{
		{"none", func(*rooms) func() { return func() {} }, "no such group", 8, false},
		{"two of this service", func(g *rooms) func() {
			a, b := g.joins("a", both), g.joins("b", both)
			return func() { a.leave(); b.leave() }
		}, "type classic, Stable, protocol cooperative-sticky, members: a at 127.0.0.1:", 0, false},
		{"one topic has no reader", func(g *rooms) func() { return g.joins("a", nil).leave },
			"type classic, Stable, protocol cooperative-sticky, members: a at 127.0.0.1:", 2, false},
		{"empty", func(g *rooms) func() {
			a := g.joins("a", nil)
			time.Sleep(time.Minute)
			a.leave()
			return func() {}
		}, "type classic, Empty, no members", 8, false},
		{"one that knows range alone", func(g *rooms) func() {
			a, leave := g.joins("a", both), g.other(kgo.ConsumeTopics("events"), kgo.Balancers(kgo.RangeBalancer()))
			return func() { a.leave(); leave() }
		}, "type classic, Stable, protocol range, members: a at 127.0.0.1:", 0, false},
		{"of the new type", func(g *rooms) func() {
			return g.other(kgo.ConsumeTopics("events"), kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
		},
			"type consumer, Stable, protocol uniform, members: billing at 127.0.0.1:", 2, false},
		{"a rebalance that does not end", func(g *rooms) func() {
			g.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SyncGroup}, Err: kerr.RebalanceInProgress, TopLevel: true, Count: -1})
			return g.joins("a", both).leave
		}, "type classic, CompletingRebalance, members: a at 127.0.0.1:", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inGroup(t, ProtocolClassic, func(g *rooms) {
				defer c.gathers(g)()
				time.Sleep(time.Minute)
				group, err := g.described()
				if err != nil {
					t.Fatal(err)
				}
				if s := group.String(); !strings.HasPrefix(s, c.want) {
					t.Errorf("%q does not begin with %q", s, c.want)
				}
				parts, told := group.Unowned(map[string]int{"events": 6, "replays": 2})
				if len(parts) != c.unowned || told == c.untold {
					t.Errorf("without an owner: %v, told %v", parts, told)
				}
			})
		})
	}
}

func both(p *person) { p.topics = []string{"events", "replays"} }

// The members' subscriptions show which one keeps a generation eager.
func TestWhoKnowsNothingBetterIsSeen(t *testing.T) {
	inGroup(t, ProtocolClassic, func(g *rooms) {
		a, leave := g.joins("a", nil), g.other(kgo.ConsumeTopics("events"), kgo.Balancers(kgo.RangeBalancer()))
		defer a.leave()
		defer leave()
		time.Sleep(time.Minute)
		group, err := g.described()
		if err != nil || len(group.Members) != 2 {
			t.Fatal(err, group)
		}
		for _, m := range group.Members {
			if m.Eager != (m.Client == "billing") || !slices.Equal(m.Topics, []string{"events"}) || len(m.Owned) != 3 {
				t.Errorf("%+v", m)
			}
		}
	})
}

// A group that cannot be seen is an error, not a group without members.
func TestAGroupThatCannotBeSeenIsAnError(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.ConsumerGroupDescribe, kmsg.DescribeGroups, kmsg.ListGroups} {
		for _, err := range []*kerr.Error{kerr.GroupAuthorizationFailed, kerr.NotCoordinator} {
			inGroup(t, ProtocolClassic, func(g *rooms) {
				g.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, TopLevel: key == kmsg.ListGroups, Count: -1})
				if got, e := g.described(); !errors.Is(e, kafka.Error(err.Code)) {
					t.Errorf("%s %s: %v, %v", kmsg.NameForKey(int16(key)), err.Message, got, e)
				}
			})
		}
	}
}

// What other programs say of themselves does no harm in a log or on a page.
func TestAMembersOwnWordsAreSanitized(t *testing.T) {
	g := Group{Type: ProtocolClassic, State: groupStable, Kind: consumerType, Protocol: "range", Members: []GroupMember{
		{Client: "a\n<b>" + strings.Repeat("x", 100), Host: "::1"},
		{Client: "c", Host: "1"}, {Client: "d", Host: "1"}, {Client: "d", Host: "1"}, {Client: "e", Host: "1"}, {Client: "f", Host: "1"}, {Client: "g", Host: "1"},
	}}
	want := "type classic, Stable, protocol range, members: a??b?" + strings.Repeat("x", 59) + " at ::1, c at 1, 2 × d at 1, e at 1, f at 1, and 1 more"
	if got := g.String(); got != want {
		t.Errorf("%q\n%q", got, want)
	}
}
