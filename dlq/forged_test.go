package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"release-forwarder/consumer/topic"
)

// skeptic opens a reader that uses the headers of a replay only for records of the topic
// "replay".
func (h *hall) skeptic() *Reader {
	d := h.reader("alice")
	d.cfg.Replays = "replay"
	return d
}

// forged is a letter of an event that a lane wrote with the headers of a replay.
func forged(partition int32, n int, redrives, origin string) Letter {
	l := letter(partition, "s", n)
	l.Headers = headersOf(HeaderPrefix+"redrives", redrives, HeaderPrefix+"origin", origin)
	return l
}

// Forged headers change neither the order of events nor whether an event can be replayed.
func TestAForgedOriginOrdersAndHidesNothing(t *testing.T) {
	inHall(t, func(h *hall) {
		genuine := forged(0, 900, "1", "events/2/5")
		genuine.Topic = "replay"
		h.post(letter(2, "s", 6), forged(2, 9, "99", "events/0/0"), genuine, letter(2, "s", 4))
		d := h.skeptic()
		ledger, err := d.Ledger(h.ctx)
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
			r.LeftOut = func(s *Stored, err error) {
				if !errors.Is(err, ErrOften) || s.Topic != "replay" {
					t.Errorf("%s is left out: %v", s.Source(), err)
				}
			}
			if err := d.Choose(h.ctx, ledger, r, func(s *Stored) error {
				got = append(got, fmt.Sprintf("%s %d", s.Origin, s.Redrives))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("at most %d replays: %v, want %v", c.most, got, c.want)
			}
		}
		tally := NewTally()
		for s, err := range d.Letters(h.ctx, []topic.Span{{Partition: 0, End: 100}, {Partition: 1, End: 100}}, nil) {
			if err == nil {
				tally.Add(s, Open, false)
			}
		}
		if tally.Replayed != 1 {
			t.Errorf("%d were replayed before, want 1", tally.Replayed)
		}
	})
}

// Without a topic of their own replays are among the events, so the headers of every event are
// used.
func TestWithoutAReplayTopicTheEventsAreBelieved(t *testing.T) {
	inHall(t, func(h *hall) {
		elsewhere := forged(2, 3, "1", "events/0/1")
		elsewhere.Topic = "elsewhere"
		h.post(letter(2, "s", 6), forged(2, 9, "1", "events/2/5"), elsewhere)
		d := h.reader("alice")
		d.cfg.Replays = eventTopic
		var got []string
		for s, err := range d.Letters(h.ctx, []topic.Span{{Partition: 0, End: 100}, {Partition: 1, End: 100}}, nil) {
			if err == nil {
				got = append(got, fmt.Sprintf("%s %d, claims %s %d", s.Origin, s.Redrives, s.ClaimedOrigin, s.ClaimedRedrives))
			}
		}
		slices.Sort(got)
		if want := []string{"elsewhere/2/3 0, claims events/0/1 1", "events/2/5 1, claims  0", "events/2/6 0, claims  0"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// A replayed record gets its own place as origin, whatever it claimed. A genuine replay keeps
// its origin.
func TestAForgedOriginIsNotHandedOn(t *testing.T) {
	inHall(t, func(h *hall) {
		genuine := forged(1, 900, "1", "events/2/5")
		genuine.Topic = "replay"
		h.post(forged(1, 8, "7", "events/0/3"), genuine)
		sent := map[string]string{}
		r := all()
		r.Sent = func(s *Stored, _ int32, _ int64) {
			for _, header := range s.replayed(s.Value, false).headers {
				sent[s.Source()+" "+header.Key] = string(header.Value)
			}
		}
		if err := h.skeptic().Replay(h.ctx, r); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"events/1/8 " + HeaderPrefix + "redrives": "1", "events/1/8 " + HeaderPrefix + "origin": "events/1/8",
			"replay/1/900 " + HeaderPrefix + "redrives": "2", "replay/1/900 " + HeaderPrefix + "origin": "events/2/5",
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
		h.post(letter(0, "s", 1), letter(0, "s", 2))
		d := h.skeptic()
		p, err := d.Track(h.ctx, eventTopic, "group")
		if err != nil {
			t.Fatal(err)
		}
		r, sent := all(), []int64{}
		r.Sent = func(_ *Stored, partition int32, offset int64) {
			p.Add(partition, offset)
			sent = append(sent, offset)
		}
		if err := d.Replay(h.ctx, r); err != nil {
			t.Fatal(err)
		}
		// The replayed events, the letters' original events, and the letters.
		names := []string{"events/0/1", "events/0/2", "events.dlq/0/0"}
		for _, offset := range sent {
			names = append(names, fmt.Sprintf("events/0/%d", offset))
		}
		for i, name := range names {
			h.post(forged(0, 700+i, "1", name))
		}
		var last Outcome
		err = p.Follow(h.ctx, time.Second, func(context.Context) (Progress, error) { return finished{0: 1000}, nil }, func(f Outcome) { last = f })
		if err != nil || last.Accepted != 2 || last.Failed != 0 {
			t.Errorf("%+v %v, want 2 accepted", last, err)
		}
		ledger, err := d.Ledger(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		states := map[State]int{}
		for s, err := range d.Letters(h.ctx, []topic.Span{{Partition: 0, End: 100}, {Partition: 1, End: 100}}, nil) {
			if err == nil {
				states[ledger.State(s)]++
			}
		}
		if states[Replayed] != 2 || states[Open] != len(names) {
			t.Errorf("%v, want 2 replayed and %d open", states, len(names))
		}
	})
}
