package upstream

import (
	"cmp"
	"math"
	"time"
)

const (
	startLimit = 8
	// What an answer adds to the limit: slowStart until something is refused (half as much
	// again each round), then careful to bold.
	slowStart, bold, careful = 0.5, 0.3, 0.02
	// One slot must work for probing until the limit goes one up by careful steps: a refused
	// record keeps its slot while it waits for its quick retry.
	probing = 5 * time.Second
	// What is served at once is the rank-highest number of a window of limits of answers: for a moment
	// more seem to be, as the platform has ended some and the client does not know it. Nearly as much
	// counts too; up to fewest only just after a rise, or a few strays would hold the limit there.
	window, rank, nearly = 4, 4, 0.95
	fewest               = 8 // time-outs alone leave as many: hardly any platform is slow with these
	// Answers are slow when they take tooSlow times the usual time, and twice brief. If with
	// half in flight they still take more than unhelped of that, load is not the cause. Each
	// round the usual time ages, so that this is asked again.
	slower, tooSlow, unhelped, ages, brief = 1.5, 2, 0.875, 0.998, 25 * time.Millisecond
)

// limiter follows what the platform can take: a limit for the requests in flight, from 1 to
// max. It knows no lock and no waiters. An answer adds gain to the limit while the limit is
// what holds requests back; each refusal takes one off. As many as are too many are refused,
// so what is left is what the platform takes. Below the ceiling, where that was, the increase is bold.
//
// A refusal with more requests open than were served of late is load: from there on the limit
// rises carefully. With fewer it may be the record's own fault, and the gain doubles, or a few
// such records would hold the limit down. A round above the ceiling without a refusal and with answers no
// slower doubles it too: the platform takes more. (Its fields are all that one answer changes.)
type limiter struct {
	max          int
	limit, gain  float64
	ceiling      float64       // 0: nothing was refused yet
	since        time.Time     // what was sent before tells nothing
	moved        time.Time     // when the limit was last raised or lowered
	wave         time.Time     // when a wave of refusals began: of what was sent before that
	was          float64       // the limit then
	load         bool          // it is load that refuses
	proven       float64       // requests open at once when one began that was served: in the last window
	most         [rank]float64 // and in this one, the highest numbers in descending order,
	seen         int           // which has seen so many answers
	usual, least float64       // what answers take with few in flight, in seconds; and ever took
	hold         bool          // answers are slow: no increase
	before, high float64       // unless 0: what answers took at the limit high; the limit is half
	round
}

// round is as many answers as the limit allows requests, to requests sent since it began.
type round struct {
	began           time.Time
	limit           float64 // when it began
	above           bool    // the limit has passed the ceiling, and nothing was refused since
	answers, served int
	logs            float64 // sum of the logarithms of what served answers took
}

// newLimiter begins with slow start.
func newLimiter(most int) *limiter {
	l := &limiter{max: most, limit: min(float64(most), startLimit), gain: slowStart}
	l.begin(time.Time{}, false)
	return l
}

// resume is a new one after an outage: slow start with no more than was left before it, and what
// answers take with few in flight is still known.
func (l *limiter) resume(now time.Time) *limiter {
	fresh := newLimiter(l.max)
	fresh.limit = min(fresh.limit, l.limit)
	fresh.since, fresh.usual, fresh.least = now, l.usual, l.least
	fresh.begin(now, false)
	return fresh
}

func (l *limiter) begin(now time.Time, above bool) {
	l.round = round{began: now, limit: l.limit, above: above}
}

// shown is the limit as an operator sees it: before any refusal max, which it soon reaches.
func (l *limiter) shown() int {
	if l.ceiling == 0 && !l.hold {
		return l.max
	}
	return int(l.limit)
}

// observe notes how an attempt ended. inFlight are the slots that are out, its own among them,
// open the requests there were when it began.
func (l *limiter) observe(load Load, took time.Duration, now time.Time, inFlight, open int) {
	switch sent := now.Add(-took); {
	case load == LoadUnknown || sent.Before(l.since):
	case load == LoadRefused || load == LoadTimedOut:
		l.lower(load, sent, now, inFlight, open)
	default:
		for i, n := 0, float64(open); i < rank; i++ {
			l.most[i], n = max(l.most[i], n), min(l.most[i], n)
		}
		if l.seen++; l.seen >= window*int(l.limit) {
			l.proven, l.most, l.seen = l.most[rank-1], [rank]float64{}, 0
		}
		if inFlight == int(l.limit) { // fewer: nothing is held back; more: it was just lowered
			l.raise(now)
			l.note(load, took, sent, now)
		}
	}
}

func (l *limiter) lower(load Load, sent, now time.Time, inFlight, open int) {
	if sent.After(l.wave) {
		if inFlight > int(l.limit) {
			return // it was lowered already, and those that are too many are still there
		}
		l.wave, l.was = now, l.limit
		served := max(l.proven, l.most[rank-1])
		if load == LoadRefused && (served > fewest || l.above || l.ceiling == 0) {
			served *= nearly
		}
		l.load, l.gain = float64(open) > served, min(bold, 2*l.gain)
	}
	least := 1.0
	if load == LoadTimedOut {
		least = max(fewest, l.was/2)
	}
	l.limit = min(l.limit, max(least, l.limit-1))
	if l.load {
		l.ceiling, l.gain = l.limit, careful
	}
	l.moved, l.before = now, 0
	l.begin(now, false)
}

func (l *limiter) raise(now time.Time) {
	gain := l.gain
	switch {
	case l.hold:
		return
	case l.ceiling == 0:
	case l.limit <= l.ceiling-1:
		gain = bold
	case gain <= careful:
		gain = min(gain, l.limit*float64(now.Sub(l.moved))/float64(probing))
	}
	l.moved = now
	l.limit = min(float64(l.max), l.limit+gain)
	if l.ceiling > 0 && l.limit > l.ceiling {
		if int(l.limit) > int(l.ceiling) && !l.above {
			l.begin(now, true)
		}
		l.ceiling = l.limit
	}
}

// note counts an answer for the round, and ends the round.
func (l *limiter) note(load Load, took time.Duration, sent, now time.Time) {
	if !sent.After(l.began) { // what was sent at that moment may have been sent before
		return
	}
	l.answers++
	if load == LoadServed {
		l.served++
		l.logs += math.Log(max(took, brief).Seconds())
	}
	if l.answers < int(max(l.round.limit, startLimit)) {
		return
	}
	if l.served > 0 {
		l.judge(math.Exp(l.logs / float64(l.served))) // a mean that a few long ones hardly move
	}
	l.begin(now, l.above)
}

// judge acts on what an answer of this round took. Where that is slow the increase stops for a
// round, then the limit is halved. If that does not help, the limit is back and this is usual.
func (l *limiter) judge(typical float64) {
	switch {
	case l.before == 0:
	case typical > unhelped*l.before:
		l.limit, l.usual = max(l.limit, l.high), typical
	default:
		l.ceiling, l.gain = 0.75*l.high, careful
	}
	l.before = 0
	l.least = min(typical, cmp.Or(l.least, typical))
	l.usual = max(l.least, min(typical, ages*l.usual))
	if l.above && typical < slower*l.usual {
		l.gain = min(slowStart, 2*l.gain)
	}
	slow := typical > tooSlow*l.usual
	if slow && l.hold {
		l.before, l.high = typical, l.limit
		l.limit = max(1, l.limit/2)
	}
	l.hold = slow
}
