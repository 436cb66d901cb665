package consumer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
)

// commitSize is how many bytes of commits one request may hold. The coordinator writes all
// that a request commits into its log as one batch, and refuses all of it where that is
// larger than the log takes, without saying what would fit. So what is refused is halved
// until it is taken, down to one partition, and that one goes without its metadata; as do, from
// then on, all whose metadata alone is more than a request may hold.
type commitSize int

const (
	// widest is half of a batch that a broker's defaults take (message.max.bytes, 1 MiB).
	widest commitSize = 512 << 10

	// leastBatch is what every coordinator takes: else it could not keep a group. An error that may
	// be anything costs a commit of less than that nothing of its metadata.
	leastBatch = 1 << 10

	// mostRefusals bounds the search of one interval. It goes on with the next.
	mostRefusals = 16
)

// take is how many of the commits, from the first on, one request takes: one at least.
func (s commitSize) take(group string, commits []commitment) int {
	n, bytes := 0, 0
	for n < len(commits) && (n == 0 || bytes+commits[n].weight(group) <= int(s)) {
		bytes += commits[n].weight(group)
		n++
	}
	return n
}

// weight is nearly what a commit takes in the coordinator's log: group, topic and
// metadata, and numbers and lengths beside them.
func (c commitment) weight(group string) int {
	return len(group) + len(c.part.Topic) + len(c.metadata) + 64
}

func weight(group string, commits []commitment) (bytes int) {
	for _, c := range commits {
		bytes += c.weight(group)
	}
	return bytes
}

// ofSize tells whether a commit was refused for the size of what was sent, or may have been.
// The coordinator before Kafka 4.0 says INVALID_COMMIT_OFFSET_SIZE of a batch that its log
// does not take, the one since UNKNOWN_SERVER_ERROR, which may be anything else
// (GroupMetadataManager, CoordinatorOperationExceptionHelper).
func ofSize(err error) (may, certain bool) {
	var code kafka.Error
	if !errors.As(err, &code) {
		return false, false
	}
	switch code {
	case kafka.InvalidCommitOffsetSize, kafka.MessageSizeTooLarge, kafka.RecordListTooLarge:
		return true, true
	case kafka.Unknown:
		return true, false
	}
	return false, false
}

// search is one turn's requests: how much is sent at a time, and what became of it.
type search struct {
	size, began commitSize
	certain     bool // it became less for refusals that can be nothing else
	taken       []commitment
	alone       []commitment // refused alone, and nothing can be left out
	all         bool         // something was refused that is not for one partition's sake
}

// send commits, in as many requests as it takes, and returns what was taken. It is its
// caller's turn.
func (g *member) send(ctx context.Context, commits []commitment) (taken []commitment) {
	e := g.engine
	began := time.Now()
	e.mu.Lock()
	s := search{size: e.size, began: e.size}
	e.mu.Unlock()
	rest := commits
	for refusals := 0; len(rest) > 0 && refusals < mostRefusals && (refusals == 0 || ctx.Err() == nil); {
		id, current := g.current(rest)
		if rest = current; len(rest) == 0 {
			break
		}
		n := s.size.take(e.cfg.GroupID, rest)
		o := g.request(ctx, id, rest[:n])
		s.taken = append(s.taken, o.taken...)
		s.all = s.all || o.err != nil && !g.refusedAside(rest[:n])
		if len(o.heavy) == 0 {
			if o.err != nil && len(o.taken) == 0 && !ofPartition(o.err) || isStale(o.err) {
				break // it is not for this turn
			}
			rest = rest[n:]
			continue
		}
		refusals++
		rest = append(g.smaller(&s, o.heavy, len(o.heavy) == n), rest[n:]...)
	}
	g.learn(s, commits, began)
	return s.taken
}

// smaller is what to send of commits that were refused together: less of them at a time,
// or the last one bare, or nothing. Where others of the same request were taken, as whole
// denies, that says nothing of sizes.
func (g *member) smaller(s *search, heavy []commitment, whole bool) []commitment {
	c := &heavy[0]
	_, certain := ofSize(c.refused)
	size := weight(g.engine.cfg.GroupID, heavy)
	if len(heavy) == 1 && (c.metadata == "" || !certain && size < leastBatch) {
		s.alone = append(s.alone, *c)
		return nil
	}
	if whole {
		s.size, s.certain = commitSize(size/2), s.certain || certain
	}
	if len(heavy) == 1 {
		c.stripped, c.metadata = len(c.metadata), ""
	}
	return heavy
}

// learn keeps what a turn has shown of sizes, where anything was taken: else it may be anything.
func (g *member) learn(s search, commits []commitment, began time.Time) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(s.taken) < len(commits) {
		g.dirty = true
	}
	if len(s.taken) == 0 {
		if e.uncommitted.IsZero() && (s.all || g.refusesAll()) {
			e.uncommitted = began
		}
		return
	}
	e.uncommitted = time.Time{}
	for _, c := range s.alone {
		c.part.isRefused(c.refused)
	}
	for _, c := range s.taken {
		if c.stripped > 0 && !e.strips {
			e.strips = true
			eventCommitStripped.Log(e.log, slog.String("topic", c.part.Topic), slog.Any("partition", c.part.Number),
				slog.Int("bytes", c.stripped))
		}
	}
	if s.size == s.began {
		return
	}
	if s.certain {
		e.size = s.size
	}
	if !e.splits {
		e.splits = true
		eventCommitSplit.Log(e.log, slog.Int("partitions", len(commits)), slog.Int("bytes", weight(e.cfg.GroupID, commits)),
			slog.Int("part_bytes", int(s.size)))
	}
}
