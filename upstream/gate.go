package upstream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// GateConfig sets up a Gate.
type GateConfig struct {
	// MaxInFlight is how many requests may be open at once; 64.
	MaxInFlight int
	// Adaptive lets the limit follow what the platform can take, from 1 to
	// MaxInFlight, by what Observe is told; see limiter.
	Adaptive bool
	// OnOpen and OnClose are called when the circuit opens and when it closes,
	// one at a time, in the order in which it happened, without the gate's lock:
	// they may ask the gate. OnClose is told how long the outage lasted.
	OnOpen  func()
	OnClose func(lasted time.Duration)
}

// Gate says when a request may go out: the circuit, the limit and the pauses
// that the platform asks for, for all deliveries together. It is safe for
// concurrent use.
//
// Whoever waits is a goroutine of its caller's, parked until its turn; waiting
// costs no tick, and one timer serves all. Slots are given in the order of
// asking.
//
// A slot that is out is in one of two states; requests are open in the first alone:
//
//	slot      bound                      entered by            left by
//	in place  MaxInFlight, below that    Acquire, resume       rest → resting
//	          the limit                                        Release
//	resting   with those in place slots  rest, between two     resume → in place
//	                                     attempts              unrest, then Release
//
// So what rests takes no place from others, and the platform never has more requests
// than places. What would go wrong without more:
//
//   - The platform accepts nothing, all come to rest, and others take their places:
//     many times more requests before the circuit opens. So those of which openAfter
//     came to rest with nothing accepted since keep their places (see doubted).
//   - Those without a slot would take every place, and a retry would never have its
//     turn: it goes before them, in the order of asking.
//   - All places hang, and a retry waits for one: see resume.
type Gate struct {
	config GateConfig
	// open mirrors circuit.phase == Open for those who ask without the lock, and
	// closings counts how often it closed: one more before open says so.
	open     atomic.Bool
	closings atomic.Uint64
	// requests are those of the clients whose gate this is.
	requests inFlight

	mu      sync.Mutex // guards all below
	circuit circuit
	limiter *limiter // nil: the limit is fixed
	pace    pace
	// inFlight is how many slots are in place, 0 to circuit.max.
	inFlight int
	// resting is how many more are out and rest; inFlight+resting is at most slots, which
	// is twice MaxInFlight, and restMore.
	// ended of them will make no further attempt: the next Release is taken for
	// one of theirs.
	resting, ended, slots int
	// doubted is how many came to rest since anything was accepted, at most resting.
	doubted int
	// old is how many of inFlight were out when the circuit closed last, as far as
	// is known: a slot that comes back is taken for an old one while there are
	// any. They do not count against a ramp's limit, or requests that hang
	// since the outage would keep everything waiting after it.
	old int
	// accepted counts the acceptances.
	accepted uint64
	// pausedUntil is when slots are given again: it never moves back, and is
	// zero again once it is noticed to have passed.
	pausedUntil time.Time

	// retries wait whose slot rests, asking those who have none yet. Nobody waits
	// while a slot may be given now: dispatch follows each change.
	retries, asking queue
	waiting         int
	// free keeps waiters for reuse, linked by next; as many as ever waited at
	// once. (A sync.Pool would carry channels from one synctest bubble to the next.)
	free *waiter
	// alarm is set to due where time alone lets the first in the queue go on.
	alarm *time.Timer
	due   time.Time // zero: not set

	// news are the calls of OnOpen and OnClose still to be made; telling is set
	// while somebody makes them.
	news    []func()
	telling bool
}

// waiter is one Acquire, or one resume, in its queue.
type waiter struct {
	// granted has room for one: whoever gives the slot does not wait.
	granted    chan bool
	prev, next *waiter
	queued     bool // false once the slot is given
	resting    bool // has a slot, whose delivery wants to make its next attempt
	denied     bool // and may not: the circuit has opened
}

// GateState is what metrics and pages show of a gate.
type GateState struct {
	Phase Phase
	Since time.Time // when Phase began; zero: from the start
	// InFlight slots are in place, Limit may be (1 is begun a second while open; as
	// long as nothing speaks against MaxInFlight it is that, reached within a second),
	// Waiting callers are queued, for a slot or for the next attempt.
	InFlight, Limit, Waiting int
	PausedUntil              time.Time // zero or past: not paused
}

