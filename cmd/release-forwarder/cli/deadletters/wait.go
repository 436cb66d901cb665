package deadletters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/consumer/offsets"
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
	j.Say("following %s until group %s has finished with them", console.Count(j.sent, "event"), j.Settings.Kafka.GroupID)
	p := console.NewBar(j.Screen, "ended", j.sent)
	said := false
	look := func(ctx context.Context) (replay.Progress, error) {
		partitions, err := offsets.ReadProgress(ctx, j.Wire, j.Settings.Kafka.GroupID, slices.Sorted(maps.Keys(j.sentTo)))
		if err != nil {
			return nil, session.ExplainOffsets(err)
		}
		if !said && !slices.ContainsFunc(partitions, func(p offsets.PartitionProgress) bool { return p.Committed >= 0 }) {
			said = true
			j.Say("group %s has committed nothing for %s yet: does the service run, and does it read that topic?", j.Settings.Kafka.GroupID, j.to)
		}
		return session.GroupProgress(partitions), nil
	}
	var outcome replay.Outcome
	err := tracker.Follow(ctx, lookEvery, look, func(f replay.Outcome) {
		outcome = f
		p.Set(f.Accepted + f.Failed)
	})
	p.End()
	fmt.Fprintf(j.Out, "%s accepted, %s dead-lettered again, %s not ended\n", console.Number(outcome.Accepted), console.Number(outcome.Failed), console.Number(outcome.Waiting))
	switch {
	case errors.Is(err, context.DeadlineExceeded) && outcome.Waiting > 0:
		return fmt.Errorf("%s had not ended after %s", console.Count(outcome.Waiting, "event"), j.c.Timeout)
	case err != nil:
		return err
	case outcome.Failed > 0:
		return fmt.Errorf("%s failed again; dlq list shows the new dead letters", console.Count(outcome.Failed, "event"))
	}
	return nil
}
