package admin

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// visitors accepts every connection and bounds their number: if there is no room, the
// oldest is closed, whatever it does. So other clients never keep a probe out: a probe
// opens a connection of its own, sends its request at once, and is the oldest only when
// as many connections as the bound allows have come after it.
// Kubelet and strangers may have one address (a port-forward, a pod on the node's
// network, NAT), so the order of coming counts, and the address only where one holds
// more than half.
type visitors struct {
	net.Listener

	mu   sync.Mutex
	open []*visitor // in the order of coming; at most maxConnections
	// leaving counts those that were closed to make room and whose goroutine has yet
	// to end: net/http lets one sleep for half a second after some refusals.
	leaving int
	left    *sync.Cond // leaving has become less
}

// visitor is one connection.
type visitor struct {
	net.Conn
	from  string       // the address without its port
	lines atomic.Int64 // read since it was last answered

	closed bool // to make room: no longer in open; guarded by visitors.mu
}

// Read ends the connection of who sends more lines than a request has: net/http
// bounds their bytes alone, and would keep who is refused for half a second more.
func (o *visitor) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	if o.lines.Add(int64(bytes.Count(p[:n], []byte("\n")))) > maxHeaderLines {
		_ = o.Close()
		return 0, io.EOF
	}
	return n, err
}

func newVisitors(l net.Listener) *visitors {
	v := &visitors{Listener: l}
	v.left = sync.NewCond(&v.mu)
	return v
}

// Accept implements [net.Listener].
func (v *visitors) Accept() (net.Conn, error) {
	conn, err := v.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, is := conn.(*net.TCPConn); is {
		_ = tcp.SetWriteBuffer(maxUnsent) // the kernel charges unread data to the container
	}
	from, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		from = "" // all of them as one
	}
	newest := &visitor{Conn: conn, from: from}
	if v.admit(newest) {
		runtime.Gosched() // in a flood, open connections are served before the next is accepted
	}
	return newest, nil
}

// admit makes room for the newest where there is none, and reports that.
func (v *visitors) admit(newest *visitor) (full bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if full = len(v.open) >= maxConnections; full {
		for v.leaving >= maxLeaving {
			v.left.Wait()
		}
		if len(v.open) >= maxConnections { // still
			v.close(v.oldest())
		}
	}
	v.open = append(v.open, newest)
	return full
}

// oldest is the connection to close: the first that came; if one address holds more than
// half of all connections, the first of these. Guarded by mu.
func (v *visitors) oldest() *visitor {
	held := make(map[string]int)
	for _, o := range v.open {
		if held[o.from]++; held[o.from] > maxConnections/2 {
			return v.open[slices.IndexFunc(v.open, func(first *visitor) bool { return first.from == o.from })]
		}
	}
	return v.open[0]
}

// close frees the descriptor at once; the goroutine ends soon after. Guarded by mu.
func (v *visitors) close(o *visitor) {
	v.forget(o)
	o.closed = true
	v.leaving++
	_ = o.Close()
}

// state is the server's ConnState: it is called when a request is read or answered, and
// when a connection's goroutine ends.
func (v *visitors) state(conn net.Conn, state http.ConnState) {
	o := conn.(*visitor)
	v.mu.Lock()
	defer v.mu.Unlock()
	o.lines.Store(0)
	switch {
	case state != http.StateClosed:
	case o.closed:
		v.leaving--
		v.left.Signal()
	default:
		v.forget(o)
	}
}

// forget takes one out of open. Guarded by mu.
func (v *visitors) forget(o *visitor) {
	v.open = slices.DeleteFunc(v.open, func(other *visitor) bool { return other == o })
}
