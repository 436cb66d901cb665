package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
)

// errStray ends a connection that received bytes no request asked for.
var errStray = errors.New("something came that no request asked for")

// wire is a connection as it was dialled: below TLS and below a proxy's tunnel. It knows
// what net/http does not tell: whether bytes came before a request was written, and whether
// any byte of the request left this host.
//
// HTTP/1.1 matches an answer to a request only by its place on the connection (RFC 9112,
// 9.2). A server may send an answer without a request; the next request would take it for
// its own: a wrong yes. net/http looks for such bytes too late: persistConn.readLoop offers
// the connection to the next request before it peeks, and it reads while it writes. So a
// reused connection has a state:
//
//	state   entered by                                         left by
//	quiet   begin: net/http waits in Read, all before is read  the first Write -> open
//	                                                           any byte that comes -> spoilt
//	open    the request's first byte goes out                  begin of the next request
//	spoilt  as above                                           never: Read and Write fail.
//	                                                           net/http has written nothing
//	                                                           and takes another connection
//
// A new connection is open until it is reused, and always with HTTP/2: there an answer names
// its request. Bytes that come after the request's first byte cannot be recognized by its answer.
type wire struct {
	net.Conn

	raw syscall.RawConn       // nil: not a socket, or peeking is not possible
	has func(fd uintptr) bool // arrived, made once

	mu     sync.Mutex // guards all below
	change sync.Cond  // of waits and closed
	waits  bool       // Read waits, and nothing has come
	closed bool
	quiet  bool
	spoilt bool
	wrote  bool   // since begin
	head   []byte // what came first on the connection, not more than maxHead
}

// maxHead bytes are enough to recognize a protocol.
const maxHead = 5

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c}
	w.change.L, w.has = &w.mu, w.arrived
	if c, ok := c.(syscall.Conn); ok && canPeek {
		w.raw, _ = c.SyscallConn()
	}
	return w
}

// beneath finds the wire of a connection that net/http has chosen; nil for HTTP/2.
func beneath(c net.Conn) *wire {
	for {
		switch on := c.(type) {
		case *wire:
			return on
		case *tls.Conn:
			if on.ConnectionState().NegotiatedProtocol == "h2" {
				return nil
			}
			c = on.NetConn()
		default:
			return nil
		}
	}
}

// begin records that a request was given the connection. If it is reused, net/http is about
// to call Read, or finds bytes in its own buffer and closes: so the wait is short.
func (w *wire) begin(ctx context.Context, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrote = false
	if !again {
		return
	}
	if !w.waits && !w.closed {
		defer context.AfterFunc(ctx, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.change.Broadcast()
		})()
	}
	for !w.waits && !w.closed && ctx.Err() == nil {
		w.change.Wait()
	}
	w.quiet, w.spoilt = true, w.spoilt || !w.waits
}

// sent reports whether a byte left this host since begin.
func (w *wire) sent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrote
}

// began returns what came first on the connection.
func (w *wire) began() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.head)
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	w.waits = true
	w.change.Broadcast()
	w.mu.Unlock()
	if w.raw != nil {
		_ = w.raw.Read(w.has) // Read below returns the same error
	}
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.came()
	if len(w.head) < maxHead {
		w.head = append(w.head, p[:min(n, maxHead-len(w.head))]...)
	}
	if w.spoilt && n > 0 {
		return 0, errStray
	}
	return n, err
}

// arrived is called by raw.Read until it returns true: bytes have come. It records that
// before they are read, so that ask, which peeks too, cannot miss them.
func (w *wire) arrived(fd uintptr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !pending(fd) {
		return false
	}
	w.came()
	return true
}

// came records that bytes, or the end, have come. The caller holds mu.
func (w *wire) came() {
	w.waits = false
	w.spoilt = w.spoilt || w.quiet
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if !w.ask() {
		return 0, errStray
	}
	n, err := w.Conn.Write(p)
	if n > 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.wrote = true
	}
	return n, err
}

// ask reports whether bytes may be written, and makes a quiet connection open.
func (w *wire) ask() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.quiet && w.raw != nil {
		_ = w.raw.Control(func(fd uintptr) { w.spoilt = w.spoilt || pending(fd) })
	}
	w.quiet = w.quiet && w.spoilt
	return !w.spoilt
}

// Close implements net.Conn.
func (w *wire) Close() error {
	w.mu.Lock()
	w.closed = true
	w.change.Broadcast()
	w.mu.Unlock()
	return w.Conn.Close()
}
