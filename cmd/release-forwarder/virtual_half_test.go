package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"release-forwarder/cmd/sandbox/platform"
)

// One in a hundred records fails whatever is done, at half of what the default of 64
// slots can send: the others must hardly notice. (A record between its quick retries
// keeps its slot. With a few slots, of which chance now and then takes half, they do.)
func TestPoisonAtHalfOfCapacityIsHardlyNoticed(t *testing.T) {
	run := func(poison int) (inTime int, p99 time.Duration) {
		inVirtualTime(t, 1, func(w *world) {
			w.platform.Script(func(r *platform.Request) *platform.Reply {
				if share(r.Params["flow_no"], poison) {
					return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: 20 * time.Millisecond}
				}
				return &platform.Reply{Delay: 20 * time.Millisecond}
			})
			r := w.start("RETRY_BUDGET", "5", "UPSTREAM_MAX_IN_FLIGHT", "64")
			w.until("the start", func() bool { return w.committed(0) == 0 })
			produced := map[string]time.Time{}
			const each, seconds = 160, 10 // 1,600 a second
			for n := range seconds * 10 {
				var values []string
				for i := range each {
					produced[fmt.Sprintf("F-%d-0", each*n+i)] = time.Now()
					values = append(values, event(each*n+i, 0))
				}
				w.produce(0, values...)
				time.Sleep(100 * time.Millisecond)
			}
			inTime = w.platform.Stats().Accepted
			w.until("the poison's letters", func() bool {
				return w.committed(0) == int64(each*seconds*10) || poison > 0 && r.engine.Status().Pending < each*seconds/8
			}, 5*time.Minute)
			w.end(r)
			var took []time.Duration
			for _, q := range w.platform.Accepted() {
				took = append(took, q.At.Sub(produced[q.Params["flow_no"]]))
			}
			slices.Sort(took)
			p99 = took[len(took)*99/100]
			for _, l := range w.letters() {
				if header(l, "reason") != "budget-exhausted" {
					t.Errorf("reason %s", header(l, "reason"))
				}
			}
		})
		return inTime, p99
	}
	without, usual := run(0)
	with, p99 := run(1)
	t.Logf("%d accepted and p99 %s without, %d and %s with it", without, usual, with, p99)
	if float64(with) < 0.95*0.99*float64(without) || p99 > 2*usual {
		t.Errorf("%d accepted and p99 %s without, %d and %s with it", without, usual, with, p99)
	}
}
