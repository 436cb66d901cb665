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

	if !e.awaitTopics(ctx) {
		return nil
	}
	group, err := kafka.NewConsumerGroup(e.groupConfig())
	if err != nil {
		return err
	}
	e.membership(ctx, group)
	return nil
}

func (e *Engine) groupConfig() kafka.ConsumerGroupConfig {
	brokers := slices.Clone(e.cfg.Brokers)
	// kafka-go takes the first that answers.
	rand.Shuffle(len(brokers), func(i, j int) { brokers[i], brokers[j] = brokers[j], brokers[i] })
	return kafka.ConsumerGroupConfig{
		ID: e.cfg.GroupID, Brokers: brokers, Dialer: e.cfg.Dialer, Topics: e.cfg.Topics,
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

// membership takes the group's generations, one after the other, until ctx ends.
func (e *Engine) membership(ctx context.Context, group *kafka.ConsumerGroup) {
	closed := make(chan struct{})
	leave := sync.OnceFunc(func() {
		go func() {
			_ = group.Close() // always nil
			close(closed)
		}()
	})
	for ctx.Err() == nil {
		gen, err := group.Next(ctx)
		if err != nil {
			e.joinFailed(ctx, err)
			continue
		}
		g := e.newGeneration(gen)
		ended := make(chan struct{})
		gen.Start(func(gctx context.Context) {
			defer close(ended)
			g.run(gctx, ctx)
		})
		select {
		case <-ended:
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
	}
	level("joining the group failed; tried again", "group", e.cfg.GroupID, "error", err.Error())
	select {
	case <-time.After(joinInterval):
	case <-ctx.Done():
	}
}

// awaitTopics waits until all topics exist: kafka-go joins without pause where
// one is missing, and would ask the broker to make it.
func (e *Engine) awaitTopics(ctx context.Context) bool {
	for {
		counts, err := e.partitionCounts(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil:
			e.log.Warn("no broker has answered yet; waiting for Kafka", "error", err.Error())
		case len(counts) == len(e.cfg.Topics):
			return true
		default:
			e.log.Warn("an event topic does not exist, or this user may not describe it; waiting for it", "topics", e.missing(counts))
		}
		select {
		case <-time.After(joinInterval):
		case <-ctx.Done():
			return false
		}
	}
}

func (e *Engine) missing(counts map[string]int) []string {
	return slices.DeleteFunc(slices.Clone(e.cfg.Topics), func(t string) bool { return counts[t] > 0 })
}

// partitionCounts gives the number of partitions of each topic that exists, from
// the transport's cache.
func (e *Engine) partitionCounts(ctx context.Context) (map[string]int, error) {
	res, err := e.client.Metadata(ctx, &kafka.MetadataRequest{Topics: e.cfg.Topics})
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, t := range res.Topics {
		if t.Error == nil && len(t.Partitions) > 0 {
			counts[t.Name] = len(t.Partitions)
		}
	}
	return counts, nil
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
// what this member, as the leader, assigned.
func (g *generation) watchPartitions(ctx context.Context) {
	e := g.engine
	e.mu.Lock()
	assigned := e.assigned
	e.assigned = nil
	e.mu.Unlock()
	if assigned == nil {
		<-ctx.Done() // another member leads
		return
	}
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		counts, err := e.partitionCounts(ctx)
		if err == nil && len(counts) == len(e.cfg.Topics) && !maps.Equal(counts, assigned) {
			e.log.Info("the topics' partitions changed; the group assigns anew", "before", assigned, "now", counts)
			g.end(errPartitions)
			return
		}
	}
}

// watchdog proves that the engine turns, for the liveness probe: it takes the
// lock every record needs.
func (e *Engine) watchdog(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		e.mu.Lock()
		e.turned = time.Now()
		e.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
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
	e.running.Wait()
}
