package replay

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
)

// finished is a group's progress: all below an offset of each partition.
type finished map[int32]int64

func (f finished) Done(_ string, partition int32, offset int64) bool { return offset < f[partition] }

// Events are followed until each is accepted or has a letter again.
func TestFollowCountsHowEachEnded(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(30)...)
		d := h.person("alice")
		p, err := Track(h.Ctx, d.cfg.Reader, "group")
		if err != nil {
			t.Fatal(err)
		}
		r := all()
		sent := map[int32][]int64{}
		r.Sent = func(_ *dlq.Stored, topic string, partition int32, offset int64) {
			p.Add(topic, partition, offset)
			sent[partition] = append(sent[partition], offset)
		}
		if err := d.Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		again := func(partition int32, offset int64) dlq.Letter {
			l := dlqtest.Letter(partition, "s", int(offset))
			l.Headers = dlqtest.HeadersOf(dlq.HeaderPrefix+"redrives", "1", dlq.HeaderPrefix+"origin", "events/0/0")
			return l
		}
		// A letter of another topic, and one of an event that was not sent.
		other := again(0, sent[0][0])
		other.Topic = "elsewhere"
		h.Post(other, again(0, 900))
		now, looks := finished{}, 0
		var outcomes []string
		err = p.Follow(h.Ctx, time.Second, func(context.Context) (Progress, error) {
			switch looks++; looks {
			case 2:
				return nil, fmt.Errorf("moving: %w", kafka.NotCoordinatorForGroup)
			case 3: // the letter is written before its record is finished
				h.Post(again(0, sent[0][0]))
			case 4:
				now[0] = sent[0][2]
			case 5:
				h.Post(again(1, sent[1][3]), again(1, sent[1][4]))
				now = finished{0: 1000, 1: 1000, 2: 1000}
			}
			return now, nil
		}, func(f Outcome) { outcomes = append(outcomes, fmt.Sprint(f.Accepted, f.Failed, f.Waiting)) })
		if err != nil {
			t.Fatal(err)
		}
		if want := "[0 0 30 0 0 30 1 1 28 27 3 0]"; fmt.Sprint(outcomes) != want {
			t.Errorf("accepted, failed, waiting: %v, want %s", outcomes, want)
		}
		if f := p.Outcome(); f.Sent != 30 {
			t.Errorf("%+v", f)
		}
	})
}

// Another group may read the same topic and dead-letter the same events. Letters of all groups
// are replayed; only the followed group's own letters count as its results.
func TestFollowPassesOverAnotherGroupsLetters(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Letter(0, "a", 1))
		h.PostOf("other", dlqtest.Letter(0, "b", 2))
		c := h.ReaderConfig(h.Wire())
		c.Group = "" // --all-groups
		d := h.personWith("alice", c)
		p, err := Track(h.Ctx, d.cfg.Reader, "group")
		if err != nil {
			t.Fatal(err)
		}
		r := all()
		var sent []dlq.Letter // again, from the topic
		r.Sent = func(_ *dlq.Stored, topic string, partition int32, offset int64) {
			p.Add(topic, partition, offset)
			l := dlqtest.Letter(partition, "s", int(offset))
			l.Headers = dlqtest.HeadersOf(dlq.HeaderPrefix+"redrives", "1", dlq.HeaderPrefix+"origin", "events/0/0")
			sent = append(sent, l)
		}
		if err := d.Run(h.Ctx, r); err != nil || len(sent) != 2 {
			t.Fatalf("%d sent: %v", len(sent), err)
		}
		h.PostOf("other", sent...)
		h.Post(sent[1])
		var outcome Outcome
		err = p.Follow(h.Ctx, time.Second, func(context.Context) (Progress, error) { return finished{0: 1000}, nil }, func(f Outcome) { outcome = f })
		if want := (Outcome{Sent: 2, Accepted: 1, Failed: 1}); err != nil || outcome != want {
			t.Errorf("%+v %v, want %+v", outcome, err, want)
		}
	})
}

func TestFollowEndsWhereNothingWillChange(t *testing.T) {
	inHall(t, func(h *hall) {
		p, err := Track(h.Ctx, h.person("alice").cfg.Reader, "group")
		if err != nil {
			t.Fatal(err)
		}
		p.Add(dlqtest.Events, 0, 0)
		ctx, cancel := context.WithTimeout(h.Ctx, time.Minute)
		defer cancel()
		nothing := func(Outcome) {}
		err = p.Follow(ctx, time.Second, func(context.Context) (Progress, error) { return finished{}, nil }, nothing)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		err = p.Follow(h.Ctx, time.Second, func(context.Context) (Progress, error) { return nil, kafka.GroupAuthorizationFailed }, nothing)
		if !errors.Is(err, kafka.GroupAuthorizationFailed) {
			t.Errorf("%v", err)
		}
		begun := time.Now()
		err = p.Follow(h.Ctx, time.Second, func(context.Context) (Progress, error) { return nil, kafka.NotCoordinatorForGroup }, nothing)
		if !errors.Is(err, kafka.NotCoordinatorForGroup) || time.Since(begun) < lookFailing {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}
