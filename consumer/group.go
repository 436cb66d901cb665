package consumer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/wire"
)

// Run joins the group and delivers until ctx ends; then it drains, commits and leaves the group. It
// returns when all that it started has ended, at most Config.DrainTimeout + 5 s after ctx. It
// waits for brokers and topics that are missing.
func (e *Engine) Run(ctx context.Context) error {
	var watch sync.WaitGroup
	defer watch.Wait()
	watching, stopWatch := context.WithCancel(context.Background())
	defer stopWatch()
	watch.Go(func() { e.watchdog(watching) })
	defer e.stopWorkers()

	g := e.newMember()
	e.mu.Lock()
	e.member = g
	e.mu.Unlock()
	g.run(ctx)
	return nil
}

// joinTrouble is why the last join failed, in words for people.
type joinTrouble struct {
	cause, remedy string
	// found is the coordinator's description of the group, if its type or its members may be the
	// cause; seen is when it was asked.
	found string
	seen  time.Time
}

// seenFor is how long the coordinator's description of the group counts. seeTakes is how long its
// answer may take.
const (
	seenFor  = 10 * time.Second
	seeTakes = 2 * time.Second
)

func (e *Engine) joinFailed(err error) {
	line, fields := eventJoinFailed, []slog.Attr{slog.String("group", e.cfg.GroupID), slog.String("error", err.Error()),
		slog.String("cause", wire.Cause(err)), slog.String("remedy", wire.Remedy(err))}
	// These two are usual: in every rebalance, and in the first minute of a new cluster.
	if errors.Is(err, kafka.RebalanceInProgress) || errors.Is(err, kafka.GroupCoordinatorNotAvailable) {
		line = line.At(slog.LevelInfo)
	} else if found := e.noteTrouble(err); found != "" {
		fields = append(fields, slog.String("found", found))
	}
	line.Log(e.log, fields...)
}

// noteTrouble notes why a join failed. It returns the description of the group if the cause may be
// in it.
func (e *Engine) noteTrouble(err error) (found string) {
	e.mu.Lock()
	now := e.trouble
	e.mu.Unlock()
	now.cause, now.remedy = wire.Cause(err), wire.Remedy(err)
	switch {
	case !ofTheGroup(err):
		now.found = ""
	case now.found == "" || time.Since(now.seen) > seenFor:
		now.found, now.seen = e.seeGroup(), time.Now()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refused.IsZero() {
		e.refused = time.Now()
	}
	e.trouble = now
	return now.found
}

// ofTheGroup reports whether the group's type or its members may have caused an error.
func ofTheGroup(err error) bool {
	return slices.ContainsFunc([]error{kafka.InconsistentGroupProtocol, kafka.GroupIdNotFound, kafka.GroupMaxSizeReached, kafka.Unknown},
		func(of error) bool { return errors.Is(err, of) })
}

// seeGroup describes the group's type and members, as far as this user may see them.
func (e *Engine) seeGroup() string {
	ctx, cancel := context.WithTimeout(context.Background(), seeTakes)
	defer cancel()
	g, err := membership.Describe(ctx, e.cfg.Wire, e.cfg.GroupID)
	if err != nil {
		return "the group cannot be described: " + wire.Cause(err)
	}
	return g.String()
}

// joinTold is why this member is outside the group, in words for people. suspended: the lease has
// ended without an answer. The engine's mutex is held.
func (e *Engine) joinTold(suspended bool) (cause, remedy string) {
	switch {
	case !e.refused.IsZero():
		cause, remedy = e.trouble.cause, e.trouble.remedy
		if e.trouble.found != "" {
			cause += "; found: " + e.trouble.found
		}
		return cause, remedy
	case suspended:
		return wire.Cause(context.DeadlineExceeded), wire.Remedy(context.DeadlineExceeded)
	}
	return wire.Cause(kafka.RebalanceInProgress), wire.Remedy(kafka.RebalanceInProgress)
}

// awaitTopics waits until one of Config.Topics exists. It returns all topics that exist; nil if
// ctx ends.
func (e *Engine) awaitTopics(ctx context.Context) []string {
	for {
		counts, err := e.partitionCounts(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			eventNoBroker.Log(e.log, slog.String("error", err.Error()))
		case e.enough(counts):
			e.tellAbsent(counts)
			return e.existing(counts)
		default:
			e.tellMissing(e.cfg.Topics)
		}
		select {
		case <-time.After(joinInterval):
		case <-ctx.Done():
			return nil
		}
	}
}

// enough reports whether a topic exists without which nothing is read.
func (e *Engine) enough(counts map[string]int) bool {
	return len(missing(e.cfg.Topics, counts)) < len(e.cfg.Topics)
}

// tellAbsent logs the topics that do not exist while others are read, once for each such set.
func (e *Engine) tellAbsent(counts map[string]int) {
	events, optional := missing(e.cfg.Topics, counts), missing(e.cfg.Optional, counts)
	absent := slices.Concat(events, optional)
	e.mu.Lock()
	told := slices.Equal(absent, e.toldAbsent)
	e.toldAbsent = absent
	e.mu.Unlock()
	if told {
		return
	}
	if len(events) > 0 {
		e.tellMissing(events)
	}
	if len(optional) > 0 {
		eventOptionalTopicMissing.Log(e.log, slog.Any("topics", optional))
	}
}

// tellMissing logs event topics that do not exist, with the first one's cause.
func (e *Engine) tellMissing(topics []string) {
	eventTopicMissing.Log(e.log, slog.Any("topics", topics), slog.String("cause", e.topicCause(topics[0])))
}

func missing(topics []string, counts map[string]int) []string {
	return slices.DeleteFunc(slices.Clone(topics), func(t string) bool { return counts[t] > 0 })
}

// existing is the topics to read.
func (e *Engine) existing(counts map[string]int) []string {
	topics := slices.DeleteFunc(e.topics(), func(t string) bool { return counts[t] == 0 })
	slices.Sort(topics)
	return topics
}

// topics are all of the Config.
func (e *Engine) topics() []string { return slices.Concat(e.cfg.Topics, e.cfg.Optional) }

// watchTopics reports changed shares, and makes the member join again when a topic appears or
// disappears. While no event topic exists it keeps what it has.
func (g *member) watchTopics(ctx context.Context) {
	e := g.engine
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		counts, err := e.partitionCounts(ctx)
		g.tellShare()
		if err != nil || !e.enough(counts) {
			continue
		}
		e.mu.Lock()
		other := e.subscribed != nil && !slices.Equal(e.existing(counts), e.subscribed)
		e.mu.Unlock()
		if other {
			eventTopicsChanged.Log(e.log, slog.Any("topics", e.existing(counts)))
			g.group.Rejoin()
		}
	}
}

func (e *Engine) stopWorkers() {
	e.mu.Lock()
	e.stopped = true
	if e.timer != nil {
		e.timer.Stop()
	}
	e.idle = 0
	e.wake.Broadcast()
	e.mu.Unlock()
	e.quit()
	ended := make(chan struct{})
	go func() {
		e.running.Wait()
		close(ended)
	}()
	// A stop has a limit: a cut delivery that does not end is left running.
	select {
	case <-ended:
	case <-time.After(cutGrace):
	}
}
