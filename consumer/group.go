package consumer

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/wire"
)

// Run joins the group and delivers until ctx ends; then it drains, commits and
// leaves the group. It returns when everything it started has ended, at the
// latest Config.DrainTimeout and five seconds after ctx. It waits for brokers
// and topics that are not there.
func (e *Engine) Run(ctx context.Context) error {
	var watch sync.WaitGroup
	defer watch.Wait()
	watching, stopWatch := context.WithCancel(context.Background())
	defer stopWatch()
	watch.Go(func() { e.watchdog(watching) })
	defer e.stopWorkers()

	for {
		topics := e.awaitTopics(ctx)
		if topics == nil {
			return nil
		}
		group, err := kafka.NewConsumerGroup(e.groupConfig(topics))
		if err != nil {
			return err
		}
		e.membership(ctx, group, topics)
	}
}

func (e *Engine) groupConfig(topics []string) kafka.ConsumerGroupConfig {
	brokers := slices.Clone(e.cfg.Brokers)
	// kafka-go takes the first that answers.
	rand.Shuffle(len(brokers), func(i, j int) { brokers[i], brokers[j] = brokers[j], brokers[i] })
	return kafka.ConsumerGroupConfig{
		ID: e.cfg.GroupID, Brokers: brokers, Dialer: e.cfg.Dialer, Topics: topics,
		GroupBalancers: []kafka.GroupBalancer{
			watchedBalancer{kafka.RangeGroupBalancer{}, e}, watchedBalancer{kafka.RoundRobinGroupBalancer{}, e},
		},
		HeartbeatInterval: e.cfg.HeartbeatInterval,
		SessionTimeout:    e.cfg.SessionTimeout,
		RebalanceTimeout:  e.cfg.RebalanceTimeout,
		JoinGroupBackoff:  joinInterval,
		StartOffset:       kafka.FirstOffset,
		Timeout:           groupTimeout,
	}
}

// groupTimeout bounds one of kafka-go's own requests to the group's coordinator.
const groupTimeout = 5 * time.Second

// membership takes the group's generations, one after the other, until ctx ends
// or other topics than these are to be read: then it leaves the group.
func (e *Engine) membership(ctx context.Context, group *kafka.ConsumerGroup, topics []string) {
	closed := make(chan struct{})
	leave := sync.OnceFunc(func() {
		go func() {
			_ = group.Close() // always nil
			close(closed)
		}()
	})
	for other := false; ctx.Err() == nil && !other; {
		gen, err := group.Next(ctx)
		if err != nil {
			e.joinFailed(ctx, err)
			other = e.otherTopics(ctx, topics)
			continue
		}
		g := e.newGeneration(gen, topics)
		ended := make(chan struct{})
		gen.Start(func(gctx context.Context) {
			defer close(ended)
			g.run(gctx, ctx)
		})
		select {
		case <-ended:
		case <-g.resubscribes:
			other = true
			leave()
			<-ended
		case <-ctx.Done():
			// Close first, so that the member leaves instead of joining again
			// when the generation has drained.
			leave()
			<-ended
		}
	}
	leave()
	// A join cannot be interrupted: the session time-out frees the partitions
	// of a member that did not leave in time.
	select {
	case <-closed:
	case <-time.After(leaveTimeout):
		e.log.Warn("leaving the group takes too long; the group notices by the session time-out", "timeout", e.cfg.SessionTimeout.String())
	}
}

// leaveTimeout bounds the wait for leaving the group.
const leaveTimeout = time.Second

func (e *Engine) joinFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if answered(err) {
		e.heard()
	}
	level := e.log.Warn
	if errors.Is(err, kafka.RebalanceInProgress) || errors.Is(err, kafka.GroupCoordinatorNotAvailable) {
		level = e.log.Info // part of every rebalance, and of a fresh cluster's first minute
	} else {
		e.mu.Lock()
		if e.refused.IsZero() {
			e.refused = time.Now()
		}
		e.mu.Unlock()
	}
	level("joining the group failed; tried again", "group", e.cfg.GroupID, "error", err.Error(), "remedy", wire.Remedy(err))
	select {
	case <-time.After(joinInterval):
	case <-ctx.Done():
	}
}

