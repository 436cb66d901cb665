package scenario

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// A failure counts against a record's budget only with proof that the platform is up.
//
// The cases are the table of forward's documentation, row by row. The record in question is of lot x, and its answer
// takes 3 s; meanwhile others are accepted or fail.
func TestWhichFailuresCountForTheBudget(t *testing.T) {
	after := func(delay time.Duration, code string) *platform.Reply {
		return &platform.Reply{Status: 200, Body: `{"code":"` + code + `"}`, Delay: delay}
	}
	code := func(code string) *platform.Reply { return after(3*time.Second, code) }
	for name, c := range map[string]struct {
		before   *platform.Reply // where set, of the first request alone
		answer   *platform.Reply
		timeout  string // 10s where empty
		accepted int    // others, in the first second
		ofLot    bool   // another of lot x after that
		failed   int    // others, after 2 s
		refused  int    // others, by a permanent code, after 2 s
		heals    bool   // these are accepted from the 4th second on
		more     int    // others that are accepted after 4 s
		look     time.Duration
		want     int
	}{
		"ten others accepted":                 {answer: code("500"), accepted: 10, look: 4 * time.Second, want: 1},
		"nine others accepted":                {answer: code("500"), accepted: 9, look: 4 * time.Second},
		"four times as many as failed":        {answer: code("500"), accepted: 16, failed: 4, look: 3900 * time.Millisecond, want: 1},
		"less than four times as many":        {answer: code("500"), accepted: 15, failed: 4, look: 3900 * time.Millisecond},
		"permanent answers left out":          {answer: code("500"), accepted: 16, failed: 4, refused: 10, look: 3900 * time.Millisecond, want: 1},
		"the circuit is open":                 {answer: code("500"), accepted: 40, failed: 5, look: 4 * time.Second},
		"401, its lot not accepted":           {answer: code("401"), accepted: 40, look: 4 * time.Second},
		"401, its lot accepted":               {answer: code("401"), accepted: 40, ofLot: true, look: 4 * time.Second, want: 1},
		"throttled the first time":            {answer: code("429"), accepted: 40, look: 4 * time.Second},
		"throttled again, none accepted":      {answer: code("429"), accepted: 40, look: 9 * time.Second},
		"throttled again, others accepted":    {answer: code("429"), accepted: 40, more: 5, look: 9 * time.Second, want: 1},
		"hung in an outage that is over":      {answer: &platform.Reply{Hang: true}, accepted: 40, failed: 5, heals: true, look: 9 * time.Second},
		"timed out after an outage":           {answer: &platform.Reply{Hang: true}, timeout: "5s", accepted: 40, failed: 5, heals: true, more: 10, look: 9 * time.Second},
		"failed after an outage":              {answer: after(5*time.Second, "500"), accepted: 40, failed: 5, heals: true, more: 10, look: 9 * time.Second},
		"401 after an outage":                 {answer: after(5*time.Second, "401"), accepted: 40, ofLot: true, failed: 5, heals: true, more: 10, look: 9 * time.Second},
		"throttled again after an outage":     {before: after(0, "429"), answer: after(4*time.Second, "429"), accepted: 40, failed: 5, heals: true, more: 10, look: 7 * time.Second},
		"hung while others were accepted":     {answer: &platform.Reply{Hang: true}, accepted: 40, look: 11 * time.Second, want: 1},
		"the same proof does not count twice": {answer: code("500"), accepted: 10, look: 20 * time.Second, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				var well atomic.Bool
				var first, again atomic.Bool
				w.Platform.Script(func(q *platform.Request) *platform.Reply {
					switch lot := q.Params["park_uuid"]; {
					case lot == "x" && c.before != nil && again.CompareAndSwap(false, true):
						return c.before
					case lot == "x" && (!c.ofLot || first.CompareAndSwap(false, true)):
						return c.answer
					case lot == "ill" && !well.Load():
						return &platform.Reply{Status: 200, Body: `{"code":"500"}`}
					case lot == "never":
						return &platform.Reply{Status: 400, Body: `{"code":"400"}`}
					default:
						return nil
					}
				})
				r := w.Start("UPSTREAM_RETRY_MAX", "0", "RETRY_BACKOFF_MIN", "1s", "UPSTREAM_TIMEOUT", cmp.Or(c.timeout, "10s"))
				w.Until("the start", func() bool { return w.Committed(0) == 0 })
				others := 0
				accept := func(n int) {
					for range n {
						w.Produce(0, apptest.Event(others, 0))
						others++
					}
				}
				w.Produce(0, apptest.EventOfLot("x", 0))
				w.Until("its request", func() bool { return w.Platform.Stats().Received == 1 })
				began := time.Now()
				at := func(d time.Duration) { time.Sleep(d - time.Since(began)) }
				accept(c.accepted)
				if c.ofLot {
					w.Produce(0, apptest.EventOfLot("x", 2))
				}
				at(2 * time.Second)
				for n := range c.failed {
					w.Produce(0, apptest.EventOfLot("ill", 2*n))
				}
				for n := range c.refused {
					w.Produce(0, apptest.EventOfLot("never", 2*n))
				}
				at(4*time.Second - 200*time.Millisecond)
				well.Store(c.heals)
				accept(c.more)
				at(c.look)
				if got := r.Sample("release_forwarder_budget_spent_total"); got != strconv.Itoa(c.want) {
					t.Errorf("%s failures counted, want %d", got, c.want)
				}
				w.End(r)
			})
		})
	}
}

