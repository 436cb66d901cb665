package consumer

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"release-forwarder/consumer/wire"
)

// retry spaces the tries of something that Kafka refuses. The wait doubles from joinInterval up to
// mostRetry, and starts over after progress.
type retry struct {
	wait time.Duration
	next time.Time // no try before; zero: at once
}

// mostRetry is the longest wait between two tries to start a partition.
const mostRetry = 30 * time.Second

func (r *retry) due() bool { return !time.Now().Before(r.next) }

// after notes a try: of is how many had to succeed, moved how many did.
func (r *retry) after(of, moved int) {
	switch {
	case of == moved:
		*r = retry{}
		return
	case moved > 0 || r.wait == 0:
		r.wait = joinInterval
	default:
		r.wait = min(2*r.wait, mostRetry)
	}
	r.next = time.Now().Add(r.wait)
}

// failed notes a try that a new leader may soon answer: the waits are a fetch's, up to
// maxFetchBackoff.
func (r *retry) failed() {
	r.wait = min(max(2*r.wait, fetchBackoff), maxFetchBackoff)
	r.next = time.Now().Add(r.wait)
}

// waits notes why partitions cannot go on. It returns the fields of one log line for each cause,
// with the first of its partitions and their number. A partition is left out until it has waited
// for grace, and then unless its cause has changed or a minute has passed.
func (g *member) waits(ctx context.Context, grace time.Duration, why map[*partition]error) (lines [][]slog.Attr) {
	if ctx.Err() != nil || len(why) == 0 {
		return nil
	}
	e, now := g.engine, time.Now()
	byCause := map[string][]*partition{}
	e.mu.Lock()
	for p, err := range why {
		is := wire.Cause(err)
		if p.failingSince.IsZero() {
			p.failingSince = now
		}
		p.cause = is
		if now.Sub(p.failingSince) < grace || is == p.told && now.Sub(p.toldAt) < sayAgain {
			continue
		}
		p.told, p.toldAt = is, now
		byCause[is] = append(byCause[is], p)
	}
	e.mu.Unlock()
	for is, parts := range byCause {
		first := slices.MinFunc(parts, func(a, b *partition) int { return a.Compare(b.topicPartition) })
		lines = append(lines, []slog.Attr{
			slog.String("topic", first.Topic), slog.Any("partition", first.Number), slog.Int("partitions", len(parts)),
			slog.String("cause", is), slog.String("error", why[first].Error()),
		})
	}
	return lines
}

// boundsUnread notes and logs that the bounds of partitions' logs cannot be read.
func (g *member) boundsUnread(ctx context.Context, why map[*partition]error) {
	for _, line := range g.waits(ctx, 0, why) {
		eventBoundsUnreadable.Log(g.engine.log, line...)
	}
}

const (
	// sayAgain is how often an unchanged cause of a partition is logged.
	sayAgain = time.Minute

	// electionTakes is how long a partition may be without a leader before it is logged: each
	// restart of a broker moves leaders.
	electionTakes = 10 * time.Second
)
