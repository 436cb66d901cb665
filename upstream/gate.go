package upstream

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// GateConfig sets up a Gate.
type GateConfig struct {
	// MaxInFlight is how many requests may be open at once; 64.
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

// Gate says when a request may go out: the circuit, the limit, the rate and the pauses
// that the platform asks for, for all deliveries together. It is safe for concurrent use.
//
// Slots are given in the order of asking. A slot belongs to a delivery, from before its
// first attempt until its last one has ended: the wait before a quick retry is included.
// The gate starts no goroutine; one timer serves all waiting callers.
type Gate struct {
	config GateConfig
	// open mirrors circuit.phase == Open, for reading without the lock.
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
	// alarm is set to due if time alone lets the first of them continue.
	alarm *time.Timer
	due   time.Time // zero: not set

	// news are the pending calls of OnOpen and OnClose; telling is set while a goroutine
	// makes them.
	news    []func()
	telling bool
}

// attempts are the open HTTP attempts. There are fewer of them than slots in use while
// deliveries wait for a quick retry.
type attempts struct {
	requests map[*Attempting]struct{}
	begun    uint64 // so many there were in all
}

// sinceOutage counts the slots in use since before the circuit last closed.
type sinceOutage struct {
	closed time.Time // when it closed; zero: never
	// old is how many of inFlight were in use then. Their requests may hang until their
	// time-out, so they do not count against the limit: else everything would wait that
	// long. For ended of them the request has ended, and their slots come back next.
	old, ended int
}

// GateState is the state of a gate, for metrics and pages.
type GateState struct {
	Phase Phase
	Since time.Time // when Phase began; zero: from the start
	// Slots in use, slots allowed (MaxInFlight until a refusal lowers it; one begins a
	// second while open), and queued callers.
	InFlight, Limit, Waiting int
	PausedUntil              time.Time // zero or past: not paused
}

// NewGate returns a closed gate. MaxInFlight below 1 means 64.
func NewGate(config GateConfig) *Gate {
	if config.MaxInFlight < 1 {
		config.MaxInFlight = 64
	}
	g := &Gate{config: config, attempts: attempts{requests: map[*Attempting]struct{}{}}}
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
	place := g.waiters.PushBack(granted)
	g.dispatch() // sets the alarm
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
		g.waiters.Remove(place)
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
		panic("upstream: a slot was released that nobody had")
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

// retry reserves the rate's next turn for one more attempt of a delivery that has a slot
// and whose last attempt began at last. It returns how long to wait for it, or false if
// that is more than within.
func (g *Gate) retry(last time.Time, within time.Duration) (wait time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.old > g.ended && last.Before(g.closed) {
		g.old-- // its request does not hang
	}
	now, at := time.Now(), g.pausedUntil
	if g.pace.interval > 0 {
		at = later(at, g.pace.next)
	}
	if wait = max(0, at.Sub(now)); wait > within {
		return 0, false
	}
	if g.pace.interval > 0 {
		g.pace.take(now.Add(wait), false)
	}
	return wait, true
}

// paused reports whether the platform has asked to be left alone.
func (g *Gate) paused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.pausedUntil)
}

// Open reports whether the circuit is open. It is cheap.
func (g *Gate) Open() bool { return g.open.Load() }

// RecoveredSince reports whether the circuit is closed, and closed after began. If so, the
// failure of a delivery that began at that time may be due to the outage alone.
func (g *Gate) RecoveredSince(began time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.circuit.phase != Open && g.closed.After(began)
}

// Accepted records that the platform accepted a record: this closes an open circuit,
// and raises the limit after that.
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
		if call := g.config.OnClose; call != nil {
			g.news = append(g.news, func() { call(now.Sub(since)) })
		}
	}
	g.dispatch()
	g.mu.Unlock()
	g.tell()
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
		if call := g.config.OnOpen; call != nil {
			g.news = append(g.news, call)
		}
		g.dispatch()
	}
	g.mu.Unlock()
	g.tell()
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

// Attempting is an HTTP attempt that is open.
type Attempting struct {
	number uint64
	open   int // attempts open when it began, itself included, refused ones excluded
	retry  bool
}

// Begin records that an HTTP attempt begins; retry says that it is not its delivery's first.
func (g *Gate) Begin(retry bool) *Attempting {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begun++
	r := &Attempting{g.begun, len(g.requests) + 1, retry}
	g.requests[r] = struct{}{}
	return r
}

// Observe records that an HTTP attempt has ended, what it says about the platform's load, and
// how long it took. Call it before its slot is released. Of a refused record only the first
// attempt counts, not its quick retries, which keep the slot.
func (g *Gate) Observe(r *Attempting, load Load, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.requests, r)
	if load == LoadRefused {
		for other := range g.requests {
			if other.number > r.number {
				other.open--
			}
		}
		if r.retry {
			load = LoadUnknown
		}
	}
	if g.circuit.phase == Open {
		return
	}
	now := time.Now()
	if g.ended < g.old && now.Add(-took).Before(g.closed) {
		g.ended++
	}
	if g.limiter != nil {
		g.limiter.observe(load, took, now, g.inFlight-g.old, r.open)
		g.dispatch() // the limit may have been raised
	}
}

// State returns the current state.
func (g *Gate) State() GateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GateState{
		Phase: g.circuit.phase, Since: g.circuit.since,
		InFlight: g.inFlight, Limit: g.shownLimit(), Waiting: g.waiters.Len(),
		PausedUntil: g.pausedUntil,
	}
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

// Slot tells a watchdog whether time allows a slot now, and whether all slots are in use. Time
// does not allow one during a pause, or before or just at the next turn of the rate or of an
// open circuit. It changes nothing.
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

// dispatch gives as many slots to waiting callers as it may, and sets the alarm if
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

// wakeAt sets the alarm. An early alarm does no harm, so it is moved and never stopped.
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

// tell makes the pending calls of OnOpen and OnClose.
func (g *Gate) tell() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.telling {
		return // another goroutine makes them all
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
