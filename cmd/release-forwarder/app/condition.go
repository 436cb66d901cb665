package app

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
	"release-forwarder/consumer/wire"
	"release-forwarder/upstream"
)

const (
	// deadLettersLimit is how long the dead-letter topic may refuse all dead
	// letters while one waits before the replica is not ready.
	deadLettersLimit = 30 * time.Second
	// contactSlack is added to the rebalance time-out. The group's coordinator may
	// be silent for the sum of both while all is well.
	contactSlack = 10 * time.Second
	// joinPatience is how long joining may fail before the banner says so: a
	// coordinator that moves is found within it.
	joinPatience = 10 * time.Second
	// failingShown is how long requests to Kafka may fail in a row before the
	// banner says so: a leader or coordinator that moves is found within it.
	failingShown = 20 * time.Second
	// droppedShown is how long after Kafka dropped records the banner says so
	// while nothing else is wrong.
	droppedShown = 24 * time.Hour
)

// Live answers the liveness probe: whether deliveries move, with one line that says why. An outage of Kafka, of
// the platform or of a collector does not change it: a restart would fix nothing. It takes no lock, since a lock
// may be what is stuck.
func (v *Service) Live() (bool, string) {
	if ok, why := v.engine.Alive(); !ok {
		return false, why
	}
	return true, "alive"
}

// Ready answers the readiness probe, with one line that says why. The platform's state does not change it: a
// rollout must be able to bring the fix.
func (v *Service) Ready() (bool, string) {
	if ok, why := v.engine.Alive(); !ok { // before a snapshot, which may wait for what is stuck
		return false, why
	}
	if c := v.unready(v.Snapshot()); c.Kind != "" {
		return false, c.In(v.settings.Event.Location).String()
	}
	return true, "ready"
}

// unready is what keeps the replica from being ready; none where it is.
func (v *Service) unready(now *Snapshot) admin.Condition {
	s := now.Engine
	patience := v.settings.Kafka.RebalanceTimeout + contactSlack
	switch silent := now.At.Sub(s.Contact); {
	case now.Stopping:
		return admin.Condition{Kind: admin.Stopping}
	case !s.Joined && joinFails(s):
		return v.outside(s)
	case !s.Joined && now.At.Sub(v.started) < patience:
		return admin.Condition{Kind: admin.Starting}
	case !s.Joined:
		return admin.Condition{Kind: admin.NotJoined, For: now.At.Sub(v.started)}
	case silent > patience:
		return admin.Condition{Kind: admin.CoordinatorSilent, For: silent}
	case !now.DeadLetterTopicFound:
		return admin.Condition{Kind: admin.NoDeadLetterTopic, Name: v.settings.DeadLetters.Topic}
	case unstarted(s):
		p := s.Partitions[0]
		return admin.Condition{Kind: admin.PartitionUnreadable, Count: int64(len(s.Partitions)), Name: placed(p)}
	case now.deadLettersRefused():
		return admin.Condition{Kind: admin.DeadLettersRefused, Since: now.DeadLettersRefusedSince, Count: int64(now.deadLettersWaiting())}
	}
	return admin.Condition{}
}

// unstarted reports whether a replica with partitions reads none of them, since it cannot
// learn where to begin: for longer than a coordinator takes to move, or since the process began.
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

// loginFails reports whether log-ins at Kafka have failed, again and again, for longer than a broker takes to restart.
func (s *Snapshot) loginFails() bool {
	return s.Logins.Last.Sub(s.Logins.Since) > failingShown
}

// deadLettersWaiting counts the dead letters that are tried again.
func (s *Snapshot) deadLettersWaiting() int { return s.Engine.HeldBy[forward.HeldDeadLetter] }

func (s *Snapshot) deadLettersRefused() bool {
	since := s.DeadLettersRefusedSince
	return s.deadLettersWaiting() > 0 && !since.IsZero() && s.At.Sub(since) > deadLettersLimit
}

// partitionTroubles counts the partitions that do not progress, by cause, with the first that is stuck and the first
// whose commits are refused.
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

