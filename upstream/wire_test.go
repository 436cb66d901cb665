package upstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream"
)

// HTTP/1.1 matches an answer to a request only by its place on the connection. If a server
// answers a request twice, the second answer must not count for the next request: here each
// record is refused, and each answer is followed by a stray yes.

const refusal = `{"code":"500"}`

// strays are the ways in which more than one answer may follow a request.
var strays = map[string]string{
	"a second answer":                whole("500 Oops", refusal) + whole("200 OK", code1001),
	"a length that is too short":     "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n" + refusal + whole("200 OK", code1001),
	"bytes behind the last chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n" + refusal + "\r\n0\r\n\r\n" + whole("200 OK", code1001),
	"no body, then an answer":        "HTTP/1.1 204 No Content\r\n\r\n" + whole("200 OK", code1001),
	"an interim answer, and another": whole("500 Oops", refusal) + "HTTP/1.1 103 Early Hints\r\n\r\n" + whole("200 OK", code1001),
	"to continue, and another":       whole("500 Oops", refusal) + "HTTP/1.1 100 Continue\r\n\r\n" + whole("200 OK", code1001),
}

// The race in net/http, won by the stray answer: net/http gives a connection to the next
// request before it looks for stray bytes. The hook runs between the two.
func TestStrayAnswerBeforeNetHTTPHasLooked(t *testing.T) {
	plain := func(serve func(*side)) func(*side) { return serve }
	c, pool := certificate(t, "platform.test", bubbleBegins.AddDate(1, 0, 0))
	secured := func(serve func(*side)) func(*side) { return over(c, nil, serve) }
	for name, words := range strays {
		for layer, under := range map[string]func(func(*side)) func(*side){"plain": plain, "TLS": secured} {
			t.Run(name+", "+layer, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					row := strange{serve: under(answer(words))}
					if layer == "TLS" {
						row.config = trust(pool)
					}
					w := &world{t: t}
					t.Cleanup(w.servers.Wait)
					deliverer := client(t, row.reach(t, w))
					late := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{PutIdleConn: func(error) { time.Sleep(time.Second) }})
					var both sync.WaitGroup
					both.Go(func() { deliverer.Deliver(late, upstream.Request{Params: release}) })
					synctest.Wait() // the connection is idle, and net/http has not peeked yet
					a := deliverer.Deliver(t.Context(), upstream.Request{Params: release})
					both.Wait()
					if a.Verdict == upstream.Accepted || a.Verdict == upstream.Unreachable {
						t.Errorf("%v (%v), want its own answer", a.Verdict, a.Err)
					}
					if got := w.dials.Load(); got != 2 {
						t.Errorf("%d connections, want another for the second request", got)
					}
				})
			})
		}
	}
}

// Bytes that come after a connection was chosen and before the request is written are not its
// answer: net/http takes another connection, and the caller does not notice.
func TestStrayAnswerBetweenTheChoiceAndTheWriting(t *testing.T) {
	for name, c := range map[string]struct {
		stray func(*side)
	}{
		"a yes":              {func(s *side) { s.say(whole("200 OK", code1001)) }},
		"one byte of it":     {func(s *side) { s.say("H") }},
		"a request time-out": {func(s *side) { s.say("HTTP/1.1 408 Request Time-out\r\n\r\n"); _ = s.Close() }},
		"a close":            {func(s *side) { _ = s.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t: t}
				t.Cleanup(w.servers.Wait)
				var first atomic.Pointer[side]
				row := strange{serve: func(s *side) {
					first.CompareAndSwap(nil, s)
					answer(whole("500 Oops", refusal))(s)
				}}
				deliverer := client(t, row.reach(t, w))
				if a := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); a.Verdict != upstream.Failed {
					t.Fatal(a.Verdict, a.Err)
				}
				synctest.Wait()
				// net/http tells this when the head stands in its buffer, and before it is sent.
				now := sync.OnceFunc(func() { go c.stray(first.Load()); synctest.Wait() })
				between := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteHeaders: now})
				a := deliverer.Deliver(between, upstream.Request{Params: release})
				if a.Verdict != upstream.Failed || a.Attempts != 1 {
					t.Errorf("%v (%v) after %d attempts, want its own answer", a.Verdict, a.Err, a.Attempts)
				}
				if dials, requests := w.dials.Load(), w.requests.Load(); dials != 2 || requests != 2 {
					t.Errorf("%d connections and %d requests, want the second sent once, on another", dials, requests)
				}
			})
		})
	}
}

// A new connection has no stray bytes: a server may answer before it has read anything (too
// many connections, a wrong certificate).
func TestFreshConnectionMayAnswerAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		t.Cleanup(w.servers.Wait)
		speak := make(chan bool)
		row := strange{serve: func(s *side) { <-speak; s.say(whole("503 Full", `{"code":"503"}`)); s.waits() }}
		deliverer := client(t, row.reach(t, w))
		now := sync.OnceFunc(func() { close(speak); synctest.Wait() })
		early := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteHeaders: now})
		if a := deliverer.Deliver(early, upstream.Request{Params: release}); a.Code != "503" || w.dials.Load() != 1 {
			t.Errorf("%v (%v) on %d connections, want what the server said", a.Verdict, a.Err, w.dials.Load())
		}
	})
}

// Stray answers on real connections and under load: a server sends them in one write with an
// answer, so that they have arrived before that answer is read. The server refuses every request.
func TestStrayAnswersUnderLoad(t *testing.T) {
	const atOnce = 8
	certified, pool := certificate(t, "platform.test", time.Now().AddDate(1, 0, 0))
	no, yes := whole("500 Oops", refusal), whole("200 OK", code1001)
	// net/http reads 4 KiB at a time: the rest stays at the socket.
	filler := strings.Repeat("x", 4096-len(no)-len("X: \r\n"))
	filled := strings.Replace(no, "\r\n", "\r\nX: "+filler+"\r\n", 1)
	for name, words := range map[string]string{"behind an answer": no + yes, "behind a full buffer": filled + yes} {
		for scheme, secured := range map[string]*tls.Config{"http": nil, "https": {Certificates: []tls.Certificate{certified}}} {
			t.Run(name+", "+scheme, func(t *testing.T) {
				requests := map[string]int{"http": 4000, "https": 800}[scheme]
				address, asked := repeating(t, secured, words)
				conf := config(scheme + "://platform.test/")
				conf.RootCAs = func() *x509.CertPool { return pool }
				conf.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, network, address)
				}
				counts := deliverAll(t, client(t, conf), atOnce, requests)
				if counts[upstream.Failed] != requests || asked.Load() != int64(requests) {
					t.Errorf("%v of %d refused requests, of which the server saw %d", counts, requests, asked.Load())
				}
			})
		}
	}
}

// repeating is a server on the loopback that answers every request with the same words in
// one write, and counts the requests.
func repeating(t *testing.T, secured *tls.Config, words string) (address string, asked *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, asked = l.Addr().String(), new(atomic.Int64)
	if secured != nil {
		l = tls.NewListener(l, secured)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				w := &world{t: t}
				s := &side{Conn: conn, in: bufio.NewReader(conn), world: w}
				for s.request() {
					asked.Add(1)
					s.say(words)
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return address, asked
}
