package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/forward"
	"release-forwarder/consumer"
	"release-forwarder/consumer/membership"
	"release-forwarder/upstream"
	"release-forwarder/upstream/gate"
)

const (
	// deadLettersLimit is how long the dead-letter topic may refuse all dead
	// letters while one waits before the replica is not ready.
	deadLettersLimit = 30 * time.Second
	// contactSlack is added to the rebalance time-out: so long the group's
	// coordinator may be silent while all is well.
	contactSlack = 10 * time.Second
	// joinPatience is how long joining may fail before the banner says so: a
	// coordinator that moves is found within it.
	joinPatience = 10 * time.Second
	// failingShown is how long requests to Kafka may fail one after the other
	// before the banner says so: a leader or coordinator that moves is found
	// within it.
	failingShown = 20 * time.Second
	// droppedShown is how long after Kafka dropped records the banner says so
	// while nothing else is wrong.
	droppedShown = 24 * time.Hour
)

// live answers the liveness probe: whether deliveries move. No outage of Kafka, of the
// platform or of a collector has a part in it: a restart would mend nothing. It waits for
// no lock, since that may be what is stuck.
func (v *service) live() (bool, string) {
	if ok, why := v.engine.Alive(); !ok {
		return false, why
	}
	return true, "alive"
}

// ready answers the readiness probe. The platform has no part in it: a rollout
// must be able to bring the cure.
func (v *service) ready() (bool, string) {
	if ok, why := v.engine.Alive(); !ok { // before Status, which may wait for what is stuck
		return false, why
	}
	c := v.unready(v.engine.Status())
	if c.Kind == "" {
		return true, "ready"
	}
	return false, c.String()
}

// unready is what keeps the replica from being ready; none where it is.
func (v *service) unready(s consumer.Status) admin.Condition {
	v.mu.Lock()
	found, stopping := v.deadLettersFound, v.stopping
	v.mu.Unlock()
	patience := v.settings.Kafka.RebalanceTimeout + contactSlack
	switch silent := time.Since(s.Contact); {
	case stopping.Err() != nil:
		return admin.Condition{Kind: admin.Stopping}
	case !s.Joined && joinFails(s):
		return v.outside(s)
	case !s.Joined && time.Since(v.started) < patience:
		return admin.Condition{Kind: admin.Starting}
	case !s.Joined:
		return admin.Condition{Kind: admin.NotJoined, For: time.Since(v.started)}
	case silent > patience:
		return admin.Condition{Kind: admin.CoordinatorSilent, For: silent}
	case !found:
		return admin.Condition{Kind: admin.NoDeadLetterTopic, Name: v.settings.DeadLetters.Topic}
	case unstarted(s):
		p := s.Partitions[0]
		return admin.Condition{Kind: admin.PartitionUnreadable, Count: int64(len(s.Partitions)), Name: placed(p)}
	case v.deadLettersBlocked(s):
		return admin.Condition{Kind: admin.DeadLettersRefused, Since: v.deadLetters.RefusingSince(), Count: int64(s.HeldBy[forward.HeldDeadLetter])}
	}
	return admin.Condition{}
}

// unstarted tells that a replica with partitions reads none of them, since it cannot learn
// where to begin: for longer than a coordinator takes to move, or since the process began.
func unstarted(s consumer.Status) bool {
	return len(s.Partitions) > 0 && s.Unstarted == len(s.Partitions) && (!s.Started || time.Since(s.Began) > failingShown)
}

// placed names a partition, and what it waits for where that is known.
func placed(p consumer.PartitionStatus) string {
	name := p.Topic + "/" + strconv.Itoa(int(p.Partition))
	if why := cmp.Or(p.Cause, p.Refusal); why != "" {
		name += ": " + why
	}
	return name
}

func (v *service) deadLettersBlocked(s consumer.Status) bool {
	since := v.deadLetters.RefusingSince()
	return s.HeldBy[forward.HeldDeadLetter] > 0 && !since.IsZero() && time.Since(since) > deadLettersLimit
}

// partitionTroubles count what keeps partitions from going on, with the first that is stuck, and the first whose
// commits are refused.
type partitionTroubles struct {
	parked, stuck, paused, refusals int
	first, refusal                  consumer.PartitionStatus
}

func judged(parts []consumer.PartitionStatus) (t partitionTroubles) {
	for _, p := range parts {
		switch {
		case p.Phase == "parked":
			t.parked++
		case p.Phase == "lost", p.Phase == "unreadable", !p.Failing.IsZero() && time.Since(p.Failing) > failingShown:
			if t.stuck++; t.stuck == 1 {
				t.first = p
			}
		case p.Paused != consumer.BoundNone:
			t.paused++
		}
		if !p.Refused.IsZero() && time.Since(p.Refused) > failingShown {
			if t.refusals++; t.refusals == 1 {
				t.refusal = p
			}
		}
	}
	return t
}

