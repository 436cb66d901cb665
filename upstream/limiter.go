package upstream

import (
	"slices"
	"time"
)

// Load is what an HTTP attempt tells about the platform's load.
type Load int

// What an attempt may tell.
const (
	LoadUnknown  Load = iota // nothing
	LoadServed               // the platform did its work: it can take this much, and the time it took counts
	LoadAnswered             // it answered a record it will not take: it can take this much
	LoadRefused              // 429 or 503: it cannot
	LoadTimedOut             // nothing in time: it cannot, or will not take this record
)

const (
	// startLimit is where the limit begins. It doubles with each turn of requests
	// from there and, as long as nothing of the turn is answered, every startStep:
	// so that 64 are reached within a second however long an answer takes.
	startLimit = 4
	startStep  = 80 * time.Millisecond
	// cautious is what an answer adds to the limit once the platform has refused
	// some, and the share of refusals that this costs: it is the price of finding
	// out that the platform takes more again.
	cautious = 0.02
	// cleanAnswers in a row, or cleanTurns of all that is in flight, without a
	// refusal mean that it does: from there the limit grows ever faster.
	cleanAnswers = 100
	cleanTurns   = 3
	faster       = 4
	// pressedBy is how many times slower than unpressed a platform answers that
	// has too much to do: of a queue, the latency where its length begins to be
	// pure loss; of a platform that slows down by itself, near the most it serves.
	pressedBy = 2
	// easesOff is the least that a slow platform leaves of the limit at once.
	easesOff = 0.5
	// A round judges the middle of so many answers.
	leastSamples, mostSamples = startLimit, 128
	// judgedAt is the part of an earlier limit at which it is judged whether less
	// in flight has helped.
	judgedAt = 0.75
	// nextToNone in flight are too much for hardly any platform. Time-outs alone,
	// while others are answered as fast as ever, do not go below it.
	nextToNone = 8
	// relapse is how soon after an outage another one makes the limit a suspect.
	relapse = 2 * time.Minute
)

// limiter follows what the platform can take: a limit for the requests in
// flight, from 1 to max. It knows no lock and no waiters, like circuit.
//
// Three things move it. An answer raises it, while it is the limit that holds
// requests back: by 1 at the beginning, so that it doubles with each turn of
// requests; by little once the platform has refused some. A refusal for load
// (429, 503, a time-out) lowers it by 1: as many as are too many are refused, so
// that a burst is right at once; but one turn of requests leaves half. Answers that take twice as long as they did when
// little was in flight lower it in proportion.
//
// What is not caused by load must not throttle: some records that time out
// whatever is in flight, a platform that has become slower for everybody. So when
// slowness has lowered the limit it is judged whether that was of use (see judge),
// and when refusals have, a trial is made (see trial).
type limiter struct {
	max   int
	limit float64
	gain  float64 // what an answer adds: cautious to 1
	clean int     // answers since the last refusal or easing, while growing
	boost int     // the count of those at which gain grows next
	// starting says that nothing has spoken against max yet. Then idle says that the
	// limit has held nothing back of late; after that, held is since when it does,
	// blind that nothing sent since was answered yet, and nextStep when it doubles.
	starting, idle, blind bool
	held, nextStep        time.Time
	// used says that the limit has held requests back since the round began.
	used bool
	// pressed stops the growth: answers are slow.
	pressed bool
	// base is what answers take when little is in flight; 0: not known.
	base time.Duration
	// since is when the limit was set anew; what was sent before tells nothing.
	since time.Time
	// least is what a turn of requests leaves of the limit, of which all that were
	// sent before turn are: what hangs is sent long before it is refused.
	turn  time.Time
	least float64
	// proven is the limit at the last answer, resumed when the last outage ended.
	proven  float64
	resumed time.Time
	round   round
	before  result // of the higher limit to compare with when slow; zero: none
	doubt   doubt
}

// round gathers what came of the requests sent since it began.
type round struct {
	began   time.Time
	limit   float64 // when it began
	settles bool    // the limit was just lowered for slowness: it tells nothing yet
	done    int
	samples []time.Duration // of served ones; room for mostSamples
}

// result is what came of a round.
type result struct {
	limit, rate float64 // rate: done a second
}

func newLimiter(most int) *limiter {
	l := &limiter{max: most}
	l.set(min(float64(most), startLimit), time.Time{})
	l.starting, l.idle = true, true
	return l
}

// set begins anew with a limit.
func (l *limiter) set(limit float64, now time.Time) {
	l.limit, l.proven, l.since = limit, limit, now
	l.gain, l.clean, l.boost = 1, 0, 0
	l.pressed, l.before = false, result{}
	l.doubt.forget(limit)
	l.begin(now)
}

func (l *limiter) begin(now time.Time) {
	l.round = round{began: now, limit: l.limit, samples: l.round.samples[:0]}
	l.used = false
}

