package consumer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
)

// commitSize is how many bytes of commits one request may hold. The coordinator writes a
// request's commits into its log as one batch. If its log does not accept a batch of that size, it
// refuses all of them and does not say what would fit. So a refused request is halved until
// it is accepted, down to one partition, and then that one is sent without its metadata. From then
// on so is each commit whose metadata alone exceeds commitSize.
type commitSize int

const (
	// widest is half of the batch that a broker accepts by default (message.max.bytes, 1 MiB).
	widest commitSize = 512 << 10

	// leastBatch is a size that every coordinator accepts; it could not keep a group otherwise. A
	// smaller commit keeps its metadata after an error whose cause is unclear.
	leastBatch = 1 << 10

	// mostRefusals bounds the refused requests of one interval. The next one continues.
	mostRefusals = 16
)

// take is how many of the commits, from the first on, fit into one request: at least one.
func (s commitSize) take(group string, commits []commitment) int {
	n, bytes := 0, 0
	for n < len(commits) && (n == 0 || bytes+commits[n].weight(group) <= int(s)) {
		bytes += commits[n].weight(group)
		n++
	}
	return n
}

// weight is about the bytes of a commit in the coordinator's log: group, topic and metadata, and
// 64 for numbers and lengths.
func (c commitment) weight(group string) int {
	return len(group) + len(c.part.Topic) + len(c.Metadata) + 64
}

func weight(group string, commits []commitment) (bytes int) {
	for _, c := range commits {
		bytes += c.weight(group)
	}
	return bytes
}

// ofSize reports whether a commit may have been refused for the request's size, and whether that is
// certain. For a batch that is too large for its log, a coordinator before Kafka 4.0 answers
// INVALID_COMMIT_OFFSET_SIZE; one since answers UNKNOWN_SERVER_ERROR, which may have other causes
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

// search is the requests of one commit: how much each may hold, and the results.
type search struct {
	size, began commitSize
	certain     bool // only refusals that mean size have reduced it
	taken       []commitment
	alone       []commitment // refused alone, and nothing can be left out
	all         bool         // a refusal was not for a reason of its partitions alone
}

// send commits in as many requests as needed, and returns the accepted commits. The caller has
// called beginRound.
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
				break // nothing more can succeed now
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

// smaller returns what to send of commits that were refused together: all with a smaller size, or
// a single one without metadata, or nothing. whole says that the request had no others: only
// then the refusal says something about sizes.
func (g *member) smaller(s *search, heavy []commitment, whole bool) []commitment {
	c := &heavy[0]
	_, certain := ofSize(c.refused)
	size := weight(g.engine.cfg.GroupID, heavy)
	if len(heavy) == 1 && (c.Metadata == "" || !certain && size < leastBatch) {
		s.alone = append(s.alone, *c)
		return nil
	}
	if whole {
		s.size, s.certain = commitSize(size/2), s.certain || certain
	}
	if len(heavy) == 1 {
		c.stripped, c.Metadata = len(c.Metadata), ""
	}
	return heavy
}

// learn keeps what the refusals have shown about sizes, if anything was accepted. If nothing was,
// the cause may be another one.
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
