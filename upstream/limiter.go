package upstream

import "time"

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

// tooMuch reports whether it may be the load that was too much.
func (l Load) tooMuch() bool { return l == LoadRefused || l == LoadTimedOut }

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
	// faster is how much more an answer adds after each turn of requests of which
	// none was refused, but for where the last was.
	faster = 2
	// byChance is the part of the limit that is left where what is refused beside the
	// one request that is too much may be chance.
	byChance = 0.75
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
// requests back (see grow). A refusal for load (429, 503, a time-out) lowers it by
// 1: as many as are too many are refused, so that a burst is right at once (see
// shrink). Answers that take twice as long as they did when little was in flight
// lower it in proportion (see judge).
//
//	state     the limit                  an answer adds              left by
//	starting  below max, nothing refused 1: it doubles with          max is reached: growing
//	                                     each turn                   a refusal: near
//	near      at the ceiling, where it   cautious; 1 a turn where    a refusal: near, with the
//	          was refused last, or less  more than a quarter was     ceiling there
//	          than 2 below               refused at once, for then   a turn at the ceiling
//	                                     the ceiling is not sure     without: growing
//	growing   elsewhere                  cautious, twice as much     the ceiling: near
//	                                     after each turn, 1 at most  a refusal: near
//	pressed   any; answers are slow, or  nothing                     they are not: as before
//	          it is asked whether less
//	          in flight helps
//
// A turn is as many answers as the limit allows requests in flight, to requests sent
// since the turn before ended.
//
// What is not caused by load must not throttle: some records that time out
// whatever is in flight, a platform that has become slower for everybody. So when
// slowness has lowered the limit it is judged whether that was of use (see judge),
// and when refusals have, a trial is made (see doubt).
type limiter struct {
	max   int
	limit float64
	gain  float64 // what an answer adds where it is not near the ceiling: cautious to 1
	// ceiling is the limit at which a request was refused last, as a whole number;
	// 0: none was, or it has been passed.
	ceiling int
	// turn is when the turn began, clean how many of its answers have come.
	turn  time.Time
	clean int
	// starting says that nothing has spoken against max yet. Then idle says that the
	// limit has held nothing back of late; after that, held is since when it does,
	// blind that nothing sent since was answered yet, and nextStep when it doubles.
	starting, idle, blind bool
	held, nextStep        time.Time
	// used says that the limit has held requests back since the round began.
	used bool
	// since is when the limit was set anew; what was sent before tells nothing.
	since time.Time
	// was is the limit at lowered, when the first of a turn was refused, of which all
	// that were sent before are: what hangs is sent long before it is refused.
	lowered time.Time
	was     float64
	// expected says that the refusals of this turn are those of the ceiling, sure that
	// the ceiling is no more than a few too low.
	expected, sure bool
	// proven is the limit at the last answer, resumed when the last outage ended.
	proven  float64
	resumed time.Time
	latency latency
	doubt   doubt
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
	l.gain, l.turn, l.clean = 1, now, 0
	l.latency.forget()
	l.doubt.forget(limit, now)
	l.begin(now)
}

// begin begins a round of the latency.
func (l *limiter) begin(now time.Time) {
	l.latency.begin(l.limit, now)
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
	refused := load.tooMuch()
	if l.doubt.trial.step != none {
		l.try(refused, took, now)
		return
	}
	l.doubt.note(refused, took, l.limit, now)
	if refused {
		l.shrink(load, sent, now)
		return
	}
	l.grow(sent, now)
	l.proven = l.limit
	if l.latency.note(load, took, sent) {
		l.judge(now)
	}
}

// shrink notes a refusal. As many as are too many are refused, so each lowers the limit by
// 1; but of time-outs, which come together long after, one turn leaves half.
func (l *limiter) shrink(load Load, sent, now time.Time) {
	first := !sent.Before(l.lowered)
	if first {
		l.lowered, l.was = now, l.limit
		l.expected = l.ceiling > 0 && int(l.limit) >= l.ceiling
	}
	before, least := int(l.limit), min(l.least(load), l.limit)
	if l.doubt.tolerates() {
		// Not the limit is what they refuse. At the share that is tolerated it stays.
		share := l.doubt.share
		l.limit = max(l.limit-cautious*(1-share)/share, least)
		l.ceiling = 0
	} else {
		l.lowerCeiling()
		l.latency.interrupted()
		l.limit = max(l.limit-(1-cautious), least)
		l.careful(now)
		if l.expected {
			l.gain = 1 // back to below the ceiling at once
		}
	}
	switch {
	case load == LoadTimedOut && l.doubt.recent >= dense && int(l.limit) < before:
	case load == LoadRefused && !first:
		if l.doubt.share == 0 && l.limit <= burst*l.was {
			l.doubt.forget(l.limit, now)
		}
	case l.doubt.arises(l.limit, now):
		l.limit = l.doubt.begin(l.limit, now)
	}
}

// least is what refusals of a kind leave of the limit.
func (l *limiter) least(load Load) float64 {
	switch {
	case load == LoadRefused:
		return 1
	case l.latency.pressed:
		return max(1, l.was/2)
	default:
		return max(nextToNone, l.was/2)
	}
}

// lowerCeiling notes a refusal at the limit. One at the ceiling is no news, and some more of
// the same turn are chance. Any other is: the ceiling is where as many as are too many have
// been refused. Where those were many it is not sure, and tried after a turn.
func (l *limiter) lowerCeiling() {
	few := l.limit > byChance*l.was
	if l.expected = l.expected && few; l.expected {
		l.sure = true
		return
	}
	l.ceiling, l.sure = int(l.limit), few
}

// careful begins to grow anew, by little.
func (l *limiter) careful(now time.Time) {
	l.starting = false
	l.gain, l.turn, l.clean = cautious, now, 0
}

// grow notes an answer to a request sent at a time. Near the ceiling the limit rises
// by little: it is mostly still too much, and then this is what finding out costs. Where
// a whole turn was answered the platform takes more, and how much more is found out
// ever faster, as cubic growth does (RFC 9438): slowly about the last congestion, fast
// away from it.
func (l *limiter) grow(sent, now time.Time) {
	if !l.used || l.latency.pressed || l.latency.asking || l.limit >= float64(l.max) {
		return
	}
	below, gain := l.belowCeiling(), l.gain
	switch {
	case below > 0:
		gain = min(gain, below)
	case l.ceiling > 0:
		gain = min(l.probing(), float64(l.ceiling)-l.limit)
	}
	was := int(l.limit)
	l.raise(gain)
	if was < l.ceiling && int(l.limit) >= l.ceiling {
		l.turn, l.clean = now, 0 // what was sent before was not too much
	}
	if sent.Before(l.turn) {
		return
	}
	if l.clean++; l.clean < int(l.limit) {
		return
	}
	l.turn, l.clean = now, 0
	switch {
	case l.ceiling > 0 && int(l.limit) >= l.ceiling: // it has been passed
		l.gain = faster * l.probing()
		l.ceiling = 0
	case l.ceiling == 0 || below > 0:
		l.gain = min(1, faster*l.gain)
	}
}

// probing is what an answer adds near the ceiling.
func (l *limiter) probing() float64 {
	if l.sure {
		return cautious
	}
	return max(cautious, 1/l.limit)
}

// belowCeiling is how much the limit may rise before it is near the ceiling.
func (l *limiter) belowCeiling() float64 { return float64(l.ceiling-1) - l.limit }

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