// condition says what the service is doing: the first case that applies. What
// stops the most comes first.
func (v *Service) condition(now *Snapshot) admin.Condition {
	s := now.Engine
	parts, unready, open := judged(s.Partitions), v.unready(now), transactions(now.Partitions)
	switch {
	case now.Stuck != "":
		return admin.Condition{Kind: admin.Stuck, Name: now.Stuck}
	case !now.Stopping && now.loginFails():
		return admin.Condition{Kind: admin.LoginFails, Since: now.Logins.Since, Name: wire.Cause(now.Logins.Err), Advice: wire.Remedy(now.Logins.Err)}
	case unready.Kind != "":
		return unready
	case !s.Outside.IsZero(), joinFails(s):
		return v.outside(s)
	case parts.parked > 0:
		return admin.Condition{Kind: admin.PartitionParked, Count: int64(parts.parked)}
	case len(now.Unowned) > 0:
		return admin.Condition{Kind: admin.PartitionsUnowned, Count: int64(len(now.Unowned)), Name: places(now.Unowned), Since: now.UnownedSince}
	case now.deadLettersWaiting() > 0:
		return admin.Condition{Kind: admin.DeadLettersBlocked, Count: int64(now.deadLettersWaiting())}
	case now.CircuitOpen:
		return admin.Condition{Kind: admin.CircuitOpen, Since: now.Gate.Since}
	case len(now.RefusedLots) > 0:
		return lotsWait(now)
	case now.Storms > 0:
		return admin.Condition{Kind: admin.Storm, Count: int64(now.Storms)}
	case !s.CommitsFail.IsZero() && now.At.Sub(s.CommitsFail) > failingShown:
		return admin.Condition{Kind: admin.CommitsFail, Since: s.CommitsFail}
	case parts.stuck > 0:
		return admin.Condition{Kind: admin.PartitionUnreadable, Count: int64(parts.stuck), Name: placed(parts.first)}
	case parts.refusals > 0:
		return admin.Condition{Kind: admin.PartitionCommitRefused, Count: int64(parts.refusals), Name: placed(parts.refusal), Since: parts.refusal.Refused}
	case !now.Receipts.LateSince.IsZero():
		return admin.Condition{Kind: admin.ReceiptsLate, Since: now.Receipts.LateSince}
	case len(open) > 0:
		return heldBack(open)
	case len(s.Missing) > 0:
		return topicsMissing(s.Missing)
	case now.Dropped > 0 && now.At.Sub(now.DroppedAt) < droppedShown:
		return admin.Condition{Kind: admin.RecordsDropped, Count: now.Dropped, Since: now.DroppedAt}
	case now.LastHour.DeadLettered*10 > now.LastHour.Finished:
		return admin.Condition{Kind: admin.ManyDeadLetters, Count: now.LastHour.DeadLettered, Of: now.LastHour.Finished, Since: now.LastHour.First}
	case parts.paused > 0:
		return admin.Condition{Kind: admin.ReadingPaused}
	case len(s.Partitions) == 0 && !now.AllOwned:
		return admin.Condition{Kind: admin.Unassigned}
	case len(s.Partitions) == 0:
		return admin.Condition{Kind: admin.Standby}
	}
	return admin.Condition{Kind: admin.Well}
}

// lotsWait is the condition of refused lots, at least one. Lots that are not listed are told first: the fix is the operator's own.
func lotsWait(now *Snapshot) admin.Condition {
	c := admin.Condition{Kind: admin.LotsRefused}
	unlisted := slices.ContainsFunc(now.RefusedLots, func(l forward.RefusedLot) bool { return l.NotIn != "" })
	if unlisted {
		c.Kind, c.Of = admin.LotsUnlisted, int64(now.Engine.HeldBy[forward.HeldUnlisted])
	}
	for _, l := range now.RefusedLots {
		if (l.NotIn != "") != unlisted {
			continue
		}
		if c.Count++; c.Count == 1 {
			c.Name, c.Since = upstream.Sanitize(l.Lot), l.Since
			if unlisted {
				c.Name += " (" + l.NotIn + ")"
			}
		}
	}
	return c
}

// placesShown is how many partitions or topics a sentence names.
const placesShown = 3

// heldBack is the condition of open transactions, at least one: what they hold back.
func heldBack(open []Partition) admin.Condition {
	c := admin.Condition{Kind: admin.OpenTransaction, Since: open[0].Since}
	var where []membership.Partition
	for _, p := range open {
		c.Count += p.HeldBack
		where = append(where, membership.Partition{Topic: p.Topic, Number: p.Partition})
	}
	c.Name = places(where)
	return c
}

// topicsMissing is the condition of topics that are not there, at least one.
func topicsMissing(missing []consumer.MissingTopic) admin.Condition {
	var names []string
	for _, m := range missing {
		names = append(names, m.Topic+": "+m.Cause)
	}
	return admin.Condition{Kind: admin.TopicsMissing, Count: int64(len(names)), Name: firstFew(names)}
}

// places names partitions, the first few.
func places(where []membership.Partition) string {
	var names []string
	for _, p := range where {
		names = append(names, p.Topic+"/"+strconv.Itoa(int(p.Number)))
	}
	return firstFew(names)
}

func firstFew(names []string) string {
	if len(names) > placesShown {
		names = append(slices.Clone(names[:placesShown]), "…")
	}
	return strings.Join(names, ", ")
}

// joinFails reports whether joining has failed for longer than a coordinator takes to move.
func joinFails(s consumer.Status) bool {
	return !s.JoinFails.IsZero() && time.Since(s.JoinFails) > joinPatience
}

// outside says of a replica outside the group whether that is a short rebalance, or keeps it
// from reading.
func (v *Service) outside(s consumer.Status) admin.Condition {
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
