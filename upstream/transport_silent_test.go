package upstream_test

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream"
)

// hole is a connection that a firewall may forget: from then on no byte arrives in
// either direction.
type hole struct {
	net.Conn
	forgotten *atomic.Bool
	reset     *atomic.Bool // forgotten, and writes get a reset
	closed    chan struct{}
}

func newHole(c net.Conn) *hole {
	return &hole{c, new(atomic.Bool), new(atomic.Bool), make(chan struct{})}
}

func (h *hole) Read(p []byte) (int, error) {
	for {
		n, err := h.Conn.Read(p)
		if !h.forgotten.Load() {
			return n, err
		}
		if err != nil {
			<-h.closed
			return 0, net.ErrClosed
		}
	}
}

func (h *hole) Write(p []byte) (int, error) {
	if h.reset.Load() {
		return 0, syscall.ECONNRESET
	}
	if h.forgotten.Load() {
		return len(p), nil
	}
	return h.Conn.Write(p)
}

func (h *hole) Close() error { close(h.closed); return h.Conn.Close() }

// If an HTTP/2 connection hangs, all its requests hang. They must not hang as long as the
// operating system retransmits, a quarter of an hour.
func TestForgottenHTTP2ConnectionIsGivenUp(t *testing.T) {
	// Only for its certificate.
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	synctest.Test(t, func(t *testing.T) {
		network := newMemory()
		server := &http.Server{
			ErrorLog: silent, TLSConfig: certified.TLS.Clone(),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.ProtoMajor != 2 {
					t.Errorf("HTTP/%d", r.ProtoMajor)
				}
				_, _ = io.WriteString(w, `{"code":"1001"}`)
			}),
		}
		server.TLSConfig.NextProtos = nil // Serve fills in h2
		ended := make(chan struct{})
		go func() { defer close(ended); _ = server.ServeTLS(network, "", "") }()
		t.Cleanup(func() { _ = server.Close(); <-ended })

		var forgotten []*hole
		pool := trusting(certified)
		conf := config("https://example.com/")
		conf.Timeout = 10 * time.Second
		conf.RootCAs = func() *x509.CertPool { return pool }
		conf.Dial = func(ctx context.Context, n, a string) (net.Conn, error) {
			conn, err := network.Dial(ctx, n, a)
			if err != nil {
				return nil, err
			}
			forgotten = append(forgotten, newHole(conn))
			return forgotten[len(forgotten)-1], nil
		}
		deliverer := client(t, conf)
		deliver := func() upstream.Answer {
			return deliverer.Deliver(t.Context(), upstream.Request{Params: release})
		}
		if answer := deliver(); answer.Verdict != upstream.Accepted {
			t.Fatal(answer.Verdict, answer.Err)
		}
		forgotten[0].forgotten.Store(true)
		since := time.Now()
		for deliver().Verdict != upstream.Accepted {
			if time.Since(since) > time.Minute {
				t.Fatalf("still no answer after %v and %d connections", time.Since(since), len(forgotten))
			}
			time.Sleep(time.Second)
		}
	})
}
