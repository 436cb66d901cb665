package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// network is a set of proxies on the loopback interface between the forwarders
// and everything they talk to. It knows who talks on a connection, so that one
// forwarder can be cut off while the others are not.
type network struct {
	mu        sync.Mutex
	cuts      map[*cut]struct{} // guarded by mu
	changed   chan struct{}     // guarded by mu: closed when cuts change
	links     map[*link]struct{}
	listeners []net.Listener
}

// cut is one interruption. A zero Forwarder or Broker stands for all of them;
// Broker platformSide is the platform.
type cut struct {
	Forwarder, Broker int
	Silent            bool
}

// platformSide stands for the platform where a broker's number is asked for.
const platformSide = -1

// link is a connection through a proxy.
type link struct {
	forwarder, broker int
	client, server    net.Conn
}

func newNetwork() *network {
	return &network{cuts: map[*cut]struct{}{}, changed: make(chan struct{}), links: map[*link]struct{}{}}
}

func (c *cut) hits(forwarder, broker int) bool {
	if c.Broker == 0 && broker == platformSide {
		return false // all brokers; the platform is none
	}
	return (c.Forwarder == 0 || c.Forwarder == forwarder) && (c.Broker == 0 || c.Broker == broker)
}

// begin interrupts until the function it returns is called. A silent cut stops
// the bytes where they are, and lets them go on at its end, as a network does
// that comes back; any other resets the connections and refuses new ones.
func (n *network) begin(c cut) (end func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[&c] = struct{}{}
	n.change()
	if !c.Silent {
		for l := range n.links {
			if c.hits(l.forwarder, l.broker) {
				l.reset()
			}
		}
	}
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.cuts, &c)
		n.change()
	})
}

// change wakes those that wait for it. It is called with mu held.
func (n *network) change() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// state tells whether a connection is refused or silent now, and what to wait on
// for that to change.
func (n *network) state(forwarder, broker int) (refused, silent bool, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.cuts {
		if c.hits(forwarder, broker) {
			refused, silent = refused || !c.Silent, silent || c.Silent
		}
	}
	return refused, silent, n.changed
}

// listen opens a proxy and tells its address. Who the client is says identify,
// from the connection's first bytes, which it returns; they are passed on. Until
// serve is called, connections wait.
func (n *network) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		n.listeners = append(n.listeners, l)
	}
	return l, err
}

// identify reads as much of a connection as tells which forwarder it is.
type identify func(net.Conn) (forwarder int, first []byte, err error)

// serve passes connections on to an address until the listener is closed.
func (n *network) serve(l net.Listener, who identify, broker int, to string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go n.pass(conn, who, broker, to)
	}
}

func (n *network) pass(client net.Conn, who identify, broker int, to string) {
	defer client.Close()
	forwarder, first, err := who(client)
	if err != nil {
		return
	}
	if refused, _, _ := n.state(forwarder, broker); refused {
		reset(client)
		return
	}
	n.await(forwarder, broker)
	server, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		reset(client) // what a broker that is down does
		return
	}
	defer server.Close()
	l := &link{forwarder, broker, client, server}
	n.mu.Lock()
	n.links[l] = struct{}{}
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.links, l)
		n.mu.Unlock()
	}()
	if _, err := server.Write(first); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { n.pump(l, server, client) })
	both.Go(func() { n.pump(l, client, server) })
	both.Wait()
}

// pump copies one direction, and ends the link with it.
func (n *network) pump(l *link, to, from net.Conn) {
	defer l.client.Close()
	defer l.server.Close()
	buf := make([]byte, 32<<10)
	for {
		size, err := from.Read(buf)
		if size > 0 {
			n.await(l.forwarder, l.broker)
			if _, err := to.Write(buf[:size]); err != nil {
				return
			}
		}
		if err != nil {
			n.await(l.forwarder, l.broker) // a silent network does not pass an end on either
			return
		}
	}
}

// await returns when the way is not silent.
func (n *network) await(forwarder, broker int) {
	for {
		_, silent, changed := n.state(forwarder, broker)
		if !silent {
			return
		}
		<-changed
	}
}

func (l *link) reset() { reset(l.client); reset(l.server) }

// reset closes a connection without the farewell of TCP.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // it may be closed already
	}
	_ = c.Close()
}

// close ends all proxies.
func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.listeners {
		_ = l.Close()
	}
	clear(n.cuts)
	n.change()
	for l := range n.links {
		l.reset()
	}
}

// always is for a proxy that serves one forwarder alone.
func always(forwarder int) identify {
	return func(net.Conn) (int, []byte, error) { return forwarder, nil, nil }
}

// clientName is the KAFKA_CLIENT_ID of a forwarder.
func clientName(forwarder int) string { return fmt.Sprintf("forwarder-%d", forwarder) }

// byClientID reads the header of the first request: size, API key, version,
// correlation ID and the client's ID (Kafka protocol, request header version 1
// and 2).
func byClientID(c net.Conn) (int, []byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, nil, err
	}
	first := make([]byte, 14)
	if _, err := io.ReadFull(c, first); err != nil {
		return 0, nil, err
	}
	size := int16(binary.BigEndian.Uint16(first[12:]))
	if size < 0 {
		return 0, nil, errNameless
	}
	name := make([]byte, size)
	if _, err := io.ReadFull(c, name); err != nil {
		return 0, nil, err
	}
	for forwarder := 1; forwarder <= replicas; forwarder++ {
		if string(name) == clientName(forwarder) {
			return forwarder, append(first, name...), c.SetReadDeadline(time.Time{})
		}
	}
	return 0, nil, errNameless
}

var errNameless = errors.New("a client that is no forwarder")

// sleep waits, or for the end of ctx; true if it waited to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
