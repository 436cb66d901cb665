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
	LoadRefused              // 429, 503 or a time-out: it cannot
)

const (
	// startLimit is where the limit begins. It doubles with each turn of requests
	// from there and, as long as nothing at all has been answered, every startStep:
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
	leastSamples, mostSamples = 8, 128
	// judgedAt is the part of an earlier limit at which it is judged whether less
	// in flight has helped.
	judgedAt = 0.75
	// mostTolerated bounds what may be blamed on something else than load, and
	// forgets halves it.
	mostTolerated = 0.95
	forgets       = time.Minute
	// A stretch of so many attempts, at a limit that is steady, is compared with
	// one at a higher limit.
	leastStretch, mostStretch = 16, 200
	steady                    = 0.7
	// patience is the least time between two restorations that rest on a few
	// refusals; each without success doubles it, up to mostPatience.
	patience, mostPatience = 20 * time.Second, 5 * time.Minute
)

// limiter follows what the platform can take: a limit for the requests in
// flight, from 1 to max. It knows no lock and no waiters, like circuit.
//
// Three things move it. An answer raises it, while it is the limit that holds
// requests back: by 1 at the beginning, so that it doubles with each turn of
// requests; by little once the platform has refused some. A refusal for load
// (429, 503, a time-out) lowers it by 1: as many as are too many are refused, so
// that a burst is right at once. Answers that take twice as long as they did when
// little was in flight lower it in proportion.
//
// What is not caused by load must not throttle: some records that time out
// whatever is in flight, a platform that has become slower for everybody. So when
// the limit has been lowered far enough it is judged whether that was of use. If
// there is just proportionally less done, and what lowered the limit goes on, then
// load is not the cause: the limit is restored, and the new latency, or that share
// of refusals, is what is expected from now on.
type limiter struct {
	max   int
	limit float64
	gain  float64 // what an answer adds: cautious to 1
	clean int     // answers since the last refusal or easing, while growing
	boost int     // the count of those at which gain grows next
	// blind says that nothing was answered yet; then nextStep is when the limit
	// doubles, zero while it holds nothing back.
	blind    bool
	nextStep time.Time
	// used says that the limit has held requests back since the round began.
	used bool
	// pressed stops the growth: answers are slow.
	pressed bool
	// base is what answers take when little is in flight; 0: not known.
	base time.Duration
	// tolerated is the share of refusals that is not blamed on load, as of
	// toleratedAt; it halves with each forgets, down to cautious.
	tolerated   float64
	toleratedAt time.Time
	// since is when the limit was set anew; what was sent before tells nothing.
	since time.Time
	// proven is the limit at the last answer.
	proven float64
	round  round
	before result // of the higher limit to compare with when slow; zero: none

	stretch  stretch
	peak     result        // of the highest limit of late; zero: none
	restored time.Time     // when the limit was restored last for refusals
	wait     time.Duration // least time to the next such restoration
}

// stretch counts what ended at a limit that is steady.
type stretch struct {
	began         time.Time
	limit         float64 // when it began
	done, refused int
}

// round gathers what came of the requests sent since it began.
type round struct {
	began   time.Time
	limit   float64 // when it began
	settles bool    // the limit was just lowered for slowness: it tells nothing yet
	done    int
	samples []time.Duration // of served ones; room for mostSamples
}

// result is what came of a round or a stretch.
type result struct {
	limit, rate float64 // rate: done a second
}

func newLimiter(most int) *limiter {
	l := &limiter{max: most, tolerated: cautious, blind: true}
	l.set(min(float64(most), startLimit), time.Time{})
	return l
}

// set begins anew with a limit.
func (l *limiter) set(limit float64, now time.Time) {
	l.limit, l.proven, l.since = limit, limit, now
	l.gain, l.clean, l.boost = 1, 0, 0
	l.pressed, l.before, l.peak = false, result{}, result{}
	l.begin(now)
	l.stretch = stretch{began: now, limit: limit}
}

func (l *limiter) begin(now time.Time) {
	l.round = round{began: now, limit: l.limit, samples: l.round.samples[:0]}
	l.used = false
}

// resume begins anew after an outage, with what was right before it.
func (l *limiter) resume(now time.Time) { l.set(l.proven, now) }

