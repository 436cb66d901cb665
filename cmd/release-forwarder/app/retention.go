package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/events"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/wire"
)

const (
	// retentionLook is how often the logs' starts and the topics' configuration are
	// read.
	retentionLook = time.Minute
	// startsKept is how long the movement of a log's start is remembered. Kafka
	// deletes by whole segments: over less time a start stands still and jumps.
	startsKept = 6 * time.Hour
	// patience is how old an unfinished record must be: a new one is nothing to warn
	// of, however short the retention, unless it cannot be read.
	patience = 15 * time.Minute
	// startsNeeded is how long a log's start must have been watched before its pace counts.
	startsNeeded = time.Hour
	// blindFor is how long reading a topic's configuration may fail before that is
	// logged.
	blindFor = 10 * time.Minute
)

// retention watches how near Kafka is to deleting what is not finished. For a topic
// without the right DescribeConfigs it logs only that the right is missing.
type retention struct {
	wire     *wire.Client
	clientID string
	log      *slog.Logger
	changed  chan struct{} // a partition was assigned

	mu sync.Mutex
	// Guarded by mu.
	topics map[string]topic.Retention
	starts map[membership.Partition][]movement // by partition

	// run's alone, by topic whose configuration cannot be read:
	blind  map[string]time.Time // since when
	hidden map[string]bool      // it was logged
}

// movement is where a log began, and ended, at a time.
type movement struct {
	at         time.Time
	start, end int64
}

func newRetention(k *connect.Kafka, clientID string, log *slog.Logger) *retention {
	return &retention{
		wire: k.Wire, clientID: clientID, log: log, changed: make(chan struct{}, 1), blind: map[string]time.Time{}, hidden: map[string]bool{},
		topics: map[string]topic.Retention{}, starts: map[membership.Partition][]movement{},
	}
}

// assigned makes run look at once: records of a new partition may be near their end.
func (r *retention) assigned() {
	select {
	case r.changed <- struct{}{}:
	default: // a look is due already
	}
}

// run looks until ctx ends.
func (r *retention) run(ctx context.Context, status func() consumer.Status) {
	tick := time.NewTicker(retentionLook)
	defer tick.Stop()
	for {
		r.look(ctx, status().Partitions)
		select {
		case <-tick.C:
		case <-r.changed:
		case <-ctx.Done():
			return
		}
	}
}

// look asks Kafka for what has changed. What cannot be read now is read later:
// whatever keeps Kafka from answering has alerts of its own.
func (r *retention) look(ctx context.Context, held []consumer.PartitionStatus) {
	topics := map[string]bool{}
	for _, p := range held {
		topics[p.Topic] = true
	}
	for name := range topics {
		log := topic.NewLog(r.wire, r.clientID, name)
		kept, err := log.Retention(ctx)
		r.tell(ctx, name, err)
		if err != nil {
			continue
		}
		spans, _ := log.Bounds(ctx) // a partition without a leader hides no other
		r.note(name, kept, spans)
	}
}

// tell logs once that a topic's retention cannot be seen; at once if a right is missing,
// since an alert that can never fire is worse than none.
func (r *retention) tell(ctx context.Context, topic string, err error) {
	if err == nil {
		delete(r.blind, topic)
		delete(r.hidden, topic)
		return
	}
	if r.blind[topic].IsZero() {
		r.blind[topic] = time.Now()
	}
	denied := errors.Is(err, kafka.TopicAuthorizationFailed)
	if r.hidden[topic] || !denied && (time.Since(r.blind[topic]) < blindFor || r.knows(topic)) || ctx.Err() != nil {
		return
	}
	r.hidden[topic] = true
	why := err.Error()
	if code, is := errors.AsType[kafka.Error](err); is {
		why = code.Error()
	}
	events.RetentionUnknown.LogContext(ctx, r.log, slog.String("topic", topic), slog.String("error", why))
}

// knows reports whether a topic's configuration was read before: that still counts.
func (r *retention) knows(topic string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.topics[topic]
	return known
}

func (r *retention) note(name string, kept topic.Retention, spans []topic.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.topics[name] = kept
	for _, s := range spans {
		at := membership.Partition{Topic: name, Number: s.Partition}
		moved := slices.Concat(r.starts[at], []movement{{now, s.First, s.End}})
		for len(moved) > 1 && now.Sub(moved[0].at) > startsKept {
			moved = moved[1:]
		}
		r.starts[at] = moved
	}
}

// endNow is where a partition's log ended when it was last looked at: the engine does
// not look where it does not read. The mutex is held.
func (r *retention) endNow(p consumer.PartitionStatus) int64 {
	moved := r.starts[placeOf(p)]
	if len(moved) == 0 {
		return p.LogEnd
	}
	return max(p.LogEnd, moved[len(moved)-1].end)
}

// left returns how many seconds are left for a partition's oldest unfinished record; telemetry.Unknown if not known.
func (r *retention) left(p *Partition, now time.Time) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Phase == "starting" || p.Watermark >= max(p.Position, r.endNow(p.PartitionStatus)) {
		return telemetry.Unknown // where it stands is not known, or nothing is unfinished
	}
	left, known := r.of(p, now)
	if !known {
		return telemetry.Unknown
	}
	return int64(max(left, 0).Seconds())
}

func (r *retention) of(p *Partition, now time.Time) (left time.Duration, known bool) {
	kept, is := r.topics[p.Topic]
	if !is {
		return 0, false
	}
	oldest := p.Unfinished()
	if !oldest.IsZero() && now.Sub(oldest) < patience && p.Blocked == "" {
		return 0, false
	}
	if kept.For > 0 && !oldest.IsZero() {
		left, known = oldest.Add(kept.For).Sub(now), true
	}
	if kept.Bytes > 0 {
		if paced, is := pace(r.starts[placeOf(p.PartitionStatus)], p.Watermark); is && (!known || paced < left) {
			left, known = paced, true
		}
	}
	return left, known
}

// pace is how long a log's start takes to reach an offset if it moves as before;
// false if it was not watched for long enough, or does not move.
func pace(moved []movement, offset int64) (time.Duration, bool) {
	if len(moved) == 0 {
		return 0, false
	}
	first, last := moved[0], moved[len(moved)-1]
	took, deleted := last.at.Sub(first.at), last.start-first.start
	if took < startsNeeded || deleted <= 0 {
		return 0, false
	}
	return time.Duration(min(float64(offset-last.start)/float64(deleted)*float64(took), 1<<62)), true
}
