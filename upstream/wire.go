package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
)

// errStray ends a connection on which something came that no request asked for.
var errStray = errors.New("something came that no request asked for")

// wire is a connection as it was dialled: beneath TLS, and beneath a proxy's tunnel. It
// tells what net/http does not: whether something came before a request was written, and
// whether any byte of the request left this host.
//
// An HTTP/1.1 answer belongs to a request by its place on the connection alone (RFC 9112,
// 9.2). A server may send one that nobody asked for, and what lies there when the next
// request is written would be taken for its answer: a wrong yes. net/http looks for such
// bytes too late: it gives the connection to the next request first (persistConn.readLoop
// puts it among the idle ones, then peeks), and reads while it writes. So a connection that
// is used again is
//
//	state   entered by                                         left by
//	quiet   begin: net/http waits in Read, all before is read  the first Write -> open
//	                                                           anything that comes -> spoilt
//	open    the request's first byte goes out                  begin of the next request
//	spoilt  as above                                           never: Read and Write fail,
//	                                                           so net/http, which has written
//	                                                           nothing, takes another one
//
// It is open until it is used again, and for good where it speaks HTTP/2: there an answer
// names its request. What comes after the first byte went out cannot be told from an answer.
type wire struct {
	net.Conn

	raw syscall.RawConn       // nil: not a socket, or it cannot be looked into
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

// maxHead is as much as tells one protocol from another.
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

// begin notes that a request was given the connection. Where it is used again net/http is
// on its way into Read, or finds something in its own buffer and closes: so the wait is short.
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
		_ = w.raw.Read(w.has) // an error is one of Read below as well
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

// arrived is called by raw.Read until it says that something has come. It notes that while
// the bytes still lie there, so that ask, which looks there too, cannot miss them.
func (w *wire) arrived(fd uintptr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !pending(fd) {
		return false
	}
	w.came()
	return true
}

// came notes that something has come, or the end. The caller holds mu.
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

// ask reports whether bytes may go out, and opens a quiet connection for them.
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
