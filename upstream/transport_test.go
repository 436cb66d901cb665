package upstream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream"
)

// deliverAll sends n records, several at once, and returns how often each
// verdict came.
func deliverAll(t *testing.T, c *upstream.Client, atOnce, n int) map[upstream.Verdict]int {
	t.Helper()
	counts := map[upstream.Verdict]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for range n / atOnce {
				answer := c.Deliver(t.Context(), upstream.Request{Params: release})
				mu.Lock()
				counts[answer.Verdict]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return counts
}

// Connections are reused after any answer, with and without a wrapper: one that forwarded
// CloseIdleConnections would cost a connection for each refusal.
//
// In virtual time no ready goroutine is late. On a busy machine net/http closes a connection
// whose answer came 50 ms before it knew that the request was written
// (maxWriteWaitBeforeConnReuse).
func TestConnectionsAreReused(t *testing.T) {
	for name, answer := range map[string]scripted{
		"accepted":   yes,
		"refused":    {status: 401, body: `{"code":"401"}`},
		"permanent":  {status: 400, body: `{"code":"400"}`},
		"failed":     no,
		"unreadable": garbage,
		"redirected": {status: 302, header: http.Header{"Location": {"/x"}}, body: "<a>"},
		"empty":      {status: 204},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conf := virtual(t, answer.ServeHTTP)
				conf.RetryMax = 0
				var made atomic.Int32
				dial := conf.Dial
				conf.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					made.Add(1)
					return dial(ctx, network, address)
				}
				counts := deliverAll(t, client(t, conf), 64, 640)
				if len(counts) != 1 {
					t.Errorf("verdicts %v", counts)
				}
				if made := made.Load(); made > 64 {
					t.Errorf("%d connections for 640 requests, 64 at once", made)
				}
			})
		})
	}
}

// One delivery without an answer must not cost the others their connections.
func TestFailedDeliveryLeavesOtherConnectionsAlone(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	var served atomic.Int32
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch served.Add(1) {
		case 1, 2: // at once, so that there are two connections
			both.Done()
			both.Wait()
		case 3:
			hangUp(w, "")
			return
		}
		_, _ = io.WriteString(w, `{"code":"1001"}`)
	})
	deliverer := client(t, config(server.URL))
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { deliverer.Deliver(t.Context(), upstream.Request{Params: release}) })
	}
	all.Wait()
	if answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); answer.Verdict != upstream.Unreachable {
		t.Fatal(answer)
	}
	if answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); answer.Verdict != upstream.Accepted {
		t.Fatal(answer)
	}
	if made := server.connections.Load(); made != 2 {
		t.Errorf("%d connections, want the 2 of the beginning", made)
	}
}

// trusting returns the pool of a test server's own certificate.
func trusting(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

func TestHTTP1AndHTTP2OverTLS(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(*httptest.Server)
		major int
	}{
		"HTTP/1.1": {func(s *httptest.Server) { s.StartTLS() }, 1},
		"HTTP/2":   {func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }, 2},
		"HTTP/2 of few streams": {func(s *httptest.Server) {
			s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 5}
			s.EnableHTTP2 = true
			s.StartTLS()
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var others atomic.Int32
			server := newPlatform(t, c.set, func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != c.major || r.PostFormValue("sign") != upstream.Sign(release, secretText) {
					others.Add(1)
				}
				_, _ = io.WriteString(w, `{"code":"1001"}`)
			})
			conf := config(server.URL)
			pool := trusting(server.Server)
			conf.RootCAs = func() *x509.CertPool { return pool }
			deliverer := client(t, conf)
			// At first all dial at once, and learn the server's limits; then it settles.
			counts := deliverAll(t, deliverer, 16, 3*160)
			before := server.connections.Load()
			counts[upstream.Accepted] += deliverAll(t, deliverer, 16, 160)[upstream.Accepted]
			if counts[upstream.Accepted] != 4*160 || others.Load() != 0 {
				t.Errorf("verdicts %v, %d requests of another kind", counts, others.Load())
			}
			if made := server.connections.Load() - before; made > 16 {
				t.Errorf("%d more connections for 160 requests", made)
			}
		})
	}
}

