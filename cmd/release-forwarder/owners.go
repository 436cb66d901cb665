package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/events"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/wire"
)

const (
	// ownersTurn is how often the group's coordinator is asked who owns what.
	ownersTurn = 20 * time.Second
	// ownersPatience is how long a partition may be without an owner: one that moves has none for a moment. For so
	// long an answer counts, too: in a rebalance the coordinator does not tell.
	ownersPatience = time.Minute
	// ownersTakes bounds the answer.
	ownersTakes = 10 * time.Second
)

// owners knows which partitions of the service's topics no member of the group owns. A replica without a
// partition cannot know it otherwise: one that is a standby and one that is left out look the same.
type owners struct {
	wire   *wire.Client
	group  string
	topics []string
	log    *slog.Logger

	mu sync.Mutex
	// Guarded by mu.
	since map[membership.Partition]time.Time // partitions without an owner in each answer since then
	told  time.Time                          // when the coordinator last told who owns what; zero: never

	// run's alone:
	said   time.Time // since when there are such partitions, as was said; zero: nothing was
	hidden bool      // it is said that this user may not see it
}

func newOwners(k *connect.Kafka, group string, topics []string, log *slog.Logger) *owners {
	return &owners{wire: k.Wire, group: group, topics: topics, log: log, since: map[membership.Partition]time.Time{}}
}

// run asks until ctx ends.
func (o *owners) run(ctx context.Context) {
	tick := time.NewTicker(ownersTurn)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		found, err := o.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		o.tell(ctx, found, err)
	}
}

// ask asks who owns what, and notes it.
func (o *owners) ask(ctx context.Context) (membership.Group, error) {
	ctx, cancel := context.WithTimeout(ctx, ownersTakes)
	defer cancel()
	found, err := membership.Describe(ctx, o.wire, o.group)
	if err != nil {
		return found, err
	}
	m, err := o.wire.Metadata(ctx)
	if err != nil {
		return found, err
	}
	counts := map[string]int{}
	for _, topic := range o.topics {
		counts[topic] = len(m.Topics[topic].Partitions)
	}
	if parts, told := found.Unowned(counts); told {
		o.note(parts, time.Now())
	}
	return found, nil
}

func (o *owners) note(parts []membership.Partition, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	since := map[membership.Partition]time.Time{}
	for _, p := range parts {
		since[p] = now
		if before, is := o.since[p]; is {
			since[p] = before
		}
	}
	o.since, o.told = since, now
}

// unowned are the partitions that nobody has owned for ownersPatience, in order, and since when the first of them
// has had no owner. known is false where the coordinator has not told for as long.
func (o *owners) unowned() (where []membership.Partition, since time.Time, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.told.IsZero() || time.Since(o.told) >= ownersPatience {
		return nil, time.Time{}, false
	}
	for p, began := range o.since {
		if o.told.Sub(began) >= ownersPatience {
			where, since = append(where, p), earliest(since, began)
		}
	}
	slices.SortFunc(where, membership.Partition.Compare)
	return where, since, true
}

// counts are the numbers of those partitions by topic; nil where they are not known.
func (o *owners) counts() map[string]int64 {
	where, _, known := o.unowned()
	if !known {
		return nil
	}
	n := map[string]int64{}
	for _, topic := range o.topics {
		n[topic] = 0
	}
	for _, p := range where {
		n[p.Topic]++
	}
	return n
}

// all tells whether each partition has an owner, as the coordinator last told.
func (o *owners) all() bool {
	_, _, known := o.unowned()
	o.mu.Lock()
	defer o.mu.Unlock()
	return known && len(o.since) == 0
}

// tell says once that nobody reads partitions, and once that it is over; and once where that cannot be seen.
func (o *owners) tell(ctx context.Context, found membership.Group, err error) {
	denied := errors.Is(err, kafka.GroupAuthorizationFailed) || errors.Is(err, kafka.TopicAuthorizationFailed)
	if denied && !o.hidden {
		events.OwnersUnknown.LogContext(ctx, o.log, slog.String("error", wire.Cause(err)))
	}
	o.hidden = denied || o.hidden && err != nil
	where, since, known := o.unowned()
	switch {
	case len(where) > 0 && o.said.IsZero():
		o.said = since
		events.PartitionsUnowned.LogContext(ctx, o.log, slog.String("partitions", places(where)), slog.Int("count", len(where)),
			slog.Time("since", since.UTC()), slog.String("found", found.String()))
	case known && len(where) == 0 && !o.said.IsZero():
		events.PartitionsOwned.LogContext(ctx, o.log, slog.String("lasted", time.Since(o.said).Round(time.Second).String()))
		o.said = time.Time{}
	}
}
