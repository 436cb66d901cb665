package app

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/consumer"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/wire"
)

const (
	// unreadTurn is how often this looks for partitions that are not read.
	unreadTurn = 10 * time.Second
	// unreadShown is how long one cause must keep a partition from being read before it
	// is reported: a leader that moves and a usual transaction take less.
	unreadShown = 30 * time.Second
	// unreadLook is the least time between two looks into one partition's log, and
	// producerLook between two questions for a transaction's producer.
	unreadLook   = time.Minute
	producerLook = 10 * time.Minute
	// producerPatience is how long the answer may take; without one the service goes on.
	producerPatience = 3 * time.Second
	// looksAtOnce bounds the requests under way.
	looksAtOnce = 8
)

// unread knows what is in the log and not read: how old the first such record is, and what
// keeps it from being read. The engine sees only records that were read; this reads the
// headers of the log beside it.
type unread struct {
	wire     *wire.Client
	clientID string
	log      *slog.Logger

	mu sync.Mutex
	// Guarded by mu. By partition.
	looks  map[membership.Partition]look
	stops  map[membership.Partition]stop // what keeps partitions from being read
	logged map[membership.Partition]stop // of those, what was logged as begun and not as over
}

// look is what the log showed at an offset.
type look struct {
	offset int64
	at     time.Time // of the last look, whether it succeeded or not
	first  time.Time // when a record was first seen there; zero: not yet
	end    int64     // of the log
	// written is the timestamp of the record there, or of the first after it; zero if it
	// cannot be trusted.
	written time.Time
	// producer is the ID of the producer whose transaction is open there, nil if not known;
	// asked is when the broker was asked for it.
	producer *int64
	asked    time.Time
}

// stop is a cause that has kept a partition from being read since a time; for a
// transaction, from an offset on.
type stop struct {
	cause  string
	offset int64
	since  time.Time
	said   bool // it has lasted for unreadShown
}

// Partition is a partition that this replica holds now, with what is known of the unread part of its log.
type Partition struct {
	consumer.PartitionStatus
	// Unread is when the first unread record was written, or since when it is known to
	// exist; zero if there is none.
	Unread time.Time
	// Blocked is the cause that has kept the partition from being read since Since; ""
	// while it is read. Bounds do not count as a cause: see Paused.
	Blocked  string
	Since    time.Time
	Producer *int64 // ID of the open transaction's producer, if that is the cause and known; else nil
	// RetentionLeft is how many seconds are left before Kafka deletes the oldest unfinished record, telemetry.Unknown
	// where that is not known.
	RetentionLeft int64
}

// Unfinished is the time of the oldest record that is not finished, read or not.
func (p *Partition) Unfinished() time.Time { return earliest(p.Oldest, p.Unread) }

// earliest is the earlier of two times that are there.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func newUnread(k *connect.Kafka, clientID string, log *slog.Logger) *unread {
	return &unread{
		wire: k.Wire, clientID: clientID, log: log,
		looks: map[membership.Partition]look{}, stops: map[membership.Partition]stop{}, logged: map[membership.Partition]stop{},
	}
}

// run looks until ctx ends. It calls reaches with the end of each log and the position that it looked at.
func (u *unread) run(ctx context.Context, status func() consumer.Status, reaches func(topic string, partition int32, position, end int64)) {
	tick := time.NewTicker(unreadTurn)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s := status()
		if s.Outside.IsZero() { // else a rebalance is under way
			u.forget(s.Partitions)
		}
		u.ask(ctx, s.Partitions)
		u.mu.Lock()
		for at, l := range u.looks {
			reaches(at.Topic, at.Number, l.offset, l.end)
		}
		u.mu.Unlock()
		for _, p := range s.Partitions {
			u.judge(ctx, p, time.Now())
		}
	}
}

// forget drops what is known of partitions that other replicas hold now.
func (u *unread) forget(held []consumer.PartitionStatus) {
	here := map[membership.Partition]bool{}
	for _, p := range held {
		here[placeOf(p)] = true
	}
	gone := func(at membership.Partition) bool { return !here[at] }
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.DeleteFunc(u.looks, func(at membership.Partition, _ look) bool { return gone(at) })
	maps.DeleteFunc(u.stops, func(at membership.Partition, _ stop) bool { return gone(at) })
	maps.DeleteFunc(u.logged, func(at membership.Partition, _ stop) bool { return gone(at) })
}

func placeOf(p consumer.PartitionStatus) membership.Partition {
	return membership.Partition{Topic: p.Topic, Number: p.Partition}
}

