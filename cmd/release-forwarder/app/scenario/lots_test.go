package scenario

import (
	"fmt"
	"strings"
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
		const rounds = 240 // as many fit into half of the gaps a commit can tell of
		begun := time.Now()
		for n := range rounds {
			w.Produce(0, apptest.OfLot("bad", n), apptest.OfLot("good-1", n), apptest.OfLot("good-2", n))
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
			w.Produce(0, apptest.OfLot("bad", 2*n), apptest.OfLot("good", n))
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
			if apptest.Header(l, "reason") != "lot-refused" {
				t.Fatalf("reason %s", apptest.Header(l, "reason"))
			}
			if i > 0 && len(apptest.Header(l, "offset")) == len(apptest.Header(deadLetters[i-1], "offset")) && apptest.Header(l, "offset") < apptest.Header(deadLetters[i-1], "offset") {
				t.Errorf("offset %s given up after %s: not the longest waiting", apptest.Header(l, "offset"), apptest.Header(deadLetters[i-1], "offset"))
			}
		}
	})
}

// A lot's records are given up after LOT_HOLD_MAX, and only while other lots are accepted.
func TestALotIsGivenUpOnlyWhileOthersAreAccepted(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if r.Params["park_uuid"] == "bad" {
				return &platform.Reply{Status: 401, Body: `{"code":"401"}`}
			}
			return nil
		})
		r := w.Start("LOT_HOLD_MAX", "1h")
		w.Produce(0, apptest.OfLot("good", 0))
		time.Sleep(time.Second)
		for n := range 5 {
			w.Produce(0, apptest.OfLot("bad", 2*n), apptest.OfLot("good", 1+n))
		}
		time.Sleep(50 * time.Minute)
		if l := w.DeadLetters(); len(l) != 0 {
			t.Errorf("%d dead letters before LOT_HOLD_MAX", len(l))
		}
		w.Produce(0, apptest.OfLot("good", 100))
		w.Until("the commit", func() bool { return w.Committed(0) == 12 }, 15*time.Minute)
		w.End(r)
		if l := w.DeadLetters(); len(l) != 5 || apptest.Header(l[0], "reason") != "lot-refused" {
			t.Errorf("dead letters %v", l)
		}
	})
}

// The dead letters of unmappable events are paced, and all other events are sent.
func TestAStormIsPacedAndTheOthersAreSent(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start("CONSUMER_MAX_PENDING", "400")
		rubbish, good := 0, 0
		for range 100 {
			var values []string
			for range 10 {
				values = append(values, fmt.Sprintf(`{"park_uuid":"junk","parking_serial":"J-%d"}`, rubbish), apptest.OfLot("good", 2*good))
				rubbish++
				good++
			}
			w.Produce(0, values...)
			time.Sleep(time.Second)
		}
		w.Until("the healthy", func() bool { return w.Platform.Stats().Accepted == good })
		if !strings.Contains(w.Log.String(), "dead-letter storm") {
			t.Error("no line tells of the storm")
		}
		// 1,000 dead letters: 100 as they come, then one a second until 200 wait,
		// and beyond that as they come.
		if n := w.DeadLetterCount(); n < 790 || n > 960 {
			t.Errorf("%d dead letters after 100 s, want about 900", n)
		}
		w.Until("the commit", func() bool { return w.Committed(0) == int64(rubbish+good) }, 5*time.Minute)
		w.End(r)
		if n := len(w.DeadLetters()); n != rubbish {
			t.Errorf("%d dead letters of %d", n, rubbish)
		}
	})
}

// Ten thousand events pass ten thousand unmappable ones of their partition, two seconds late at most.
func TestTenThousandEventsPassAStormOfTenThousand(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		const rounds, each = 100, 100
		r := w.Start()
		n := 0
		for i := range rounds {
			var values []string
			for range each {
				values = append(values, fmt.Sprintf(`{"park_uuid":"junk","parking_serial":"J-%d"}`, n), apptest.OfLot("good", 2*n))
				n++
			}
			w.Produce(0, values...)
			time.Sleep(time.Second)
			if got := w.Platform.Stats().Accepted; got < n-2*each {
				t.Fatalf("after %d s %d of %d healthy ones are accepted", i+1, got, n)
			}
			if i == 10 && r.Snapshot().Storms == 0 {
				t.Error("the guard is not seen")
			}
		}
		w.Until("the healthy", func() bool { return w.Platform.Stats().Accepted == n }, 5*time.Second)
		w.Until("the commit", func() bool { return w.Committed(0) == int64(2*n) }, time.Hour)
		w.End(r)
		if got := w.DeadLetterCount(); got != int64(n) {
			t.Errorf("%d dead letters of %d", got, n)
		}
	})
}

