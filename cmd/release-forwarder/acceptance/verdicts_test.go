package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

// body is an answer of the platform with a code, and texts that may be seen
// nowhere but in a dead letter.
func body(code string) string {
	return platform.Body{Code: code, Message: plantedHint, Hint: plantedHint, Seqno: "17224239894628849085", DataNode: "CN-South/DEV-1"}.String()
}

func accepted() string {
	return platform.Body{Code: "1001", Message: "OK", Seqno: "abc6c253b93cc940"}.String()
}

// verdictCase is an answer and what follows from it.
type verdictCase struct {
	name  string
	reply platform.Reply
	then  verdict
}

// verdict is what a record's first answers lead to.
type verdict int

const (
	accept    verdict = iota // one request, accepted
	refuse                   // one request, dead letter
	hold                     // held at once: no quick retry
	retryFast                // quick retries, then held
)

func verdictCases() []verdictCase {
	large := platform.Body{Code: "1001", Message: strings.Repeat("x", 64<<10)}.String()
	return []verdictCase{
		{"1001 under HTTP 500", platform.Reply{Status: 500, Body: accepted()}, accept},
		{"1001 as a number", platform.Reply{Body: `{"code":1001,"message":"OK"}`}, accept},
		{"1001 amid blanks", platform.Reply{Body: ` {"code":" 1001 "}` + "\n"}, accept},
		{"1001 under a redirect", platform.Reply{Status: 302, Body: accepted(), Header: http.Header{"Location": {"/elsewhere?" + plantedQuery}}}, accept},
		{"400", platform.Reply{Body: body("400")}, refuse},
		{"400 under HTTP 400", platform.Reply{Status: 400, Body: body("400")}, refuse},
		{"401", platform.Reply{Body: body("401")}, hold},
		{"403", platform.Reply{Status: 403, Body: body("403")}, hold},
		{"429 without Retry-After", platform.Reply{Body: body("429")}, hold},
		{"no answer in time", platform.Reply{Hang: true}, hold},
		{"500", platform.Reply{Status: 500, Body: body("500")}, retryFast},
		{"503 without Retry-After", platform.Reply{Status: 503, Body: body("503")}, retryFast},
		{"an unknown code", platform.Reply{Body: body("1002")}, retryFast},
		{"200 with a hint", platform.Reply{Body: body("200")}, retryFast},
		{"HTML", platform.Reply{Status: 502, Body: "<html>" + plantedHint + "</html>"}, retryFast},
		{"HTTP 401 without a readable body", platform.Reply{Status: 401, Body: "<html>" + plantedHint}, retryFast},
		{"HTTP 403 without a readable body", platform.Reply{Status: 403, Body: plantedHint}, retryFast},
		{"Connection: close", platform.Reply{Body: accepted(), Header: http.Header{"Connection": {"close"}}}, accept},
		{"a redirect to another host", platform.Reply{Status: 308, Header: http.Header{"Location": {"http://elsewhere.test/?" + plantedQuery}}}, retryFast},
		{"an empty body", platform.Reply{Status: 200}, retryFast},
		{"204", platform.Reply{Status: 204}, retryFast},
		{"JSON cut off", platform.Reply{Body: `{"code":"1001"`}, retryFast},
		{"trailing data", platform.Reply{Body: accepted() + accepted()}, retryFast},
		{"two codes", platform.Reply{Body: `{"code":"500","code":"1001"}`}, retryFast},
		{"an array", platform.Reply{Body: `[{"code":"1001"}]`}, retryFast},
		{"a code with a fraction", platform.Reply{Body: `{"code":1001.0}`}, retryFast},
		{"no code", platform.Reply{Body: `{"message":"1001"}`}, retryFast},
		{"a body above 64 KiB", platform.Reply{Body: large}, retryFast},
		{"the connection is cut", platform.Reply{Cut: true}, retryFast},
		{"the connection is cut within the body", platform.Reply{Cut: true, Status: 200, Body: `{"code":"1001"`, Header: http.Header{"Content-Length": {"80"}}}, retryFast},
		{"a redirect", platform.Reply{Status: 307, Body: "moved", Header: http.Header{"Location": {"/elsewhere?" + plantedQuery}}}, retryFast},
	}
}

