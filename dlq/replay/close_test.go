package replay

import (
	"errors"
	"testing"
	"time"

	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
	"release-forwarder/dlq/ledger"
)

func TestAClosedLetterIsNotReplayed(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 20
		h.Post(dlqtest.Many(n)...)
		d := h.person("alice")
		if closed, err := d.close(h.Ctx, []dlq.ID{dlqtest.ID(0, 1), dlqtest.ID(1, 0), dlqtest.ID(0, 1)}, "tests of the vendor"); err != nil || closed != 2 {
			t.Fatalf("%d closed: %v", closed, err)
		}
		if closed, err := d.close(h.Ctx, []dlq.ID{dlqtest.ID(0, 1), dlqtest.ID(0, 2)}, "once more"); err != nil || closed != 1 {
			t.Fatalf("%d closed: %v", closed, err)
		}
		ledger, err := d.ledger(h.Ctx, dlqtest.ID(0, 1))
		if err != nil {
			t.Fatal(err)
		}
		for s, err := range d.cfg.Reader.Pick(h.Ctx, dlqtest.ID(0, 1)) {
			if err != nil {
				t.Fatal(err)
			}
			if e := ledger.Entry(s); e == nil || e.State != dlq.Closed || e.By != "alice" || e.Why != "tests of the vendor" || !e.At.Equal(e.At.UTC()) || time.Since(e.At) > time.Minute {
				t.Errorf("the ledger tells %+v", e)
			}
		}
		if err := d.Run(h.Ctx, all()); err != nil {
			t.Fatal(err)
		}
		if missing, repeated := h.account(n); missing != 3 || repeated != 0 {
			t.Errorf("%d were not sent, want the 3 that are closed; %d repeated", missing, repeated)
		}
		if got := h.states(); got[dlq.Closed] != 3 || got[dlq.Replayed] != n-3 || got[dlq.Open] != 0 {
			t.Errorf("%v", got)
		}
	})
}

// A letter that is being sent cannot be closed until the replay has finished with it.
func TestCloseWaitsForAReplay(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(20)...)
		type outcome struct {
			closed int
			err    error
		}
		bob := make(chan outcome, 1)
		begun := false
		p := &power{before: func(req any) error {
			if sendsTo(req, dlqtest.Events) && !begun {
				begun = true
				go func() {
					closed, err := h.person("bob").close(h.Ctx, []dlq.ID{dlqtest.ID(0, 0)}, "why")
					bob <- outcome{closed, err}
				}()
				time.Sleep(3 * time.Second) // bob reads the ledger meanwhile
			}
			return nil
		}}
		if err := h.personOver("alice", p).Run(h.Ctx, all()); err != nil {
			t.Error(err)
		}
		if got := <-bob; got.err != nil || got.closed != 0 {
			t.Errorf("%+v, want none closed: it was sent", got)
		}
		if got := h.states(); got[dlq.Replayed] != 20 {
			t.Errorf("%v", got)
		}
	})
}

// Letters that a killed replay left unconfirmed can be closed after its lease.
func TestCloseWaitsForADeadReplayNotForEver(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(20)...)
		p := &power{}
		p.before = func(req any) error {
			if p.dead = p.dead || sendsTo(req, dlqtest.Events); p.dead {
				return errCut
			}
			return nil
		}
		if err := h.personOver("alice", p).Run(h.Ctx, all()); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		begun := time.Now()
		if closed, err := h.person("bob").close(h.Ctx, []dlq.ID{dlqtest.ID(0, 0)}, "why"); err != nil || closed != 1 || time.Since(begun) < ledger.LeaseTime {
			t.Errorf("%d closed after %s: %v", closed, time.Since(begun), err)
		}
	})
}
