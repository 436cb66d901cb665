package upstream

import (
	"slices"
	"time"
)

const (
	// short is what an answer may take without being slow, however fast the platform is
	// with little to do: at a fraction of a millisecond the scheduling of either side
	// multiplies it. It is a fourhundredth of the default of UPSTREAM_TIMEOUT, and what
	// the way to a platform in the same country takes by itself.
	short = 25 * time.Millisecond
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
	// A platform that is pressed, but not slow, is asked once in a while whether less
	// in flight would make it faster: first after askedAfter, then after twice as
	// long each time that it did, up to mostAsked.
	askedAfter, mostAsked = time.Second, 5 * time.Minute
	// Where load was found not to be the cause it is asked again whether that was right:
	// first after doubtedAfter, at least doubtedTurns of what an answer takes, then after
	// twice as long each time that it was, up to mostAsked.
	doubtedAfter, doubtedTurns = 30 * time.Second, 20
)

// latency is what the time that answers take says of the limit. It is judged in
// rounds, by the middle of a turn's answers.
//
// The usual time is base, but at least short.
//
//	the middle, by the usual time        | then
//	-------------------------------------+------------------------------------------
//	up to 1.5 times                      | the limit may grow
//	up to 2 times                        | pressed: it does not. After askedAfter it is
//	                                     | lowered by a quarter, to see whether that helps
//	more                                 | slow: it is lowered in proportion, by half at
//	                                     | most; the next round settles and tells nothing
//	the limit was lowered by a quarter,  | load is not the cause: the limit of before is
//	and the middle has not fallen with   | back, and this middle is the base. After
//	it                                   | doubtedAfter that is asked again, slow or not
//	asked again, it has fallen           | it was wrong: the latency was still rising. The
//	                                     | limit stays so, and it is asked on at once
//	one request is in flight at a time   | the middle is the base, whatever it was
type latency struct {
	// pressed stops the growth: answers are slow.
	pressed bool
	// base is what answers take when little is in flight; 0: not known.
	base   time.Duration
	round  round
	before result // of the higher limit to compare with when slow; zero: none
	// asked is when it is asked again whether less in flight helps, zero: not
	// pressed; asking that it is now, and wait how long it is not.
	asked  time.Time
	asking bool
	wait   time.Duration
	// doubted is when it is asked again whether load is not the cause of the base,
	// zero: that was never found; patience is how long that is not asked.
	doubted  time.Time
	patience time.Duration
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
	limit  float64
	middle time.Duration
}

// forget begins anew, but for what little in flight takes.
func (y *latency) forget() {
	y.pressed, y.before, y.asked, y.asking = false, result{}, time.Time{}, false
}

// begin begins a round at a limit.
func (y *latency) begin(limit float64, now time.Time) {
	y.round = round{began: now, limit: limit, samples: y.round.samples[:0]}
}

// note counts an answer, and reports whether the round is over.
func (y *latency) note(load Load, took time.Duration, sent time.Time) bool {
	r := &y.round
	if sent.Before(r.began) {
		return false
	}
	r.done++
	if load == LoadServed {
		r.samples = append(r.samples, took)
	}
	enough := int(min(max(r.limit, leastSamples), mostSamples))
	return len(r.samples) >= enough || r.done >= 4*enough
}

// judge ends a round.
func (l *limiter) judge(now time.Time) {
	y := &l.latency
	r, used := y.round, l.used
	settles := false
	defer func() { l.begin(now); y.round.settles = settles }()
	if len(r.samples) == 0 || r.settles {
		return
	}
	slices.Sort(r.samples)
	found := result{r.limit, r.samples[len(r.samples)/2]}
	if y.base == 0 || found.middle < y.base || l.limit < 2 {
		y.base = found.middle
	}
	if l.limit < 2 {
		y.doubted, y.patience = time.Time{}, 0
	}
	if !used {
		y.pressed, l.idle = false, true
		return
	}
	usual := max(y.base, short)
	slow := found.middle > pressedBy*usual
	switch {
	case y.before.limit > 0 && r.limit <= judgedAt*y.before.limit:
		if useless := found.useless(y.before); y.asking || slow && useless {
			l.back(found, useless, now)
			return
		}
		y.before = found
	case r.limit >= y.before.limit:
		y.before = found
	}
	y.pressed = found.middle > (1+pressedBy)*usual/2
	switch {
	case slow:
		l.limit = max(1, l.limit*max(easesOff, float64(pressedBy*usual)/float64(found.middle)))
		settles = true
	case y.ask(l.limit < float64(l.max), now):
		y.before, y.asking = result{l.limit, found.middle}, true
		l.limit = max(1, judgedAt*l.limit)
		settles = true
	default:
		return
	}
	l.careful(now)
}

// back ends a time with less in flight: the limit is what it was before, unless it has
// shown that the base was wrong.
func (l *limiter) back(found result, useless bool, now time.Time) {
	y := &l.latency
	before, helped := y.before, found.middle < y.before.middle && !useless
	l.careful(now)
	y.forget()
	switch {
	case useless:
		l.limit, y.base, y.wait = before.limit, found.middle, 0
		y.patience = min(max(doubtedAfter, doubtedTurns*found.middle, 2*y.patience), mostAsked)
		y.doubted = now.Add(y.patience)
	case helped && y.doubts(now):
		y.patience = 0
	default:
		y.wait = min(max(askedAfter, 2*y.wait), mostAsked)
		l.limit, y.pressed, y.asked = before.limit, true, now.Add(y.wait)
	}
}

// doubts reports whether it is time to ask again whether load is not the cause.
func (y *latency) doubts(now time.Time) bool {
	return !y.doubted.IsZero() && !now.Before(y.doubted)
}

// ask reports whether it is time to ask whether less in flight helps; only where
// more would be allowed but for that, or where that was found not to help.
func (y *latency) ask(below bool, now time.Time) bool {
	switch {
	case y.doubts(now):
		return true
	case !y.pressed || !below:
		y.asked = time.Time{}
	case y.asked.IsZero():
		y.asked = now.Add(max(askedAfter, y.wait))
	default:
		return !now.Before(y.asked)
	}
	return false
}

// interrupted notes a refusal: what it has left of the limit must not be undone by the
// answer to a question that was asked before.
func (y *latency) interrupted() {
	if y.asking {
		y.asking, y.before, y.asked = false, result{}, time.Time{}
	}
}

// useless reports whether less in flight has left the latency as it was: then load is
// not its cause, and it is what is expected from now on. Where the latency is far
// higher than before, something else goes on.
func (found result) useless(before result) bool {
	part, left := found.limit/before.limit, float64(found.middle)/float64(before.middle)
	return left > (1+part)/2 && left <= 1/0.8
}
