package consumer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/wire"
)

// topicCount is how many partitions a topic has, as far as answers have told. A broker
// that has just started, or is partly cut off, leaves topics and partitions out of its
// answers: so more is believed at once, and less, or none, when it was told for
// watchInterval without an answer between that told more. An answer with any other error
// tells nothing.
type topicCount struct {
	n     int
	less  int       // what was told last, where that is less
	since time.Time // since when that was told; zero where it is not
	cause error     // of the last answer that told nothing, or of none
}

func (c *topicCount) note(n int, now time.Time) {
	switch {
	case n >= c.n:
		*c = topicCount{n: n}
	case c.since.IsZero() || n != c.less:
		c.less, c.since = n, now
	case now.Sub(c.since) >= watchInterval:
		*c = topicCount{n: n}
	}
}

// partitionCounts gives the number of partitions of each topic that is known to exist. It
// asks the wire for what is new.
func (e *Engine) partitionCounts(ctx context.Context) (map[string]int, error) {
	m, err := e.metadata(ctx)
	if err != nil {
		return nil, err
	}
	return e.countIn(m, slices.Concat(e.cfg.Topics, e.cfg.Optional)), nil
}

// countsOf gives those of any topics: a leader assigns for members that read others.
func (e *Engine) countsOf(ctx context.Context, topics []string) (map[string]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := e.cfg.Wire.MetadataOf(ctx, topics)
	if err != nil {
		return nil, err
	}
	counts := map[string]int32{}
	for topic, n := range e.countIn(m, topics) {
		counts[topic] = int32(n)
	}
	return counts, nil
}

// countIn notes and gives the numbers that an answer tells of topics.
func (e *Engine) countIn(m *wire.Metadata, topics []string) map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	now, counts := time.Now(), map[string]int{}
	for _, topic := range topics {
		c := e.counts[topic]
		t, told := m.Topics[topic]
		err := t.Err
		if !told {
			err = fetch.ErrLeftOut
		}
		switch {
		case err == nil && len(t.Partitions) > 0:
			c.note(len(t.Partitions), now)
		case err == nil, errors.Is(err, kafka.UnknownTopicOrPartition), errors.Is(err, fetch.ErrLeftOut):
			c.note(0, now)
			c.cause = kafka.UnknownTopicOrPartition
		default:
			c.cause = err
		}
		e.counts[topic] = c
		if c.n > 0 {
			counts[topic] = c.n
		}
	}
	return counts
}

// metadata is what the cluster last told, waited for within a request's time.
func (e *Engine) metadata(ctx context.Context) (*wire.Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return e.cfg.Wire.Metadata(ctx)
}

// topicCause says why a topic is not known to exist.
func (e *Engine) topicCause(topic string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return wire.Cause(e.counts[topic].cause)
}

// tellShare tells how many of the topics' partitions are this member's, where that is news.
func (g *member) tellShare() {
	e := g.engine
	owned, all := map[string]int{}, map[string]int{}
	e.mu.Lock()
	for tp := range g.parts {
		owned[tp.Topic]++
	}
	for _, topic := range slices.Concat(e.cfg.Topics, e.cfg.Optional) {
		if c := e.counts[topic]; c.n > 0 {
			all[topic] = c.n
		}
	}
	news := !maps.Equal(all, g.shareOf) || !maps.Equal(owned, g.owned)
	g.shareOf, g.owned = all, owned
	e.mu.Unlock()
	if news {
		e.cfg.Hooks.Owns(owned, all)
	}
}
