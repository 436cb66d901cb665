package upstream

import (
	"context"
	"time"
)

// A delivery that waits between two attempts has nothing open at the platform:
// it rests, and others use its place. For its next attempt it takes a place again,
// and a turn of the rate, before those who have no slot yet. Its slot stays its own
// all the time.

// restMore may rest beside as many as there are places. What rests costs memory (about
// 10 KiB) and nothing of the platform's. At half of what the places can send, with answers
// of 20 ms, as many rest as a tenth of the places for each record in a hundred that
// always fails; with few places that is often twice as many, by chance.
const restMore = 64

// rest notes that a slot's delivery begins to wait.
func (g *Gate) rest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.vacate()
	g.resting++
	g.doubted++
	g.dispatch()
}

// unrest ends a rest without another attempt: the slot is to be released.
func (g *Gate) unrest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended++
}

// vacate gives the place of a slot free.
func (g *Gate) vacate() {
	g.inFlight--
	g.old = max(g.old-1, 0)
}

// rested takes a slot out of those that rest. Which of them is doubted is not known:
// rather too many are.
func (g *Gate) rested() {
	g.resting--
	g.doubted = min(g.doubted, g.resting)
}

// lookAgain is how often a retry that waits for its place looks whether it may still
// go on.
const lookAgain = time.Second

// resume ends a rest once there is a place for another attempt. It waits for that until
// ctx ends, the circuit opens, or nothing was accepted for a time of within: as long as
// others are served its turn is to come. A request that is open may take all its
// time-out, so within is that, or a platform that is merely slow would look as if it
// accepted nothing. Every lookAgain proceed is asked whether to go on; nil means yes.
// Where it reports false the rest goes on.
func (g *Gate) resume(ctx context.Context, within time.Duration, proceed func() bool) bool {
	g.mu.Lock()
	w := g.enqueue(true)
	g.dispatch()
	accepted := g.accepted
	g.mu.Unlock()

	if len(w.granted) == 0 { // the ordinary case needs no timer
		timer, served := time.NewTimer(lookAgain), time.Now()
		defer timer.Stop()
		for g.waits(ctx, w, timer) && (proceed == nil || proceed()) {
			if g.servedSince(&accepted) {
				served = time.Now()
			} else if time.Since(served) >= within {
				break
			}
			timer.Reset(lookAgain)
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
func (g *Gate) again(ctx context.Context, within time.Duration, proceed func() bool) bool {
	g.mu.Lock()
	paced := g.pace.interval > 0
	g.mu.Unlock()
	if !paced {
		return true
	}
	g.rest()
	if g.resume(ctx, within, proceed) {
		return true
	}
	g.unrest()
	return false
}