func verdictScenarios() []scenario {
	var waits []scenario
	for name, reply := range map[string]platform.Reply{
		"code 429":                   {Body: body("429")},
		"code 503":                   {Status: 503, Body: body("503")},
		"HTTP 429 without a body":    {Status: 429},
		"HTTP 503 with HTML":         {Status: 503, Body: "<html>"},
		"HTTP 503, with a date":      {Status: 503, Body: body("503"), Header: http.Header{"Retry-After": {"date"}}},
		"HTTP 200, code 429, a date": {Status: 200, Body: body("429"), Header: http.Header{"Retry-After": {"date"}}},
	} {
		waits = append(waits, scenario{name: "Retry-After holds back everything: " + name, run: func(t *testing.T) { retryAfter(t, reply) }})
	}
	return append([]scenario{
		{name: "each answer leads to its verdict", run: verdicts},
		{name: "a record that keeps failing while others are accepted becomes a dead letter", run: budget},
		{name: "a success code other than 1001 with a hint is none", run: hintedSuccess},
		{name: "a wrong secret holds everything, mended at the platform", run: secretMendedThere},
		{name: "a wrong secret holds everything, mended in the file", run: secretMendedHere},
	}, byName(waits)...)
}

// verdicts gives one record after the other its answer, with an accepted record
// between, so that no outage is seen.
func verdicts(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{
		"UPSTREAM_RETRY_MAX": "2", "UPSTREAM_TIMEOUT": "3s", "RETRY_BACKOFF_MIN": "2s", "RETRY_BACKOFF_MAX": "4s", "RETRY_BUDGET": "0",
	}})
	w.watchCommits()
	cases := verdictCases()
	events := make([]*event, len(cases))
	faults := map[platform.Flow]verdictCase{}
	for i, c := range cases {
		events[i] = w.release(0)
		faults[events[i].flow] = c
	}
	w.platform.script(func(r *platform.Request) *platform.Reply {
		c, ok := faults[r.Flow()]
		if !ok || r.Attempt > c.then.requests() {
			return nil
		}
		return &c.reply
	})
	w.start().ready()
	for i, c := range cases {
		w.produce(events[i])
		eventually(t, c.name+": is delivered once", func() error {
			if got, want := w.platform.Tally(events[i].flow).Received, c.then.requests(); got < want {
				return fmt.Errorf("%d of %d requests", got, want)
			}
			return nil
		})
		healthy := w.release(0)
		w.produce(healthy)
		w.acceptedAll(healthy)
	}
	w.drained()
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) { w.checkVerdict(t, events[i], c) })
	}
	for _, r := range w.platform.Requests() {
		if r.Path == "/elsewhere" {
			t.Errorf("a redirect was followed: %+v", r)
		}
	}
}

// requests is how many requests bring the case's answer: those of the first
// delivery.
func (v verdict) requests() int {
	if v == retryFast {
		return 3 // one and two quick retries
	}
	return 1
}

func (w *world) checkVerdict(t *testing.T, e *event, c verdictCase) {
	t.Helper()
	arrivals := w.arrivals(e)
	want := c.then.requests()
	if c.then == hold || c.then == retryFast {
		want++ // accepted by the next delivery
	}
	if len(arrivals) != want {
		t.Fatalf("%d requests, want %d", len(arrivals), want)
	}
	if want == 1 && c.then == refuse {
		w.checkDeadLetter(t, e, map[string]string{
			"stage": "upstream", "reason": "refused", "code": "400", "hint": plantedHint, "message": plantedHint, "seqno": "17224239894628849085",
			"http.status": fmt.Sprint(max(c.reply.Status, 200)), "attempts": "1",
		})
	}
	// A wait can be longer than it should on a busy machine, never shorter.
	if c.then == hold || c.then == retryFast {
		if gap := arrivals[want-1].Sub(arrivals[want-2]); gap < time.Second {
			t.Errorf("the next delivery came after %v; it was not held", gap)
		}
	}
}

// arrivals are the times at which requests for the event arrived.
func (w *world) arrivals(e *event) []time.Time {
	var all []time.Time
	for _, s := range w.platform.history() {
		if s.flow == e.flow && !s.answered {
			all = append(all, s.at)
		}
	}
	return all
}

