package memnet

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// Condition is what a [Link] does to the connections to one address.
type Condition struct {
	// Refuse lets no new connection come about.
	Refuse bool
	// Delay is how long bytes are on their way, in each direction.
	Delay time.Duration
	// Hold lets nothing through, in either direction, until it is lifted: then
	// all that was written arrives, as TCP would deliver it.
	Hold bool
	// LoseRequests and LoseAnswers make a connection half-open: from now on
	// nothing arrives in that direction, not even that the other side closed.
	// A connection that was hit stays so; new ones wait.
	LoseRequests, LoseAnswers bool
}

// Or is both conditions at once.
func (c Condition) Or(d Condition) Condition {
	return Condition{
		Refuse: c.Refuse || d.Refuse, Delay: c.Delay + d.Delay, Hold: c.Hold || d.Hold,
		LoseRequests: c.LoseRequests || d.LoseRequests, LoseAnswers: c.LoseAnswers || d.LoseAnswers,
	}
}

// blocks reports whether connections hang: none can be opened, and no error says so.
func (c Condition) blocks() bool { return c.Hold || c.LoseRequests || c.LoseAnswers }

// Link is one host's way into a network, on which faults can be put: they hit
// this host's connections and no other's. Unlike the network's own connections
// a write never waits, as with a socket's buffer, and what was written before a
// close still arrives.
type Link struct {
	net  *Net
	host net.IP

	// Delivered, where set, is called after each read that brought bytes, with
	// the connection's local address. It is set before the first Dial.
	Delivered func(local string)
	// GivenUp, where set, is called when the host closes a connection, with the bytes
	// that it wrote and that are still under way: they arrive nonetheless.
	GivenUp func(underWay []byte)

	mu         sync.Mutex
	conditions func(address string) Condition // nil: fair
	wires      map[*wire]struct{}
	port       int
}

// NewLink makes the way of a host; hosts are told apart by number, 1 to 250.
func (n *Net) NewLink(host byte) *Link {
	return &Link{net: n, host: net.IPv4(10, 0, 0, host), wires: map[*wire]struct{}{}, port: 30000}
}

// Dial connects to a listener of the network.
func (l *Link) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	c := l.now(address)
	for c.blocks() && !c.Refuse {
		select {
		case <-time.After(dialAgain):
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
		}
		c = l.now(address)
	}
	if c.Refuse {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	to := l.net.find(address)
	if to == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("%w: %s", syscall.ECONNREFUSED, address)}
	}
	w := newWire(l, address)
	l.mu.Lock()
	l.port++
	from := &net.TCPAddr{IP: l.host, Port: l.port}
	l.wires[w] = struct{}{}
	l.mu.Unlock()
	here := &end{wire: w, in: &w.down, out: &w.up, local: from, remote: to.addr, client: true}
	there := &end{wire: w, in: &w.up, out: &w.down, local: to.addr, remote: from}
	select {
	case to.conns <- there:
		return here, nil
	case <-to.done:
	case <-ctx.Done():
	}
	l.forget(w)
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// dialAgain is how often a connection that meets silence is tried again.
const dialAgain = 100 * time.Millisecond

// Set puts conditions on the link, by the address that was dialled, in place of
// those before, and returns how many connections with a request in flight they
// hold or lose from now on.
func (l *Link) Set(conditions func(address string) Condition) (hit int) {
	l.mu.Lock()
	l.conditions = conditions
	l.mu.Unlock()
	for _, w := range l.open(nil) {
		c := l.now(w.address)
		w.mu.Lock()
		if w.asked && (c.Hold && !w.up.held || c.LoseRequests && !w.up.lost || c.LoseAnswers && !w.down.lost) {
			hit++
		}
		w.up.held, w.down.held = c.Hold, c.Hold
		w.up.lost = w.up.lost || c.LoseRequests
		w.down.lost = w.down.lost || c.LoseAnswers
		w.up.cond.Broadcast()
		w.down.cond.Broadcast()
		w.mu.Unlock()
	}
	return hit
}

// Cut resets the connections to the addresses that match (nil: all), and returns
// how many of them had a request in flight.
func (l *Link) Cut(match func(address string) bool) (hit int) {
	for _, w := range l.open(match) {
		w.mu.Lock()
		if w.asked {
			hit++
		}
		w.up.cut()
		w.down.cut()
		w.mu.Unlock()
		l.forget(w)
	}
	return hit
}

// Open returns how many connections there are to the addresses that match, and
// how many of them have a request in flight.
func (l *Link) Open(match func(address string) bool) (open, asked int) {
	for _, w := range l.open(match) {
		open++
		w.mu.Lock()
		if w.asked {
			asked++
		}
		w.mu.Unlock()
	}
	return open, asked
}

func (l *Link) open(match func(address string) bool) []*wire {
	l.mu.Lock()
	defer l.mu.Unlock()
	var open []*wire
	for w := range l.wires {
		if match == nil || match(w.address) {
			open = append(open, w)
		}
	}
	return open
}

func (l *Link) forget(w *wire) {
	l.mu.Lock()
	delete(l.wires, w)
	l.mu.Unlock()
}

func (l *Link) now(address string) Condition {
	l.mu.Lock()
	f := l.conditions
	l.mu.Unlock()
	if f == nil {
		return Condition{}
	}
	return f(address)
}

// AskedAt tells, of a connection that this network's listener accepted from a
// Link, when the request being answered was written.
func AskedAt(c net.Conn) time.Time {
	e, ok := c.(*end)
	if !ok {
		return time.Time{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.askedAt
}
