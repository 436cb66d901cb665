package upstream_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream"
)

// A case for each row of the table in doc.go. A server is a function that handles each
// dialled connection.

const code1001 = `{"code":"1001"}`

// strange is one row: what comes, and the verdict on the delivery.
type strange struct {
	name  string
	want  upstream.Verdict
	serve func(s *side)
	// config changes the usual configuration, if a row needs it.
	config func(*upstream.Config, *world)
	// unsent says that no server may receive anything of the request.
	unsent bool
	// left says that some of it leaves this host nevertheless.
	left bool
	// took is how long the delivery lasts; 0: at once, or the time-out.
	took time.Duration
}

// side is the platform's end of one connection.
type side struct {
	net.Conn
	in    *bufio.Reader
	world *world
}

// world counts what a row's servers received and wrote.
type world struct {
	t        *testing.T
	requests atomic.Int32
	dials    atomic.Int32
	written  atomic.Int64 // bytes that servers could write
	servers  sync.WaitGroup
}

// request reads one request to its end; false if there is none.
func (s *side) request() bool {
	r, err := http.ReadRequest(s.in)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return false
	}
	s.world.requests.Add(1)
	return true
}

// say writes, and reports whether the connection is still open.
func (s *side) say(text string) bool {
	n, err := io.WriteString(s.Conn, text)
	s.world.written.Add(int64(n))
	return err == nil
}

// trickle writes a byte every pause.
func (s *side) trickle(text string, pause time.Duration) {
	for i := range len(text) {
		if !s.say(text[i : i+1]) {
			return
		}
		time.Sleep(pause)
	}
}

// waits until the other side closes.
func (s *side) waits() { _, _ = io.Copy(io.Discard, s.in) }