// The RETRY_BUDGET-th failure that counts makes the dead letter; the third does in a partition over half.
//
// Every failure counts here: it takes 2 s, in which many others are accepted.
func TestTheLastFailureOfTheBudgetMakesTheDeadLetter(t *testing.T) {
	for name, c := range map[string]struct {
		budget string
		poison int
		want   string // attempts of the first dead letter
	}{
		"the last of the budget":   {"5", 1, "5"},
		"the third, over half":     {"5", 28, "3"}, // of 40 that may be unfinished; more than a quarter must be free
		"a budget of less than it": {"2", 28, "2"},
		"the last, not over half":  {"5", 15, "5"},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.Platform.Script(func(q *platform.Request) *platform.Reply {
					if q.Params["park_uuid"] == "ill" {
						return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: 2 * time.Second}
					}
					return &platform.Reply{Delay: 20*time.Millisecond + rand.N(time.Millisecond)}
				})
				r := w.Start("UPSTREAM_RETRY_MAX", "0", "RETRY_BUDGET", c.budget, "CONSUMER_MAX_PENDING", "40")
				w.Until("the start", func() bool { return w.Committed(0) == 0 })
				others := 4000 // first, so that the limit is no longer near its start
				for n := range others {
					w.Produce(0, apptest.Event(n, 0))
				}
				w.Until("the limit", func() bool { return w.Platform.Stats().Accepted == others })
				for n := range c.poison {
					w.Produce(0, apptest.EventOfLot("ill", 2*n))
				}
				for w.DeadLetterCount() == 0 && others < 60000 {
					for range 20 {
						w.Produce(0, apptest.Event(others, 0))
						others++
					}
					time.Sleep(100 * time.Millisecond)
				}
				deadLetters := w.DeadLetters()
				w.End(r)
				if len(deadLetters) == 0 {
					t.Fatal("no dead letter")
				}
				if l := deadLetters[0]; apptest.DeadLetterHeader(l, "reason") != "budget-exhausted" || apptest.DeadLetterHeader(l, "attempts") != c.want {
					t.Errorf("%s after %s attempts, want %s", apptest.DeadLetterHeader(l, "reason"), apptest.DeadLetterHeader(l, "attempts"), c.want)
				}
			})
		})
	}
}

