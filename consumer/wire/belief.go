package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// told is what is kept of the cluster's answers. The client's mutex guards it.
type told struct {
	last  *Metadata
	err   error // of the last try, while there is no answer yet
	tries int   // number of tries that have ended
	more  chan struct{}

	// ours: some answer named a topic of ours. Until then no cluster counts as ours.
	ours   bool
	topics map[string]*belief // by name, also topics that are gone
	// foreign is since when only another cluster answers; zero: ours answers.
	foreign time.Time
}

// belief is what is believed of a topic, whatever the last answer was.
type belief struct {
	id ID
	// retired are the replaced IDs, the last one last.
	retired []ID
	doubt   doubt
	// back is since when a retired ID is reported and the present one is not.
	back stretch
	// leaders are the leaders with the highest epoch reported, by partition.
	leaders map[int32]Partition
	// older is since when only lower leader epochs are reported.
	older stretch
}

// doubt is another ID of a topic that one broker reported.
type doubt struct {
	id    ID
	by    string    // its address
	since time.Time // since when it is not contradicted
	told  time.Time // when it was reported last
	// denied: another broker has reported the present ID since.
	denied bool
}

// stretch is a time in which something was reported again and again.
type stretch struct{ since, last time.Time }

// told returns how long it has been reported; it is reported now too. A break of more than doubtFor ends a
// stretch.
func (s *stretch) told(now time.Time) time.Duration {
	if now.Sub(s.last) > doubtFor {
		s.since = now
	}
	s.last = now
	return now.Sub(s.since)
}

func (t *told) topic(name string) *belief {
	b := t.topics[name]
	if b == nil {
		b = &belief{}
		t.topics[name] = b
	}
	return b
}

const (
	// doubtFor is how long a doubt lasts that is not reported again.
	doubtFor = 10 * time.Second
	// aloneFor is how long one broker must report another topic ID, while no second broker answers, until the
	// ID is believed; and how long all must report lower leader epochs.
	aloneFor = 30 * time.Second
	// foreignFor is how long another cluster must answer alone at our addresses until it is believed to
	// replace ours; and how long a replaced topic ID must be reported alone.
	foreignFor = time.Minute
	// confirmTakes bounds how long the first answer waits for a second broker's.
	confirmTakes = 100 * time.Millisecond
	// mostRetired bounds a topic's former IDs that are kept: brokers lag by one or two.
	mostRetired = 16
)

// errForeign: an address belongs to another cluster.
var errForeign = errors.New("the address belongs to another cluster")

// lost reports whether no cluster has named a topic of ours yet: nothing else shows which cluster is ours.
func (c *Client) lost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.told.ours
}

// unknown reports whether none of the topics exists or may be seen: a cluster with access rules answers so for
// a topic that does not exist.
func (m *Metadata) unknown() bool {
	for _, t := range m.Topics {
		if !errors.Is(t.Err, kafka.UnknownTopicOrPartition) && !errors.Is(t.Err, kafka.TopicAuthorizationFailed) {
			return false
		}
	}
	return len(m.Topics) > 0
}

// foreign returns an error if an answer is another cluster's. After a minute in which no one else answered it
// is believed: a cluster may have been set up again, and the client would wait indefinitely.
func (c *Client) foreign(m *Metadata) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.told.last
	if !c.told.ours || last.ClusterID == m.ClusterID || last.ClusterID == "" {
		c.told.foreign = time.Time{}
		return nil
	}
	now := time.Now()
	if c.told.foreign.IsZero() {
		c.told.foreign = now
	}
	if now.Sub(c.told.foreign) < foreignFor {
		return fmt.Errorf("%w: %s, ours is %s", errForeign, m.ClusterID, last.ClusterID)
	}
	eventClusterReplaced.Log(c.cfg.Logger, slog.String("former", last.ClusterID), slog.String("cluster", m.ClusterID))
	c.told = told{err: c.told.err, tries: c.told.tries, more: c.told.more, topics: map[string]*belief{}}
	return nil
}

