package simulation

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// The embedded Kafka's coordinator is not Kafka's in three ways that matter here: a
// member whose connection broke before the answer to its join never expires; each
// join begins the rebalance's time anew, so that members which give up and come
// back can keep a rebalance from ever ending; and a member that is removed while
// it waits in SyncGroup, whose leader is away, is counted out of those that have
// joined, so that from then on a rebalance wants more joins than there are
// members. What Kafka's own coordinator would do is done by a keeper beside it: it
// makes members leave, all of them where a rebalance has taken twice its time.

// heard notes a sign of life.
func (o *observer) heard(member string) {
	if member == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lives[member] = time.Now()
}

// keep makes members leave whose session or whose time to join again is over,
// until the context ends.
func (s *simulation) keep(ctx context.Context) {
	var since time.Time         // when the rebalance under way was seen first
	before := map[string]bool{} // who was a member then
	generation := int32(-1)     // and in which generation
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		g := s.cluster.Load().GroupInfo(apptest.Group)
		if g == nil {
			continue
		}
		rebalancing := g.State == "PreparingRebalance"
		if !rebalancing || g.Epoch != generation {
			since, generation = time.Now(), g.Epoch
			clear(before)
			for _, m := range g.Members {
				before[m.MemberID] = true
			}
		}
		s.observer.mu.Lock()
		var over []string
		for _, m := range g.Members {
			heard, ever := s.observer.lives[m.MemberID]
			switch {
			case !ever:
				s.observer.lives[m.MemberID] = time.Now()
			case rebalancing && before[m.MemberID] && time.Since(since) > rebalanceTime && heard.Before(since),
				rebalancing && time.Since(since) > 2*rebalanceTime:
				over = append(over, m.MemberID)
			case g.State == "Stable" && time.Since(heard) > sessionTime+time.Second:
				over = append(over, m.MemberID)
			}
		}
		s.observer.mu.Unlock()
		for _, member := range over {
			s.expire(ctx, member)
		}
	}
}

func (s *simulation) expire(ctx context.Context, member string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = apptest.Group, member
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = member
	req.Members = append(req.Members, m)
	if _, err := s.kafka.Load().Request(ctx, req); err == nil {
		s.observer.tell("the coordinator forgets %s", brief(member))
	}
}
