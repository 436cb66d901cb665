package main

import (
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/forward"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/upstream"
)

// Bounds of the status page's lists.
const (
	shownHeld = 100
	shownLots = 100
	// shownCredentials is more lots than most operators have.
	shownCredentials = 1000
)

// status takes the picture that the status page shows.
func (v *service) status() admin.Status {
	s, g, now := v.engine.Status(), v.gate.State(), time.Now()
	refused, held := v.refusedLots(), v.unread.partitions(s.Partitions)
	st := admin.Status{
		Condition: v.condition(s, g, refused, held),
		Version:   buildInfo().Version, Group: v.settings.Kafka.GroupID, Now: now, Started: v.started,
		Pending: int64(s.Pending),
		Platform: admin.Platform{
			Circuit: g.Phase.String(), Since: g.Since, InFlight: int64(g.InFlight), InFlightLimit: int64(g.Limit), PausedUntil: g.PausedUntil,
			LastAccepted: v.facts.lastAccepted(), LastRefusal: v.facts.lastRefusal(),
		},
		Storms: v.forwarder.Storms(), DeadLetters: v.facts.written(now),
		DeadLettersWaiting: int64(s.HeldBy[forward.HeldDeadLetter]),
	}
	st.Dropped, st.DroppedAt = v.facts.drops()
	for _, l := range refused[:min(len(refused), shownLots)] {
		st.RefusedLots = append(st.RefusedLots, admin.RefusedLot{Lot: upstream.Sanitize(l.Lot), Since: l.Since, Next: l.Next})
	}
	for _, n := range s.HeldBy {
		st.HeldTotal += int64(n)
	}
	for _, p := range held {
		st.Oldest, st.OldestUnread = earliest(st.Oldest, p.Oldest), earliest(st.OldestUnread, p.Unread)
		row := partitionRow(p)
		st.Unread += row.Unread
		st.Partitions = append(st.Partitions, row)
	}
	for _, h := range v.engine.Held(shownHeld) {
		st.Held = append(st.Held, admin.Held{
			Topic: h.Topic, Partition: int(h.Partition), Offset: h.Offset, Attempts: h.Attempts, Next: h.Next, Reason: h.Reason, TraceID: h.Trace,
		})
	}
	credentials := v.credentials.now.Load().List(upstream.Sanitize)
	st.CredentialsTotal = len(credentials)
	for _, c := range credentials[:min(len(credentials), shownCredentials)] {
		row := admin.Credential{Lot: c.Lot, Next: c.Next}
		if c.AppID != "" {
			row.AppID = upstream.Sanitize(c.AppID)
		}
		st.Credentials = append(st.Credentials, row)
	}
	for _, row := range v.settings.InForce() {
		st.Settings = append(st.Settings, admin.Setting{Name: row.Name, Value: row.Value})
	}
	return st
}

func partitionRow(p heldPartition) admin.Partition {
	row := admin.Partition{
		Topic: p.Topic, Partition: int(p.Partition), Committed: p.Committed, Position: p.Position, End: p.LogEnd,
		Lag: admin.Unknown, DoneBeyond: doneBeyond(p.PartitionStatus), Pending: int64(p.Pending), Held: int64(p.Held), Paused: string(p.Paused),
	}
	if p.Phase != "starting" {
		row.Unread = max(0, p.LogEnd-p.Position)
	}
	if p.LogEnd >= 0 {
		row.Lag = p.Lag()
	}
	switch {
	case p.Phase != "reading":
		row.Paused = p.Phase
	case row.Paused == "":
		row.Paused = p.Blocked
	}
	if p.Blocked == byTransaction {
		row.HeldBack, row.HeldBackSince, row.ProducerID = p.HeldBack, p.Since, p.Producer
	}
	if row.Cause = p.Cause; row.Cause != "" {
		row.FailingSince = p.Failing
	}
	row.CommitRefused, row.CommitRefusedSince = p.Refusal, p.Refused
	return row
}

// doneBeyond counts the offsets between the commit and the position that are
// finished: records that were accepted or dead-lettered, and what is no record.
func doneBeyond(p consumer.PartitionStatus) int64 {
	if p.Committed < 0 || p.Position < 0 {
		return 0
	}
	return max(0, p.Position-p.Committed-int64(p.Pending))
}

// partitions are those held now, with what is known of their unread records.
func (v *service) partitions() []heldPartition {
	return v.unread.partitions(v.engine.Status().Partitions)
}

// lag is what Kafka's tools show as the group's lag, where it is known.
func (p heldPartition) lag() (n int64, known bool) { return p.Lag(), p.Committed >= 0 && p.LogEnd >= 0 }

// partitionValues answers one number for each partition held now of which it is known.
func (v *service) partitionValues(of func(heldPartition) (int64, bool)) func() []telemetry.PartitionValue {
	return func() (values []telemetry.PartitionValue) {
		for _, p := range v.partitions() {
			if n, known := of(p); known {
				values = append(values, telemetry.PartitionValue{Topic: p.Topic, Partition: int(p.Partition), Value: n})
			}
		}
		return values
	}
}
