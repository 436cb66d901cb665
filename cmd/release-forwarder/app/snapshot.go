package app

import (
	"slices"
	"time"

	"release-forwarder/cmd/release-forwarder/forward"
	"release-forwarder/consumer"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/wire"
	"release-forwarder/dlq/receipt"
	"release-forwarder/upstream/gate"
)

// Snapshot is the state of the running service at one moment. A scrape, the status page and a readiness probe
// each take one, so that what they show fits together.
type Snapshot struct {
	At     time.Time
	Engine consumer.Status
	// Stuck is why deliveries do not move; "" if they do.
	Stuck string
	// Partitions are Engine's, with what is known of the unread part of their logs.
	Partitions []Partition
	// Logins is since when Kafka cannot be logged in to, and why.
	Logins wire.LoginFailure
	PlatformSnapshot
	DeadLettersSnapshot
	Receipts receipt.State
	OwnersSnapshot
	// Dropped counts the records that Kafka dropped unread, the last at DroppedAt.
	Dropped   int64
	DroppedAt time.Time
	LastHour  LastHour
	// Stopping: the service was asked to stop.
	Stopping bool
}

// PlatformSnapshot is the state of the way to the platform: circuit, slots, refused lots, storms.
type PlatformSnapshot struct {
	Gate        gate.State
	CircuitOpen bool
	RefusedLots []forward.RefusedLot // lots in an outage of their own, the longest first
	Storms      int                  // reasons whose dead letters are held to one a second
}

// DeadLettersSnapshot is the state of the dead-letter topic.
type DeadLettersSnapshot struct {
	DeadLetterTopicFound    bool      // it was there once
	DeadLettersRefusedSince time.Time // zero where it takes dead letters
}

// OwnersSnapshot is what the group's coordinator said about owners of partitions.
type OwnersSnapshot struct {
	Unowned      []membership.Partition // without an owner for ownersPatience
	UnownedSince time.Time              // when the first of them lost its owner
	// UnownedByTopic counts them for each of the service's topics; nil if the coordinator has not answered within
	// ownersPatience.
	UnownedByTopic map[string]int
	AllOwned       bool // each partition had an owner in the last answer
}

// Snapshot takes one. It may be called from any goroutine, also after Run has returned.
func (v *Service) Snapshot() *Snapshot {
	s := &Snapshot{At: time.Now(), Engine: v.engine.Status(), OwnersSnapshot: v.owners.snapshot(), Receipts: v.receipts.snapshot()}
	if ok, why := v.engine.Alive(); !ok {
		s.Stuck = why
	}
	s.Partitions = v.unread.partitions(s.Engine.Partitions)
	for i := range s.Partitions {
		s.Partitions[i].RetentionLeft = v.retention.left(&s.Partitions[i], s.At)
	}
	s.Gate, s.CircuitOpen, s.Storms, s.RefusedLots = v.gate.State(), v.gate.Open(), v.forwarder.Storms(), v.forwarder.RefusedLots()
	slices.SortFunc(s.RefusedLots, func(a, b forward.RefusedLot) int { return a.Since.Compare(b.Since) })
	s.DeadLettersRefusedSince = v.deadLetters.RefusingSince()
	s.Dropped, s.DroppedAt = v.facts.drops()
	s.LastHour, s.Logins = v.facts.lastHour(s.At), v.kafka.Wire.LoginFails()
	v.mu.Lock()
	defer v.mu.Unlock()
	s.DeadLetterTopicFound, s.Stopping = v.deadLettersFound, v.stopping.Err() != nil
	return s
}

// OldestUnfinished is how long ago the oldest unfinished record was written, read or not; 0 without one.
func (s *Snapshot) OldestUnfinished() time.Duration {
	oldest := time.Duration(0)
	for i := range s.Partitions {
		if at := s.Partitions[i].Unfinished(); !at.IsZero() {
			oldest = max(oldest, s.At.Sub(at))
		}
	}
	return oldest
}
