package gate

import "time"

// catchUp is how late a turn may be without moving the next one: timers are a little late,
// which would lower a high rate.
const catchUp = 10 * time.Millisecond

// slowest bounds the time between two turns, for rates close to 0.
const slowest = 24 * time.Hour

// pace spaces HTTP attempts evenly: each takes a turn, one interval after the turn
// before it. Like circuit it has no lock and no waiters.
type pace struct {
	interval time.Duration // 0: no limit
	next     time.Time     // when the next turn is
}

// set changes the rate. Turns already taken still count, but never longer than the new
// interval.
func (p *pace) set(perSecond float64, now time.Time) {
	p.interval = 0
	if perSecond > 0 {
		p.interval = time.Duration(min(float64(time.Second)/perSecond, float64(slowest)))
	}
	if latest := now.Add(p.interval); p.next.After(latest) {
		p.next = latest
	}
}

// take takes the turn that is due. waited says that a caller waited for it: then only the
// timer is why it is late.
func (p *pace) take(now time.Time, waited bool) {
	from := now
	if waited && p.next.Before(now) {
		from = later(p.next, now.Add(-catchUp))
	}
	p.next = later(p.next, from).Add(p.interval)
}

// giveBack returns a turn that was not used.
func (p *pace) giveBack() { p.next = p.next.Add(-p.interval) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// SetRate bounds the HTTP attempts of this replica, perSecond on average and evenly
// spaced; 0 or less: no limit. It applies at once, also to waiting callers.
func (g *Gate) SetRate(perSecond float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pace.set(perSecond, time.Now())
	g.dispatch()
}
