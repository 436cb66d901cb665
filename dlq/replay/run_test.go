package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
	"release-forwarder/dlq/ledger"
)

func TestAReplaySendsEachOpenLetterOnce(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(250)...)
		sent := 0
		r := all()
		r.Sent = func(*dlq.Stored, string, int32, int64) { sent++ }
		if err := h.person("alice").Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		if missing, repeated := h.account(250); missing != 0 || repeated != 0 || sent != 250 {
			t.Errorf("%d missing, %d repeated, %d told of", missing, repeated, sent)
		}
		if err := h.person("bob").Run(h.Ctx, all()); err != nil {
			t.Fatal(err)
		}
		if _, repeated := h.account(250); repeated != 0 {
			t.Errorf("the second replay repeated %d", repeated)
		}
		again := all()
		again.Again, again.Limit = true, 3
		if err := h.person("bob").Run(h.Ctx, again); err != nil {
			t.Fatal(err)
		}
		if _, repeated := h.account(250); repeated != 3 {
			t.Errorf("asked to send 3 again, it sent %d", repeated)
		}
	})
}

func TestTwoReplaysAtOnceSendNothingTwice(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 1000
		h.Post(dlqtest.Many(n)...)
		var wg sync.WaitGroup
		var mu sync.Mutex
		waited := map[string]bool{}
		for i := range 3 {
			by := fmt.Sprintf("person %d", i)
			wg.Go(func() {
				r := all()
				r.Waiting = func(string) { mu.Lock(); waited[by] = true; mu.Unlock() }
				r.Sent = func(*dlq.Stored, string, int32, int64) { time.Sleep(time.Millisecond) }
				if err := h.person(by).Run(h.Ctx, r); err != nil {
					t.Error(by, err)
				}
			})
		}
		wg.Wait()
		if missing, repeated := h.account(n); missing != 0 || repeated != 0 {
			t.Errorf("%d missing, %d repeated", missing, repeated)
		}
		if len(waited) != 2 {
			t.Errorf("%d waited, want 2", len(waited))
		}
	})
}

// A run is killed at every request in turn, before it is sent and before its answer is read. The
// next run sends the rest; at most one batch is sent twice.
func TestAReplayThatIsKilledAtAnyStepGoesOn(t *testing.T) {
	for _, late := range []bool{false, true} {
		for at := int64(1); ; at++ {
			finished := false
			inHall(t, func(h *hall) {
				const n = 230
				h.Post(dlqtest.Many(n)...)
				p := &power{at: at, late: late}
				err := h.personOver("alice", p).Run(h.Ctx, all())
				finished = err == nil && p.count.Load() < at
				if err == nil && !finished && p.count.Load() > at+40 {
					t.Errorf("cut at %d, yet it went on", at)
				}
				if err := h.person("bob").Run(h.Ctx, all()); err != nil {
					t.Fatalf("cut at %d: the next run: %v", at, err)
				}
				if missing, repeated := h.account(n); missing != 0 || repeated > batchMost {
					t.Errorf("cut at %d (late %t): %d missing, %d repeated", at, late, missing, repeated)
				}
			})
			if finished || t.Failed() {
				break
			}
		}
	}
}

func TestAReplayThatIsStoppedGoesOnAtOnce(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 500
		h.Post(dlqtest.Many(n)...)
		ctx, stop := context.WithCancel(h.Ctx)
		r := all()
		sent := 0
		r.Sent = func(*dlq.Stored, string, int32, int64) {
			if sent++; sent == 150 {
				stop()
			}
		}
		if err := h.person("alice").Run(ctx, r); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if sent != 200 {
			t.Errorf("%d were sent, want the batch under way finished", sent)
		}
		r = all()
		r.Waiting = func(by string) { t.Errorf("waits for %s, who has stopped", by) }
		r.Doubt = func(_ string, letters []string) { t.Errorf("%d in doubt", len(letters)) }
		if err := h.person("bob").Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		if missing, repeated := h.account(n); missing != 0 || repeated != 0 {
			t.Errorf("%d missing, %d repeated", missing, repeated)
		}
	})
}