// Where the platform refuses every event for good, dead letters are written at one a second after DLQ_STORM_LIMIT.
func TestAStormOfAllIsWrittenAtOneASecond(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			return &platform.Reply{Status: 200, Body: `{"code":"400"}`}
		})
		r := w.Start("DLQ_STORM_LIMIT", "20")
		var values []string
		for n := range 400 {
			values = append(values, apptest.OfLot(fmt.Sprintf("lot-%d", n), n))
		}
		w.Produce(0, values...)
		time.Sleep(100 * time.Second)
		if n := w.DeadLetterCount(); n < 110 || n > 125 {
			t.Errorf("%d dead letters after 100 s, want 20 and one a second", n)
		}
		w.Until("the commit", func() bool { return w.Committed(0) == 400 }, 20*time.Minute)
		w.End(r)
	})
}

// Rebalances do not delay what waits in a storm.
//
// There is one every few seconds, as in a rollout of many replicas: what is read again must not wait behind the places
// of those that waited before.
func TestRebalancesDelayNoStorm(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		const limit, rubbish = 20, 60
		r := w.Start("DLQ_STORM_LIMIT", "20", "KAFKA_HEARTBEAT_INTERVAL", "300ms")
		w.Until("the group", w.AllCommitted(1, 0))
		generation := r.Snapshot().Engine.Generation
		var values []string
		for n := range rubbish {
			values = append(values, fmt.Sprintf(`{"park_uuid":"sick","parking_serial":"J-%d"}`, n))
		}
		w.Produce(0, append(values, apptest.OfLot("sick", 0))...)
		const rebalances, each = 12, 4 * time.Second
		for i := range rebalances {
			w.Rebalance()
			w.Produce(0, apptest.OfLot("healthy", 2+2*i))
			time.Sleep(each)
			most := int64(limit + 1 + (i+1)*int(each/time.Second))
			if n := w.DeadLetterCount(); r.Snapshot().Storms > 0 && n > most {
				t.Errorf("%d dead letters after %s, want %d at most", n, time.Duration(i+1)*each, most)
			}
		}
		if n := r.Snapshot().Engine.Generation - generation; n < rebalances {
			t.Fatalf("%d generations", n)
		}
		// 40 dead letters and the record that is well, one a second, and a second for
		// each rebalance at most.
		w.Until("the lot's record", func() bool { return w.Platform.Stats().Accepted == rebalances+1 }, 10*time.Second)
		w.Until("the commit", func() bool { return w.Committed(0) == rubbish+1+rebalances })
		w.End(r)
		if n := len(w.DeadLetters()); n != rubbish {
			t.Errorf("%d dead letters of %d", n, rubbish)
		}
	})
}

// DLQ_HELD_BEFORE makes a dead letter of each failing record that is older, and of no other.
func TestAnOperatorGivesUpWhatIsOld(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Status: 500, Body: `{"code":"500"}`} })
		w.Produce(0, apptest.OfLot("a", 0), apptest.OfLot("a", 2))
		time.Sleep(time.Hour)
		w.Produce(0, apptest.OfLot("a", 4))
		r := w.Start("DLQ_HELD_BEFORE", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
		w.Until("the commit", func() bool { return w.Committed(0) == 2 })
		time.Sleep(time.Minute)
		w.End(r)
		if l := w.DeadLetters(); len(l) != 2 || apptest.Header(l[0], "reason") != "by-operator" || apptest.Header(l[0], "code") != "500" {
			t.Errorf("dead letters %v", l)
		}
	})
}

// What an operator gives up is not paced by a storm: it becomes a dead letter at its next failure.
func TestWhatAnOperatorGivesUpIsNotPaced(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Status: 500, Body: `{"code":"500"}`} })
		const old = 200
		w.Backlog(1, old)
		time.Sleep(time.Hour)
		r := w.Start("DLQ_HELD_BEFORE", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), "DLQ_STORM_LIMIT", "10")
		w.Until("the commit", func() bool { return w.Committed(0) == old }, 20*time.Second)
		if n := r.Snapshot().Storms; n != 0 {
			t.Errorf("%d storms", n)
		}
		w.End(r)
		deadLetters := w.DeadLetters()
		for _, l := range deadLetters {
			if reason := apptest.Header(l, "reason"); reason != "by-operator" {
				t.Fatalf("reason %s", reason)
			}
		}
		if len(deadLetters) != old {
			t.Errorf("%d dead letters of %d", len(deadLetters), old)
		}
	})
}