// NewGate returns a closed gate. MaxInFlight below 1 means 64.
func NewGate(config GateConfig) *Gate {
	if config.MaxInFlight < 1 {
		config.MaxInFlight = 64
	}
	g := &Gate{config: config, slots: 2*config.MaxInFlight + restMore}
	g.circuit.max, g.circuit.limit = config.MaxInFlight, config.MaxInFlight
	if config.Adaptive {
		g.limiter = newLimiter(config.MaxInFlight)
	}
	return g
}

// Acquire waits for a slot, which the caller must Release. probe says that the
// circuit is open: the slot is this second's only one. The error is ctx's,
// and then there is no slot.
func (g *Gate) Acquire(ctx context.Context) (probe bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	g.mu.Lock()
	if g.waiting == 0 {
		if ok, _ := g.admit(false); ok {
			probe := g.give(false)
			g.mu.Unlock()
			return probe, nil
		}
	}
	w := g.enqueue(false)
	g.dispatch() // sets the alarm
	g.mu.Unlock()

	select {
	case probe = <-w.granted:
		g.mu.Lock()
		g.recycle(w)
		g.mu.Unlock()
		return probe, nil
	case <-ctx.Done():
		g.abandon(w)
		return false, ctx.Err()
	}
}

// Release gives a slot back. used says that a request was made with it; an
// unused slot costs nothing, and while the circuit is open the next may have
// its second at once. For that it must come back before the caller does
// something else that takes long: a slot given back unused is taken for the one
// that was given last.
func (g *Gate) Release(used bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(used)
}

func (g *Gate) release(used bool) {
	switch {
	case g.ended > 0:
		g.ended--
		g.rested()
	case g.inFlight == 0:
		panic("upstream: a slot was released that nobody had")
	default:
		g.vacate()
	}
	if !used {
		g.pace.giveBack()
		if g.circuit.phase == Open {
			g.circuit.giveBack(time.Now())
		}
	}
	g.dispatch()
}

// Open reports whether the circuit is open. It is cheap.
func (g *Gate) Open() bool { return g.open.Load() }

// Closings counts how often the circuit has closed. Where it is not open and the count
// is another than at the beginning of a delivery, an outage ended while that was under
// way: its failure may tell of the outage alone. It is cheap.
func (g *Gate) Closings() uint64 { return g.closings.Load() }

// Accepted notes that the platform accepted a record: it closes an open
// circuit, and widens the limit after that.
func (g *Gate) Accepted() {
	g.mu.Lock()
	g.accepted++
	doubted := g.doubted > 0
	g.doubted = 0
	if g.circuit.phase == Closed {
		g.circuit.forget()
		if doubted {
			g.dispatch()
		}
		g.mu.Unlock()
		return
	}
	now, since := time.Now(), g.circuit.since
	if g.circuit.accept(now) {
		g.old = g.inFlight
		g.closings.Add(1)
		g.open.Store(false)
		g.requests.closed()
		if g.limiter != nil {
			g.limiter.resume(now)
		}
		if call := g.config.OnClose; call != nil {
			g.news = append(g.news, func() { call(now.Sub(since)) })
		}
	}
	g.dispatch()
	g.mu.Unlock()
	g.tell()
}

// Failed notes that a delivery failed in a way that counts against the
// platform: neither by a permanent code, nor counted against a record's own
// budget, nor a refused lot's. id tells records apart and must be comparable.
// The fifth record in a row, with nothing accepted between, opens the circuit.
func (g *Gate) Failed(id any) {
	g.mu.Lock()
	if g.circuit.fail(id, time.Now()) {
		g.old = 0
		g.open.Store(true)
		g.requests.opened()
		if call := g.config.OnOpen; call != nil {
			g.news = append(g.news, call)
		}
		g.dispatch()
	}
	g.mu.Unlock()
	g.tell()
}

// Pause gives no slot before until, whatever the circuit says. Of several
// pauses the one that ends last holds.
func (g *Gate) Pause(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.pausedUntil) {
		g.pausedUntil = until
	}
}

// State returns how things stand now.
func (g *Gate) State() GateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GateState{
		Phase: g.circuit.phase, Since: g.circuit.since,
		InFlight: g.inFlight, Limit: g.shownLimit(), Waiting: g.waiting,
		PausedUntil: g.pausedUntil,
	}
}

