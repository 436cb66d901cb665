package app

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
	// ownersPatience is how long a partition may be without an owner: one that moves has none for a moment. An answer
	// counts for as long, too: in a rebalance the coordinator reports no owners.
	ownersPatience = time.Minute
	// ownersTakes bounds the answer.
	ownersTakes = 10 * time.Second
)

// owners knows which partitions of the service's topics no member of the group owns. A replica without a
// partition needs it: without, a standby looks the same as a replica that is left out.
type owners struct {
	wire   *wire.Client
	group  string
	topics []string
	log    *slog.Logger

	mu sync.Mutex
	// Guarded by mu.
	since    map[membership.Partition]time.Time // partitions without an owner in each answer since then
	reported time.Time                          // when the coordinator last reported who owns what; zero: never

	// run's alone:
	said   time.Time // since when such partitions exist, as was logged; zero: nothing was logged
	hidden bool      // it was logged that this user may not see it
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
	if parts, known := found.Unowned(counts); known {
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
	o.since, o.reported = since, now
}

// snapshot is what the coordinator has answered so far. Partitions that lost their owner less than ownersPatience ago
// are left out: one that moves has none for a moment.
func (o *owners) snapshot() (s OwnersSnapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reported.IsZero() || time.Since(o.reported) >= ownersPatience {
		return s
	}
	s.AllOwned, s.UnownedByTopic = len(o.since) == 0, map[string]int{}
	for _, topic := range o.topics {
		s.UnownedByTopic[topic] = 0
	}
	for p, began := range o.since {
		if o.reported.Sub(began) >= ownersPatience {
			s.Unowned, s.UnownedSince = append(s.Unowned, p), earliest(s.UnownedSince, began)
			s.UnownedByTopic[p.Topic]++
		}
	}
	slices.SortFunc(s.Unowned, membership.Partition.Compare)
	return s
}

// tell logs once that no one reads partitions, once that this is over, and once that it cannot be seen.
func (o *owners) tell(ctx context.Context, found membership.Group, err error) {
	denied := errors.Is(err, kafka.GroupAuthorizationFailed) || errors.Is(err, kafka.TopicAuthorizationFailed)
	if denied && !o.hidden {
		events.OwnersUnknown.LogContext(ctx, o.log, slog.String("error", wire.Cause(err)))
	}
	o.hidden = denied || o.hidden && err != nil
	s := o.snapshot()
	switch {
	case len(s.Unowned) > 0 && o.said.IsZero():
		o.said = s.UnownedSince
		events.PartitionsUnowned.LogContext(ctx, o.log, slog.String("partitions", places(s.Unowned)), slog.Int("count", len(s.Unowned)),
			slog.Time("since", s.UnownedSince.UTC()), slog.String("found", found.String()))
	case s.UnownedByTopic != nil && len(s.Unowned) == 0 && !o.said.IsZero():
		events.PartitionsOwned.LogContext(ctx, o.log, slog.String("lasted", time.Since(o.said).Round(time.Second).String()))
		o.said = time.Time{}
	}
}
