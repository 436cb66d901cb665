package ledger

import (
	"errors"
	"testing"
	"time"

	"release-forwarder/dlq/dlqtest"
)

func opened(h *dlqtest.Hall, by string) *Ledger {
	h.T.Helper()
	l, err := Open(h.Ctx, configOf(h, by))
	if err == nil {
		err = l.Ensure(h.Ctx)
	}
	if err != nil {
		h.T.Fatal(err)
	}
	return l
}

// A run keeps the lock for as long as it renews its lease, whatever it does meanwhile, and hands
// it over at its end.
func TestARunThatKeepsItsLeaseAliveIsNotTakenOver(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		lease, left, err := opened(h, "alice").Lock(h.Ctx, func(by string) { t.Errorf("waits for %s", by) })
		if err != nil || len(left.Letters) != 0 {
			t.Fatal(left, err)
		}
		waited, held := "", make(chan time.Time, 1)
		go func() {
			if _, _, err := opened(h, "bob").Lock(h.Ctx, func(by string) { waited += by }); err != nil {
				t.Error(err)
			}
			held <- time.Now()
		}()
		for range 60 {
			time.Sleep(time.Second) // in virtual time
			if err := lease.KeepAlive(h.Ctx); err != nil {
				t.Fatal(err)
			}
		}
		released := time.Now()
		lease.Release(h.Ctx)
		if at := <-held; at.Before(released) || at.Sub(released) > 2*lookAgain || waited != "alice" {
			t.Errorf("bob waited for %q and has the lock %s after its release", waited, at.Sub(released))
		}
	})
}

// A silent run is taken over after a lease. The next one learns what it may have sent, and the
// silent one learns that it has lost the lock.
func TestASilentRunIsTakenOverAfterALease(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		lease, _, err := opened(h, "alice").Lock(h.Ctx, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if err := lease.Renew(h.Ctx, []string{"0/7", "1/8"}); err != nil {
			t.Fatal(err)
		}
		_, left, err := opened(h, "bob").Lock(h.Ctx, func(string) {})
		if err != nil || left.By != "alice" || len(left.Letters) != 2 || time.Now().Before(lease.Until()) {
			t.Errorf("%+v %v, %s before the lease is over", left, err, time.Until(lease.Until()))
		}
		if err := lease.Renew(h.Ctx, nil); !errors.Is(err, ErrTakenOver) {
			t.Errorf("alice's: %v", err)
		}
	})
}
