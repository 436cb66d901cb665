package upstream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// GateConfig sets up a Gate.
type GateConfig struct {
	// MaxInFlight is how many slots may be out at once; 64.
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
type Gate struct {
	config GateConfig
	// open mirrors circuit.phase == Open for those who ask without the lock.
	open atomic.Bool
	// requests are those of the clients whose gate this is.
	requests inFlight

	mu      sync.Mutex // guards all below
	circuit circuit
	limiter *limiter // nil: the limit is fixed
	pace    pace
	// inFlight is how many slots are out, 0 to circuit.max.
	inFlight int
	// resting is how many more are out whose delivery waits between two attempts
	// and has nothing open at the platform: inFlight+resting is at most circuit.max.
	resting int
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

	// first and last are the ends of the queue of those who wait. Nobody waits
	// while a slot may be given now: dispatch follows each change.
	first, last *waiter
	waiting     int
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

// waiter is one Acquire in the queue.
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
	// InFlight slots are out, Limit may be (1 is begun a second while open; as long
	// as nothing speaks against MaxInFlight it is that, reached within a second),
	// Waiting callers of Acquire are queued.
	InFlight, Limit, Waiting int
	PausedUntil              time.Time // zero or past: not paused
}

// NewGate returns a closed gate. MaxInFlight below 1 means 64.
func NewGate(config GateConfig) *Gate {
	if config.MaxInFlight < 1 {
		config.MaxInFlight = 64
	}
	g := &Gate{config: config}
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
	if g.first == nil {
		if ok, _ := g.admit(); ok {
			probe := g.give(false)
			g.mu.Unlock()
			return probe, nil
		}
	}
	w := g.enqueue()
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
	if g.inFlight == 0 {
		panic("upstream: a slot was released that nobody had")
	}
	g.inFlight--
	g.old = max(g.old-1, 0)
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

// Accepted notes that the platform accepted a record: it closes an open
// circuit, and widens the limit after that.
func (g *Gate) Accepted() {
	g.mu.Lock()
	g.accepted++
	if g.circuit.phase == Closed {
		g.circuit.forget()
		g.mu.Unlock()
		return
	}
	now, since := time.Now(), g.circuit.since
	if g.circuit.accept(now) {
		g.old = g.inFlight
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

// admit reports whether a slot may be given now; if not, at is when time alone
// will allow it, zero where something must happen first.
func (g *Gate) admit() (ok bool, at time.Time) {
	c := &g.circuit
	if full, until := g.full(); full {
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

// full reports whether as many slots are out as may be, and until when if time
// alone changes that.
func (g *Gate) full() (full bool, until time.Time) {
	c := &g.circuit
	// One that rests already has its place among them.
	out := g.inFlight + g.resting
	if g.first != nil && g.first.resting {
		out--
	}
	if c.phase == Open {
		return out >= c.max, time.Time{}
	}
	if out >= c.max {
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
	for g.first != nil {
		if g.first.resting && g.circuit.phase == Open {
			g.deny(g.first)
			continue
		}
		ok, at := g.admit()
		if !ok {
			g.wakeAt(at)
			return
		}
		w := g.first
		g.unlink(w)
		if w.resting {
			g.resting--
		}
		w.granted <- g.give(true) // has room: see waiter
	}
}

// wakeAt sets the alarm. One that goes off too early does no harm, so it is
// never stopped, only moved.
func (g *Gate) wakeAt(at time.Time) {
	if at.IsZero() || at.Equal(g.due) {
		return
	}
	g.due = at
	if g.alarm == nil {
		g.alarm = time.AfterFunc(time.Until(at), g.ring)
	} else {
		g.alarm.Reset(time.Until(at))
	}
}

func (g *Gate) ring() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.due = time.Time{}
	g.dispatch()
}

// abandon takes a waiter out of the queue whose context has ended. A slot that
// it was given meanwhile goes to the next.
func (g *Gate) abandon(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.queued {
		g.unlink(w)
	} else {
		<-w.granted // there already: given under the lock
		g.release(false)
	}
	g.recycle(w)
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
