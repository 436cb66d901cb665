package admin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// serving runs a server whose /metrics is of a size, and ends it with the test.
func serving(t *testing.T, metrics int, hosts ...string) *Server {
	t.Helper()
	page := []byte(strings.Repeat("# nothing\n", metrics/10))
	s := New(Config{Addr: "127.0.0.1:0", Hosts: hosts, Sources: Sources{
		Live: answers(true, "turning"), Ready: answers(true, ""), Status: sample,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) }),
	}})
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// guest is one connection to the server, from an address of the loopback network.
type guest struct {
	net.Conn
	t *testing.T
}

func visit(t *testing.T, s *Server, from string) guest {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return guest{conn, t}
}

// say writes; a guest that was sent away may have nobody to write to.
func (g guest) say(text string) { _, _ = io.WriteString(g.Conn, text) }

// probes asks as the kubelet does, on a connection of its own.
func (g guest) probes(path string) {
	g.t.Helper()
	defer g.Close()
	g.say("GET " + path + " HTTP/1.1\r\nHost: 10.1.2.3:8081\r\nUser-Agent: kube-probe/1.34\r\nConnection: close\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(g.Conn), nil)
	if err != nil {
		g.t.Fatalf("%s is not answered: %v", path, err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != 200 {
		g.t.Fatalf("%s: %d, %v", path, r.StatusCode, err)
	}
}

// strangers are what anybody may do who reaches the port.
var strangers = map[string]func(guest){
	"who say nothing":               func(guest) {},
	"who begin a line":              func(g guest) { g.say("GET /livez HT") },
	"who say a header byte by byte": func(g guest) { g.say("G"); g.say("E"); g.say("T") },
	"whose headers have no end":     func(g guest) { g.say("GET /livez HTTP/1.1\r\nHost: 10.1.2.3\r\n" + strings.Repeat("a: b\r\n", 90)) },
	"whose headers are too many":    func(g guest) { g.say("GET /livez HTTP/1.1\r\nHost: 10.1.2.3\r\n" + strings.Repeat("a: b\r\n", 1000)) },
	"whose headers are too large":   func(g guest) { g.say("GET /livez HTTP/1.1\r\nHost: 10.1.2.3\r\na: " + strings.Repeat("b", 30000)) },
	"who announce a body":           func(g guest) { g.say("GET /livez HTTP/1.1\r\nHost: 10.1.2.3\r\nContent-Length: 1000000\r\n\r\nx") },
	"who announce chunks":           func(g guest) { g.say("POST / HTTP/1.1\r\nHost: 10.1.2.3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab") },
	"who wait to be told to go on": func(g guest) {
		g.say("GET / HTTP/1.1\r\nHost: 10.1.2.3\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
	},
	"who keep an answered connection":      func(g guest) { g.say("GET /livez HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n") },
	"who read nothing of a large page":     func(g guest) { g.say("GET /metrics HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n") },
	"who ask many times and read nothing":  func(g guest) { g.say(strings.Repeat("GET /livez HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n", 20)) },
	"who ask for many pages, read nothing": func(g guest) { g.say(strings.Repeat("GET /metrics HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n", 5)) },
	"who come and go":                      func(g guest) { _ = g.Close() },
	"who come and break off":               func(g guest) { _ = g.Conn.(*net.TCPConn).SetLinger(0); _ = g.Close() },
	"who ask and go":                       func(g guest) { g.say("GET /metrics HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n"); _ = g.Close() },
	"who speak HTTP/2":                     func(g guest) { g.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") },
	"who speak TLS":                        func(g guest) { g.say("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") },
}

// TestProbesAreAnsweredWhateverStrangersDo: 2,000 strangers of a sort, of whom 600
// stay at the same time, from the address that the probes come from, and of two sorts
// from others.
func TestProbesAreAnsweredWhateverStrangersDo(t *testing.T) {
	const all, stay, between = 1000, 600, 40
	for name, stranger := range strangers {
		addresses := []string{"127.0.0.1"}
		if strings.Contains(name, "nothing of a large") || strings.Contains(name, "say nothing") {
			addresses = append(addresses, "127.0.0.2", "each its own")
		}
		for _, from := range addresses {
			t.Run(name+" from "+from, func(t *testing.T) {
				s := serving(t, 1<<18)
				here := make([]net.Conn, stay)
				for i := range all {
					address := from
					if from == "each its own" {
						address = fmt.Sprintf("127.1.%d.%d", i/250, i%250+1)
					}
					g := visit(t, s, address)
					stranger(g)
					if last := here[i%stay]; last != nil {
						_ = last.Close()
					}
					here[i%stay] = g
					if i%between == 0 {
						visit(t, s, "127.0.0.1").probes("/livez")
						visit(t, s, "127.0.0.1").probes("/readyz")
						s.listener.isBounded(t)
					}
				}
				visit(t, s, "127.0.0.1").probes("/status.json")
				for _, conn := range here {
					_ = conn.Close()
				}
			})
		}
	}
}

func (v *visitors) isBounded(t *testing.T) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.open) > maxConnections || v.leaving > maxLeaving {
		t.Fatalf("%d connections, and %d that leave", len(v.open), v.leaving)
	}
}

// TestAProbeThatIsSlowToAskIsNotTheOneToGo: almost as many as the bound may come
// after it, from its own address too, and whatever those do who were there before.
func TestAProbeThatIsSlowToAskIsNotTheOneToGo(t *testing.T) {
	shared := func(int) string { return "127.0.0.1" }
	for name, before := range strangers {
		t.Run(name, func(t *testing.T) { slowProbe(t, before, shared) })
	}
	own := func(i int) string { return fmt.Sprintf("127.1.%d.%d", i/250, i%250+1) }
	t.Run("each from its own address", func(t *testing.T) { slowProbe(t, func(guest) {}, own) })
}

func slowProbe(t *testing.T, before func(guest), address func(int) string) {
	t.Helper()
	s := serving(t, 1<<18)
	for i := range maxConnections + 10 {
		g := visit(t, s, address(i))
		before(g)
		defer g.Close()
	}
	probe := visit(t, s, "127.0.0.1")
	for i := range maxConnections - 2 {
		g := visit(t, s, address(1000+i))
		defer g.Close()
	}
	visit(t, s, "127.0.0.1").probes("/readyz") // who came before it is in
	probe.probes("/livez")
}

// TestALoudAddressGivesWayItself: who holds more than half of all connections
// pushes out its own, not the scraper's that has been here for long.
func TestALoudAddressGivesWayItself(t *testing.T) {
	s := serving(t, 100)
	scraper := visit(t, s, "127.0.0.3")
	defer scraper.Close()
	answers := bufio.NewReader(scraper)
	scrape := func() {
		t.Helper()
		scraper.say("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		r, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("the scraper's connection was closed: %v", err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}
	scrape()
	for range 3 * maxConnections {
		g := visit(t, s, "127.0.0.2")
		defer g.Close()
	}
	visit(t, s, "127.0.0.1").probes("/livez")
	scrape()
}

// TestARequestOfManyLinesIsNotRead: each line would take a hundred times its length.
func TestARequestOfManyLinesIsNotRead(t *testing.T) {
	for lines, answered := range map[int]bool{maxHeaderLines - 3: true, maxHeaderLines: false, 100 * maxHeaderLines: false} {
		s := serving(t, 100)
		g := visit(t, s, "127.0.0.1")
		g.say("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n" + strings.Repeat("a:\n", lines) + "\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(g.Conn), nil); (err == nil) != answered {
			t.Errorf("%d lines: %v", lines, err)
		}
		_ = g.Close()
	}
	s := serving(t, 100) // each request counts for itself
	g := visit(t, s, "127.0.0.1")
	defer g.Close()
	answers := bufio.NewReader(g.Conn)
	for range 20 {
		g.say("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n" + strings.Repeat("a: b\r\n", maxHeaderLines/2) + "\r\n")
		r, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}
}
