package acceptance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

// outageScenarios: the platform is wholly down, in every way there is.
func outageScenarios() []scenario {
	var all []scenario
	for name, fault := range map[string]platform.Reply{
		"cuts connections":     {Cut: true},
		"answers HTML":         {Status: 502, Body: "<html>"},
		"answers 500":          {Status: 500, Body: body("500")},
		"answers 503":          {Status: 503, Body: body("503")},
		"does not answer":      {Hang: true},
		"refuses everybody":    {Status: 403, Body: body("403")},
		"answers nothing, 200": {Status: 200},
	} {
		all = append(all, scenario{name: "outage: the platform " + name, run: func(t *testing.T) { outage(t, fault) }})
	}
	return append(byName(all), scenario{name: "outage: nobody listens", run: nobodyListens},
		scenario{name: "outage: behind each refusal stands a yes that nobody asked for", run: yesUnasked})
}

// outage lets some events through, then none for about ten requests at the
// outage's pace, then all.
func outage(t *testing.T, fault platform.Reply) {
	w := newWorld(t, plan{partitions: 2, settings: map[string]string{"UPSTREAM_TIMEOUT": "1s", "RETRY_BUDGET": "1"}})
	w.watchCommits()
	f := w.start()
	w.produce(w.releases(40, 2)...)
	w.drained()
	w.platform.script(func(*platform.Request) *platform.Reply { return &fault })
	before := len(w.platform.history())
	w.produce(w.releases(400, 2)...)
	// A request every second, over seven in a row: nothing the machine's load
	// can feign, as it only makes gaps longer.
	var during int
	within(t, 40*time.Second, "about one request a second goes out", func() error {
		var arrivals []time.Time
		for _, s := range w.platform.history()[before:] {
			if !s.answered {
				arrivals = append(arrivals, s.at)
			}
		}
		during = len(arrivals)
		slow := 0
		for i := len(arrivals) - 1; i > 0 && arrivals[i].Sub(arrivals[i-1]) > 800*time.Millisecond; i-- {
			slow++
		}
		if slow < 7 {
			return fmt.Errorf("of %d requests the last %d kept that distance", len(arrivals), slow)
		}
		return nil
	})
	if during > 3*64+30 { // what was under way, its quick retries, and the probes
		t.Errorf("%d requests to a platform that is down", during)
	}
	w.noDeadLetters()
	for partition := range int32(2) {
		if at := w.committed(partition); at != 20 {
			t.Errorf("partition %d: committed %d, want the 20 that were accepted", partition, at)
		}
	}
	f.stays()
	f.answers("/readyz", 200) // a rollout must be able to bring the cure
	w.platform.script(nil)
	w.drained()
	w.noDeadLetters()
}

func nobodyListens(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{"RETRY_BUDGET": "1"}})
	w.watchCommits()
	w.platform.close()
	f := w.start().ready()
	w.produce(w.releases(200, 1)...)
	eventually(t, "the circuit is open", func() error { return f.metric("release_forwarder_circuit_open", 1) })
	w.noDeadLetters()
	if at := w.committed(0); at > 0 {
		t.Errorf("committed %d", at)
	}
	w.platform.open()
	w.drained()
	w.noDeadLetters()
}

// yesUnasked has a server that refuses all, and says yes behind each refusal, with texts
// that may be seen nowhere.
func yesUnasked(t *testing.T) {
	w := newWorld(t, plan{})
	w.watchCommits()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	words := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	var asked atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		asked.Add(1)
		_, _ = io.WriteString(conn, words(body("500"))+words(body("1001")))
		_, _ = io.Copy(io.Discard, conn) // until the forwarder gives it up
		_ = conn.Close()
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	f := w.start("UPSTREAM_URL", "http://"+l.Addr().String()+"/")
	w.produce(w.releases(40, 1)...)
	eventually(t, "some are refused", func() error {
		if n := asked.Load(); n < 30 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	if at := w.committed(0); at > 0 {
		t.Errorf("committed %d, and nothing was accepted", at)
	}
	w.noDeadLetters()
	f.kill()
	if strings.Contains(f.out.String(), "nsolicited") {
		t.Error("net/http's own line is printed")
	}
}
