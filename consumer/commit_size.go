package consumer

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

// commitSize is what one commit may hold, as far as the coordinator has shown. The
// coordinator writes all that a request commits into its log as one batch and refuses all
// of it where that is larger than the log takes; its listener closes the connection where
// the request is larger than that takes. Neither says what would fit. So what is refused
// is halved until it is taken, down to one partition, and that one without its metadata.
type commitSize struct {
	bytes    int       // of one request; a single partition's commit is sent whatever it has
	metadata int       // of one partition: where there is more, the watermark goes alone
	found    time.Time // when it was found out; zero: nothing is known
}

// widest is where nothing is known: half of a batch that a broker's defaults take
// (message.max.bytes, 1 MiB).
var widest = commitSize{bytes: 512 << 10, metadata: math.MaxInt}

const (
	// limitsKept is how long what was found out counts. Brokers' settings change, and
	// it may have been something else.
	limitsKept = time.Hour

	// mostRefusals bounds the search of one interval. It goes on with the next.
	mostRefusals = 16
)

// fit is how many of the commits, from the first on, one request takes.
func (s commitSize) fit(group string, commits []commitment) int {
	n, bytes := 0, 0
	for n < len(commits) && (n == 0 || !commits[n].part.apart && bytes+commits[n].weight(group) <= s.bytes) {
		bytes += commits[n].weight(group)
		n++
	}
	return n
}

// weight is nearly what a commit takes in the coordinator's log: group, topic and
// metadata, and numbers and lengths beside them.
func (c commitment) weight(group string) int {
	return len(group) + len(c.part.topic) + len(c.metadata) + 64
}

func weight(group string, commits []commitment) (bytes int) {
	for _, c := range commits {
		bytes += c.weight(group)
	}
	return bytes
}

// sizeDoubt tells whether an error is about the size of what was sent.
type sizeDoubt uint8

const (
	notOfSize     sizeDoubt = iota
	mayBeTooLarge           // another cause is as likely: it counts when it comes twice in a row
	tooLarge
)

// ofSize judges an error. The coordinator before Kafka 4.0 tells of a batch that its log
// does not take as INVALID_COMMIT_OFFSET_SIZE, the one since as UNKNOWN_SERVER_ERROR
// (GroupMetadataManager, CoordinatorOperationExceptionHelper); a listener closes the
// connection (socket.request.max.bytes).
func ofSize(err error) sizeDoubt {
	var code kafka.Error
	var op *net.OpError
	switch {
	case errors.As(err, &code):
		switch code {
		case kafka.InvalidCommitOffsetSize, kafka.MessageSizeTooLarge, kafka.RecordListTooLarge:
			return tooLarge
		case kafka.Unknown:
			return mayBeTooLarge
		}
	case errors.As(err, &op) && op.Op == "dial":
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return mayBeTooLarge
	}
	return notOfSize
}

// search is one turn's requests: how much is sent at a time, and what the turn has shown.
type search struct {
	size, known commitSize
	taken       []commitment
	stripped    []commitment // sent without their metadata, which they have here
	apart       []*partition // refused alone and bare
	all         bool         // something was refused that is not for one partition's sake
}

// send commits, in as many requests as it takes, and returns what was taken. What a turn
// shows of sizes counts only where something was taken: else it may be anything.
// It is its caller's turn.
func (g *generation) send(ctx context.Context, commits []commitment) (taken []commitment) {
	e := g.engine
	e.mu.Lock()
	s, began := search{size: e.size}, time.Now()
	e.mu.Unlock()
	if began.Sub(s.size.found) >= limitsKept {
		s.size = widest
	}
	s.known = s.size
	rest := apartLast(commits)
	for refusals := 0; len(rest) > 0 && refusals < mostRefusals && (refusals == 0 || ctx.Err() == nil); {
		n := s.size.fit(e.cfg.GroupID, rest)
		took, heavy, certain, err := g.request(ctx, rest[:n])
		s.taken = append(s.taken, took...)
		s.all = s.all || err != nil && !g.refusedAside(rest[:n])
		doubted := g.doubted
		g.doubted = len(took) == 0 && len(heavy) > 0
		// One partition's request is smaller than any that a listener refuses for its size:
		// its connection was lost for another reason, and its metadata stays.
		lost := n == 1 && !answered(err)
		if len(heavy) == 0 || !certain && !doubted || lost {
			if err != nil && len(took) == 0 && !ofPartition(err) || isStale(err) {
				break // it is not for this turn
			}
			rest = rest[n:]
			continue
		}
		refusals++
		if len(heavy) == n { // not for another one's sake
			heavy = g.smaller(&s, heavy)
		}
		rest = append(heavy, rest[n:]...)
	}
	g.learn(s, commits, began)
	return s.taken
}

// smaller is what to send of commits that were refused together: less of them at a time,
// or the last one bare, or nothing.
func (g *generation) smaller(s *search, heavy []commitment) []commitment {
	if len(heavy) > 1 {
		s.size.bytes = weight(g.engine.cfg.GroupID, heavy) / 2
		return heavy
	}
	s.size.bytes = s.known.bytes // it was for this one
	c := heavy[0]
	if c.metadata == "" {
		s.apart = append(s.apart, c.part)
		return nil
	}
	s.stripped = append(s.stripped, c)
	c.metadata = ""
	return []commitment{c}
}

// apartLast puts those last that are sent alone: they are likely to be refused.
func apartLast(commits []commitment) []commitment {
	var first, last []commitment
	for _, c := range commits {
		if c.part.apart {
			last = append(last, c)
		} else {
			first = append(first, c)
		}
	}
	return append(first, last...)
}

// learn keeps what a turn has shown.
func (g *generation) learn(s search, commits []commitment, began time.Time) {
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
	for _, p := range s.apart {
		p.apart = true
		if p.refused.IsZero() {
			p.refused, p.refusal = began, cause(kafka.InvalidCommitOffsetSize)
		}
	}
	most := 0 // metadata that was taken
	for _, c := range s.taken {
		most = max(most, len(c.metadata))
	}
	for _, c := range s.stripped {
		if !slices.ContainsFunc(s.taken, func(t commitment) bool { return t.part == c.part }) {
			continue // it was not for that
		}
		if n := len(c.metadata); n > most {
			s.size.metadata = min(s.size.metadata, n/2)
		} else { // others have as much
			c.part.bareUntil = began.Add(limitsKept)
		}
		if !e.strips {
			e.strips = true
			e.log.Error("the coordinator refuses a partition's commit as too large with its metadata: only the watermark is committed where there is so much, a kill repeats what is done beyond it",
				"topic", c.part.topic, "partition", c.part.partition, "bytes", len(c.metadata))
		}
	}
	if s.size.bytes < s.known.bytes && !e.splits {
		e.splits = true
		e.log.Warn("the coordinator refused a commit as too large: it is sent in parts",
			"partitions", len(commits), "bytes", weight(e.cfg.GroupID, commits), "part_bytes", s.size.bytes)
	}
	if s.size.bytes < s.known.bytes || s.size.metadata < s.known.metadata {
		s.size.found = began
	}
	e.size = s.size
}
