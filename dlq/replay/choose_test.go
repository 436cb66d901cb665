package replay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
)

// A dead letter that is written during a replay was not chosen, and is not sent.
func TestLettersWrittenAfterTheChoiceAreNotSent(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(10)...)
		d := h.person("alice")
		r := all()
		var err error
		if r.Spans, err = d.cfg.Reader.Spans(h.Ctx); err != nil {
			t.Fatal(err)
		}
		h.Post(dlqtest.Letter(0, "late", 11))
		if err := d.Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		if got := h.states(); got[dlq.Open] != 1 || got[dlq.Replayed] != 10 {
			t.Errorf("%v", got)
		}
	})
}

func TestWhichLettersAreLeftOutAndWhy(t *testing.T) {
	inHall(t, func(h *hall) {
		often := dlqtest.Letter(0, "s", 2)
		often.Headers = dlqtest.HeadersOf(dlq.HeaderPrefix+"redrives", "3")
		h.Post(dlqtest.Letter(0, "s", 1), often)
		h.Foreign(1, "another program's")
		d := h.person("alice")
		if _, err := d.close(h.Ctx, []dlq.ID{dlqtest.ID(0, 0)}, "why"); err != nil {
			t.Fatal(err)
		}
		left := func(change func(*Plan)) string {
			r := all()
			var told []string
			r.LeftOut = func(s *dlq.Stored, err error) {
				text := err.Error()
				if unfit, is := errors.AsType[*dlq.UnfitError](err); is {
					text = fmt.Sprint("unfit: ", len(unfit.Problems))
				}
				told = append(told, s.ID.Short()+" "+text)
			}
			change(r)
			ledger, err := d.ledger(h.Ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Choose(h.Ctx, ledger, r, func(s *dlq.Stored) error { told = append(told, s.ID.Short()+" sent"); return nil }); err != nil {
				t.Fatal(err)
			}
			return strings.Join(told, ", ")
		}
		ids := []dlq.ID{dlqtest.ID(0, 0), dlqtest.ID(0, 1)}
		for _, c := range []struct {
			name   string
			change func(*Plan)
			want   string
		}{
			{"all that are open", func(*Plan) {}, "0/1 sent, 1/0 unfit: 1"},
			{"replayed three times", func(r *Plan) { r.MaxRedrives = 3 }, "0/1 its event was replayed too often already, 1/0 unfit: 1"},
			{"not yet", func(r *Plan) { r.MaxRedrives = 4 }, "0/1 sent, 1/0 unfit: 1"},
			{"again", func(r *Plan) { r.Again = true }, "0/0 sent, 0/1 sent, 1/0 unfit: 1"},
			{"one", func(r *Plan) { r.Again, r.Limit = true, 1 }, "0/0 sent"},
			{"by ID", func(r *Plan) { r.IDs = ids }, "0/0 dead letter events.dlq/0/0 is closed already, 0/1 sent"},
			{"by ID and reason", func(r *Plan) { r.IDs, r.Filter = ids, &dlq.Filter{Reasons: []string{"bad-time"}} },
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
		var all9 []dlq.Letter
		for n := range 9 {
			all9 = append(all9, dlqtest.Letter(0, fmt.Sprintf("s-%d", n%3), n))
		}
		h.Post(all9...)
		p := &power{before: func(req any) error {
			if sendsTo(req, dlqtest.Events) && slices.ContainsFunc(valuesOf(req), func(v string) bool { return v == "s-1:4" }) {
				return kafka.MessageSizeTooLarge
			}
			return nil
		}}
		r := all()
		var left []string
		r.LeftOut = func(s *dlq.Stored, err error) {
			what := "?"
			if errors.Is(err, ErrHeldBack) {
				what = "waits"
			} else if errors.Is(err, kafka.MessageSizeTooLarge) {
				what = "is too large"
			}
			left = append(left, string(s.Value)+" "+what)
		}
		if err := h.personOver("alice", p).Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(left, ", "); got != "s-1:4 is too large, s-1:7 waits" {
			t.Errorf("left out: %s", got)
		}
		if got := h.states(); got[dlq.Open] != 2 || got[dlq.Replayed] != 7 {
			t.Errorf("%v", got)
		}
	})
}
