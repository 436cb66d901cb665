package upstream

import (
	"context"
	"time"
)

// A delivery that waits between two attempts has nothing open at the platform:
// it rests, and others may use its place under the limit. For its next attempt
// it takes a place again, and a turn of the rate, before those who have no slot
// yet. Its slot stays its own all the time.

// rest notes that a slot's delivery begins to wait.
func (g *Gate) rest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	g.resting++
	g.dispatch()
}

// unrest ends a rest without another attempt.
func (g *Gate) unrest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resting--
	g.inFlight++
}

// resume ends a rest once there is a place for another attempt. It waits for that until
// ctx ends, the circuit opens, or nothing was accepted for a time of within: as long as
// others are served its turn is to come. After each such time proceed is asked whether to
// go on; nil means yes. Where it reports false the rest goes on.
func (g *Gate) resume(ctx context.Context, within time.Duration, proceed func() bool) bool {
	g.mu.Lock()
	w := g.enqueueFirst()
	g.dispatch()
	accepted := g.accepted
	g.mu.Unlock()

	if len(w.granted) == 0 { // the ordinary case needs no timer
		timer := time.NewTimer(within)
		defer timer.Stop()
		for g.waits(ctx, w, timer) && (proceed == nil || proceed()) && g.servedSince(&accepted) {
			timer.Reset(within)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	granted := !w.queued && !w.denied
	if w.queued {
		g.unlink(w)
		g.dispatch()
	} else {
		<-w.granted // there: it is given under the lock
	}
	g.recycle(w)
	return granted
}

// waits reports whether a waiter still has no answer when the timer is over.
func (g *Gate) waits(ctx context.Context, w *waiter, timer *time.Timer) bool {
	select {
	case probe := <-w.granted:
		w.granted <- probe // for resume
	case <-ctx.Done():
	case <-timer.C:
		return true
	}
	return false
}

// servedSince reports whether anything was accepted since the count, and moves it on.
func (g *Gate) servedSince(accepted *uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := *accepted
	*accepted = g.accepted
	return g.accepted > before
}

// deny sends those away that rest: while the circuit is open there are no quick retries,
// and the one attempt a second is a probe's.
func (g *Gate) deny(w *waiter) {
	g.unlink(w)
	w.denied = true
	w.granted <- false
}

// again takes a turn of the rate for one more attempt at once, in the place that
// the delivery has; where there is no rate it need not wait for one.
func (g *Gate) again(ctx context.Context, within time.Duration) bool {
	g.mu.Lock()
	paced := g.pace.interval > 0
	g.mu.Unlock()
	if !paced {
		return true
	}
	g.rest()
	if g.resume(ctx, within, nil) {
		return true
	}
	g.unrest()
	return false
}