// ask looks into the logs of the partitions where a look is wanted.
func (u *unread) ask(ctx context.Context, held []consumer.PartitionStatus) {
	var asking sync.WaitGroup
	slots := make(chan struct{}, looksAtOnce)
	for _, p := range held {
		u.mu.Lock()
		l := u.lookAt(p)
		u.mu.Unlock()
		looks, asks := l.wanted(p, time.Now()), l.producerWanted(p, time.Now())
		if !looks && !asks {
			continue
		}
		asking.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if looks {
				l.peek(topic.NewLog(u.wire, u.clientID, p.Topic).Peek(ctx, p.Partition, p.Position))
			}
			if asks {
				l.producer, l.asked = u.producer(ctx, p), time.Now()
			}
			u.mu.Lock()
			u.looks[placeOf(p)] = l
			u.mu.Unlock()
		})
	}
	asking.Wait()
}

// lookAt is what was seen at a partition's position. A look from before the partition came
// to that position does not count: another replica may have held it since, or the topic may
// be another one.
func (u *unread) lookAt(p consumer.PartitionStatus) look {
	l := u.looks[placeOf(p)]
	if l.offset != p.Position || l.at.Before(p.Stands) {
		return look{offset: p.Position, end: -1}
	}
	return l
}

// waitsForLong reports whether an open transaction has held back records for long enough to
// be reported.
func waitsForLong(p consumer.PartitionStatus, now time.Time) bool {
	return p.HeldBack > 0 && !p.Stands.IsZero() && now.Sub(p.Stands) >= unreadShown
}

// wanted reports whether a look is worth a request: nothing in memory is older than the
// record to look at, and reading does not get to it by itself.
func (l look) wanted(p consumer.PartitionStatus, now time.Time) bool {
	switch {
	case p.Phase == "starting", now.Sub(l.at) < unreadLook:
		return false
	case p.Phase != "reading":
		return p.Oldest.IsZero() // no one else learns where the log ends
	case !p.Failing.IsZero():
		return false // this request would fail, too
	case p.Paused != consumer.BoundNone:
		return true // no one else learns where the log ends
	case !l.written.IsZero():
		return false
	}
	return waitsForLong(p, now) || p.Oldest.IsZero() && !p.Behind.IsZero() && now.Sub(p.Behind) >= unreadShown
}

func (l look) producerWanted(p consumer.PartitionStatus, now time.Time) bool {
	return waitsForLong(p, now) && p.Failing.IsZero() && l.producer == nil && now.Sub(l.asked) >= producerLook
}

// producer asks whose transaction is open. Nil is no answer: a broker older than Kafka
// 2.8, a leader that moves, a missing right.
func (u *unread) producer(ctx context.Context, p consumer.PartitionStatus) *int64 {
	ctx, cancel := context.WithTimeout(ctx, producerPatience)
	defer cancel()
	id, err := offsets.ProducerAt(ctx, u.wire, p.Topic, p.Partition, p.Position)
	if err != nil {
		return nil
	}
	return &id
}

// peek applies what a look showed.
func (l *look) peek(written, end int64, err error) {
	l.at = time.Now()
	if err != nil {
		return
	}
	l.end = end
	if t := time.UnixMilli(written); written >= 0 && !t.Before(year2000) && !t.After(l.at) {
		l.written = t
	}
	if l.first.IsZero() && end > l.offset {
		l.first = l.at
	}
}

// year2000: a timestamp before it cannot be trusted, as in delivery_seconds.
var year2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// partitions adds what is known here to what the engine knows.
func (u *unread) partitions(held []consumer.PartitionStatus) []Partition {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]Partition, 0, len(held))
	for _, p := range held {
		h := Partition{PartitionStatus: p}
		now, last := u.lookAt(p), u.looks[placeOf(p)]
		if p.Phase != "starting" {
			h.LogEnd = max(p.LogEnd, now.end)
			h.Unread = unreadSince(h.PartitionStatus, now, last)
		}
		if s := u.stops[placeOf(p)]; s.said && s.is(p) {
			h.Blocked, h.Since = s.cause, s.since
			if s.cause == byTransaction {
				h.Producer = now.producer
			}
		}
		all = append(all, h)
	}
	return all
}

// unreadSince is when the first unread record was written, as far as that is known: by
// a look at it, or at the record that was the first before.
func unreadSince(p consumer.PartitionStatus, now, last look) time.Time {
	switch {
	case p.Position >= p.LogEnd:
		return time.Time{}
	case !now.at.IsZero():
		return earliest(now.written, earliest(p.Stands, now.first))
	case last.offset < p.Position && !p.Behind.IsZero() && last.at.After(p.Behind) && time.Since(last.at) < 2*unreadLook:
		// Reading has progressed since, and never reached the end: the record is younger,
		// at most by the time since the look.
		return earliest(last.written, p.Stands)
	}
	return p.Stands
}

// transactions are the partitions with an open transaction that is shown, the longest first.
func transactions(held []Partition) []Partition {
	open := slices.DeleteFunc(slices.Clone(held), func(p Partition) bool { return p.Blocked != byTransaction })
	slices.SortFunc(open, func(a, b Partition) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return open
}