func whole(status, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// answer serves every request of a connection with the same words.
func answer(words string) func(*side) {
	return func(s *side) {
		for s.request() && s.say(words) {
		}
	}
}

// then answers one request and calls what.
func then(words string, what func(*side)) func(*side) {
	return func(s *side) {
		if s.request() && s.say(words) && what != nil {
			what(s)
		}
	}
}

func (s *side) forEver(piece string) {
	for s.say(piece) {
	}
}

const timeout = 10 * time.Second

func slowOnes() []strange {
	const open = "HTTP/1.1 200 OK\r\n\r\n"
	return []strange{
		{name: "an answer that trickles, whole in time", want: upstream.Accepted, took: timeout,
			serve: then("", func(s *side) { s.trickle(whole("200 OK", code1001), timeout/100) })},
		{name: "an answer that trickles longer than that", want: upstream.Timeout,
			serve: then(open, func(s *side) { s.trickle(strings.Repeat(" ", 30), time.Second) })},
		{name: "headers that trickle", want: upstream.Timeout,
			serve: then("", func(s *side) { s.trickle("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 30), time.Second) })},
		{name: "a whole object in a body that does not end", want: upstream.Timeout,
			serve: then(open+code1001, (*side).waits)},
		{name: "a request that no one reads", want: upstream.Timeout,
			serve: func(*side) { time.Sleep(2 * timeout) }, unsent: true},
		{name: "an interim answer (100 to 103), then the answer", want: upstream.Accepted,
			serve: answer("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + whole("200 OK", code1001))},
		{name: "interim answers without end", want: upstream.Unreachable,
			serve: then("", func(s *side) { s.forEver("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") })},
		{name: "a switch of protocols (101) that was not asked for", want: upstream.Unreadable,
			serve: then("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", (*side).waits)},
	}
}

func hugeOnes() []strange {
	return []strange{
		{name: "a body that never ends, as fast as it can", want: upstream.Unreadable,
			serve: then("HTTP/1.1 200 OK\r\n\r\n", func(s *side) { s.forEver(strings.Repeat("x", 4096)) })},
		{name: "chunks without end", want: upstream.Unreadable,
			serve: then("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", func(s *side) { s.forEver("1000\r\n" + strings.Repeat("x", 4096) + "\r\n") })},
		{name: "a length of 10 GiB", want: upstream.Unreadable,
			serve: then("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", func(s *side) { s.forEver(strings.Repeat("x", 4096)) })},
		{name: "64 MiB packed with gzip", want: upstream.Unreadable,
			serve: then("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", func(s *side) {
				z := gzip.NewWriter(s.Conn)
				_, _ = io.Copy(z, io.LimitReader(zeros{}, 64<<20))
				_ = z.Close()
			})},
		{name: "headers of more than 64 KiB", want: upstream.Unreachable,
			serve: then("HTTP/1.1 200 OK\r\n", func(s *side) { s.forEver("X: " + strings.Repeat("x", 1000) + "\r\n") })},
	}
}

func othersAnswer() []strange {
	html := whole("200 OK", "<html>Welcome to our network</html>")
	return []strange{
		{name: "HTML under HTTP 200 (a captive portal)", want: upstream.Unreadable, serve: answer(html)},
		{name: "HTML under HTTP 502 (a proxy)", want: upstream.Unreadable, serve: answer(whole("502 Bad Gateway", "<html>"))},
		{name: "HTTP 401 without a readable body", want: upstream.Unreadable, serve: answer(whole("401 Unauthorized", "<html>log in</html>"))},
		{name: "HTTP 403 without a readable body", want: upstream.Unreadable, serve: answer(whole("403 Forbidden", "blocked"))},
		{name: "a redirect to another host", want: upstream.Unreadable, serve: answer("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://elsewhere.test/update\r\nContent-Length: 0\r\n\r\n")},
		{name: "a redirect with an answer in its body", want: upstream.Accepted,
			serve: answer("HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 15\r\n\r\n" + code1001)},
		{name: "a proxy that refuses the tunnel (407)", want: upstream.Unreachable, unsent: true,
			serve: func(s *side) { _, _ = http.ReadRequest(s.in); s.say(whole("407 Proxy Authentication Required", "")) },
			config: func(c *upstream.Config, _ *world) {
				c.URL = "https://platform.test/"
				c.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.test") }
			}},
		{name: "code 200 with a hint about the signature", want: upstream.Failed, serve: answer(whole("200 OK", `{"code":"200","hint":"签名验证不通过[x]"}`))},
		{name: "the same where 200 counts as a success", want: upstream.Refused, serve: answer(whole("200 OK", `{"code":"200","hint":"签名验证不通过[x]"}`)),
			config: func(c *upstream.Config, _ *world) { c.SuccessCodes = []string{"1001", "200"} }},
	}
}

func lookedUp(failure *net.DNSError) func(*upstream.Config, *world) {
	return func(c *upstream.Config, _ *world) {
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: failure}
		}
	}
}

func connectionOnes() []strange {
	return []strange{
		{name: "a name that does not exist", want: upstream.Unreachable, unsent: true,
			config: lookedUp(&net.DNSError{Err: "no such host", Name: "platform.test", IsNotFound: true})},
		{name: "a name server that fails", want: upstream.Unreachable, unsent: true,
			config: lookedUp(&net.DNSError{Err: "server misbehaving", Name: "platform.test", IsTemporary: true})},
		{name: "a name server, or a host, that does not answer", want: upstream.Timeout, unsent: true, config: func(c *upstream.Config, w *world) {
			never := w.t.Context()
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				<-never.Done()
				return nil, never.Err()
			}
		}},
		{name: "closed without an answer", want: upstream.Unreachable, serve: func(s *side) { s.request() }},
		{name: "half-open: what is sent goes nowhere", want: upstream.Timeout, unsent: true, left: true, serve: (*side).waits, config: func(c *upstream.Config, _ *world) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				h := newHole(conn)
				h.forgotten.Store(true)
				return h, err
			}
		}},
		{name: "Connection: close with every answer", want: upstream.Accepted, serve: answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 15\r\n\r\n" + code1001)},
		{name: "cut within the body", want: upstream.Unreadable, serve: then("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"+code1001, nil)},
	}
}

// reach makes a configuration whose connections lead to a row's server.
func (c *strange) reach(t *testing.T, w *world) upstream.Config {
	conf := config("http://platform.test/update")
	conf.Timeout = timeout
	conf.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
		if strings.Contains(address, "elsewhere") {
			t.Errorf("%s was dialled", address)
		}
		w.dials.Add(1)
		here, there := net.Pipe()
		w.servers.Go(func() {
			defer func() { _ = there.Close() }()
			c.serve(&side{Conn: there, in: bufio.NewReader(there), world: w})
		})
		t.Cleanup(func() { _ = there.Close() })
		return here, nil
	}
	if c.config != nil {
		c.config(&conf, w)
	}
	return conf
}

func rows(t *testing.T) []strange {
	var all []strange
	for _, part := range [][]strange{slowOnes(), hugeOnes(), othersAnswer(), connectionOnes(), securedOnes(t), http2Ones(t)} {
		all = append(all, part...)
	}
	return all
}

func TestTheSlowAndTheStrange(t *testing.T) {
	for _, c := range rows(t) {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t: t}
				t.Cleanup(w.servers.Wait) // the last of all
				ctx, giveUp := context.WithCancel(t.Context())
				defer giveUp()
				conf := c.reach(t, w)
				started := time.Now()
				answer := client(t, conf).Deliver(ctx, upstream.Request{Params: release})
				took, most := time.Since(started), c.took
				if c.want == upstream.Timeout {
					most = timeout
				}
				if answer.Verdict != c.want || answer.Attempts != 1 || took > most || c.want == upstream.Timeout && took != most {
					t.Errorf("%v (%v) after %v and %d attempts, want %v", answer.Verdict, answer.Err, took, answer.Attempts, c.want)
				}
				if got := w.requests.Load(); c.unsent && got != 0 {
					t.Errorf("%d requests were sent", got)
				}
				if want := c.unsent && !c.left; answer.Unsent != want {
					t.Errorf("unsent %v, want %v", answer.Unsent, want)
				}
				if got := w.written.Load(); got > 256<<10 {
					t.Errorf("%d bytes of the answer were read", got)
				}
			})
		})
	}
}

// The table in doc.go and the cases are the same.
func TestTheTableOfTheStrange(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(doc), "# The slow and the strange")
	if !found {
		t.Fatal("doc.go has no table")
	}
	table, _, _ = strings.Cut(table, "\n// # ")
	said := map[string]string{}
	for line := range strings.Lines(table) {
		if row, indented := strings.CutPrefix(line, "//\t"); indented && !strings.HasPrefix(row, "what comes") {
			name, verdict, _ := strings.Cut(row, "  ")
			said[name], _, _ = strings.Cut(strings.TrimSpace(verdict), ",")
		}
	}
	all := rows(t)
	for _, c := range all {
		if said[c.name] != c.want.String() {
			t.Errorf("doc.go says %q of %q, want %s", said[c.name], c.name, c.want)
		}
		delete(said, c.name)
	}
	for name := range said {
		t.Errorf("nothing tests %q", name)
	}
}
