package gate

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Config sets up a Gate.
type Config struct {
	// MaxInFlight is how many slots may be in use at once; 64.
	MaxInFlight int
	// Adaptive adjusts the limit to what the platform can take, from 1 to MaxInFlight,
	// by the calls of Observe; see limiter.
	Adaptive bool
	// OnOpen and OnClose are called when the circuit opens and closes, one at a time, in
	// order, and without the gate's lock: they may call the gate. OnClose gets the
	// duration of the outage.
	OnOpen  func()
	OnClose func(lasted time.Duration)
}

// Gate says when a request may go out, for all deliveries together: the circuit, the
// limit, the rate and the pauses that the platform asks for. It is safe for concurrent use.
//
// Slots are given in the order of asking. A slot belongs to a delivery, from before its
// first attempt until its last one has ended: the wait before a quick retry is included.
// The gate starts no goroutine; one timer serves all waiting callers.
type Gate struct {
	config Config
	// open is circuit.phase == Open, for reading without the lock.
	open atomic.Bool

	mu      sync.Mutex // guards all below
	circuit circuit
	limiter *limiter // nil: the limit is fixed
	pace    pace
	// inFlight is how many slots are in use, 0 to circuit.max.
	inFlight int
	attempts
	sinceOutage
	// pausedUntil is when slots are given again. It never moves back, and becomes zero
	// when the gate sees that it has passed.
	pausedUntil time.Time

	// waiters are chan bool with a buffer of one, so that giving a slot never blocks. The
	// list is empty while a slot may be given: dispatch follows each change.
	waiters list.List
	// timer is set to due if time alone lets the first of them continue.
	timer *time.Timer
	due   time.Time // zero: not set

	// pending are the calls of OnOpen and OnClose that were not made yet; calling is set
	// while a goroutine makes them.
	pending []func()
	calling bool
}

// State is the state of a gate, for metrics and pages.
type State struct {
	Phase Phase
	Since time.Time // when Phase began; zero: from the start
	// Slots in use, slots allowed (MaxInFlight until a refusal lowers it; one begins a
	// second while open), and queued callers.
	InFlight, Limit, Waiting int
	PausedUntil              time.Time // zero or past: not paused
}

// New returns a closed gate. MaxInFlight below 1 means 64.
func New(config Config) *Gate {
	if config.MaxInFlight < 1 {
		config.MaxInFlight = 64
	}
	g := &Gate{config: config, attempts: attempts{requests: map[*Attempt]struct{}{}}}
	g.circuit.max, g.circuit.limit = config.MaxInFlight, config.MaxInFlight
	if config.Adaptive {
		g.limiter = newLimiter(config.MaxInFlight)
	}
	return g
}

// Acquire waits for a slot, which the caller must Release. probe says that the circuit
// is open: it is this second's only slot. On an error, which is ctx's, there is no slot.
func (g *Gate) Acquire(ctx context.Context) (probe bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	g.mu.Lock()
	if g.waiters.Len() == 0 {
		if ok, _ := g.admit(); ok {
			probe := g.give(false)
			g.mu.Unlock()
			return probe, nil
		}
	}
	granted := make(chan bool, 1)
	waiter := g.waiters.PushBack(granted)
	g.dispatch() // sets the timer
	g.mu.Unlock()

	select {
	case probe = <-granted:
		return probe, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-granted: // meanwhile: pass it to the next
		g.release(false)
	default:
		g.waiters.Remove(waiter)
	}
	return false, ctx.Err()
}

// Release gives a slot back. used says that a request was made with it. An unused slot
// costs nothing: while the circuit is open the next caller gets this second at once. The
// gate assumes that an unused slot is the last one given, so return it without delay.
func (g *Gate) Release(used bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(used)
}

func (g *Gate) release(used bool) {
	if g.inFlight == 0 {
		panic("gate: a slot was released that was not taken")
	}
	g.inFlight--
	if g.ended > 0 {
		g.ended--
		g.old--
	}
	g.old = min(g.old, g.inFlight)
	g.ended = min(g.ended, g.old)
	if !used {
		g.pace.giveBack()
		if g.circuit.phase == Open {
			g.circuit.giveBack(time.Now())
		}
	}
	g.dispatch()
}

// State returns the current state.
func (g *Gate) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return State{
		Phase: g.circuit.phase, Since: g.circuit.since,
		InFlight: g.inFlight, Limit: g.shownLimit(), Waiting: g.waiters.Len(),
		PausedUntil: g.pausedUntil,
	}
}

// Slot tells a watchdog whether time allows a slot now, and whether all slots are in use. Time
// does not allow one during a pause, before the next turn of the rate or of an open circuit,
// and for a second after each of these. It changes nothing.
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
	return time.Since(at) > probeInterval, g.full()
}

// admit reports whether a slot may be given now. If not, at is when time alone will allow
// it, or zero if an event must come first.
func (g *Gate) admit() (ok bool, at time.Time) {
	c := &g.circuit
	if g.full() {
		return false, time.Time{}
	}
	at = g.pausedUntil
	if c.phase == Open && c.nextProbe.After(at) {
		at = c.nextProbe
	}
	if g.pace.interval > 0 && g.pace.next.After(at) {
		at = g.pace.next
	}
	if at.IsZero() { // the common case does not read the clock
		return true, at
	}
	if time.Now().Before(at) {
		return false, at
	}
	g.pausedUntil = time.Time{}
	return true, at
}

// limit is how many slots may be in use, besides those from before the outage's end.
func (g *Gate) limit() int {
	if g.limiter == nil {
		return g.circuit.limit
	}
	return min(g.circuit.limit, int(g.limiter.limit))
}

// shownLimit is the limit that an operator sees.
func (g *Gate) shownLimit() int {
	if g.limiter == nil {
		return g.circuit.limit
	}
	return min(g.circuit.limit, g.limiter.shown())
}

// full reports whether all slots are in use.
func (g *Gate) full() bool {
	return g.inFlight >= g.circuit.max || g.circuit.phase != Open && g.inFlight-g.old >= g.limit()
}

// give takes a slot, and reports whether it is an open circuit's. waited says that a
// caller waited for it.
func (g *Gate) give(waited bool) (probe bool) {
	g.inFlight++
	if g.pace.interval > 0 {
		g.pace.take(time.Now(), waited)
	}
	if g.circuit.phase == Open {
		g.circuit.take(time.Now())
		return true
	}
	return false
}

// dispatch gives as many slots to waiting callers as it may, and sets the timer if
// time alone will allow the next. It follows each change of state.
func (g *Gate) dispatch() {
	for w := g.waiters.Front(); w != nil; w = g.waiters.Front() {
		ok, at := g.admit()
		if !ok {
			g.wakeAt(at)
			return
		}
		g.waiters.Remove(w).(chan bool) <- g.give(true)
	}
}

// wakeAt sets the timer. One that ends too early does no harm, so it is moved and never
// stopped.
func (g *Gate) wakeAt(at time.Time) {
	if at.IsZero() || at.Equal(g.due) {
		return
	}
	g.due = at
	if g.timer == nil {
		g.timer = time.AfterFunc(time.Until(at), g.wake)
	} else {
		g.timer.Reset(time.Until(at))
	}
}

func (g *Gate) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.due = time.Time{}
	g.dispatch()
}
