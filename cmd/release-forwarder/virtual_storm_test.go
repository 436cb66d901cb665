package main

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/sandbox/platform"
)

// Turns in a storm that pass while nothing can be sent or written are no credit: when
// that is over letters are written at one a second as before, in whatever storm.
func TestWhatAStormHeldUpIsNoBurstAfterAnOutage(t *testing.T) {
	for name, c := range map[string]struct {
		lots   int  // that are refused for good
		healed bool // others are accepted, so that the storm is the lot's alone
		kafka  bool // is down, where the letters are to be written; else the platform
	}{
		"of a lot, the platform": {1, true, false},
		"of a lot, Kafka":        {1, true, true},
		"of all, the platform":   {7, false, false},
		"of all, Kafka":          {7, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				const bad = 160
				var platformDown atomic.Bool
				w.platform.Script(func(q *platform.Request) *platform.Reply {
					switch {
					case platformDown.Load():
						return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
					case q.Params["park_uuid"] != "good":
						return &platform.Reply{Status: 200, Body: `{"code":"400"}`}
					}
					return nil
				})
				r := w.start("DLQ_STORM_LIMIT", "5", "RETRY_BACKOFF_MAX", "4s", "UPSTREAM_RETRY_MAX", "0")
				w.until("the group", w.allCommitted(1, 0))
				var values []string
				for n := range bad {
					values = append(values, ofLot("sick-"+string(rune('a'+n%c.lots)), 2*n))
				}
				w.produce(0, values...)
				good := 0
				accept := func(n int) {
					for range n {
						if c.healed {
							w.produce(0, ofLot("good", 2*good))
							good++
						}
					}
				}
				time.Sleep(3 * time.Second)
				accept(1)
				time.Sleep(3 * time.Second)
				platformDown.Store(!c.kafka)
				up := func() { platformDown.Store(false) }
				if c.kafka {
					up = w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: letterTopic, Err: kerr.NotEnoughReplicas, Count: -1}).Remove
				}
				accept(10) // the circuit opens where they fail
				for range 100 {
					time.Sleep(time.Second)
					if c.kafka {
						accept(1)
					}
				}
				before := w.letterCount()
				up()
				accept(1)
				const watched = 20
				time.Sleep(watched * time.Second)
				if r.forwarder.Storms() == 0 {
					t.Fatal("the storm is over")
				}
				if n := w.letterCount() - before; n > watched+2 || n < watched/2 {
					t.Errorf("%d letters in %d s after the outage, want one a second", n, watched)
				}
				w.until("the commit", func() bool { return w.committed(0) == int64(bad+good) }, 5*time.Minute)
				w.end(r)
				if n := len(w.letters()); n != bad {
					t.Errorf("%d letters of %d", n, bad)
				}
			})
		})
	}
}
