package consumer

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/wire"
)

// topicCount is the believed number of a topic's partitions. A broker that has just started, or is
// partly cut off, leaves topics and partitions out of its answers. So a larger number is
// believed at once; a smaller one, or none, only if all answers for watchInterval report it.
// An answer with another error does not count.
type topicCount struct {
	n     int
	less  int       // the last reported number, if it is smaller
	since time.Time // since when it was reported; zero: the last one was not smaller
	cause error     // the error of the last answer without a number
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

// partitionCounts returns the number of partitions of each topic of the Config that is believed
// to exist, after it has noted the present metadata.
func (e *Engine) partitionCounts(ctx context.Context) (map[string]int, error) {
	m, err := e.metadata(ctx)
	if err != nil {
		return nil, err
	}
	return e.countIn(m, e.topics()), nil
}

// countsOf does the same for any topics: the group's leader also assigns topics of other members.
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

// countIn notes an answer's numbers and returns the believed ones.
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

// metadata returns the last metadata; it waits for the first up to requestTimeout.
func (e *Engine) metadata(ctx context.Context) (*wire.Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return e.cfg.Wire.Metadata(ctx)
}

// topicCause is why a topic is not believed to exist.
func (e *Engine) topicCause(topic string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return wire.Cause(e.counts[topic].cause)
}

// missingTopics are those that are not believed to exist. The engine's mutex is held.
func (e *Engine) missingTopics() (missing []MissingTopic) {
	for _, topic := range e.topics() {
		if c, asked := e.counts[topic]; asked && c.n == 0 {
			missing = append(missing, MissingTopic{topic, wire.Cause(c.cause)})
		}
	}
	return missing
}

// tellShare calls Hooks.Owns if this member's share has changed.
func (g *member) tellShare() {
	e := g.engine
	owned, all := map[string]int{}, map[string]int{}
	e.mu.Lock()
	for tp := range g.parts {
		owned[tp.Topic]++
	}
	for _, topic := range e.topics() {
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