// hold notes that the limit holds requests back. It reports whether it has just
// been raised, and if not when time alone will raise it; zero: it will not.
func (l *limiter) hold() (raised bool, at time.Time) {
	l.used = true
	if !l.blind || l.limit >= float64(l.max) {
		return false, time.Time{}
	}
	now := time.Now()
	if l.nextStep.IsZero() {
		l.nextStep = now.Add(startStep)
	}
	if now.Before(l.nextStep) {
		return false, l.nextStep
	}
	l.limit, l.nextStep = min(2*l.limit, float64(l.max)), now.Add(startStep)
	return true, time.Time{}
}

// observe notes how an attempt ended that began at sent.
func (l *limiter) observe(load Load, took time.Duration, now time.Time) {
	sent := now.Add(-took)
	if load == LoadUnknown || sent.Before(l.since) {
		return
	}
	l.blind = false
	counts := !sent.Before(l.round.began)
	if load == LoadRefused {
		l.stretch.refused++
		l.shrink(now)
		l.compare(now)
		return
	}
	l.stretch.done++
	l.grow()
	l.compare(now)
	l.proven = l.limit
	if !counts {
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

func (l *limiter) shrink(now time.Time) {
	// With more refusals to be expected each weighs less: at the share that is
	// tolerated the limit stays where it is.
	share := l.expected(now)
	l.limit = max(1, l.limit-cautious*(1-share)/share)
	l.careful()
}

func (l *limiter) careful() {
	l.gain, l.clean, l.boost = cautious, 0, max(cleanAnswers, cleanTurns*int(l.limit))
}

func (l *limiter) expected(now time.Time) float64 {
	if l.tolerated <= cautious {
		return cautious
	}
	if passed := now.Sub(l.toleratedAt); passed >= forgets {
		l.tolerated, l.toleratedAt = max(cautious, l.tolerated/2), now
	}
	return l.tolerated
}

func (l *limiter) grow() {
	if !l.used || l.pressed || l.limit >= float64(l.max) {
		return
	}
	l.limit = min(l.limit+l.gain, float64(l.max))
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
		l.pressed = false
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

// useless reports whether less in flight has only done less.
func (l *limiter) useless(found result) bool {
	part, kept := found.limit/l.before.limit, found.rate/l.before.rate
	return kept >= 0.8*part && kept <= (1+part)/2
}

// compare ends a stretch, and judges whether it was of use to shrink.
func (l *limiter) compare(now time.Time) {
	st := l.stretch
	attempts := st.done + st.refused
	passed := now.Sub(st.began)
	if attempts < int(min(max(leastStretch, 4*st.limit), mostStretch)) || passed <= 0 {
		return
	}
	l.stretch = stretch{began: now, limit: l.limit}
	if l.limit < steady*st.limit || !l.used {
		return // it fell, as it does when a burst is too much
	}
	limit := (st.limit + l.limit) / 2
	found := result{limit, float64(st.done) / passed.Seconds()}
	share := float64(st.refused) / float64(attempts)
	alone := limit < 2 && share >= 2*cautious // whom could it be too much for?
	if !alone && (l.peak.limit == 0 || limit > l.peak.limit/2) {
		if limit >= l.peak.limit {
			l.peak = found
		}
		return
	}
	each := (found.rate / found.limit) / (l.peak.rate / l.peak.limit)
	if !alone && (share < cautious/2 || each < 0.75 || each > 1.33) {
		l.peak = found // it was of use, or the platform is another one now
		return
	}
	l.restore(share, now)
}

// restore gives back what refusals took that load has not caused.
func (l *limiter) restore(share float64, now time.Time) {
	if share < 2*cautious && now.Sub(l.restored) < l.wait {
		return
	}
	l.wait = min(max(patience, 2*l.wait), mostPatience)
	if now.Sub(l.restored) > 2*mostPatience {
		l.wait = patience
	}
	l.restored = now
	l.tolerated, l.toleratedAt = min(mostTolerated, max(l.tolerated, 1.5*share)), now
	l.limit = max(l.limit, l.peak.limit)
	l.careful()
	l.peak = result{}
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
