package consumer

import (
	"maps"
	"slices"
	"time"

	"release-forwarder/consumer/queue"
)

// PartitionStatus is the state of one assigned partition.
type PartitionStatus struct {
	Topic     string
	Partition int32
	// Phase is starting, reading, lost (the log has parted), parked (a person decides), or
	// unreadable (the log cannot be decoded at Position).
	Phase string
	PartitionOffsets
	// Pending counts unfinished records in memory. Held counts those of them that are blocked:
	// held ones and those behind them in their order keys.
	Pending, Held int
	// Oldest is the time of the first unfinished record in memory; zero: there is none.
	Oldest time.Time
	// Draining: the partition is being given up.
	Draining bool
	// Paused is the bound that pauses reading.
	Paused Bound
	PartitionTrouble
	PartitionUnread
}

// PartitionOffsets are a partition's offsets. Committed is the last commit, -1 before the first;
// Watermark the next one to commit; Position the next to read; LogEnd the one after the last
// record, -1 while unknown.
type PartitionOffsets struct {
	Committed, Watermark, Position, LogEnd int64
}

// PartitionTrouble is what Kafka refuses for a partition at present.
type PartitionTrouble struct {
	// Failing is since when each try to read the partition, or to learn its offsets at the
	// start, has failed. Cause is Kafka's name of the error. Zero and "" after a success.
	Failing time.Time
	Cause   string
	// Refused is since when Kafka has refused each of the partition's commits. Refusal is the
	// cause. Zero and "" after an accepted one.
	Refused time.Time
	Refusal string
}

// PartitionUnread is the log beyond Position as of the last answer. It is zero if there is
// nothing beyond, or no answer yet.
type PartitionUnread struct {
	// Behind is since when there have always been unread records. Stands is since when
	// Position has not moved while there are.
	Behind, Stands time.Time
	// HeldBack counts the offsets from Position on that an open transaction holds back
	// from every committed reader.
	HeldBack int64
}

// Lag is the number of offsets from the committed offset to the log's end, as Kafka's tools show
// the group's lag; 0 until both are known.
func (p PartitionStatus) Lag() int64 {
	if p.Committed < 0 {
		return 0
	}
	return max(0, p.LogEnd-p.Committed)
}

// MissingTopic is a topic of the Config that does not exist, or that this user may not describe.
type MissingTopic struct {
	Topic, Cause string // Cause is Kafka's name of the error
}

// HeldRecord is a record that waits for its next delivery.
type HeldRecord struct {
	Topic     string
	Partition int32
	Offset    int64
	Attempts  int       // how often it was sent
	Next      time.Time // zero: when its turn comes
	Reason    string
	Trace     string // trace ID of the last delivery
}

// GroupTrouble is why this member is not in the group; zero while it is.
type GroupTrouble struct {
	// Outside is since when this member has been outside the group; a rebalance causes that
	// for a moment. JoinFails is since when each join has failed. Zero if it is in the group,
	// or never was.
	Outside, JoinFails time.Time
	// Suspended: the lease has ended without an answer of the coordinator. Nothing is sent,
	// since other members may own the partitions. Outside is then the end of the lease.
	Suspended bool
	// JoinCause is Kafka's name of the error, with a description of the group if that may be
	// the cause. JoinRemedy is what to do.
	JoinCause, JoinRemedy string
}

// Status is the state of the engine.
type Status struct {
	Joined bool // it was in the group once
	GroupTrouble
	// CommitsFail is since when Kafka has accepted no commit; zero after an accepted one.
	CommitsFail time.Time
	Generation  int32
	Draining    bool
	// Contact is when the group's coordinator last answered.
	Contact    time.Time
	Missing    []MissingTopic    // in the order of the Config; none before the first answer
	Partitions []PartitionStatus // by topic and number
	// Unstarted counts the partitions whose offsets are not known yet. Began is when this
	// generation began. Started: some partition has started once.
	Unstarted int
	Began     time.Time
	Started   bool
	Pending   int
	HeldBy    map[string]int // records that wait for their next delivery, by reason
	Open      int            // open deliveries
	Settling  int            // delivered, but not finished
}

