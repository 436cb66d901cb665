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
	refused := v.refusedLots()
	st := admin.Status{
		Condition: v.condition(s, g, refused),
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
		st.RefusedLots = append(st.RefusedLots, admin.RefusedLot{Lot: upstream.Tame(l.Lot), Since: l.Since, Next: l.Next})
	}
	for _, n := range s.HeldBy {
		st.HeldTotal += int64(n)
	}
	for _, p := range s.Partitions {
		if !p.Oldest.IsZero() && (st.Oldest.IsZero() || p.Oldest.Before(st.Oldest)) {
			st.Oldest = p.Oldest
		}
		st.Partitions = append(st.Partitions, partitionRow(p))
	}
	for _, h := range v.engine.Held(shownHeld) {
		st.Held = append(st.Held, admin.Held{
			Topic: h.Topic, Partition: int(h.Partition), Offset: h.Offset, Attempts: h.Attempts, Next: h.Next, Reason: h.Reason, TraceID: h.Trace,
		})
	}
	credentials := v.credentials.now.Load().List()
	st.CredentialsTotal = len(credentials)
	for _, c := range credentials[:min(len(credentials), shownCredentials)] {
		row := admin.Credential{Lot: c.Lot, Next: c.Next}
		if c.AppID != "" {
			row.AppID = upstream.Tame(c.AppID)
		}
		st.Credentials = append(st.Credentials, row)
	}
	for _, row := range v.settings.InForce() {
		st.Settings = append(st.Settings, admin.Setting{Name: row.Name, Value: row.Value})
	}
	return st
}

func partitionRow(p consumer.PartitionStatus) admin.Partition {
	row := admin.Partition{
		Topic: p.Topic, Partition: int(p.Partition), Committed: p.Committed, Position: p.Position, End: p.LogEnd,
		Lag: admin.Unknown, DoneBeyond: doneBeyond(p), Pending: int64(p.Pending), Held: int64(p.Held), Paused: string(p.Paused),
	}
	if p.LogEnd >= 0 {
		row.Lag = p.Lag()
	}
	if p.Phase != "reading" {
		row.Paused = p.Phase
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

// partitionValues answers one number for each partition held now.
func (v *service) partitionValues(of func(consumer.PartitionStatus) int64) func() []telemetry.PartitionValue {
	return func() (values []telemetry.PartitionValue) {
		for _, p := range v.engine.Status().Partitions {
			values = append(values, telemetry.PartitionValue{Topic: p.Topic, Partition: int(p.Partition), Value: of(p)})
		}
		return values
	}
}
