package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// idleTimeout closes an unused connection, before load balancers drop it silently,
	// commonly after a minute.
	idleTimeout = 45 * time.Second
	// maxAge is how long a set of connections is used. The platform's hosts may change
	// their addresses. Under steady traffic no connection is idle, so without this the
	// name would never be looked up again.
	maxAge = 5 * time.Minute
	// maxHeader bounds an answer's headers, in bytes.
	maxHeader = 64 << 10
	// silences is how many exchanges in a row may bring no answer before all connections
	// are closed: as many as open the circuit. A firewall, a load balancer or a replaced
	// host forgets all connections at once; each idle one would cost a failure, one a
	// second.
	silences = 5
	// dialSlack makes the time-outs of dialling longer than the attempt's, so that the
	// attempt's comes first.
	dialSlack = time.Second
)

// connections is the lowest round tripper: an http.Transport that is replaced after
// maxAge, when the trusted certificates change, or when answers on it stop.
// Requests in flight end on the old one.
//
// It must not have a method CloseIdleConnections, nor must any round tripper between it
// and retryablehttp: retryablehttp calls that after each failed delivery, and every
// refusal would cost 64 new connections.
type connections struct {
	config Config
	now    atomic.Pointer[generation]
	mu     sync.Mutex // held to replace now
}

type generation struct {
	transport *http.Transport
	roots     *x509.CertPool
	until     time.Time
	silent    atomic.Int32 // exchanges without an answer since the last answer
}

func (g *generation) serves(roots *x509.CertPool) bool {
	return g != nil && g.roots == roots && time.Now().Before(g.until)
}

func (c *connections) RoundTrip(req *http.Request) (*http.Response, error) {
	g := c.current()
	resp, err := g.transport.RoundTrip(req)
	switch {
	case err == nil:
		g.silent.Store(0)
	case errors.Is(req.Context().Err(), context.Canceled): // the caller gave up
	case g.silent.Add(1) == silences:
		c.retire(g)
	}
	return resp, err
}

func (c *connections) current() *generation {
	roots := c.config.RootCAs()
	if g := c.now.Load(); g.serves(roots) {
		return g
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.now.Load()
	if old.serves(roots) {
		return old
	}
	fresh := &generation{transport: newTransport(c.config, roots), roots: roots, until: time.Now().Add(maxAge)}
	c.now.Store(fresh)
	if old != nil {
		old.transport.CloseIdleConnections()
	}
	return fresh
}

// retire makes the next request use new connections, unless g was replaced already.
func (c *connections) retire(g *generation) {
	if c.now.CompareAndSwap(g, nil) {
		g.transport.CloseIdleConnections()
	}
}

func (c *connections) close() {
	if g := c.now.Load(); g != nil {
		g.transport.CloseIdleConnections()
	}
}

// newTransport speaks HTTP/1.1, and HTTP/2 if the platform offers it over TLS. With
// HTTP/2 it opens another connection when the server's limit of streams is reached.
func newTransport(config Config, roots *x509.CertPool) *http.Transport {
	dial := config.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: config.Timeout + dialSlack}).DialContext
	}
	return &http.Transport{
		Proxy:                  config.Proxy,
		OnProxyConnectResponse: refusedTunnel,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return newWire(conn), nil
		},
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    config.Timeout + dialSlack,
		ForceAttemptHTTP2:      true, // off by default with an own dial function or TLS configuration
		MaxIdleConns:           config.MaxInFlight,
		MaxIdleConnsPerHost:    config.MaxInFlight,
		MaxConnsPerHost:        config.MaxInFlight,
		IdleConnTimeout:        idleTimeout,
		DisableCompression:     true, // readBody does it, which saves a map for each request
		MaxResponseHeaderBytes: maxHeader,
		HTTP2: &http.HTTP2Config{
			// Many requests share a connection. Without pings, one that a firewall
			// has forgotten would let them all time out for minutes.
			SendPingTimeout:  config.Timeout,
			PingTimeout:      config.Timeout,
			WriteByteTimeout: config.Timeout,
			// By default each answer may fill 4 MiB before it is read.
			MaxReceiveBufferPerStream:     2 * maxBody,
			MaxReceiveBufferPerConnection: 1 << 20,
		},
	}
}

func refusedTunnel(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return &proxyError{answer.StatusCode}
	}
	return nil
}
