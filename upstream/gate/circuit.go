package gate

import "time"

// Phase is the state of the circuit: see the table in doc.go.
type Phase int

// The circuit's phases.
const (
	// Closed lets up to MaxInFlight requests be open at once.
	Closed Phase = iota
	// Open lets one request begin a second: the platform accepts nothing.
	Open
	// Ramp is closed again, with a limit that doubles at each acceptance.
	Ramp
)

// String returns closed, open or ramp.
func (p Phase) String() string { return [...]string{"closed", "open", "ramp"}[p] }

const (
	// openAfter is how many deliveries of different records must fail, with
	// nothing accepted between, for the circuit to open.
	openAfter = 5
	// probeInterval is the least time between two requests while it is open.
	probeInterval = time.Second
)

// circuit is the state machine of the table in doc.go. It has no lock, no waiters and
// no timer: the gate calls it under its own lock.
type circuit struct {
	max   int
	phase Phase
	since time.Time // when phase began
	limit int       // requests in flight: 1 to max in Ramp, else max

	// failed are the different records that failed since the last acceptance,
	// fewer than openAfter; empty while open.
	failed   [openAfter - 1]any
	failures int

	// While open: when the next request may begin, and whether the last slot may
	// still be returned unused.
	nextProbe  time.Time
	returnable bool
}

// fail records that a delivery of record id failed for a reason that counts
// against the platform, and reports whether that opened the circuit.
func (c *circuit) fail(id any, now time.Time) bool {
	if c.phase == Open {
		return false
	}
	for _, seen := range c.failed[:c.failures] {
		if seen == id {
			return false
		}
	}
	if c.failures < len(c.failed) {
		c.failed[c.failures] = id
		c.failures++
		return false
	}
	c.forget()
	c.enter(Open, now)
	c.limit = c.max
	// The failed request counts as this second's.
	c.nextProbe, c.returnable = now.Add(probeInterval), false
	return true
}

// accept records an acceptance and reports whether it closed the circuit.
func (c *circuit) accept(now time.Time) bool {
	c.forget()
	switch c.phase {
	case Open:
		c.limit = 1
		c.enter(Ramp, now)
		if c.max == 1 {
			c.enter(Closed, now)
		}
		return true
	case Ramp:
		c.limit = min(2*c.limit, c.max)
		if c.limit == c.max {
			c.enter(Closed, now)
		}
	case Closed:
	}
	return false
}

func (c *circuit) forget() {
	clear(c.failed[:c.failures])
	c.failures = 0
}

func (c *circuit) enter(p Phase, now time.Time) { c.phase, c.since = p, now }

// take records that a slot was given.
func (c *circuit) take(now time.Time) {
	if c.phase == Open {
		c.nextProbe, c.returnable = now.Add(probeInterval), true
	}
}

// giveBack records that a slot was returned unused: the next may follow at once.
func (c *circuit) giveBack(now time.Time) {
	if c.phase == Open && c.returnable {
		c.nextProbe, c.returnable = now, false
	}
}
