package ledger

import (
	"errors"
	"testing"

	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
)

func configOf(h *dlqtest.Hall, by string) Config {
	return Config{Wire: h.Wire(), Brokers: h.Cluster.ListenAddrs(), Topic: dlqtest.Letters, By: by}
}

func TestAMistypedIDClosesNothing(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		h.Post(dlqtest.Many(20)...)
		alice, letters := configOf(h, "alice"), dlq.NewReader(h.ReaderConfig(h.Wire()))
		_, err := Close(h.Ctx, alice, letters, []dlq.ID{dlqtest.ID(0, 0), dlqtest.ID(0, 500)}, "why")
		if missing, is := errors.AsType[*dlq.MissingError](err); !is || missing.ID != dlqtest.ID(0, 500) {
			t.Errorf("%v", err)
		}
		l, err := Open(h.Ctx, alice)
		if err != nil {
			t.Fatal(err)
		}
		for s, err := range letters.Pick(h.Ctx, dlqtest.ID(0, 0)) {
			if err != nil || l.State(s) != dlq.Open {
				t.Errorf("%s %v", l.State(s), err)
			}
		}
		for _, why := range []string{"", string(make([]byte, MaxWhy+1))} {
			if _, err := Close(h.Ctx, alice, letters, []dlq.ID{dlqtest.ID(0, 0)}, why); err == nil {
				t.Errorf("closed with a reason of %d bytes", len(why))
			}
		}
	})
}