// admit reports whether a slot may be given now, or one that rests go on; if not, at is
// when time alone will allow it, zero where something must happen first. Where no
// resting one may, no other may either.
func (g *Gate) admit(resting bool) (ok bool, at time.Time) {
	c := &g.circuit
	if full, until := g.full(resting); full {
		return false, until
	}
	at = g.pausedUntil
	if c.phase == Open && c.nextProbe.After(at) {
		at = c.nextProbe
	}
	if g.pace.interval > 0 && g.pace.next.After(at) {
		at = g.pace.next
	}
	if at.IsZero() { // the ordinary case does not read the clock
		return true, at
	}
	if time.Now().Before(at) {
		return false, at
	}
	g.pausedUntil = time.Time{}
	return true, at
}

// limit is how many slots may be out but for those of the outage before.
func (g *Gate) limit() int {
	if g.limiter == nil {
		return g.circuit.limit
	}
	return min(g.circuit.limit, int(g.limiter.limit))
}

// shownLimit is limit as an operator sees it.
func (g *Gate) shownLimit() int {
	if g.limiter == nil {
		return g.circuit.limit
	}
	return min(g.circuit.limit, g.limiter.shown())
}

// full reports whether all places are taken, or for one without a slot whether it must
// wait for those that rest, and until when if time alone changes that.
func (g *Gate) full(resting bool) (full bool, until time.Time) {
	c := &g.circuit
	switch {
	case g.inFlight >= c.max, !resting && g.inFlight+g.resting >= g.slots:
		return true, time.Time{}
	case c.phase == Open:
		return false, time.Time{}
	case !resting && g.doubted >= openAfter && g.inFlight+g.doubted >= c.max:
		return true, time.Time{}
	}
	for g.inFlight-g.old >= g.limit() {
		if g.limiter == nil {
			return true, time.Time{}
		}
		if raised, at := g.limiter.hold(); !raised {
			return true, at
		}
	}
	return false, time.Time{}
}

// Slot tells a watchdog whether a slot could be given now as far as time goes (no pause,
// no turn of the rate or of an open circuit that is still to come or was due just now),
// and whether all are out. It changes nothing.
func (g *Gate) Slot() (may, full bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, at := &g.circuit, g.pausedUntil
	if c.phase == Open {
		at = later(at, c.nextProbe)
	}
	if g.pace.interval > 0 {
		at = later(at, g.pace.next)
	}
	full = g.inFlight >= c.max || g.inFlight+g.resting >= g.slots
	if c.phase != Open {
		full = full || g.doubted >= openAfter && g.inFlight+g.doubted >= c.max || g.inFlight-g.old >= g.limit()
	}
	return time.Since(at) > probeInterval, full
}

// give takes a slot out, and says whether it is an open circuit's. waited says
// that somebody waited for it.
func (g *Gate) give(waited bool) (probe bool) {
	g.inFlight++
	if g.pace.interval > 0 {
		g.pace.take(time.Now(), waited)
	}
	if g.circuit.phase == Open {
		g.circuit.take(time.Now())
		return true
	}
	if g.limiter != nil && g.inFlight-g.old >= g.limit() {
		g.limiter.used = true
	}
	return false
}

// dispatch gives slots to those who wait, as many as may be given, and sets the
// alarm if time alone will allow the next. It follows each change of state.
func (g *Gate) dispatch() {
	for w := g.next(); w != nil; w = g.next() {
		if w.resting && g.circuit.phase == Open {
			g.deny(w)
			continue
		}
		ok, at := g.admit(w.resting)
		if !ok {
			g.wakeAt(at)
			return
		}
		g.unlink(w)
		if w.resting {
			g.rested()
		}
		w.granted <- g.give(true) // has room: see waiter
	}
}

// tell calls OnOpen and OnClose for what has changed.
func (g *Gate) tell() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.telling {
		return // whoever is at it goes on until nothing is left
	}
	g.telling = true
	for len(g.news) > 0 {
		call := g.news[0]
		g.news = g.news[1:]
		g.mu.Unlock()
		call()
		g.mu.Lock()
	}
	g.telling = false
}
