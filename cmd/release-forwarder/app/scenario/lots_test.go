package scenario

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// A refused lot delays no other lot, and its records arrive in order when it is accepted again.
func TestARefusedLotDelaysNoOther(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		refusing := true
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if refusing && r.Params["park_uuid"] == "bad" {
				return &platform.Reply{Status: 401, Body: `{"code":"401","hint":"plate=?"}`}
			}
			return nil
		})
		r := w.Start()
		const rounds = 240 // as many fit into half of the gaps a commit can carry
		begun := time.Now()
		for n := range rounds {
			w.Produce(0, apptest.EventOfLot("bad", n), apptest.EventOfLot("good-1", n), apptest.EventOfLot("good-2", n))
			time.Sleep(15 * time.Second)
		}
		w.Until("the others", func() bool { return w.Platform.Stats().Accepted == 2*rounds })
		if !strings.Contains(w.Log.String(), "lot refused") {
			t.Error("no line names the lot")
		}
		attempts := 0
		for _, q := range w.Platform.Requests() {
			if q.Params["park_uuid"] == "bad" {
				attempts++
			}
		}
		if most := int(time.Since(begun)/(20*time.Second)) + 10; attempts > most {
			t.Errorf("%d attempts for the refused lot, want one per backoff, at most %d", attempts, most)
		}
		for _, held := range r.Status().Held { // those sent, and those that wait with their lot
			if (held.Attempts > 0) != (len(held.TraceID) == 32) {
				t.Errorf("the status page has %+v", held)
			}
		}
		w.Until("one that was sent is first of those held, not in flight", func() bool {
			held := r.Status().Held
			return len(held) > 0 && held[0].Attempts > 0
		}, time.Minute)
		refusing = false
		w.Until("the bad lot's", func() bool { return w.Committed(0) == 3*rounds }, 2*time.Minute)
		w.End(r)
		if l := w.DeadLetters(); len(l) != 0 {
			t.Errorf("%d dead letters", len(l))
		}
		last := map[string]string{}
		for _, q := range w.Platform.Accepted() {
			if q.Params["park_uuid"] != "bad" {
				continue
			}
			serial, flow := q.Params["parking_serial"], q.Params["flow_no"]
			if before := last[serial]; before != "" && len(before) >= len(flow) && before > flow {
				t.Errorf("order key %s: %s after %s", serial, flow, before)
			}
			last[serial] = flow
		}
	})
}

// Records of a refused lot take half of a partition's bounds at most; the longest waiting are given up first.
func TestRecordsOfARefusedLotKeepToHalfOfTheBounds(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if r.Params["park_uuid"] == "bad" {
				return &platform.Reply{Status: 403, Body: `{"code":"403"}`}
			}
			return nil
		})
		r := w.Start("CONSUMER_MAX_PENDING", "200")
		for n := range 300 {
			w.Produce(0, apptest.EventOfLot("bad", 2*n), apptest.EventOfLot("good", n))
			time.Sleep(time.Second)
		}
		w.Until("the others", func() bool { return w.Platform.Stats().Accepted == 300 })
		time.Sleep(time.Minute)
		w.End(r)
		deadLetters := w.DeadLetters()
		if n := len(deadLetters); n < 190 || n > 210 {
			t.Errorf("%d dead letters, want those of 300 that do not fit into 100", n)
		}
		for i, l := range deadLetters {
			if apptest.DeadLetterHeader(l, "reason") != "lot-refused" {
				t.Fatalf("reason %s", apptest.DeadLetterHeader(l, "reason"))
			}
			if i > 0 && len(apptest.DeadLetterHeader(l, "offset")) == len(apptest.DeadLetterHeader(deadLetters[i-1], "offset")) && apptest.DeadLetterHeader(l, "offset") < apptest.DeadLetterHeader(deadLetters[i-1], "offset") {
				t.Errorf("offset %s given up after %s: not the longest waiting", apptest.DeadLetterHeader(l, "offset"), apptest.DeadLetterHeader(deadLetters[i-1], "offset"))
			}
		}
	})
}

// A lot's records are given up after LOT_HOLD_MAX, and only while other lots are accepted.
func TestALotIsGivenUpOnlyWhileOthersAreAccepted(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.RefuseLot("bad")
		r := w.Start("LOT_HOLD_MAX", "1h")
		w.Produce(0, apptest.EventOfLot("good", 0))
		time.Sleep(time.Second)
		for n := range 5 {
			w.Produce(0, apptest.EventOfLot("bad", 2*n), apptest.EventOfLot("good", 1+n))
		}
		time.Sleep(50 * time.Minute)
		if l := w.DeadLetters(); len(l) != 0 {
			t.Errorf("%d dead letters before LOT_HOLD_MAX", len(l))
		}
		w.Produce(0, apptest.EventOfLot("good", 100))
		w.Until("the commit", func() bool { return w.Committed(0) == 12 }, 15*time.Minute)
		w.End(r)
		if l := w.DeadLetters(); len(l) != 5 || apptest.DeadLetterHeader(l[0], "reason") != "lot-refused" {
			t.Errorf("dead letters %v", l)
		}
	})
}

// A lot that is refused for six hours delays no other, makes no dead letter, and is sent in order afterwards.
func TestOneLotOfTenRefusedForSixHours(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var refusing atomic.Bool
		refusing.Store(true)
		var attempts atomic.Int64
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if refusing.Load() && r.Params["park_uuid"] == "bad" {
				attempts.Add(1)
				return &platform.Reply{Status: 401, Body: `{"code":"401"}`}
			}
			return nil
		})
		r := w.Start()
		const rounds = 180 // one every two minutes
		begun := time.Now()
		good := 0
		for n := range rounds {
			values := []string{apptest.EventOfLot("bad", n)}
			for lot := range 9 {
				values = append(values, apptest.EventOfLot(fmt.Sprintf("good-%d", lot), n))
			}
			good += 9
			w.Produce(0, values...)
			time.Sleep(5 * time.Second)
			if got := w.Platform.Stats().Accepted; got != good {
				t.Fatalf("%s: %d of the others' %d accepted", time.Since(begun), got, good)
			}
			if n == 2 && len(r.Snapshot().RefusedLots) == 0 && time.Since(begun) > 3*time.Minute {
				t.Error("the lot is not named")
			}
			time.Sleep(115 * time.Second)
		}
		// RETRY_BACKOFF_MAX is 30 s, less its jitter 20 s.
		if most := int64(time.Since(begun)/(20*time.Second)) + 10; attempts.Load() > most {
			t.Errorf("%d attempts for the refused lot in six hours, want %d at most", attempts.Load(), most)
		}
		refusing.Store(false)
		w.Until("the bad lot's", func() bool { return w.Committed(0) == 10*rounds }, 2*time.Minute)
		w.End(r)
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters", n)
		}
		last := -1
		for _, q := range w.Platform.Accepted() {
			var flow int
			if q.Params["park_uuid"] == "bad" {
				fmt.Sscanf(q.Params["flow_no"], "F-%d", &flow)
				if flow%2 == 1 && last != flow-1 && flow > 0 && !accepted(w, flow-1, q.Seq) {
					t.Errorf("F-%d before the one before it of its order key", flow)
				}
				last = flow
			}
		}
	})
}

// accepted says whether the bad lot's flow was accepted before a request.
func accepted(w *world, flow, seq int) bool {
	for _, q := range w.Platform.Accepted() {
		if q.Params["park_uuid"] == "bad" && q.Params["flow_no"] == fmt.Sprintf("F-%d", flow) {
			return q.Seq < seq
		}
	}
	return false
}
