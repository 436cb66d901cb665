package scenario

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/cmd/testkit/repo"
)

// The evidence of docs/development/failures.md: what each failure of the platform costs.

// longOutage is how many days the longest outage lasts.
func longOutage() float64 {
	if apptest.Race {
		return 0.1
	}
	return 0.25
}

var (
	outageDays   = flag.Float64("outage.days", longOutage(), "how long the longest outage lasts")
	writeFailure = flag.Bool("failures.update", false, "write the measured table into docs/development/failures.md")
)

// failure is a row of the table.
type failure struct {
	name   string
	reply  *platform.Reply
	refuse bool // no connection
	// slow is what the first requests take before the circuit can open, and more what
	// draining takes beside the ideal time and 5 s: a Retry-After is kept to.
	slow, more time.Duration
}

func failures() []failure {
	return []failure{
		{name: "connection refused", refuse: true},
		{name: "no answer within UPSTREAM_TIMEOUT", reply: &platform.Reply{Hang: true}, slow: 10 * time.Second, more: 10 * time.Second},
		{name: "connection cut", reply: &platform.Reply{Cut: true}},
		{name: "HTTP 502 with an HTML page", reply: &platform.Reply{Status: 502, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}}},
		{name: "code 500", reply: &platform.Reply{Status: 500, Body: `{"code":"500"}`}},
		{name: "code 503", reply: &platform.Reply{Status: 503, Body: `{"code":"503"}`}},
		{name: "429 with Retry-After 7", reply: &platform.Reply{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, slow: 7 * time.Second, more: 7 * time.Second},
		{name: "401 for all", reply: &platform.Reply{Status: 200, Body: `{"code":"401","hint":"x"}`}},
		{name: "403 for all", reply: &platform.Reply{Status: 200, Body: `{"code":"403"}`}},
	}
}

// An outage costs one request a second, no commit and no dead letter, and is drained as docs/development/failures.md says.
//
// Each outage lasts 20 minutes, under load; the platform answers in 20 ms when well.
func TestWhatEachKindOfOutageCosts(t *testing.T) {
	rows := make([]string, 0, 16)
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			inVirtualTime(t, 2, func(w *world) { rows = append(rows, w.outage(f, outageLasts)) })
		})
	}
	table := "| failure, for 20 minutes | dead letters | commits in it | requests wasted | of them after the first seconds | until all was drained |\n| --- | --- | --- | --- | --- | --- |\n" + strings.Join(rows, "")
	t.Log("\n" + table)
	if *writeFailure && !t.Failed() {
		repo.Generated(t, "docs/development/failures.md", "<!-- measured:begin -->\n", "<!-- measured:end -->", "\n"+table+"\n", true)
	}
}

const outageLasts = 20 * time.Minute

const outageTakes = 20 * time.Millisecond

// outage lasts so long, and is measured.
func (w *world) outage(f failure, lasts time.Duration, more ...string) (row string) {
	var down atomic.Bool
	var tries atomic.Int64
	w.Platform.Script(func(*platform.Request) *platform.Reply {
		if !down.Load() {
			return &platform.Reply{Delay: outageTakes}
		}
		tries.Add(1)
		return f.reply
	})
	w.Net.Refuse = func(address string) error {
		if !f.refuse || !down.Load() || !strings.HasSuffix(address, ":80") {
			return nil
		}
		tries.Add(1)
		return errors.New("connection refused")
	}
	w.Backlog(2, 200)
	r := w.Start(more...)
	w.Until("the healthy part", w.AllCommitted(2, 200))

	down.Store(true)
	if f.refuse { // what is connected is cut too
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			if down.Load() {
				return &platform.Reply{Cut: true}
			}
			return &platform.Reply{Delay: outageTakes}
		})
	}
	for range 3 {
		w.Backlog(2, 500)
	}
	first := 5*time.Second + f.slow
	time.Sleep(first)
	early := tries.Load()
	time.Sleep(lasts - first)
	late := tries.Load() - early
	commits := w.Committed(0) + w.Committed(1) - 400
	if late > int64((lasts-first)/time.Second)+1 {
		w.T.Errorf("%d requests, want one a second at most from %s on", late, first)
	}
	if live, _ := r.Live(); !live {
		w.T.Error("not live")
	}
	if ready, why := r.Ready(); !ready {
		w.T.Errorf("not ready: %s", why)
	}
	wasted := tries.Load()
	down.Store(false)
	ended := time.Now()
	ideal := time.Duration(3000 * int(outageTakes) / 64)
	for !w.AllCommitted(2, 1700)() {
		if time.Since(ended) > time.Minute {
			w.T.Fatal("not drained in a minute")
		}
		time.Sleep(100 * time.Millisecond)
	}
	drained := time.Since(ended)
	if most := ideal*12/10 + 5*time.Second + f.more; drained > most {
		w.T.Errorf("drained in %s, want %s at most", drained, most)
	}
	w.End(r)
	if n := strings.Count(w.Log.String(), "circuit opened"); n > 1 {
		w.T.Errorf("the circuit opened %d times", n)
	}
	deadLetters := len(w.DeadLetters())
	if deadLetters != 0 || commits != 0 {
		w.T.Errorf("%d dead letters, %d committed in the outage", deadLetters, commits)
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d, %.2f a second | %.1f s |\n", f.name, deadLetters, commits, wasted, late,
		float64(late)/(lasts-first).Seconds(), drained.Seconds())
}

// An outage of days costs a request a second and nothing else.
func TestAnOutageOfDays(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		row := w.outage(failure{name: "connection refused", refuse: true}, time.Duration(*outageDays*float64(24*time.Hour)),
			// Reading pauses at once, so that Kafka costs next to nothing.
			"CONSUMER_MAX_PENDING", "400", "KAFKA_HEARTBEAT_INTERVAL", "10s")
		t.Log(row)
	})
}
