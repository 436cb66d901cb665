package gate

import (
	"cmp"
	"math"
	"time"
)

const (
	startLimit = 8
	// What an answer adds to the limit: slowStart until something is refused, which raises
	// the limit by half each round; then careful to bold.
	slowStart, bold, careful = 0.5, 0.3, 0.02
	// A careful step up by one takes this much of one slot's work: a refused record keeps its slot until its retry.
	probing = 5 * time.Second
	// How many the platform serves at once is the rank-highest number seen in a window of limits of answers: the
	// highest may be too high, as the client does not know yet what has ended. A refusal with nearly as many open is
	// load too; where fewest or less are served only just after a rise, or stray refusals would keep the limit there.
	window, rank, nearly = 4, 4, 0.95
	fewest               = 8 // time-outs alone lower the limit to no less: hardly any platform is slow with so few
	// Answers are slow when they take tooSlow times the usual time, and at least twice brief. If
	// they still take more than unhelped of that with half in flight, load is not the cause. The
	// usual time shrinks by the factor ages each round, so that this is asked again.
	slower, tooSlow, unhelped, ages, brief = 1.5, 2, 0.875, 0.998, 25 * time.Millisecond
)

// limiter follows what the platform can take: a limit for the requests in flight, from 1 to max. Like circuit it has
// no lock and no waiters. An answer adds gain to the limit, while the limit is what holds requests back. Each refusal
// lowers it by one: the platform refuses exactly those that are too many. The ceiling is the limit at which load was
// refused last; more than one below it the increase is bold.
//
// A refusal is load if more requests were open than were served of late: from there on the limit rises carefully.
// With fewer open the record itself may be the cause: the gain doubles, or a few such records would keep the limit
// low. The gain doubles also after a round above the ceiling without a refusal and with answers no slower: the
// platform takes more. docs/explanation/limits.md has the rules as a table. (The fields are all that one answer changes.)
type limiter struct {
	max          int
	limit, gain  float64
	ceiling      float64       // 0: nothing was refused yet
	since        time.Time     // what was sent before this says nothing
	moved        time.Time     // when the limit was last raised or lowered
	wave         time.Time     // when the last wave of refusals began; those sent before belong to it
	was          float64       // the limit at that time
	load         bool          // load is the cause of the wave
	proven       float64       // how many were open when a served one began: the rank-highest of the last window
	most         [rank]float64 // the highest such numbers of this window, in descending order
	seen         int           // answers in this window
	usual, least float64       // seconds that answers take with few in flight, and the least they ever took
	hold         bool          // answers are slow: no increase
	before, high float64       // before not 0: the limit is halved as a trial; at the limit high answers took before
	round
}

// round counts answers to requests sent since it began, until there are as many as the limit allows.
type round struct {
	began           time.Time
	limit           float64 // when it began
	above           bool    // the limit has passed the ceiling, and nothing was refused since
	answers, served int
	logs            float64 // sum of the logarithms of what served answers took
}

// newLimiter returns a limiter that begins with slow start.
func newLimiter(most int) *limiter {
	l := &limiter{max: most, limit: min(float64(most), startLimit), gain: slowStart}
	l.begin(time.Time{}, false)
	return l
}

// resume returns a new limiter for the time after an outage: slow start from at most the limit
// before it. How long answers take with few in flight is still known.
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

// shown is the limit as an operator sees it: max before any refusal, since it soon gets there.
func (l *limiter) shown() int {
	if l.ceiling == 0 && !l.hold {
		return l.max
	}
	return int(l.limit)
}

// observe records how an attempt ended. inFlight is how many slots are in use, its own
// included; open is how many requests were open when it began.
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
			return // it was lowered already; those that are too many have not ended yet
		}
		l.wave, l.was = now, l.limit
		served := max(l.proven, l.most[rank-1])
		if load == LoadRefused && (served > fewest || l.above && l.gain <= careful || l.ceiling == 0) {
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

// note counts an answer for the round, and ends the round if it is the last.
func (l *limiter) note(load Load, took time.Duration, sent, now time.Time) {
	if !sent.After(l.began) { // what was sent at this moment may have been sent before
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
		l.judge(math.Exp(l.logs / float64(l.served))) // the geometric mean: a few long ones hardly change it
	}
	l.begin(now, l.above)
}

// judge acts on how long an answer of this round took. If that is slow the increase stops for a
// round; then the limit is halved. If that does not help, the limit is restored, and the time
// counts as usual.
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