// The wait that an answer asks for is kept, also where its request began before an outage was over; no other waits.
func TestADeliveryOlderThanAnOutagesEndWaitsAlone(t *testing.T) {
	for name, c := range map[string]struct {
		code, after string // Retry-After
		least, most time.Duration
	}{
		"failed":                         {code: "500", most: 100 * time.Millisecond},
		"failed, Retry-After":            {code: "500", after: "20", least: 20 * time.Second, most: 21 * time.Second},
		"throttled again, Retry-After":   {code: "429", after: "20", least: 20 * time.Second, most: 21 * time.Second},
		"throttled again, no wait asked": {code: "429", least: time.Second, most: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				var well atomic.Bool
				w.Platform.Script(func(q *platform.Request) *platform.Reply {
					switch lot := q.Params["park_uuid"]; {
					case lot == "x" && q.Attempt == 1:
						return &platform.Reply{Status: 429, Body: `{"code":"429"}`}
					case lot == "x" && q.Attempt == 2:
						reply := &platform.Reply{Status: 200, Body: `{"code":"` + c.code + `"}`, Delay: 4 * time.Second}
						if c.after != "" {
							reply.Header = http.Header{"Retry-After": {c.after}}
						}
						return reply
					case lot == "ill" && !well.Load():
						return &platform.Reply{Status: 200, Body: `{"code":"500"}`}
					}
					return nil
				})
				r := w.Start("UPSTREAM_RETRY_MAX", "0", "RETRY_BACKOFF_MIN", "1s")
				w.Until("the start", func() bool { return w.Committed(0) == 0 })
				w.Produce(0, apptest.EventOfLot("x", 0))
				w.Until("its second request", func() bool { return w.Platform.Stats().Received == 2 })
				answered := w.Platform.Requests()[1].At.Add(4 * time.Second)
				for n := range 5 {
					w.Produce(0, apptest.EventOfLot("ill", 2*n))
				}
				time.Sleep(1500 * time.Millisecond)
				if !r.Snapshot().CircuitOpen {
					t.Fatal("there is no outage")
				}
				well.Store(true)
				time.Sleep(time.Until(answered) - 500*time.Millisecond)
				if r.Snapshot().CircuitOpen {
					t.Fatal("the outage is not over")
				}
				for n := range 10 {
					w.Produce(0, apptest.Event(n, 0))
				}
				time.Sleep(time.Second)
				w.Produce(0, apptest.Event(10, 0))
				time.Sleep(time.Second)
				others := 0
				for _, q := range w.Platform.Accepted() {
					if q.Params["park_uuid"] != "x" {
						others++
					}
				}
				if others != 5+11 {
					t.Errorf("%d of 16 others are accepted while it waits", others)
				}
				w.Until("the commit", func() bool { return w.Committed(0) == 17 })
				w.End(r)
				for _, q := range w.Platform.Accepted() {
					if waited := q.At.Sub(answered); q.Params["park_uuid"] == "x" && (waited < c.least || waited > c.most) {
						t.Errorf("sent again %s after its answer, want %s to %s", waited, c.least, c.most)
					}
				}
			})
		})
	}
}

// A refused lot is tried again, also where its one attempt outlasts an outage.
func TestALotIsTriedAgainAfterAnOutage(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var slow, ill, healed atomic.Bool
		w.Platform.Script(func(q *platform.Request) *platform.Reply {
			switch lot := q.Params["park_uuid"]; {
			case lot == "bad" && healed.Load():
			case lot == "bad" && slow.Load():
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: 6 * time.Second}
			case lot == "bad":
				return &platform.Reply{Status: 403, Body: `{"code":"403"}`}
			case ill.Load():
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
			}
			return nil
		})
		r := w.Start("UPSTREAM_RETRY_MAX", "0")
		w.Until("the start", func() bool { return w.Committed(0) == 0 })
		for n := range 5 {
			w.Produce(0, apptest.EventOfLot("bad", 2*n), apptest.EventOfLot("good", 2*n))
			time.Sleep(time.Second)
		}
		w.Until("the lot's outage", func() bool { return len(r.Snapshot().RefusedLots) == 1 })
		slow.Store(true)
		before := w.Platform.Stats().Received
		w.Until("its attempt", func() bool { return w.Platform.Stats().Received > before })
		ill.Store(true)
		for n := range 5 {
			w.Produce(0, apptest.EventOfLot("good", 100+2*n))
		}
		time.Sleep(time.Second)
		if !r.Snapshot().CircuitOpen {
			t.Fatal("there is no outage")
		}
		ill.Store(false)
		time.Sleep(3 * time.Second)
		if r.Snapshot().CircuitOpen {
			t.Fatal("the outage is not over")
		}
		healed.Store(true) // for what is sent from now on
		w.Until("the commit", func() bool { return w.Committed(0) == 15 }, 2*time.Minute)
		w.End(r)
	})
}
