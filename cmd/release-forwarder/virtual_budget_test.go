package main

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/sandbox/platform"
)

// The table of forward's documentation, row by row: which failures count against
// the record's budget. The record in question is of lot x, and its answer takes 3 s;
// meanwhile others are accepted or fail.
func TestWhichFailuresCountForTheBudget(t *testing.T) {
	code := func(code string) *platform.Reply {
		return &platform.Reply{Status: 200, Body: `{"code":"` + code + `"}`, Delay: 3 * time.Second}
	}
	for name, c := range map[string]struct {
		answer   *platform.Reply
		accepted int  // others, in the first second
		ofLot    bool // another of lot x after that
		failed   int  // others, after 2 s
		heals    bool // these are accepted from the 4th second on
		more     int  // others that are accepted after 4 s
		look     time.Duration
		want     int
	}{
		"ten others accepted":                 {answer: code("500"), accepted: 10, look: 4 * time.Second, want: 1},
		"nine others accepted":                {answer: code("500"), accepted: 9, look: 4 * time.Second},
		"four times as many as failed":        {answer: code("500"), accepted: 16, failed: 4, look: 3900 * time.Millisecond, want: 1},
		"less than four times as many":        {answer: code("500"), accepted: 15, failed: 4, look: 3900 * time.Millisecond},
		"the circuit is open":                 {answer: code("500"), accepted: 40, failed: 5, look: 4 * time.Second},
		"401, its lot not accepted":           {answer: code("401"), accepted: 40, look: 4 * time.Second},
		"401, its lot accepted":               {answer: code("401"), accepted: 40, ofLot: true, look: 4 * time.Second, want: 1},
		"throttled the first time":            {answer: code("429"), accepted: 40, look: 4 * time.Second},
		"throttled again, none accepted":      {answer: code("429"), accepted: 40, look: 9 * time.Second},
		"throttled again, others accepted":    {answer: code("429"), accepted: 40, more: 5, look: 9 * time.Second, want: 1},
		"hung in an outage that is over":      {answer: &platform.Reply{Hang: true}, accepted: 40, failed: 5, heals: true, look: 9 * time.Second},
		"hung while others were accepted":     {answer: &platform.Reply{Hang: true}, accepted: 40, look: 11 * time.Second, want: 1},
		"the same proof does not count twice": {answer: code("500"), accepted: 10, look: 20 * time.Second, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				var well atomic.Bool
				var first atomic.Bool
				w.platform.Script(func(q *platform.Request) *platform.Reply {
					switch lot := q.Params["park_uuid"]; {
					case lot == "x" && (!c.ofLot || first.CompareAndSwap(false, true)):
						return c.answer
					case lot == "ill" && !well.Load():
						return &platform.Reply{Status: 200, Body: `{"code":"500"}`}
					default:
						return nil
					}
				})
				r := w.start("UPSTREAM_RETRY_MAX", "0", "RETRY_BACKOFF_MIN", "1s")
				w.until("the start", func() bool { return w.committed(0) == 0 })
				others := 0
				accept := func(n int) {
					for range n {
						w.produce(0, event(others, 0))
						others++
					}
				}
				w.produce(0, ofLot("x", 0))
				w.until("its request", func() bool { return w.platform.Stats().Received == 1 })
				began := time.Now()
				at := func(d time.Duration) { time.Sleep(d - time.Since(began)) }
				accept(c.accepted)
				if c.ofLot {
					w.produce(0, ofLot("x", 2))
				}
				at(2 * time.Second)
				for n := range c.failed {
					w.produce(0, ofLot("ill", 2*n))
				}
				at(4*time.Second - 200*time.Millisecond)
				well.Store(c.heals)
				accept(c.more)
				at(c.look)
				if got := r.sample("release_forwarder_budget_spent_total"); got != strconv.Itoa(c.want) {
					t.Errorf("%s failures counted, want %d", got, c.want)
				}
				w.end(r)
			})
		})
	}
}