// awaitTopics waits until all topics exist that must, and returns them with the
// optional ones there are; nil if ctx ends. kafka-go joins without pause where a
// topic is missing, and would ask the broker to make it.
func (e *Engine) awaitTopics(ctx context.Context) []string {
	for {
		counts, err := e.partitionCounts(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			e.log.Warn("no broker has answered yet; waiting for Kafka", "error", err.Error())
		case len(missing(e.cfg.Topics, counts)) == 0:
			if absent := missing(e.cfg.Optional, counts); len(absent) > 0 {
				e.log.Warn("an optional topic does not exist, or this user may not describe it; it is read when it does", "topics", absent)
			}
			return e.existing(counts)
		default:
			topics := missing(e.cfg.Topics, counts)
			e.log.Warn("an event topic does not exist, or this user may not describe it; waiting for it", "topics", topics, "cause", e.topicCause(topics[0]))
		}
		select {
		case <-time.After(joinInterval):
		case <-ctx.Done():
			return nil
		}
	}
}

func missing(topics []string, counts map[string]int) []string {
	return slices.DeleteFunc(slices.Clone(topics), func(t string) bool { return counts[t] > 0 })
}

// existing is what to read: the topics that must exist, and the optional ones
// that do.
func (e *Engine) existing(counts map[string]int) []string {
	topics := slices.Clone(e.cfg.Topics)
	for _, t := range e.cfg.Optional {
		if counts[t] > 0 {
			topics = append(topics, t)
		}
	}
	return topics
}

// otherTopics tells whether an optional topic has come or gone since topics were
// subscribed to.
func (e *Engine) otherTopics(ctx context.Context, topics []string) bool {
	counts, err := e.partitionCounts(ctx)
	return err == nil && len(missing(e.cfg.Topics, counts)) == 0 && !slices.Equal(e.existing(counts), topics)
}

// watchedBalancer remembers what the leader knew of the topics when it
// assigned: only the leader is asked, and only it may call for a new assignment.
type watchedBalancer struct {
	kafka.GroupBalancer
	engine *Engine
}

// AssignGroups implements kafka.GroupBalancer.
func (b watchedBalancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	counts := map[string]int{}
	for _, p := range partitions {
		counts[p.Topic]++
	}
	b.engine.mu.Lock()
	b.engine.assigned = counts
	b.engine.mu.Unlock()
	return b.GroupBalancer.AssignGroups(members, partitions)
}

// watchPartitions ends the generation when the number of partitions is no longer
// what this member, as the leader, assigned, or when an optional topic has come
// or gone.
func (g *generation) watchPartitions(ctx context.Context) {
	e := g.engine
	e.mu.Lock()
	assigned := e.assigned // nil: another member leads
	e.assigned = nil
	e.mu.Unlock()
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		g.tellShare()
		if e.otherTopics(ctx, g.topics) {
			e.log.Info("an optional topic has come or gone; the group assigns anew")
			close(g.resubscribes)
			g.end(errPartitions)
			return
		}
		counts, err := e.partitionCounts(ctx)
		maps.DeleteFunc(counts, func(topic string, _ int) bool { return !slices.Contains(g.topics, topic) })
		if err == nil && assigned != nil && len(counts) == len(g.topics) && !maps.Equal(counts, assigned) {
			e.log.Info("the topics' partitions changed; the group assigns anew", "before", assigned, "now", counts)
			g.end(errPartitions)
			return
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
	// What was cut and does not end is left behind: a stop has a limit.
	select {
	case <-ended:
	case <-time.After(cutGrace):
	}
}
