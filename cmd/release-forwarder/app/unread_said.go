package app

import (
	"context"
	"log/slog"
	"time"

	"release-forwarder/cmd/release-forwarder/events"
	"release-forwarder/consumer"
)

// What can keep a partition from being read, besides its bounds. The other causes are the
// partition's phases.
const (
	byTransaction = "transaction"
	byFailing     = "failing" // requests for it fail, or it has no leader
)

// cause is what keeps a partition from being read, "" if nothing does; for a transaction
// with the offset, which tells one transaction from another.
func cause(p consumer.PartitionStatus) (why string, offset int64) {
	switch {
	case p.Phase != "reading":
		return p.Phase, 0
	case p.HeldBack > 0:
		return byTransaction, p.Position
	case !p.Failing.IsZero():
		return byFailing, 0
	}
	return "", 0
}

// is reports whether the partition is still stopped by the same cause at the same offset.
func (s stop) is(p consumer.PartitionStatus) bool {
	why, offset := cause(p)
	return why == s.cause && offset == s.offset
}

// judge notes what keeps a partition from being read. It logs once that this has lasted for
// long, and once that it is over.
func (u *unread) judge(ctx context.Context, p consumer.PartitionStatus, now time.Time) {
	at := placeOf(p)
	u.mu.Lock()
	s, logged, l := u.stops[at], u.logged[at], u.lookAt(p)
	u.mu.Unlock()
	if !s.is(p) {
		s = stop{since: now}
		s.cause, s.offset = cause(p)
	}
	switch s.cause {
	case "":
	case byTransaction:
		s.since = earliest(l.written, p.Stands)
		s.said = s.said || waitsForLong(p, now) || logged.is(p)
	default:
		s.since = earliest(p.Failing, s.since)
		s.said = s.said || now.Sub(s.since) >= unreadShown
	}
	if ctx.Err() != nil {
		return
	}
	// While a partition starts or cannot be asked, nothing is known of a transaction.
	reads := p.Phase == "reading" && p.LogEnd >= 0 && p.Failing.IsZero()
	if logged.said && reads && !logged.is(p) {
		u.over(ctx, p, logged, now)
		logged = stop{}
	}
	if s.said && (s.cause != logged.cause || s.offset != logged.offset) {
		u.begun(ctx, p, s, l)
		logged = s
	}
	u.mu.Lock()
	u.stops[at], u.logged[at] = s, logged
	u.mu.Unlock()
}

// begun logs that a partition has not been read for a while, or not beyond an open transaction.
func (u *unread) begun(ctx context.Context, p consumer.PartitionStatus, s stop, l look) {
	fields := []slog.Attr{slog.String("topic", p.Topic), slog.Int("partition", int(p.Partition)), slog.Time("since", s.since.UTC())}
	if s.cause != byTransaction {
		events.PartitionNotRead.LogContext(ctx, u.log, append(fields, slog.String("cause", s.cause))...)
		return
	}
	fields = append(fields, slog.Int64("offset", p.Position), slog.Int64("records", p.HeldBack))
	if l.producer != nil {
		fields = append(fields, slog.Int64("producer_id", *l.producer))
	}
	events.OpenTransaction.LogContext(ctx, u.log, fields...)
}

// over logs that the cause is gone.
func (u *unread) over(ctx context.Context, p consumer.PartitionStatus, s stop, now time.Time) {
	fields := []slog.Attr{
		slog.String("topic", p.Topic), slog.Int("partition", int(p.Partition)), slog.String("lasted", now.Sub(s.since).Round(time.Second).String()),
	}
	if s.cause == byTransaction {
		events.OpenTransactionOver.LogContext(ctx, u.log, append(fields, slog.Int64("offset", s.offset))...)
		return
	}
	events.PartitionReadAgain.LogContext(ctx, u.log, append(fields, slog.String("cause", s.cause))...)
}
