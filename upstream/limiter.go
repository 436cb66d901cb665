package upstream

import (
	"cmp"
	"math"
	"time"
)

// Load is what an HTTP attempt tells about the platform's load.
type Load int

// What an attempt may tell.
const (
	LoadUnknown  Load = iota // nothing
	LoadServed               // the platform did its work: it can take this much, and the time it took counts
	LoadAnswered             // it answered a record it will not take: it can take this much
	LoadRefused              // 429, 503, no connection: it cannot
	LoadTimedOut             // nothing in time: it cannot, or will not take this record
)

const (
	startLimit = 8
	// An answer adds slowStart to the limit until something is refused: half as much again
	// each round. Then it adds careful to bold.
	slowStart, bold, careful = 0.5, 0.3, 0.02
	// probing is how long one slot must work before the limit goes one up by careful steps.
	// A refused record keeps its slot through a quick retry's wait: next to nothing of this.
	probing = 5 * time.Second
	// burst refusals at once may be chance; more are not.
	burst = 3
	// fewest is what time-outs alone leave: few requests are too many for hardly any platform.
	fewest = 8
	// An answer may take tooSlow times what it takes with few in flight, and brief whatever
	// that is: below, the scheduling of either side counts for more than load. Half as much
	// in flight must make answers faster than unhelped of before, or load is not the cause.
	tooSlow, unhelped = 2, 0.875
	brief             = 25 * time.Millisecond
	// ages is what a round leaves of the usual time, so that it is asked again in a while.
	ages = 0.998
)



// limiter follows what the platform can take: a limit for the requests in flight, from 1 to
// max. It knows no lock and no waiters. After an outage the gate takes a new one.
//
// Increase: an answer raises the limit by gain while the limit is what holds requests back.
// Until the first refusal that is slow start. Near the ceiling, the place of the last
// refusals, it is careful: a platform that serves so many at once refuses the next at once.
//
// Decrease: each refusal takes one off. As many as are too many are refused, so what is left
// is what the platform takes.
//
// Gain: a refusal just above the ceiling was to be expected, and halves the gain. One below
// the ceiling was not: the record may be the cause, not the load, and the gain doubles, or a
// few such records would hold the limit down. A round above the ceiling without a refusal
// doubles it too: the platform takes more.
//
// Slow answers: see judge.
type limiter struct {
	max     int
	limit   float64
	gain    float64
	ceiling float64   // 0: nothing has spoken against max yet
	since   time.Time // what was sent before tells nothing
	moved   time.Time // when the limit was last raised or lowered
	// wave is when the first of the last refusals came, and was the limit then: all that was
	// sent before is of the same wave. Time-outs come so, long after they were sent.
	wave time.Time
	was  float64
	round
	usual, least float64 // what an answer takes with few in flight, in seconds; 0: not known
	// hold stops the increase: answers are slow. Then before, unless 0, is what they took at
	// high, which was twice the limit.
	hold         bool
	before, high float64
}

// round is as many answers as the limit allows requests, to requests sent since it began.
type round struct {
	began           time.Time
	limit           float64 // when it began
	above           bool    // the limit has passed the ceiling, and nothing was refused since
	answers, served int
	logs            float64 // sum of the logarithms of what served answers took
}

func newLimiter(most int, now time.Time) *limiter {
	l := &limiter{max: most, limit: min(float64(most), startLimit), gain: slowStart, since: now}
	l.begin(now, false)
	return l
}

func (l *limiter) begin(now time.Time, above bool) {
	l.round = round{began: now, limit: l.limit, above: above}
}

// shown is the limit as an operator sees it: what may be in flight, or soon will be once there
// is as much to send.
func (l *limiter) shown() int {
	if l.ceiling == 0 && !l.hold {
		return l.max
	}
	return int(l.limit)
}

// observe notes how an attempt ended. inFlight are the slots that are out, its own among them.
func (l *limiter) observe(load Load, took time.Duration, now time.Time, inFlight int) {
	sent := now.Add(-took)
	switch {
	case load == LoadUnknown || sent.Before(l.since):
	case load == LoadRefused || load == LoadTimedOut:
		l.lower(load, sent, now, inFlight)
	case inFlight == int(l.limit): // fewer: nothing is held back; more: it was just lowered
		if !l.hold {
			l.raise(now)
		}
		l.note(load, took, sent, now)
	}
}

func (l *limiter) lower(load Load, sent, now time.Time, inFlight int) {
	same := !sent.After(l.wave)
	switch {
	case same:
	case inFlight > int(l.limit):
		return // it was lowered already, and those that are too many are still there
	default:
		l.wave, l.was = now, l.limit
		l.adapt()
	}
	least := 1.0
	if load == LoadTimedOut {
		least = min(l.limit, max(fewest, l.was/2))
	}
	l.limit = max(least, l.limit-1)
	if l.ceiling == 0 || load == LoadRefused && l.was-l.limit > burst {
		l.ceiling, l.gain = l.limit, careful
	}
	l.ceiling = (l.ceiling + l.limit) / 2
	l.moved, l.before = now, 0
	l.begin(now, false)
}

// adapt changes the gain for a refusal.
func (l *limiter) adapt() {
	switch {
	case l.above:
		l.gain = min(bold, max(careful, l.gain/2))
	default:
		l.gain = min(bold, 2*l.gain)
	}
}

func (l *limiter) raise(now time.Time) {
	gain := l.gain
	switch {
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
	if sent.Before(l.began) {
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
	if l.above && !l.hold {
		l.gain = min(slowStart, 2*l.gain)
	}
	l.begin(now, l.above)
}

// judge acts on what an answer of this round typically took. Too slow: the increase stops for
// a round, then the limit is halved. If answers are no faster then, load is not the cause: the
// limit is back, and this is the usual time. If they are, the increase is careful from there.
func (l *limiter) judge(typical float64) {
	if before := l.before; before > 0 {
		l.before = 0
		if typical > unhelped*before {
			l.limit, l.usual = max(l.limit, l.high), typical
		} else {
			l.ceiling, l.gain = 0.75*l.high, careful
		}
	}
	l.least = min(typical, cmp.Or(l.least, typical))
	l.usual = max(l.least, min(typical, ages*l.usual))
	slow := typical > tooSlow*l.usual
	if slow && l.hold {
		l.before, l.high = typical, l.limit
		l.limit = max(1, l.limit/2)
	}
	l.hold = slow
}

// Observe notes what an HTTP attempt told about the platform's load, and how
// long it took; of a gate that is not adaptive it does nothing.
func (g *Gate) Observe(load Load, took time.Duration) {
	if g.limiter == nil || load == LoadUnknown {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.circuit.phase == Open {
		return
	}
	before := int(g.limiter.limit)
	g.limiter.observe(load, took, time.Now(), g.inFlight-g.old)
	if int(g.limiter.limit) > before {
		g.dispatch()
	}
}
