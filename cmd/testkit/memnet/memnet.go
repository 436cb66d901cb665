// Package memnet is a network in memory, for tests that run the whole service in
// virtual time: within a testing/synctest bubble only connections that the bubble
// itself can wake may block.
package memnet

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Net is one network. Its zero value is ready to use.
type Net struct {
	mu        sync.Mutex
	listeners map[string]*listener
	port      int

	// Refuse, where set, is asked before each connection: an error refuses it.
	Refuse func(address string) error

	accepted func(address string, there net.Conn) net.Conn // guarded by mu
}

// OnAccept makes what listens at an address get each connection through a function.
func (n *Net) OnAccept(through func(address string, there net.Conn) net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accepted = through
}

// Listen opens a listener; port 0 chooses one.
func (n *Net) Listen(_, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if port == "0" || port == "" {
		n.port++
		port = strconv.Itoa(20000 + n.port)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	l := &listener{
		net: n, addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: number},
		conns: make(chan net.Conn), done: make(chan struct{}),
	}
	if n.listeners[l.addr.String()] != nil {
		return nil, fmt.Errorf("memnet: %s is taken", l.addr)
	}
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	n.listeners[l.addr.String()] = l
	return l, nil
}

// Dial connects to a listener of this network.
func (n *Net) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	if n.Refuse != nil {
		if err := n.Refuse(address); err != nil {
			return nil, err
		}
	}
	l := n.find(address)
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connection refused: %s", address)}
	if l == nil {
		return nil, refused
	}
	here, there := net.Pipe()
	client := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	select {
	case l.conns <- conn{there, l.addr, client}:
		return conn{here, client, l.addr}, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// find returns the listener at an address, nil if there is none.
func (n *Net) find(address string) *listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.listeners[strings.Replace(address, "localhost", "127.0.0.1", 1)]
}

type listener struct {
	net   *Net
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.accepted != nil {
			c = l.net.accepted(l.addr.String(), c)
		}
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		delete(l.net.listeners, l.addr.String())
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// conn has addresses that look like TCP's.
type conn struct {
	net.Conn
	local, remote net.Addr
}

func (c conn) LocalAddr() net.Addr  { return c.local }
func (c conn) RemoteAddr() net.Addr { return c.remote }
