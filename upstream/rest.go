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

// resume ends a rest once there is a place for another attempt, and waits for
// that at most within, or until ctx ends. Where it reports false the rest goes on.
func (g *Gate) resume(ctx context.Context, within time.Duration) bool {
	g.mu.Lock()
	w := g.enqueueFirst()
	g.dispatch()
	g.mu.Unlock()

	if len(w.granted) == 0 { // the ordinary case needs no timer
		timer := time.NewTimer(within)
		defer timer.Stop()
		select {
		case probe := <-w.granted:
			w.granted <- probe // for below
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	granted := !w.queued
	if granted {
		<-w.granted // there: it is given under the lock
	} else {
		g.unlink(w)
		g.dispatch()
	}
	g.recycle(w)
	return granted
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
	if g.resume(ctx, within) {
		return true
	}
	g.unrest()
	return false
}
