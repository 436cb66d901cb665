package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// otherTopic is a cluster whose topic was recreated: it has another ID and is empty.
type otherTopic struct {
	oneLeader
	id      wire.ID
	commits int
}

func (c *otherTopic) Metadata(context.Context) (*wire.Metadata, error) {
	return &wire.Metadata{Asked: time.Now(), Topics: map[string]wire.Topic{
		"events": {ID: c.id, Partitions: map[int32]wire.Partition{0: {Leader: 1}}},
	}}, nil
}

func (c *otherTopic) SendToCoordinator(_ context.Context, _ string, r kmsg.Request) (kmsg.Response, error) {
	if _, commits := r.(*kmsg.OffsetCommitRequest); commits {
		c.commits++
	}
	return nil, errAway
}

// The group assigned a partition by its topic's ID, and the topic was recreated since. The new
// topic's partition may have another owner: nothing of it is committed or read until the group
// assigns it. If the group assigns by name, the partition goes on with the new topic at once.
func TestAPartitionIsOfTheTopicThatWasAssigned(t *testing.T) {
	before, now := wire.ID{1}, wire.ID{2}
	for name, c := range map[string]struct {
		assigned, read wire.ID // zero: none
		commits        bool
	}{
		"by name":          {read: before, commits: true},
		"the topic before": {assigned: before, read: before},
		"the topic now, and the one before is read": {assigned: now, read: before, commits: true},
		"the topic before, and nothing is read yet": {assigned: before},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &otherTopic{id: now}
			inRig(t, 0, func(cfg *Config) { cfg.Handler, cfg.Wire = &inbox{}, cluster }, func(r *rig) {
				owner{r.g}.Assigned([]membership.Assignment{{Partition: membership.Partition{Topic: "events"}, TopicID: c.assigned}})
				p := r.part(0)
				r.g.begins(start{p, progress.New[*Delivery](7, progress.UnknownEpoch, progress.Knowledge{})})
				p.logID, p.trusted = c.read, c.read != wire.ID{}
				ctx, end := context.WithCancel(r.g.fencing())
				go r.g.resolveLoop(ctx)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				end()
				if got := cluster.commits > 0; got != c.commits {
					t.Errorf("it commits its place in the new topic: %v, want %v (it is %s)", got, c.commits, p.phase)
				}
				if p.phase == reading {
					t.Error("it is read")
				}
			})
		})
	}
}

// A first offset is committed only for the topic that was assigned.
func TestAFirstOffsetIsOfTheTopicThatWasAssigned(t *testing.T) {
	before, now := wire.ID{1}, wire.ID{2}
	for assigned, want := range map[wire.ID]int{{}: 1, before: 0, now: 1} {
		cluster := &otherTopic{id: now}
		inRig(t, 0, func(cfg *Config) { cfg.Handler, cfg.Wire = &inbox{}, cluster }, func(r *rig) {
			owner{r.g}.Assigned([]membership.Assignment{{Partition: membership.Partition{Topic: "events"}, TopicID: assigned}})
			r.g.commitFirst(r.g.fencing(), []commitment{{part: r.part(0), logID: now, Commit: offsets.Commit{Epoch: progress.UnknownEpoch}}})
			if cluster.commits != want {
				t.Errorf("assigned %v: %d commits, want %d", assigned[:1], cluster.commits, want)
			}
		})
	}
}
