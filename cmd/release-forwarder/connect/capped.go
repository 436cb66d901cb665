package connect

import (
	"net"
	"sync"
	"time"
)

// capped is a connection on which no read or write waits longer than limit, whatever deadlines its user sets
// or removes.
//
// The limit counts from the beginning of each read or write, so that a connection that was idle for longer is
// still good. kafka-go reads only when it expects an answer, so an idle connection has no read waiting.
type capped struct {
	net.Conn
	limit time.Duration
	read  deadline
	write deadline
}

// deadline is the deadline of one direction. Its lock makes "compute the deadline, then set it" one step, so
// that a user's deadline that arrives while a read begins is not overwritten by an older one.
type deadline struct {
	mu   sync.Mutex
	user time.Time // as the user set it; zero: none
}

// set remembers the user's deadline and applies it, capped.
func (d *deadline) set(t time.Time, limit time.Duration, apply func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user = t
	return d.applyLocked(limit, apply)
}

// begin starts the limit again for one read or write.
func (d *deadline) begin(limit time.Duration, apply func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.applyLocked(limit, apply)
}

func (d *deadline) applyLocked(limit time.Duration, apply func(time.Time) error) error {
	latest := time.Now().Add(limit)
	if !d.user.IsZero() && d.user.Before(latest) {
		latest = d.user
	}
	return apply(latest)
}

func (c *capped) Read(p []byte) (int, error) {
	if err := c.read.begin(c.limit, c.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *capped) Write(p []byte) (int, error) {
	if err := c.write.begin(c.limit, c.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *capped) SetReadDeadline(t time.Time) error {
	return c.read.set(t, c.limit, c.Conn.SetReadDeadline)
}

func (c *capped) SetWriteDeadline(t time.Time) error {
	return c.write.set(t, c.limit, c.Conn.SetWriteDeadline)
}

func (c *capped) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
