package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Any stands for whichever broker answers.
const Any int32 = -1

// DialFunc opens a connection, TLS included, as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Config is what New needs.
type Config struct {
	// Brokers are the first addresses to try, host:port.
	Brokers []string
	// ClientID names this client in the brokers' logs and quotas.
	ClientID string
	// Topics are those whose metadata is kept.
	Topics []string
	// Dial opens the connections; nil: TCP without TLS.
	Dial DialFunc
	// SASL is the log-in of each connection; nil: none.
	SASL sasl.Mechanism
	// Logger logs addresses that are passed over; nil: no log.
	Logger *slog.Logger
}

// Times.
const (
	// firstAnswer bounds the start of a connection: name resolution, TCP, TLS and the answer to ApiVersions.
	firstAnswer = 8 * time.Second
	// loginTakes bounds the log-in that follows.
	loginTakes = 10 * time.Second
	// exchangeTakes bounds an exchange whose context has no deadline.
	exchangeTakes = 30 * time.Second
	// idleLimit is how long an idle connection is kept.
	idleLimit = 30 * time.Second
)

// Client is the way to one cluster. Make one with New. It contacts nothing before its first use. Then one
// goroutine keeps the metadata, until the context given to New ends. It is safe for concurrent use.
type Client struct {
	cfg Config
	ctx context.Context

	loop sync.Once
	wake chan struct{} // asks for new metadata

	mu sync.Mutex
	// The rest is guarded by mu.

	idle   map[string][]*conn // by address, the last used one last
	closed bool
	book   book
	told   told
	// coordinators are the brokers that coordinate groups, by group.
	coordinators map[string]int32
	logins       LoginFailure
}

// New makes a client whose goroutine and connections end with ctx.
func New(ctx context.Context, cfg Config) *Client {
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	named := slices.Clone(cfg.Brokers)
	rand.Shuffle(len(named), func(i, j int) { named[i], named[j] = named[j], named[i] })
	return &Client{
		cfg: cfg, ctx: ctx, wake: make(chan struct{}, 1),
		idle: map[string][]*conn{}, coordinators: map[string]int32{},
		book: book{named: named, until: map[string]time.Time{}},
		told: told{topics: map[string]*belief{}},
	}
}

// Send sends a message to a broker, by its ID in the metadata or to [Any], and returns the answer. The caller
// looks at the codes inside the answer.
//
// The version is the newest that both the broker and kmsg know, and at most the one set in the request. If the
// broker takes none of these the error is kafka.UnsupportedVersion. If the metadata has no such broker it is
// kafka.BrokerNotAvailable.
func (c *Client) Send(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error) {
	var res kmsg.Response
	err := c.exchange(ctx, broker, func(k *conn) (err error) {
		res, err = k.send(c.cfg.ClientID, req)
		return err
	})
	return res, err
}

// Exchange lends a connection to a broker for one request with the caller's own codec. version is the newest
// version of the API that the broker takes, −1 if it has no such API. If exchange fails the connection is
// closed. When ctx ends the exchange fails at once.
func (c *Client) Exchange(ctx context.Context, broker int32, key int16, exchange func(rw io.ReadWriter, version int16) error) error {
	return c.exchange(ctx, broker, func(k *conn) error { return exchange(k, k.newest(key)) })
}

// exchange takes a connection, lends it, and keeps it if all went well.
func (c *Client) exchange(ctx context.Context, broker int32, use func(*conn) error) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, exchangeTakes)
		defer cancel()
	}
	k, err := c.take(ctx, broker)
	if err != nil {
		return err
	}
	return c.lend(ctx, k, use)
}

// lend lends a connection for one exchange.
func (c *Client) lend(ctx context.Context, k *conn, use func(*conn) error) error {
	deadline, _ := ctx.Deadline()
	_ = k.SetDeadline(deadline)
	// A deadline in the past ends the reads and writes of an exchange that no one waits for.
	stop := context.AfterFunc(ctx, func() { _ = k.SetDeadline(time.Unix(1, 0)) })
	err := use(k)
	if ended := !stop(); ended || err != nil {
		err = overdue(ctx, err, ended)
		k.close()
		if !ended && broken(err) {
			c.dropIdle(k.address)
		}
	} else {
		c.keep(k)
	}
	if err != nil && !errors.As(err, new(kafka.Error)) && ctx.Err() == nil {
		err = fmt.Errorf("%s: %w", k.address, err)
	}
	return err
}

// broken reports whether the broker, or the network, has ended a connection.
func broken(err error) bool {
	for _, end := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed,
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
	} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// dropIdle closes the idle connections to an address after one was found broken. They are as old: after a
// broker's restart each would fail one more request.
func (c *Client) dropIdle(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.idle[address] {
		k.close()
	}
	delete(c.idle, address)
}

// overdue returns ctx's error if that is why something failed: the connection's deadline is ctx's.
func overdue(ctx context.Context, err error, ended bool) error {
	switch {
	case err == nil:
		return nil
	case ended, ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return context.DeadlineExceeded
	}
	return err
}

// take returns a connection to a broker, for one user.
func (c *Client) take(ctx context.Context, broker int32) (*conn, error) {
	if broker == Any {
		return c.takeAny(ctx)
	}
	m, err := c.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	b, known := m.Brokers[broker]
	if !known {
		c.Refresh()
		return nil, kafka.BrokerNotAvailable
	}
	k, err := c.to(ctx, b.Address())
	if err != nil {
		c.Refresh() // it may be gone, or moved
	}
	return k, err
}

// to returns a connection to an address: an idle one, or a new one.
func (c *Client) to(ctx context.Context, address string) (*conn, error) {
	if k := c.idleTo(address); k != nil {
		return k, nil
	}
	k, err := c.open(ctx, address)
	if err != nil {
		c.passOver(ctx, address, err)
		return nil, err
	}
	return k, nil
}

// idleTo takes an idle connection that is still good.
func (c *Client) idleTo(address string) *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for idle := c.idle[address]; len(idle) > 0; idle = c.idle[address] {
		k := idle[len(idle)-1]
		idle[len(idle)-1] = nil
		c.idle[address] = idle[:len(idle)-1]
		if k.good(now) {
			return k
		}
		k.close()
	}
	delete(c.idle, address)
	return nil
}

func (c *Client) keep(k *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.since = time.Now(); c.closed || c.ctx.Err() != nil || !k.good(k.since) {
		k.close()
		return
	}
	c.idle[k.address] = append(c.idle[k.address], k)
}

// sweep closes connections that were idle too long.
func (c *Client) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for address, idle := range c.idle {
		idle = slices.DeleteFunc(idle, func(k *conn) bool {
			if !k.good(now) {
				k.close()
				return true
			}
			return false
		})
		if c.idle[address] = idle; len(idle) == 0 {
			delete(c.idle, address)
		}
	}
}

// Close closes the idle connections, and those in use when they are put back. Requests after Close open
// connections for themselves.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, idle := range c.idle {
		for _, k := range idle {
			k.close()
		}
	}
	clear(c.idle)
}
