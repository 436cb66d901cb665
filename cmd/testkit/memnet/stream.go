package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// stream is one direction of a wire: bytes written and not yet read, in order.
// Its fields are guarded by the wire's mutex.
type stream struct {
	cond     *sync.Cond // signalled when something changes for the reader
	segments []segment
	held     bool  // nothing becomes readable
	lost     bool  // what is written vanishes; never undone
	closed   bool  // the reader went away
	broken   error // both ends get it
	deadline time.Time
	timer    *time.Timer // wakes the reader for the deadline or the next segment
}

// segment is what one write brought, readable from a time on. The last one of a
// direction may be fin: the writer has closed.
type segment struct {
	at   time.Time
	data []byte
	fin  bool
}

// put adds a segment that arrives after a delay, never before the one in front.
func (s *stream) put(seg segment, delay time.Duration) {
	if s.lost || s.closed {
		return
	}
	seg.at = time.Now().Add(delay)
	if n := len(s.segments); n > 0 && s.segments[n-1].at.After(seg.at) {
		seg.at = s.segments[n-1].at
	}
	s.segments = append(s.segments, seg)
	s.cond.Broadcast()
}

// read waits for the first segment and takes what fits of it.
func (s *stream) read(p []byte) (int, error) {
	for {
		now := time.Now()
		var next time.Time
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.broken != nil:
			return 0, s.broken
		case !s.deadline.IsZero() && !now.Before(s.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(s.segments) > 0 && !s.held:
			first := &s.segments[0]
			if !first.at.After(now) {
				if first.fin {
					return 0, io.EOF
				}
				n := copy(p, first.data)
				if first.data = first.data[n:]; len(first.data) == 0 {
					s.segments = s.segments[1:]
				}
				return n, nil
			}
			next = first.at
		}
		if !s.deadline.IsZero() && (next.IsZero() || s.deadline.Before(next)) {
			next = s.deadline
		}
		s.wakeAt(next)
		s.cond.Wait()
	}
}

func (s *stream) wakeAt(t time.Time) {
	switch {
	case t.IsZero():
	case s.timer == nil:
		s.timer = time.AfterFunc(time.Until(t), s.cond.Broadcast)
	default:
		s.timer.Reset(time.Until(t))
	}
}

// cut ends the direction at once; what is under way is gone.
func (s *stream) cut() {
	if s.broken == nil {
		s.broken = syscall.ECONNRESET
	}
	s.segments = nil
	s.cond.Broadcast()
}

// wire is one connection: two streams, from and to the one who dialled.
type wire struct {
	link    *Link
	address string // as dialled

	mu       sync.Mutex
	up, down stream
	asked    bool      // bytes went up, and none has come down since
	askedAt  time.Time // when the first of them were written
}

func newWire(l *Link, address string) *wire {
	w := &wire{link: l, address: address}
	w.up.cond, w.down.cond = sync.NewCond(&w.mu), sync.NewCond(&w.mu)
	return w
}

// end is one end of a wire, a [net.Conn].
type end struct {
	*wire
	in, out       *stream
	local, remote net.Addr
	client        bool
}

func (e *end) Read(p []byte) (int, error) {
	e.mu.Lock()
	n, err := e.in.read(p)
	if e.client && n > 0 {
		e.asked = false
	}
	e.mu.Unlock()
	if e.client && n > 0 && e.link.Delivered != nil {
		e.link.Delivered(e.local.String())
	}
	return n, err
}

func (e *end) Write(p []byte) (int, error) {
	delay := e.link.now(e.address).Delay // asks somebody else: not with the lock
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.in.closed:
		return 0, net.ErrClosed
	case e.out.broken != nil:
		return 0, e.out.broken
	case e.out.closed:
		return 0, syscall.EPIPE
	}
	if e.client && !e.asked {
		e.asked, e.askedAt = true, time.Now()
	}
	e.out.put(segment{data: append([]byte(nil), p...)}, delay)
	return len(p), nil
}

// Close lets the other side read what was written before.
func (e *end) Close() error {
	delay := e.link.now(e.address).Delay
	e.mu.Lock()
	if e.in.closed {
		e.mu.Unlock()
		return nil
	}
	var underWay []byte
	if e.client && e.link.GivenUp != nil {
		for _, s := range e.out.segments {
			underWay = append(underWay, s.data...)
		}
	}
	e.out.put(segment{fin: true}, delay)
	e.in.closed, e.in.segments = true, nil
	e.in.cond.Broadcast()
	both := e.out.closed
	e.mu.Unlock()
	if both || e.client {
		e.link.forget(e.wire)
	}
	if len(underWay) > 0 {
		e.link.GivenUp(underWay)
	}
	return nil
}

func (e *end) LocalAddr() net.Addr  { return e.local }
func (e *end) RemoteAddr() net.Addr { return e.remote }

func (e *end) SetDeadline(t time.Time) error      { return e.SetReadDeadline(t) }
func (e *end) SetWriteDeadline(t time.Time) error { return nil } // no write waits

func (e *end) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.in.deadline = t
	e.in.cond.Broadcast()
	return nil
}
