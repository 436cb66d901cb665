package app_test

import (
	"fmt"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// A refused lot is tried again, whatever happened to the record of its last attempt.
//
// An operator may have given that record up at its failure, or the platform may have refused it for good.
func TestARefusedLotIsAlwaysTriedAgain(t *testing.T) {
	const old, sick = "old", "sick"
	for name, c := range map[string]struct {
		reply    platform.Reply
		which    string // the record that the attempt is made with
		reason   string // of its dead letter
		recovers func(r *apptest.Replica)
		within   time.Duration
	}{
		"by-operator, 401, at its backoff":           {platform.Reply{Status: 401, Body: `{"code":"401"}`}, old, "by-operator", func(*apptest.Replica) {}, 31 * time.Second},
		"by-operator, 403, changed credential":       {platform.Reply{Status: 403, Body: `{"code":"403"}`}, old, "by-operator", changed, time.Second},
		"by-operator, 500, at its backoff":           {platform.Reply{Status: 500, Body: `{"code":"500"}`}, old, "by-operator", func(*apptest.Replica) {}, 31 * time.Second},
		"by-operator, throttled, at its backoff":     {platform.Reply{Status: 429, Body: `{"code":"429"}`}, old, "by-operator", func(*apptest.Replica) {}, 31 * time.Second},
		"by-operator, no answer, at its backoff":     {platform.Reply{Hang: true}, old, "by-operator", func(*apptest.Replica) {}, 41 * time.Second},
		"permanent, at its backoff":                  {platform.Reply{Status: 200, Body: `{"code":"400"}`}, sick, "refused", func(*apptest.Replica) {}, 31 * time.Second},
		"permanent, changed credential":              {platform.Reply{Status: 200, Body: `{"code":"400"}`}, sick, "refused", changed, time.Second},
		"by-operator, 401, every credential":         {platform.Reply{Status: 401, Body: `{"code":"401"}`}, old, "by-operator", func(r *apptest.Replica) { r.ChangeCredentials(nil) }, time.Second},
		"by-operator, 401, circuit closed meanwhile": {platform.Reply{Status: 401, Body: `{"code":"401"}`}, old, "by-operator", func(r *apptest.Replica) { r.CloseCircuit(time.Minute) }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			apptest.InVirtualTime(t, 1, func(w *apptest.World) {
				w.Platform.Script(func(q *platform.Request) *platform.Reply {
					switch {
					case q.Params["park_uuid"] != "bad":
						return nil
					case q.Params["parking_serial"] == "S-50":
						return &c.reply
					}
					return &platform.Reply{Status: 401, Body: `{"code":"401"}`}
				})
				r := w.Start("DLQ_HELD_BEFORE", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "LOT_HOLD_MAX", "1m")
				w.Produce(0, apptest.EventOfLot("bad", 0))
				time.Sleep(500 * time.Millisecond)
				w.Produce(0, apptest.EventOfLot("good", 10)) // accepted after the lot's first refusal
				w.Until("the lot is refused", func() bool { return len(r.Snapshot().RefusedLots) == 1 })
				w.Produce(0, apptest.EventOfLot("good", 20))
				// Its only record is given up: the next attempt is free for the next record.
				w.Until("its dead letter", func() bool { return w.DeadLetterCount() == 1 }, 5*time.Minute)
				time.Sleep(time.Minute)
				dated := time.Now()
				if c.which == old {
					dated = dated.Add(-2 * time.Hour)
				}
				w.ProduceAt(0, apptest.EventOfLot("bad", 100), dated)
				w.Until("the attempt's dead letter", func() bool { return w.DeadLetterCount() == 2 }, 20*time.Second)
				w.Platform.Script(nil)
				c.recovers(r)
				w.Produce(0, apptest.EventOfLot("bad", 200), apptest.EventOfLot("bad", 202), apptest.EventOfLot("good", 30))
				w.Until("the recovered lot's records", func() bool { return w.Committed(0) == 7 }, c.within+2*time.Second)
				w.End(r)
				deadLetters := w.DeadLetters()
				if len(deadLetters) != 2 {
					t.Fatalf("%d dead letters, want 2", len(deadLetters))
				}
				for _, l := range deadLetters {
					if reason := apptest.DeadLetterHeader(l, "reason"); reason != c.reason && reason != "lot-refused" {
						t.Errorf("reason %s", reason)
					}
				}
			})
		})
	}
}

// changed is what the service does when the lot's credential has changed.
func changed(r *apptest.Replica) { r.ChangeCredentials([]string{"bad"}) }

// A refused lot is tried again while its own dead letters are paced by a storm.
//
// A record that may be the lot's attempt first waits for its place in the storm. The attempt is still free for it then.
func TestARefusedLotIsTriedAgainInItsOwnStorm(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.RefuseLot("bad")
		r := w.Start("DLQ_STORM_LIMIT", "10", "LOT_HOLD_MAX", "1m")
		w.Produce(0, apptest.EventOfLot("bad", 0))
		time.Sleep(500 * time.Millisecond)
		w.Produce(0, apptest.EventOfLot("good", 0))
		w.Until("the lot is refused", func() bool { return len(r.Snapshot().RefusedLots) == 1 })
		w.Produce(0, apptest.EventOfLot("good", 2))
		w.Until("its dead letter", func() bool { return w.DeadLetterCount() == 1 }, 5*time.Minute)
		time.Sleep(time.Minute)
		const rubbish, limit = 60, 10
		var values []string
		for n := range rubbish {
			values = append(values, fmt.Sprintf(`{"park_uuid":"bad","parking_serial":"J-%d"}`, n))
		}
		w.Produce(0, append(values, apptest.EventOfLot("good", 4))...)
		w.Until("the storm", func() bool { return r.Snapshot().Storms == 1 }, 5*time.Second)
		w.Platform.Script(nil)
		w.Produce(0, apptest.EventOfLot("bad", 100))
		w.Until("the recovers lot's record", func() bool { accepted, _ := w.AnswersOf("bad"); return accepted == 1 }, (rubbish-limit+3)*time.Second)
		w.End(r)
	})
}
