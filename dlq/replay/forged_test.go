package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
)

// skeptic opens a reader that uses the headers of a replay only for records of the topic
// "replay".
func (h *hall) skeptic() *person {
	c := h.ReaderConfig(h.Wire())
	c.Replays = []string{"replay"}
	d := h.personWith("alice", c)
	return d
}

// forged is a letter of an event that a lane wrote with the headers of a replay.
func forged(partition int32, n int, redrives, origin string) dlq.Letter {
	l := dlqtest.Letter(partition, "s", n)
	l.Headers = dlqtest.HeadersOf(dlq.HeaderPrefix+"redrives", redrives, dlq.HeaderPrefix+"origin", origin)
	return l
}

// Forged headers change neither the order of events nor whether an event can be replayed.
func TestAForgedOriginOrdersAndHidesNothing(t *testing.T) {
	inHall(t, func(h *hall) {
		genuine := forged(0, 900, "1", "events/2/5")
		genuine.Topic = "replay"
		h.Post(dlqtest.Letter(2, "s", 6), forged(2, 9, "99", "events/0/0"), genuine, dlqtest.Letter(2, "s", 4))
		d := h.skeptic()
		ledger, err := d.ledger(h.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			most int
			want []string
		}{
			{-1, []string{"events/2/4 0", "events/2/5 1", "events/2/6 0", "events/2/9 0"}},
			{1, []string{"events/2/4 0", "events/2/6 0", "events/2/9 0"}},
		} {
			r, got := all(), []string{}
			r.MaxRedrives = c.most
			r.LeftOut = func(s *dlq.Stored, err error) {
				if !errors.Is(err, ErrOften) || s.Topic != "replay" {
					t.Errorf("%s is left out: %v", s.Source(), err)
				}
			}
			if err := d.Choose(h.Ctx, ledger, r, func(s *dlq.Stored) error {
				got = append(got, fmt.Sprintf("%s %d", s.Origin, s.Redrives))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("at most %d replays: %v, want %v", c.most, got, c.want)
			}
		}
		tally := dlq.NewTally()
		for s, err := range d.cfg.Reader.Letters(h.Ctx, []topic.Span{{Partition: 0, End: 100}, {Partition: 1, End: 100}}, nil) {
			if err == nil {
				tally.Add(s, dlq.Open, false)
			}
		}
		if tally.Replayed != 1 {
			t.Errorf("%d were replayed before, want 1", tally.Replayed)
		}
	})
}

// A replayed record gets its own place as origin, whatever it claimed. A genuine replay keeps
// its origin.
func TestAForgedOriginIsNotHandedOn(t *testing.T) {
	inHall(t, func(h *hall) {
		genuine := forged(1, 900, "1", "events/2/5")
		genuine.Topic = "replay"
		h.Post(forged(1, 8, "7", "events/0/3"), genuine)
		sent := map[string]string{}
		r := all()
		r.Sent = func(s *dlq.Stored, _ string, _ int32, _ int64) {
			for _, header := range s.Record(s.Value, false).Headers {
				sent[s.Source()+" "+header.Key] = string(header.Value)
			}
		}
		if err := h.skeptic().Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"events/1/8 " + dlq.HeaderPrefix + "redrives": "1", "events/1/8 " + dlq.HeaderPrefix + "origin": "events/1/8",
			"replay/1/900 " + dlq.HeaderPrefix + "redrives": "2", "replay/1/900 " + dlq.HeaderPrefix + "origin": "events/2/5",
		}
		for name, value := range want {
			if sent[name] != value {
				t.Errorf("%s: %q, want %q", name, sent[name], value)
			}
		}
	})
}

// An event that claims another's place does not count as that event or its letter: a tracker uses
// the places of records, and the ledger those of letters.
func TestAForgedOriginEndsNoOtherEvent(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Letter(0, "s", 1), dlqtest.Letter(0, "s", 2))
		d := h.skeptic()
		p, err := Track(h.Ctx, d.cfg.Reader, "group")
		if err != nil {
			t.Fatal(err)
		}
		r, sent := all(), []int64{}
		r.Sent = func(_ *dlq.Stored, topic string, partition int32, offset int64) {
			p.Add(topic, partition, offset)
			sent = append(sent, offset)
		}
		if err := d.Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		// The replayed events, the letters' original events, and the letters.
		names := []string{"events/0/1", "events/0/2", "events.dlq/0/0"}
		for _, offset := range sent {
			names = append(names, fmt.Sprintf("events/0/%d", offset))
		}
		for i, name := range names {
			h.Post(forged(0, 700+i, "1", name))
		}
		var last Outcome
		err = p.Follow(h.Ctx, time.Second, func(context.Context) (Progress, error) { return finished{0: 1000}, nil }, func(f Outcome) { last = f })
		if err != nil || last.Accepted != 2 || last.Failed != 0 {
			t.Errorf("%+v %v, want 2 accepted", last, err)
		}
		ledger, err := d.ledger(h.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		states := map[dlq.State]int{}
		for s, err := range d.cfg.Reader.Letters(h.Ctx, []topic.Span{{Partition: 0, End: 100}, {Partition: 1, End: 100}}, nil) {
			if err == nil {
				states[ledger.State(s)]++
			}
		}
		if states[dlq.Replayed] != 2 || states[dlq.Open] != len(names) {
			t.Errorf("%v, want 2 replayed and %d open", states, len(names))
		}
	})
}