// All concurrent deliveries are open at the platform, however few streams it allows on
// one connection.
func TestAllInFlightAtOnceOverHTTP2(t *testing.T) {
	var arrived sync.WaitGroup
	arrived.Add(16)
	server := newPlatform(t, func(s *httptest.Server) {
		s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 5}
		s.EnableHTTP2 = true
		s.StartTLS()
	}, func(w http.ResponseWriter, _ *http.Request) {
		arrived.Done()
		arrived.Wait() // for all of them
		_, _ = io.WriteString(w, `{"code":"1001"}`)
	})
	conf := config(server.URL)
	pool := trusting(server.Server)
	conf.RootCAs = func() *x509.CertPool { return pool }
	if counts := deliverAll(t, client(t, conf), 16, 16); counts[upstream.Accepted] != 16 {
		t.Errorf("verdicts %v", counts)
	}
}

func TestChangedCertificatesAreUsedForNewConnections(t *testing.T) {
	server := newPlatform(t, func(s *httptest.Server) { s.StartTLS() }, yes.ServeHTTP)
	var pool atomic.Pointer[x509.CertPool]
	pool.Store(x509.NewCertPool())
	conf := config(server.URL)
	conf.RootCAs = pool.Load
	deliverer := client(t, conf)
	deliver := func() upstream.Answer { return deliverer.Deliver(t.Context(), upstream.Request{Params: release}) }

	answer := deliver()
	if answer.Verdict != upstream.Unreachable || !strings.Contains(answer.Err.Error(), "certificate signed by unknown authority") {
		t.Errorf("with another authority: %+v", answer)
	}
	pool.Store(trusting(server.Server))
	if answer := deliver(); answer.Verdict != upstream.Accepted {
		t.Errorf("with its own: %v", answer.Err)
	}
	pool.Store(x509.NewCertPool())
	if answer := deliver(); answer.Verdict != upstream.Unreachable {
		t.Errorf("taken away again, and the old connection still in use: %v", answer.Verdict)
	}
	pool.Store(nil) // the system's, which does not know a test's
	if answer := deliver(); answer.Verdict != upstream.Unreachable {
		t.Errorf("with the system's: %v", answer.Verdict)
	}
}

// A tunnel through a proxy that asks for a password, to a platform over TLS.
func TestThroughAProxy(t *testing.T) {
	server := newPlatform(t, func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }, yes.ServeHTTP)
	var asked atomic.Value
	proxy := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.Host + " " + r.Header.Get("Proxy-Authorization"))
		there, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		go func() { _, _ = io.Copy(here, there); _ = here.Close() }()
	})
	conf := config("https://example.com/update") // in the test server's certificate
	pool := trusting(server.Server)
	conf.RootCAs = func() *x509.CertPool { return pool }
	conf.Proxy = func(*http.Request) (*url.URL, error) {
		return url.Parse("http://user:hunter2@" + proxy.Listener.Addr().String())
	}
	if answer := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release}); answer.Verdict != upstream.Accepted {
		t.Fatal(answer.Verdict, answer.Err)
	}
	if got := asked.Load(); got != "CONNECT example.com:443 Basic dXNlcjpodW50ZXIy" {
		t.Errorf("the proxy was asked %v", got)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	server := newPlatform(t, func(s *httptest.Server) {
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		s.StartTLS()
	}, yes.ServeHTTP)
	conf := config(server.URL)
	pool := trusting(server.Server)
	conf.RootCAs = func() *x509.CertPool { return pool }
	if answer := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release}); answer.Verdict != upstream.Unreachable {
		t.Error(answer.Verdict)
	}
}

// One delivery over the loopback, compared with plain net/http and the same body.
func BenchmarkDeliver(b *testing.B) {
	server := newPlatform(b, nil, yes.ServeHTTP)
	b.Run("deliver", func(b *testing.B) {
		b.ReportAllocs()
		deliverer := client(b, config(server.URL))
		for b.Loop() {
			if answer := deliverer.Deliver(b.Context(), upstream.Request{Params: release, Quick: true}); answer.Verdict != upstream.Accepted {
				b.Fatal(answer.Err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		form := url.Values{"flow_no": {"FLOW000001"}, "operator": {"张三"}, "park_uuid": {"p-1"}, "plate": {"粤B12345"}}
		for b.Loop() {
			resp, err := http.PostForm(server.URL, form)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}

// countingConn counts the writes of all connections that are dialled through it.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) { c.writes.Add(1); return c.Conn.Write(p) }

func counting(writes *atomic.Int64) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		return countingConn{conn, writes}, err
	}
}