func budget(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{"RETRY_BUDGET": "3", "UPSTREAM_RETRY_MAX": "1"}})
	w.watchCommits()
	bad := w.release(0)
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if r.Flow() == bad.flow {
			return &platform.Reply{Status: 500, Body: body("500")}
		}
		return nil
	})
	w.produce(bad)
	w.start()
	eventually(t, "the record's dead letter is written", func() error {
		healthy := w.releases(20, 1)
		w.produce(healthy...)
		w.acceptedAll(healthy...)
		open, err := w.unfinished([]*event{bad})
		if err == nil && len(open) > 0 {
			err = fmt.Errorf("none after %d requests", w.platform.Tally(bad.flow).Received)
		}
		return err
	})
	w.drained()
	w.checkDeadLetter(t, bad, map[string]string{
		"stage": "upstream", "reason": "budget-exhausted", "code": "500", "http.status": "500", "seqno": "17224239894628849085",
		"attempts": fmt.Sprint(w.platform.Tally(bad.flow).Received),
	})
	if n := w.platform.Tally(bad.flow).Received; n < 3 {
		t.Errorf("%d requests, want at least the 3 deliveries that count", n)
	}
}

func hintedSuccess(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{"UPSTREAM_SUCCESS_CODES": "1001,200"}})
	hidden, plain, hinted := w.release(0), w.release(0), w.release(0)
	w.platform.script(func(r *platform.Request) *platform.Reply {
		switch {
		case r.Flow() == hidden.flow && r.Attempt == 1:
			return &platform.Reply{Body: body("200")}
		case r.Flow() == hinted.flow:
			return &platform.Reply{Body: body("1001")}
		case r.Flow() == plain.flow || r.Flow() == hidden.flow:
			return &platform.Reply{Body: platform.Body{Code: "200", Message: "OK"}.String()}
		}
		return nil
	})
	w.produce(hidden, plain, hinted)
	w.start()
	w.caughtUp()
	w.noDeadLetters()
	for e, want := range map[*event]int{hidden: 2, plain: 1, hinted: 1} {
		if got := w.platform.Tally(e.flow).Received; got != want {
			t.Errorf("the event at %d: %d requests, want %d", e.record.Offset, got, want)
		}
	}
}

// refusedFor waits until the platform has refused so many signatures.
func (w *world) refusedFor(n int) {
	w.t.Helper()
	eventually(w.t, "requests are refused", func() error {
		if got := w.platform.Stats().Refused["401"]; got < n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
	w.noDeadLetters()
	if at := w.committed(0); at > 0 {
		w.t.Errorf("committed %d while nothing is accepted", at)
	}
}

func secretMendedThere(t *testing.T) {
	w := newWorld(t, plan{})
	w.watchCommits()
	w.platform.SetSecret("another")
	w.produce(w.releases(20, 1)...)
	f := w.start()
	w.refusedFor(8)
	w.platform.SetSecret(plantedSecret)
	w.drained()
	w.noDeadLetters()
	f.stays()
}

func secretMendedHere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(secret string) {
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(planted + "-wrong")
	w := newWorld(t, plan{settings: map[string]string{"UPSTREAM_APP_SECRET": "", "UPSTREAM_APP_SECRET_FILE": file}})
	w.watchCommits()
	w.produce(w.releases(20, 1)...)
	w.start()
	w.refusedFor(8)
	write(plantedSecret)
	w.drained()
	w.noDeadLetters()
}

// retryAfter checks that nothing arrives at the platform for as long as it
// asked, with one request at a time so that none is under way.
func retryAfter(t *testing.T, reply platform.Reply) {
	w := newWorld(t, plan{settings: map[string]string{"UPSTREAM_MAX_IN_FLIGHT": "1", "RETRY_BACKOFF_MAX": "10s"}})
	events := w.releases(20, 1)
	date := reply.Header.Get("Retry-After") == "date"
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if r.Flow() != events[3].flow || r.Attempt > 1 {
			return nil
		}
		answer := reply
		answer.Header = http.Header{"Retry-After": {"3"}}
		if date { // whole seconds: 3 to 4 from now
			answer.Header.Set("Retry-After", time.Now().Add(4*time.Second).UTC().Format(http.TimeFormat))
		}
		return &answer
	})
	w.produce(events...)
	w.start()
	w.drained()
	w.noDeadLetters()
	var asked time.Time
	for _, s := range w.platform.history() {
		switch {
		case s.flow == events[3].flow && s.answered && asked.IsZero():
			asked = s.at
		case !asked.IsZero():
			if gap := s.at.Sub(asked); gap < 2800*time.Millisecond {
				t.Errorf("the next request came after %v", gap)
			}
			return
		}
	}
	t.Error("no request came after the one that was told to wait")
}
