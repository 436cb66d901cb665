package app_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// Each event reaches the platform once and is committed.
func TestEventsReachThePlatformOnceAndAreCommitted(t *testing.T) {
	apptest.InVirtualTime(t, 4, func(w *apptest.World) {
		r := w.Start()
		const each = 250
		for p := range int32(4) {
			var values []string
			for i := range each {
				values = append(values, apptest.Event(int(p)*1000+i/2, i))
			}
			w.Produce(p, values...)
		}
		w.Until("every commit", func() bool {
			for p := range int32(4) {
				if w.Committed(p) != each {
					return false
				}
			}
			return true
		})
		w.End(r)
		if s := w.Platform.Stats(); s.Accepted != 4*each || s.Received != 4*each {
			t.Errorf("the platform received %d and accepted %d, want each of %d once", s.Received, s.Accepted, 4*each)
		}
	})
}

// An event that cannot be mapped becomes a dead letter; all others are sent.
func TestUnmappableEventsBecomeDeadLetters(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		r := w.Start()
		w.Produce(0, apptest.Event(1, 1), `{"park_uuid":"lot-1"`, apptest.Event(2, 1), `{"park_uuid":"lot-1","flow_no":"f","parking_serial":"s"}`, apptest.Event(3, 1))
		w.Until("the commit", func() bool { return w.Committed(0) == 5 })
		w.End(r)
		var reasons []string
		for _, l := range w.DeadLetters() {
			reasons = append(reasons, strings.TrimSpace(apptest.DeadLetterHeader(l, "offset")+" "+apptest.DeadLetterHeader(l, "reason")+" "+apptest.DeadLetterHeader(l, "field")))
		}
		slices.Sort(reasons) // they have no order key in common
		if want := []string{"1 invalid-json", "3 missing-field plate"}; !slices.Equal(reasons, want) {
			t.Errorf("dead letters %q, want %q", reasons, want)
		}
		if n := w.Platform.Stats().Accepted; n != 3 {
			t.Errorf("%d accepted, want 3", n)
		}
	})
}

// An outage of the platform makes no dead letter, costs one request a second, and is drained within 5 s of its end.
func TestAnOutageIsProbedOnceASecond(t *testing.T) {
	apptest.InVirtualTime(t, 2, func(w *apptest.World) {
		var down atomic.Bool
		down.Store(true)
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			if down.Load() {
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
			}
			return nil
		})
		r := w.Start()
		for p := range int32(2) {
			var values []string
			for i := range 500 {
				values = append(values, apptest.Event(int(p)*1000+i, 0))
			}
			w.Produce(p, values...)
		}
		time.Sleep(30 * time.Second)
		before := w.Platform.Stats().Received
		time.Sleep(time.Hour)
		if n := w.Platform.Stats().Received - before; n < 3500 || n > 3601 {
			t.Errorf("%d requests in an hour of outage, want about 3600", n)
		}
		if w.Committed(0) != 0 || w.Committed(1) != 0 {
			t.Errorf("committed %d and %d during the outage", w.Committed(0), w.Committed(1))
		}
		down.Store(false)
		ended := time.Now()
		w.Until("the backlog", func() bool { return w.Committed(0) == 500 && w.Committed(1) == 500 })
		if d := time.Since(ended); d > 5*time.Second {
			t.Errorf("drained after %s", d)
		}
		w.End(r)
		if deadLetters := w.DeadLetters(); len(deadLetters) != 0 {
			t.Errorf("%d dead letters from an outage", len(deadLetters))
		}
	})
}

// A held record delays no record of another order key, and a restart sends none of those again.
func TestAHeldRecordDelaysNoOther(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if r.Params["flow_no"] == "F-0-0" {
				return &platform.Reply{Status: 401, Body: `{"code":"401"}`}
			}
			return nil
		})
		r := w.Start()
		var values []string
		for i := range 3000 {
			values = append(values, apptest.Event(i, 0))
		}
		w.Produce(0, values...)
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 2999 })
		time.Sleep(3 * time.Second) // a commit interval passes
		if c := w.Committed(0); c != 0 {
			t.Errorf("committed %d over a held record", c)
		}
		w.End(r)
		r = w.Start()
		w.Produce(0, apptest.Event(3001, 0))
		w.Until("the next", func() bool { return w.Platform.Stats().Accepted == 3000 })
		w.End(r)
		for flow, n := range w.Platform.Tallies() {
			if n.Accepted > 1 {
				t.Errorf("%v was sent again after its acceptance", flow)
			}
		}
	})
}

// A record that fails while others are accepted becomes a dead letter after RETRY_BUDGET failures.
func TestAPoisonRecordBecomesADeadLetter(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if r.Params["parking_serial"] == "S-7" {
				return &platform.Reply{Status: 500, Body: `{"code":"500","seqno":"abc"}`}
			}
			return nil
		})
		r := w.Start("RETRY_BUDGET", "5")
		for i := range 200 {
			w.Produce(0, apptest.Event(7*i, i), apptest.Event(7*i+1, 0), apptest.Event(7*i+2, 0))
			time.Sleep(time.Second)
		}
		w.Until("the commit", func() bool { return w.Committed(0) == 600 })
		w.End(r)
		deadLetters := w.DeadLetters()
		if len(deadLetters) != 1 || apptest.DeadLetterHeader(deadLetters[0], "reason") != "budget-exhausted" || apptest.DeadLetterHeader(deadLetters[0], "code") != "500" || apptest.DeadLetterHeader(deadLetters[0], "seqno") != "abc" {
			t.Errorf("dead letters %v", deadLetters)
		}
	})
}

// A rolling restart loses no event and sends none twice.
func TestReplicasRollWithoutLossOrRepeat(t *testing.T) {
	apptest.InVirtualTime(t, 6, func(w *apptest.World) {
		replicas := []*apptest.Replica{w.Start(), w.Start()}
		produced := 0
		for step := range 30 {
			for p := range int32(6) {
				w.Produce(p, apptest.Event(produced, 0), apptest.Event(produced+1, 0))
				produced += 2
			}
			time.Sleep(time.Second)
			if step%10 == 5 {
				replicas = append(replicas, w.Start())
				w.End(replicas[0])
				replicas = replicas[1:]
			}
		}
		w.Until("all commits", func() bool {
			sum := int64(0)
			for p := range int32(6) {
				sum += w.Committed(p)
			}
			return sum == int64(produced)
		}, 3*time.Minute)
		for _, r := range replicas {
			w.End(r)
		}
		if s := w.Platform.Stats(); s.Accepted != produced || s.Received != produced {
			t.Errorf("%s", fmt.Sprintf("received %d, accepted %d of %d", s.Received, s.Accepted, produced))
		}
	})
}
