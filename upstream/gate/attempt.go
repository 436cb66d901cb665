package gate

import "time"

// Load is what an HTTP attempt says about the platform's load.
type Load int

// The values of Load: what the attempt's end says.
const (
	LoadUnknown  Load = iota // nothing
	LoadServed               // accepted: it can take this much, and the duration counts
	LoadAnswered             // refused for good: it can take this much
	LoadRefused              // 429, 503, no connection: it cannot take this much
	LoadTimedOut             // no answer in time: it cannot, or will not take this record
)

// Attempt is an open HTTP attempt: Begin returns it, Observe ends it.
type Attempt struct {
	number uint64
	open   int // attempts open when it began, itself included, refused ones excluded
	retry  bool
}

// attempts are the open HTTP attempts. There are fewer of them than slots in use while
// deliveries wait for a quick retry.
type attempts struct {
	requests map[*Attempt]struct{}
	begun    uint64 // how many began since New
}

// Begin records that an HTTP attempt begins. retry says that it is not the first of its
// delivery.
func (g *Gate) Begin(retry bool) *Attempt {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begun++
	a := &Attempt{g.begun, len(g.requests) + 1, retry}
	g.requests[a] = struct{}{}
	return a
}

// Observe records that an HTTP attempt has ended, what it says about the platform's load,
// and how long it took. Call it before its slot is released. Of a refused delivery only
// the first attempt counts: its quick retries keep the slot, and would count it again.
func (g *Gate) Observe(a *Attempt, load Load, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.requests, a)
	if load == LoadRefused {
		for other := range g.requests {
			if other.number > a.number {
				other.open--
			}
		}
		if a.retry {
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
		g.limiter.observe(load, took, now, g.inFlight-g.old, a.open)
		g.dispatch() // the limit may have been raised
	}
}

// Retry reserves the rate's next turn for one more attempt of a delivery that has a slot
// and whose last attempt began at last. It returns how long to wait for that turn, or
// false, and reserves nothing, if that is longer than within.
func (g *Gate) Retry(last time.Time, within time.Duration) (wait time.Duration, ok bool) {
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

// Paused reports whether a pause is in force. A delivery asks after it has waited for its
// turn, since a pause may have begun meanwhile.
func (g *Gate) Paused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.pausedUntil)
}
