package upstream_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

var release = []upstream.Param{
	{Name: "flow_no", Value: "FLOW000001"}, {Name: "operator", Value: "张三"},
	{Name: "park_uuid", Value: "p-1"}, {Name: "plate", Value: "粤B12345"},
}

const secretText = "top-s3cret"

// silent discards the log of test servers.
var silent = log.New(io.Discard, "", 0)

// config is a configuration for tests, without the machine's proxy.
func config(endpoint string) upstream.Config {
	return upstream.Config{
		URL:        endpoint,
		Credential: func() credential.Credential { return credential.Credential{Secret: credential.NewSecret(secretText)} },
		Proxy:      func(*http.Request) (*url.URL, error) { return nil, nil },
		Timeout:    time.Minute, // real servers are as slow as the machine
	}
}

func client(t testing.TB, c upstream.Config) *upstream.Client {
	t.Helper()
	made, err := upstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

// platform is a real server on the loopback that counts its connections.
type platform struct {
	*httptest.Server
	connections atomic.Int32
}

func newPlatform(t testing.TB, set func(*httptest.Server), handler http.HandlerFunc) *platform {
	t.Helper()
	p := &platform{Server: httptest.NewUnstartedServer(handler)}
	p.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			p.connections.Add(1)
		}
	}
	p.Config.ErrorLog = silent
	if set == nil {
		p.Start()
	} else {
		set(p.Server)
	}
	t.Cleanup(p.Close)
	return p
}

// memory is a network within the process, for servers in virtual time.
type memory struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), done: make(chan struct{})} }

func (m *memory) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case m.conns <- there:
		return here, nil
	case <-m.done:
		return nil, errors.New("no listener")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.once.Do(func() { close(m.done) }); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// virtual is a configuration that reaches handler over memory, for use inside a
// synctest bubble.
func virtual(t *testing.T, handler http.HandlerFunc) upstream.Config {
	t.Helper()
	network := newMemory()
	server := &http.Server{ErrorLog: silent, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		handler(w, r)
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(network) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	c := config("http://platform.test/update")
	c.Dial, c.Timeout = network.Dial, 0
	return c
}

// hangUp writes words and closes the connection of a request.
func hangUp(w http.ResponseWriter, words string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, words)
	_ = conn.Close()
}