// Status returns the engine's present state.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Status{Joined: e.joined, Contact: e.contact, HeldBy: maps.Clone(e.heldBy)}
	s.Outside, s.JoinFails = e.outside, e.refused
	s.CommitsFail, s.Missing = e.uncommitted, e.missingTopics()
	if e.member == nil {
		return s
	}
	s.Began, s.Started = e.member.began, e.started
	if s.Suspended = e.joined && s.Outside.IsZero() && !time.Now().Before(e.member.lease); s.Suspended {
		if s.Outside = e.member.lease; s.Outside.IsZero() {
			s.Outside = e.contact
		}
	}
	if !s.Outside.IsZero() || !s.JoinFails.IsZero() {
		s.JoinCause, s.JoinRemedy = e.joinTold(s.Suspended)
	}
	s.Generation, s.Draining = e.member.id.Generation, e.member.stopping
	for _, p := range e.member.parts {
		s.Open += p.open - p.settling.Records
		s.Settling += p.settling.Records
		ps := PartitionStatus{
			Topic: p.Topic, Partition: p.Number, Phase: p.phase.String(),
			PartitionOffsets: PartitionOffsets{p.facts.last.Offset, p.Watermark(), p.Position(), p.logEnd},
			Pending:          p.Len(), Held: p.Blocked().Records, Paused: p.paused, Draining: p.drain != nil,
			PartitionTrouble: PartitionTrouble{p.failingSince, p.cause, p.refused, p.refusal},
		}
		if ps.Cause == "" && p.reread != "" {
			ps.Cause, ps.Failing = p.reread, p.rereads
		}
		if p.phase == starting {
			ps.Failing = p.began
			s.Unstarted++
		}
		switch {
		case p.unreadable && p.phase.String() == reading.String():
			ps.Phase = "unreadable"
		case p.phase == checking && p.outside:
			ps.Phase = parted.String()
		}
		switch {
		case p.gapBound:
			ps.Paused = BoundGaps
		case p.paused == boundAhead:
			ps.Paused = BoundNone
		}
		if p.First() != nil {
			ps.Oldest = p.First().Record.Time
		}
		p.tell(&ps)
		s.Pending += p.Len()
		s.Partitions = append(s.Partitions, ps)
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStatus) int {
		return topicPartition{Topic: a.Topic, Number: a.Partition}.Compare(topicPartition{Topic: b.Topic, Number: b.Partition})
	})
	return s
}

// Held lists at most most records that wait for their next delivery, in the order of their times.
// Those that wait for their turn come first.
func (e *Engine) Held(most int) []HeldRecord {
	e.mu.Lock()
	defer e.mu.Unlock()
	var held []HeldRecord
	for d, until := range e.timed.All() {
		if d.hold.Reason == "" {
			continue // not tried yet: its bytes could not be loaded
		}
		held = append(held, heldRecord(d, until))
	}
	if d := e.large; d != nil && d.queued.State() == queue.Loading && d.queued.Blocking() {
		held = append(held, heldRecord(d, time.Time{}))
	}
	if e.member != nil {
		for _, p := range e.member.parts {
			for d := range p.Tried() {
				if len(held) >= e.timed.Len()+most {
					break
				}
				held = append(held, heldRecord(d, time.Time{}))
			}
		}
	}
	slices.SortFunc(held, func(a, b HeldRecord) int { return a.Next.Compare(b.Next) })
	return held[:min(len(held), most)]
}

func heldRecord(d *Delivery, next time.Time) HeldRecord {
	return HeldRecord{
		Topic: d.Record.Topic, Partition: d.Record.Partition, Offset: d.Record.Offset,
		Attempts: d.hold.Attempts, Next: next, Reason: d.hold.Reason, Trace: d.hold.Trace,
	}
}
