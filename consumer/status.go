package consumer

import (
	"maps"
	"slices"
	"time"

	"release-forwarder/consumer/queue"
)

// PartitionStatus is where one assigned partition stands.
type PartitionStatus struct {
	Topic     string
	Partition int32
	// Phase is starting, reading, lost, parked, or unreadable: the log cannot be
	// decoded where reading stands.
	Phase string
	PartitionOffsets
	// Pending counts unfinished records in memory, Held those of them that wait
	// for another try and those behind them in their order keys.
	Pending, Held int
	// Oldest is the time of the first unfinished record in memory, zero if there is
	// none.
	Oldest time.Time
	// Draining says that the partition is being given up.
	Draining bool
	// Paused is the bound that keeps the partition from being read.
	Paused Bound
	PartitionTrouble
	PartitionUnread
}

// PartitionOffsets are a partition's offsets: Committed the one last committed, -1 before
// the first; Watermark the one to commit next; Position the next to read; LogEnd the one
// behind the last record, -1 until it is known.
type PartitionOffsets struct {
	Committed, Watermark, Position, LogEnd int64
}

// PartitionTrouble is what Kafka refuses of a partition, until it grants it.
type PartitionTrouble struct {
	// Failing is since when every try to read the partition, or to learn its
	// offsets at the start, has failed, and Cause why, in Kafka's words; zero and ""
	// where the last one went well.
	Failing time.Time
	Cause   string
	// Refused is since when Kafka has refused each of the partition's commits, and
	// Refusal why; zero and "" where the last one was taken.
	Refused time.Time
	Refusal string
}

// PartitionUnread is what the last answer told of the log beyond Position; zero where
// there is nothing, or no answer has told.
type PartitionUnread struct {
	// Behind is since when the log has had records that are not read, without a
	// break, and Stands since when the first of them has been the one at Position.
	Behind, Stands time.Time
	// HeldBack counts the offsets from Position on that an open transaction keeps from
	// every committed reader.
	HeldBack int64
}

// Lag is how many offsets lie between the committed offset and the log's end, as
// Kafka's tools show the group's lag; 0 until both are known.
func (p PartitionStatus) Lag() int64 {
	if p.Committed < 0 {
		return 0
	}
	return max(0, p.LogEnd-p.Committed)
}

// HeldRecord is a record that waits for another try.
type HeldRecord struct {
	Topic     string
	Partition int32
	Offset    int64
	Attempts  int       // how often it was sent
	Next      time.Time // zero: when its turn comes
	Reason    string
	Trace     string // trace ID of the last try
}

// GroupTrouble is what keeps this member from the group; zero while it is in it.
type GroupTrouble struct {
	// Outside is since when this member has been outside the group, as in every
	// rebalance for a moment, and JoinFails since when it has tried to join in
	// vain; zero where it is in the group, or never was.
	Outside, JoinFails time.Time
	// Suspended says that the group has not been heard of for a session time-out: nothing is sent,
	// since others may own the partitions. Outside is since when, then.
	Suspended bool
	// JoinCause is why it is outside: the name of Kafka's error, with what was found of the group where that may
	// be the reason; JoinRemedy is what to do.
	JoinCause, JoinRemedy string
}

// Status is what the engine is doing.
type Status struct {
	Joined bool // in the group, once
	GroupTrouble
	// CommitsFail is since when Kafka has taken no commit of those sent.
	CommitsFail time.Time
	Generation  int32
	Draining    bool
	// Contact is when the group's coordinator last answered.
	Contact    time.Time
	Partitions []PartitionStatus // by topic and number
	// Unstarted counts the partitions whose offsets are not known yet; Began is when
	// this generation began, and Started says that some partition was read once.
	Unstarted int
	Began     time.Time
	Started   bool
	Pending   int
	HeldBy    map[string]int // records that wait for another try, by reason
	Open      int            // deliveries in hand
}

// Status takes a picture of the engine.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Status{Joined: e.joined, Contact: e.contact, HeldBy: maps.Clone(e.heldBy)}
	s.Outside, s.JoinFails = e.outside, e.refused
	s.CommitsFail = e.uncommitted
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
		s.Open += p.open
		ps := PartitionStatus{
			Topic: p.Topic, Partition: p.Number, Phase: p.phase.String(),
			PartitionOffsets: PartitionOffsets{p.facts.last.offset, p.Watermark(), p.Position(), p.logEnd},
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

// Held lists records that wait for another try, the next to be tried first, most
// of them at the most.
func (e *Engine) Held(most int) []HeldRecord {
	e.mu.Lock()
	defer e.mu.Unlock()
	var held []HeldRecord
	for d, until := range e.timed.All() {
		if d.hold.Reason == "" {
			continue // its bytes could not be read; it was not tried yet
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