// confirmed returns the first answer, or one whose topic IDs two brokers reported: nothing is known yet to
// judge them by. If no two report the same within 100 ms, the first stands.
func (c *Client) confirmed(first *Metadata, by string) (*Metadata, string) {
	ctx, cancel := context.WithTimeout(c.ctx, confirmTakes)
	defer cancel()
	told := []*Metadata{first}
	for _, b := range first.Brokers {
		if len(first.ids()) == 0 || ctx.Err() != nil {
			break
		}
		address := b.Address()
		if address == by {
			continue
		}
		m, err := c.askMetadata(ctx, address)
		if err != nil || m.ClusterID != first.ClusterID || len(m.ids()) == 0 {
			continue
		}
		for _, t := range told {
			if maps.Equal(t.ids(), m.ids()) {
				return m, address
			}
		}
		told = append(told, m)
	}
	return first, by
}

func (m *Metadata) ids() map[string]ID {
	ids := map[string]ID{}
	for name, t := range m.Topics {
		if t.ID != (ID{}) {
			ids[name] = t.ID
		}
	}
	return ids
}

// believe takes an answer as the cluster's state, except what is older than what is known. It returns false if
// another broker must be asked: a topic has another ID.
func (c *Client) believe(m *Metadata, by string) (settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	settled = true
	t, now := &c.told, time.Now()
	t.ours = t.ours || !m.unknown()
	if t.last != nil && t.last.ClusterID != m.ClusterID {
		clear(c.coordinators)
	}
	for name, topic := range m.Topics {
		b := t.topic(name)
		d := &b.doubt
		if topic.ID == b.id {
			b.back = stretch{}
		}
		switch {
		case topic.ID == (ID{}):
		case b.id == (ID{}):
			b.id, b.leaders, b.older = topic.ID, nil, stretch{}
		case slices.Contains(b.retired, topic.ID): // a broker that lags: it decides nothing
			settled = settled && *d == doubt{}
			if b.back.told(now) >= foreignFor { // unless no one reports the other ID
				b.replace(topic.ID)
			}
		case topic.ID == b.id && now.Sub(d.told) > doubtFor:
			*d = doubt{}
		case topic.ID == b.id: // contradicted: a second broker must decide
			d.since, d.denied = now, true
			settled = false
		case d.id != topic.ID:
			*d = doubt{id: topic.ID, by: by, since: now, told: now}
			settled = false
			c.Refresh()
		case d.by != by, len(m.Brokers) == 1, now.Sub(d.since) >= aloneFor:
			b.replace(topic.ID)
		default:
			d.told = now
			settled = false
		}
		var former Topic
		if t.last != nil {
			former = t.last.Topics[name]
		}
		m.Topics[name] = b.newer(former, topic)
	}
	t.last = m
	return settled
}

// replace believes another ID of the topic.
func (b *belief) replace(id ID) {
	b.retired = slices.DeleteFunc(b.retired, func(r ID) bool { return r == id })
	if b.retired = append(b.retired, b.id); len(b.retired) > mostRetired {
		b.retired = slices.Delete(b.retired, 0, 1)
	}
	b.id, b.doubt, b.back = id, doubt{}, stretch{}
	b.leaders, b.older = nil, stretch{}
}

// newer returns a topic as reported now, with what is newer from before: all of it if the reported ID is not
// believed yet, and partitions with a higher leader epoch. Epochs are also lower in a topic that was recreated
// without an ID, and in a cluster restored from a snapshot: they are believed after 30 s in which no one
// reports others.
func (b *belief) newer(former, now Topic) Topic {
	switch {
	case now.ID != (ID{}) && now.ID != b.id:
		if former.Err == nil && former.Partitions == nil {
			former.Err = kafka.UnknownTopicOrPartition
		}
		former.Doubted = b.doubt != doubt{} && (!b.doubt.denied || time.Since(b.doubt.since) > metadataAge)
		return former
	case now.Err != nil:
		return now
	}
	old := false
	merged := Topic{ID: now.ID, Partitions: map[int32]Partition{}}
	for n, p := range now.Partitions {
		if l, known := b.leaders[n]; known && p.Epoch >= 0 && p.Epoch < l.Epoch {
			p, old = l, true
		}
		merged.Partitions[n] = p
	}
	switch {
	case !old:
		b.older = stretch{}
	case b.older.told(time.Now()) >= aloneFor:
		b.leaders, b.older = nil, stretch{}
		merged = now
	}
	b.led(merged)
	return merged
}

// led keeps the leaders of a topic. A leader without an epoch does not change the epoch.
func (b *belief) led(t Topic) {
	if b.leaders == nil {
		b.leaders = map[int32]Partition{}
	}
	for n, p := range t.Partitions {
		if p.Epoch >= 0 {
			b.leaders[n] = p
		}
	}
}