// resume begins anew after an outage, with what was right before it. One that
// followed the last so soon was perhaps of our own making, by as much in flight:
// then it is found out anew. A trial goes on, and will tell.
func (l *limiter) resume(now time.Time) {
	again := !l.resumed.IsZero() && now.Sub(l.resumed) <= max(relapse, 6*l.doubt.lag)
	l.resumed = now
	switch {
	case l.doubt.trial.step != none:
	case again:
		peak := l.doubt.peak
		l.set(min(l.proven, nextToNone), now)
		l.doubt.peak = peak
	default:
		l.set(l.proven, now)
	}
}

// shown is the limit as an operator sees it: what may be in flight, or will be
// within a second once there is as much to send.
func (l *limiter) shown() int {
	if l.starting {
		return l.max
	}
	return int(l.limit)
}

// hold notes that the limit holds requests back. It reports whether it has just
// been raised, and if not when time alone will raise it; zero: it will not.
func (l *limiter) hold() (raised bool, at time.Time) {
	l.used = true
	if !l.starting || !l.idle && !l.blind {
		return false, time.Time{}
	}
	now := time.Now()
	if l.idle {
		l.idle, l.blind, l.held, l.nextStep = false, true, now, now.Add(startStep)
	}
	if now.Before(l.nextStep) {
		return false, l.nextStep
	}
	l.raise(l.limit)
	l.nextStep = now.Add(startStep)
	return true, time.Time{}
}

// raise adds to the limit.
func (l *limiter) raise(by float64) {
	l.limit = min(l.limit+by, float64(l.max))
	if l.limit == float64(l.max) {
		l.starting = false
	}
}

// observe notes how an attempt ended that began at sent.
func (l *limiter) observe(load Load, took time.Duration, now time.Time) {
	sent := now.Add(-took)
	if load == LoadUnknown || sent.Before(l.since) {
		return
	}
	l.blind = l.blind && sent.Before(l.held)
	refused := load == LoadRefused || load == LoadTimedOut
	if l.doubt.trial.step != none {
		l.try(refused, now)
		return
	}
	l.doubt.note(refused, took, l.limit)
	if refused {
		l.shrink(load, sent, now)
		return
	}
	l.grow()
	l.proven = l.limit
	if sent.Before(l.round.began) {
		return
	}
	l.round.done++
	if load == LoadServed {
		l.round.samples = append(l.round.samples, took)
	}
	enough := int(min(max(l.round.limit, leastSamples), mostSamples))
	if len(l.round.samples) >= enough || l.round.done >= 4*enough {
		l.judge(now)
	}
}

func (l *limiter) shrink(load Load, sent, now time.Time) {
	if !sent.Before(l.turn) {
		l.turn, l.least = now, l.limit/2
	}
	// With more refusals to be expected each weighs less: at the share that is
	// tolerated the limit stays where it is.
	share := l.doubt.tolerated()
	least := max(1, l.least)
	if load == LoadTimedOut && !l.pressed {
		least = max(nextToNone, l.least)
	}
	l.limit = max(l.limit-cautious*(1-share)/share, min(least, l.limit))
	l.careful()
	if l.doubt.arises(l.limit, now) {
		l.limit = l.doubt.begin(l.limit, now)
	}
}

func (l *limiter) careful() {
	l.starting = false
	l.gain, l.clean, l.boost = cautious, 0, max(cleanAnswers, cleanTurns*int(l.limit))
}

func (l *limiter) grow() {
	if !l.used || l.pressed || l.limit >= float64(l.max) {
		return
	}
	l.raise(l.gain)
	if l.gain == 1 {
		return
	}
	if l.clean++; l.clean >= l.boost {
		l.gain = min(1, faster*l.gain)
		l.boost = l.clean + int(l.limit)
	}
}

// judge ends a round.
func (l *limiter) judge(now time.Time) {
	r := l.round
	passed := now.Sub(r.began)
	used := l.used
	settles := false
	defer func() { l.begin(now); l.round.settles = settles }()
	if passed <= 0 || len(r.samples) == 0 || r.settles {
		return
	}
	slices.Sort(r.samples)
	middle := r.samples[len(r.samples)/2]
	if l.base == 0 || middle < l.base {
		l.base = middle
	}
	if !used {
		l.pressed, l.idle = false, true
		return
	}
	slow := middle > pressedBy*l.base
	found := result{limit: r.limit, rate: float64(r.done) / passed.Seconds()}
	switch {
	case l.before.limit > 0 && r.limit <= judgedAt*l.before.limit:
		if slow && l.useless(found) {
			l.base, l.limit, l.pressed, l.before = middle, l.before.limit, false, result{}
			l.careful()
			return
		}
		l.before = found
	case r.limit >= l.before.limit:
		l.before = found
	}
	l.pressed = middle > (1+pressedBy)*l.base/2
	if slow {
		l.limit = max(1, l.limit*max(easesOff, float64(pressedBy*l.base)/float64(middle)))
		l.careful()
		settles = true
	}
}

// useless reports whether less in flight has only done less: then load is not the
// cause of the slowness, and the new latency is what is expected from now on.
func (l *limiter) useless(found result) bool {
	part, kept := found.limit/l.before.limit, found.rate/l.before.rate
	return kept >= 0.8*part && kept <= (1+part)/2
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
	g.limiter.observe(load, took, time.Now())
	if int(g.limiter.limit) > before {
		g.dispatch()
	}
}