// A run is frozen for longer than its lease, then continues.
func TestARunThatWasSilentForTooLongSendsNothingMore(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 400
		h.Post(dlqtest.Many(n)...)
		frozen, others := make(chan struct{}), make(chan error)
		r := all()
		sent := 0
		r.Sent = func(*dlq.Stored, string, int32, int64) {
			if sent++; sent == 100 {
				close(frozen)
				time.Sleep(10 * ledger.LeaseTime)
			}
		}
		go func() {
			<-frozen
			others <- h.person("bob").Run(h.Ctx, all())
		}()
		if err := h.person("alice").Run(h.Ctx, r); !errors.Is(err, ledger.ErrTakenOver) {
			t.Errorf("alice's ended with %v", err)
		}
		if err := <-others; err != nil {
			t.Error(err)
		}
		if missing, repeated := h.account(n); missing != 0 || repeated != 0 {
			t.Errorf("%d missing, %d repeated", missing, repeated)
		}
	})
}

func TestARateIsKept(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(61)...)
		for _, rate := range []float64{0.5, 20} {
			r := all()
			r.Rate, r.Again = rate, true
			begun := time.Now()
			if err := h.person("alice").Run(h.Ctx, r); err != nil {
				t.Fatal(err)
			}
			took, least := time.Since(begun), time.Duration(60/rate*float64(time.Second))
			if took < least-time.Second || took > least+10*time.Second {
				t.Errorf("61 at %v a second took %s", rate, took)
			}
		}
	})
}

func TestWhatIsSentIsTheEventWithItsHistory(t *testing.T) {
	inHall(t, func(h *hall) {
		l := dlqtest.Letter(2, "s-1", 7)
		l.Key = nil
		l.Headers = dlqtest.HeadersOf("a", "1", dlq.HeaderPrefix+"redrives", "2147483648", dlq.HeaderPrefix+"origin", "events/2/1", "", "x")
		h.Post(l, dlqtest.Letter(1, "s-2", 8))
		begun := time.Now()
		if err := h.person("alice").Run(h.Ctx, all()); err != nil {
			t.Fatal(err)
		}
		for _, r := range h.Read(dlqtest.Events) {
			var got []string
			for _, header := range r.Headers {
				got = append(got, header.Key+"="+string(header.Value))
			}
			want := "__forwarder.errors.redrives=1 __forwarder.errors.origin=events/1/8"
			if r.Partition == 2 {
				want = "a=1 =x __forwarder.errors.redrives=2147483649 __forwarder.errors.origin=events/2/1"
				if r.Key != nil {
					t.Errorf("key %q, want null", r.Key)
				}
			} else if r.Partition != 1 {
				t.Errorf("partition %d", r.Partition)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("headers %q, want %q", got, want)
			}
			if r.Timestamp.Before(begun.Add(-time.Second)) {
				t.Errorf("dated %s", r.Timestamp)
			}
		}
	})
}

func TestAChangedEventKeepsItsFirstValue(t *testing.T) {
	inHall(t, func(h *hall) {
		first, second := dlqtest.Letter(0, "s-1", 1), dlqtest.Letter(0, "s-1", 2)
		second.Headers = dlqtest.HeadersOf(dlq.OriginalHeader, "as it first came")
		h.Post(first, second)
		r := all()
		r.Change = func(s *dlq.Stored) ([]byte, error) { return append([]byte("s-9:"), s.Value...), nil }
		if err := h.person("alice").Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		records := h.Read(dlqtest.Events)
		for i, want := range []string{"s-1:1", "as it first came"} {
			if got := string(records[i].Value); got != fmt.Sprintf("s-9:s-1:%d", i+1) {
				t.Errorf("value %q", got)
			}
			n := 0
			for _, header := range records[i].Headers {
				if header.Key == dlq.OriginalHeader {
					n++
					if string(header.Value) != want {
						t.Errorf("kept %q, want %q", header.Value, want)
					}
				}
			}
			if n != 1 {
				t.Errorf("%d originals", n)
			}
		}
	})
}
