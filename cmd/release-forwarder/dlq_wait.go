package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
	"release-forwarder/dlq/replay"
)

// lookEvery is how often --wait looks at the group's commits.
const lookEvery = time.Second

// follow waits until the replayed events have ended, and counts how.
func (j *replayJob) follow(ctx context.Context, tracker *replay.Tracker) error {
	if j.c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.c.Timeout)
		defer cancel()
	}
	j.say("following %s events until group %s has finished with them", number(j.sent), j.s.Kafka.GroupID)
	p := newProgress(j.screen, "ended", j.sent)
	told := false
	look := func(ctx context.Context) (replay.Progress, error) {
		partitions, err := offsets.ReadProgress(ctx, j.wire, j.s.Kafka.GroupID, []string{j.to})
		if err != nil {
			return nil, explainOffsets(err)
		}
		if !told && !slices.ContainsFunc(partitions, func(p offsets.PartitionProgress) bool { return p.Committed >= 0 }) {
			told = true
			j.say("group %s has committed nothing for %s yet: does the service run, and does it read that topic?", j.s.Kafka.GroupID, j.to)
		}
		return groupProgress(partitions), nil
	}
	var outcome replay.Outcome
	err := tracker.Follow(ctx, lookEvery, look, func(f replay.Outcome) {
		outcome = f
		p.set(f.Accepted + f.Failed)
	})
	p.end()
	fmt.Fprintf(j.out, "%s accepted, %s dead-lettered again, %s not ended\n", number(outcome.Accepted), number(outcome.Failed), number(outcome.Waiting))
	switch {
	case errors.Is(err, context.DeadlineExceeded) && outcome.Waiting > 0:
		return fmt.Errorf("%s events had not ended after %s", number(outcome.Waiting), j.c.Timeout)
	case err != nil:
		return err
	case outcome.Failed > 0:
		return fmt.Errorf("%s events failed again; dlq list shows their new dead letters", number(outcome.Failed))
	}
	return nil
}

// groupProgress is what a group's commits tell, ordered by topic and partition.
type groupProgress []offsets.PartitionProgress

// Done implements replay.Progress: below the commit, or finished beyond it.
func (g groupProgress) Done(topic string, partition int32, offset int64) bool {
	i, found := slices.BinarySearchFunc(g, offset, func(p offsets.PartitionProgress, _ int64) int {
		return cmp.Or(cmp.Compare(p.Topic, topic), cmp.Compare(p.Partition, partition))
	})
	if !found || g[i].Err != nil || g[i].Committed < 0 {
		return false
	}
	if offset < g[i].Committed {
		return true
	}
	_, done := slices.BinarySearchFunc(g[i].Done, offset, func(r progress.Range, o int64) int {
		switch {
		case r.Last < o:
			return -1
		case r.First > o:
			return 1
		}
		return 0
	})
	return done
}
