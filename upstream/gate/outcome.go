package gate

import "time"

// sinceOutage counts the slots in use since before the circuit last closed.
type sinceOutage struct {
	closed time.Time // when it closed; zero: never
	// old is how many of inFlight were in use then. Their requests may hang until their
	// time-out, so they do not count against the limit: otherwise everything would wait
	// that long. The requests of ended of them have ended; their slots come back next.
	old, ended int
}

// Open reports whether the circuit is open. It takes no lock.
func (g *Gate) Open() bool { return g.open.Load() }

// RecoveredSince reports whether the circuit is not open, and closed after began. If so,
// the outage alone may be why a delivery failed that began at that time.
func (g *Gate) RecoveredSince(began time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.circuit.phase != Open && g.closed.After(began)
}

// Accepted records that the platform accepted a record. That closes an open circuit, and
// then raises the limit of the ramp.
func (g *Gate) Accepted() {
	g.mu.Lock()
	if g.circuit.phase == Closed {
		g.circuit.forget()
		g.mu.Unlock()
		return
	}
	now, since := time.Now(), g.circuit.since
	if g.circuit.accept(now) {
		g.old, g.ended, g.closed = g.inFlight, min(1, g.inFlight), now // the accepted request has ended
		g.open.Store(false)
		if g.limiter != nil {
			g.limiter = g.limiter.resume(now)
		}
		if onClose := g.config.OnClose; onClose != nil {
			g.pending = append(g.pending, func() { onClose(now.Sub(since)) })
		}
	}
	g.dispatch()
	g.mu.Unlock()
	g.makeCalls()
}

// Failed records that a delivery failed in a way that counts against the platform: not
// by a permanent code, not against the record's budget, not for a refused lot. id
// identifies the record and must be comparable. The fifth record in a row, with nothing
// accepted between, opens the circuit.
func (g *Gate) Failed(id any) {
	g.mu.Lock()
	if g.circuit.fail(id, time.Now()) {
		g.old, g.ended = 0, 0
		g.open.Store(true)
		if onOpen := g.config.OnOpen; onOpen != nil {
			g.pending = append(g.pending, onOpen)
		}
		g.dispatch()
	}
	g.mu.Unlock()
	g.makeCalls()
}

// Pause gives no slot before until, in any phase of the circuit. Of several pauses the
// one that ends last counts.
func (g *Gate) Pause(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.pausedUntil) {
		g.pausedUntil = until
	}
}

// makeCalls makes the pending calls of OnOpen and OnClose, in order and without the lock.
func (g *Gate) makeCalls() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calling {
		return // another goroutine makes all of them
	}
	g.calling = true
	for len(g.pending) > 0 {
		call := g.pending[0]
		g.pending = g.pending[1:]
		g.mu.Unlock()
		call()
		g.mu.Lock()
	}
	g.calling = false
}
