package dlq

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
)

// A dead letter that is written during a replay was not chosen, and is not sent.
func TestLettersWrittenAfterTheChoiceAreNotSent(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letters(10)...)
		d := h.reader("alice")
		r := all()
		var err error
		if r.Spans, err = d.Spans(h.ctx); err != nil {
			t.Fatal(err)
		}
		h.post(letter(0, "late", 11))
		if err := d.Replay(h.ctx, r); err != nil {
			t.Fatal(err)
		}
		if got := h.states(); got[Open] != 1 || got[Replayed] != 10 {
			t.Errorf("%v", got)
		}
	})
}

func TestWhichLettersAreLeftOutAndWhy(t *testing.T) {
	inHall(t, func(h *hall) {
		often := letter(0, "s", 2)
		often.Headers = headersOf(HeaderPrefix+"redrives", "3")
		h.post(letter(0, "s", 1), often)
		h.foreign(1, "another program's")
		d := h.reader("alice")
		if _, err := d.Close(h.ctx, []ID{at(0, 0)}, "why"); err != nil {
			t.Fatal(err)
		}
		left := func(change func(*Replay)) string {
			r := all()
			var told []string
			r.LeftOut = func(s *Stored, err error) {
				text := err.Error()
				if unfit, is := errors.AsType[*UnfitError](err); is {
					text = fmt.Sprint("unfit: ", len(unfit.Problems))
				}
				told = append(told, s.ID.Short()+" "+text)
			}
			change(r)
			ledger, err := d.Ledger(h.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Choose(h.ctx, ledger, r, func(s *Stored) error { told = append(told, s.ID.Short()+" sent"); return nil }); err != nil {
				t.Fatal(err)
			}
			return strings.Join(told, ", ")
		}
		ids := []ID{at(0, 0), at(0, 1)}
		for _, c := range []struct {
			name   string
			change func(*Replay)
			want   string
		}{
			{"all that are open", func(*Replay) {}, "0/1 sent, 1/0 unfit: 1"},
			{"replayed three times", func(r *Replay) { r.MaxRedrives = 3 }, "0/1 its event was replayed too often already, 1/0 unfit: 1"},
			{"not yet", func(r *Replay) { r.MaxRedrives = 4 }, "0/1 sent, 1/0 unfit: 1"},
			{"again", func(r *Replay) { r.Again = true }, "0/0 sent, 0/1 sent, 1/0 unfit: 1"},
			{"one", func(r *Replay) { r.Again, r.Limit = true, 1 }, "0/0 sent"},
			{"by ID", func(r *Replay) { r.IDs = ids }, "0/0 dead letter events.dlq/0/0 is closed already, 0/1 sent"},
			{"by ID and reason", func(r *Replay) { r.IDs, r.Filter = ids, &Filter{Reasons: []string{"bad-time"}} },
				"0/0 the other conditions leave it out, 0/1 the other conditions leave it out"},
		} {
			if got := left(c.change); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	})
}

// If one event cannot be written, the later ones of its order key are held back; others are
// sent.
func TestOrderIsKeptBehindAnEventThatCannotBeSent(t *testing.T) {
	inHall(t, func(h *hall) {
		var all9 []Letter
		for n := range 9 {
			all9 = append(all9, letter(0, fmt.Sprintf("s-%d", n%3), n))
		}
		h.post(all9...)
		p := &power{before: func(req any) error {
			if sendsTo(req, eventTopic) && slices.ContainsFunc(valuesOf(req), func(v string) bool { return v == "s-1:4" }) {
				return kafka.MessageSizeTooLarge
			}
			return nil
		}}
		r := all()
		var left []string
		r.LeftOut = func(s *Stored, err error) {
			what := "?"
			if errors.Is(err, ErrHeldBack) {
				what = "waits"
			} else if errors.Is(err, kafka.MessageSizeTooLarge) {
				what = "is too large"
			}
			left = append(left, string(s.Value)+" "+what)
		}
		if err := h.readerOver("alice", p).Replay(h.ctx, r); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(left, ", "); got != "s-1:4 is too large, s-1:7 waits" {
			t.Errorf("left out: %s", got)
		}
		if got := h.states(); got[Open] != 2 || got[Replayed] != 7 {
			t.Errorf("%v", got)
		}
	})
}
