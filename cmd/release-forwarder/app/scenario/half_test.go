package scenario

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// halfTakes is what the platform takes for each answer, accepted or not.
const halfTakes = 20 * time.Millisecond

// At half of the capacity, one poison record in a hundred costs the others at most 5 % and twice the time.
//
// With few slots they are as many, but may be later: each quick retry keeps its slot while it waits, and two of eight
// are a quarter.
func TestPoisonAtHalfOfCapacityIsHardlyNoticed(t *testing.T) {
	for _, slots := range []int{8, 64} {
		t.Run(fmt.Sprint(slots, " slots"), func(t *testing.T) {
			without, usual := atHalfOfCapacity(t, slots, 0)
			with, p99 := atHalfOfCapacity(t, slots, 1)
			t.Logf("%d accepted and p99 %s without, %d and %s with it", without, usual, with, p99)
			late := slots > 8 && p99 > 2*usual
			if float64(with) < 0.95*0.99*float64(without) || late {
				t.Errorf("%d accepted and p99 %s without, %d and %s with it", without, usual, with, p99)
			}
		})
	}
}

// atHalfOfCapacity forwards for ten seconds at half of what so many slots can send, so
// many of a hundred records being poison. It returns how many were accepted in that
// time, and the 99th percentile of how long the accepted took since they were produced.
func atHalfOfCapacity(t *testing.T, slots, poison int) (inTime int, p99 time.Duration) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if share(r.Params["flow_no"], poison) {
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: halfTakes}
			}
			return &platform.Reply{Delay: halfTakes}
		})
		r := w.Start("RETRY_BUDGET", "5", "UPSTREAM_MAX_IN_FLIGHT", fmt.Sprint(slots))
		w.Until("the start", func() bool { return w.Committed(0) == 0 })
		produced := map[string]time.Time{}
		const every, times = 100 * time.Millisecond, 100
		each := slots * int(every/halfTakes) / 2
		for n := range times {
			var values []string
			for i := range each {
				produced[fmt.Sprintf("F-%d-0", each*n+i)] = time.Now()
				values = append(values, apptest.Event(each*n+i, 0))
			}
			w.Produce(0, values...)
			time.Sleep(every)
		}
		inTime = w.Platform.Stats().Accepted
		w.Until("the poison's dead letters", func() bool {
			return w.Committed(0) == int64(each*times) || poison > 0 && r.Snapshot().Engine.Pending < each*times/80
		}, 5*time.Minute)
		w.End(r)
		var took []time.Duration
		for _, q := range w.Platform.Accepted() {
			took = append(took, q.At.Sub(produced[q.Params["flow_no"]]))
		}
		slices.Sort(took)
		p99 = took[len(took)*99/100]
		for _, l := range w.DeadLetters() {
			if apptest.Header(l, "reason") != "budget-exhausted" {
				t.Errorf("reason %s", apptest.Header(l, "reason"))
			}
		}
	})
	return inTime, p99
}
