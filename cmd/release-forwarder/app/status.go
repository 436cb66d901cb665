package app

import (
	"slices"

	"release-forwarder/cmd/release-forwarder/admin"
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

// Status is what the status page shows.
func (v *Service) Status() admin.Status {
	s := v.Snapshot()
	st := admin.Status{
		Condition: v.condition(s), Zone: v.settings.Event.Location,
		Version: v.build.Version, Group: v.settings.Kafka.GroupID, Now: s.At, Started: v.started,
		Pending: int64(s.Engine.Pending),
		Platform: admin.Platform{
			Circuit: s.Gate.Phase.String(), Since: s.Gate.Since, InFlight: int64(s.Gate.InFlight), InFlightLimit: int64(s.Gate.Limit), PausedUntil: s.Gate.PausedUntil,
			LastAccepted: v.facts.lastAccepted(), LastRefusal: v.facts.lastRefusal(),
		},
		Storms: s.Storms, DeadLetters: v.facts.written(s.At),
		DeadLettersWaiting: int64(s.deadLettersWaiting()),
		Dropped:            s.Dropped, DroppedAt: s.DroppedAt,
	}
	for _, m := range s.Engine.Missing {
		st.MissingTopics = append(st.MissingTopics, admin.MissingTopic(m))
	}
	for _, l := range s.RefusedLots[:min(len(s.RefusedLots), shownLots)] {
		st.RefusedLots = append(st.RefusedLots, admin.RefusedLot{Lot: upstream.Sanitize(l.Lot), NotIn: l.NotIn, Since: l.Since, Next: l.Next})
	}
	for _, n := range s.Engine.HeldBy {
		st.HeldTotal += int64(n)
	}
	for i := range s.Partitions {
		p := &s.Partitions[i]
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
	v.showCredentials(&st)
	for _, row := range v.settings.InForce() {
		st.Settings = append(st.Settings, admin.Setting{Name: row.Name, Value: row.Value})
	}
	return st
}

func (v *Service) showCredentials(st *admin.Status) {
	credentials := v.credentials.now.Load().List(upstream.Sanitize)
	st.CredentialsTotal = len(credentials)
	for _, c := range credentials[:min(len(credentials), shownCredentials)] {
		row := admin.Credential{Lot: c.Lot, Next: c.Next}
		if c.AppID != "" {
			row.AppID = upstream.Sanitize(c.AppID)
		}
		st.Credentials = append(st.Credentials, row)
	}
}

func partitionRow(p *Partition) admin.Partition {
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

// gauges are what a scrape or an export shows.
func (v *Service) gauges() telemetry.Gauges {
	s := v.Snapshot()
	g := telemetry.Gauges{
		Pending: s.Engine.Pending, Held: s.Engine.HeldBy, DeadLettersBlocked: s.deadLettersWaiting(), ReceiptsBlocked: s.Receipts.Blocked, OldestUnfinished: s.OldestUnfinished(),
		CircuitOpen: s.CircuitOpen, StormGuardActive: s.Storms > 0, RefusedLots: len(s.RefusedLots), Suspended: s.Engine.Suspended,
		InFlight: s.Gate.InFlight, InFlightLimit: s.Gate.Limit, Unowned: s.UnownedByTopic, Missing: map[string]bool{},
	}
	for _, topic := range v.settings.Topics() {
		g.Missing[topic] = slices.ContainsFunc(s.Engine.Missing, func(m consumer.MissingTopic) bool { return m.Topic == topic })
	}
	for i := range s.Partitions {
		p := &s.Partitions[i]
		row := telemetry.PartitionGauges{
			Topic: p.Topic, Partition: int(p.Partition),
			Lag: telemetry.Unknown, LagDone: doneBeyond(p.PartitionStatus), LagHeld: int64(p.Held), RetentionLeft: p.RetentionLeft,
			Paused:  [3]bool{p.Paused == consumer.BoundRecords, p.Paused == consumer.BoundBytes, p.Paused == consumer.BoundGaps},
			Blocked: p.Blocked, BlockedFor: s.At.Sub(p.Since),
		}
		if p.Committed >= 0 && p.LogEnd >= 0 {
			row.Lag = p.Lag()
		}
		g.Partitions = append(g.Partitions, row)
	}
	return g
}