// condition says what the service is doing: the first row that applies, so that
// what keeps most from going on comes first.
func (v *service) condition(s consumer.Status, g gate.State, refused []forward.RefusedLot, held []heldPartition) admin.Condition {
	parts := judged(s.Partitions)
	alive, why := v.engine.Alive()
	unready := v.unready(s)
	dropped, droppedAt := v.facts.drops()
	open := transactions(held)
	unowned, since, _ := v.owners.unowned()
	blocked, storms := s.HeldBy[forward.HeldDeadLetter], v.forwarder.Storms()
	switch {
	case !alive:
		return admin.Condition{Kind: admin.Stuck, Name: why}
	case unready.Kind != "":
		return unready
	case !s.Outside.IsZero(), joinFails(s):
		return v.outside(s)
	case parts.parked > 0:
		return admin.Condition{Kind: admin.PartitionParked, Count: int64(parts.parked)}
	case len(unowned) > 0:
		return admin.Condition{Kind: admin.PartitionsUnowned, Count: int64(len(unowned)), Name: places(unowned), Since: since}
	case blocked > 0:
		return admin.Condition{Kind: admin.DeadLettersBlocked, Count: int64(blocked)}
	case v.gate.Open():
		return admin.Condition{Kind: admin.CircuitOpen, Since: g.Since}
	case len(refused) > 0:
		return admin.Condition{Kind: admin.LotsRefused, Count: int64(len(refused)), Name: upstream.Sanitize(refused[0].Lot), Since: refused[0].Since}
	case storms > 0:
		return admin.Condition{Kind: admin.Storm, Count: int64(storms)}
	case !s.CommitsFail.IsZero() && time.Since(s.CommitsFail) > failingShown:
		return admin.Condition{Kind: admin.CommitsFail, Since: s.CommitsFail}
	case parts.stuck > 0:
		return admin.Condition{Kind: admin.PartitionUnreadable, Count: int64(parts.stuck), Name: placed(parts.first)}
	case parts.refusals > 0:
		return admin.Condition{Kind: admin.PartitionCommitRefused, Count: int64(parts.refusals), Name: placed(parts.refusal), Since: parts.refusal.Refused}
	case len(open) > 0:
		return heldBack(open)
	case dropped > 0 && time.Since(droppedAt) < droppedShown:
		return admin.Condition{Kind: admin.RecordsDropped, Count: dropped, Since: droppedAt}
	case parts.paused > 0:
		return admin.Condition{Kind: admin.ReadingPaused}
	case len(s.Partitions) == 0 && !v.owners.all():
		return admin.Condition{Kind: admin.Unassigned}
	case len(s.Partitions) == 0:
		return admin.Condition{Kind: admin.Standby}
	}
	return admin.Condition{Kind: admin.Well}
}

// placesShown is how many partitions a sentence names.
const placesShown = 3

// heldBack says of transactions, of which there is one at least, what they hold back.
func heldBack(open []heldPartition) admin.Condition {
	c := admin.Condition{Kind: admin.OpenTransaction, Since: open[0].Since}
	var where []membership.Partition
	for _, p := range open {
		c.Count += p.HeldBack
		where = append(where, membership.Partition{Topic: p.Topic, Number: p.Partition})
	}
	c.Name = places(where)
	return c
}

// places names partitions, the first few.
func places(where []membership.Partition) string {
	var names []string
	for _, p := range where[:min(len(where), placesShown)] {
		names = append(names, p.Topic+"/"+strconv.Itoa(int(p.Number)))
	}
	if len(where) > placesShown {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

// joinFails tells that joining has failed for longer than a coordinator takes to move.
func joinFails(s consumer.Status) bool {
	return !s.JoinFails.IsZero() && time.Since(s.JoinFails) > joinPatience
}

// outside says of a replica that is outside the group whether that is a moment's or keeps it
// from reading.
func (v *service) outside(s consumer.Status) admin.Condition {
	since := s.Outside
	if since.IsZero() {
		since = s.JoinFails
	}
	c := admin.Condition{Kind: admin.Rebalancing, For: time.Since(since), Name: s.JoinCause, Advice: s.JoinRemedy}
	if joinFails(s) || s.Suspended || c.For > v.settings.Kafka.RebalanceTimeout+contactSlack {
		c.Kind = admin.OutsideGroup
	}
	return c
}

// refusedLots lists the lots in an outage of their own, the longest first.
func (v *service) refusedLots() []forward.RefusedLot {
	lots := v.forwarder.RefusedLots()
	slices.SortFunc(lots, func(a, b forward.RefusedLot) int { return a.Since.Compare(b.Since) })
	return lots
}
