package upstream

import (
	"math"
	"time"
)

const (
	// A trial is made once manyRefused have been refused and so many more than
	// probing costs, or fewer and far more.
	manyRefused, more    = 60, 1.3
	someRefused, farMore = 20, 2
	fewRefused           = 5 // while nextToNone are in flight
	// remembered attempts are enough to know a share by; then older ones weigh half. But
	// time-outs are known in waves, of which two are seen between.
	remembered = 4096
	// fallen is the part of an earlier limit that refusals must have left for doubt:
	// where they cost less than that, it does not matter whose fault they are.
	fallen = 0.75
	// dense time-outs are no matter of doubt as long as they lower the limit, nor is a
	// burst of refusals in one turn that leaves half of the limit or less: what is too
	// much goes down at once, and doubt begins with what is left.
	dense, burst = 1.0 / 3, 0.5
	// aTrial lowers the limit to this part of what it is.
	aTrial = 0.75
	// changed is how many times more than expected are refused in a trial of a
	// platform that has become another meanwhile.
	changed = 2
	// enoughRefused are as many as a trial must see, or have to expect: with fewer, chance
	// would judge. It ends at mostTried attempts, or after longTrial. Where few are in
	// flight fewRefused do after slowTrial: to go on would cost more than a wrong answer.
	enoughRefused = 24
	slowTrial     = 5 * time.Second
	leastTried    = 16
	enoughAlone   = 3 // while only one is in flight
	mostTried     = 800
	longTrial     = 2 * time.Minute
	// A trial goes on where persists of what was expected is refused with fewer in flight,
	// and muchMore is the least that is tried then.
	persists, muchMore = 1.0 / 3, 4
	// mostTolerated bounds what may be blamed on something else than load, and for
	// tolerance it is not asked again.
	mostTolerated = 0.95
	tolerance     = 5 * time.Minute
	// patience is the least time from a trial that was wrong to the next; each
	// such doubles it, up to mostPatience.
	patience, mostPatience = 20 * time.Second, 5 * time.Minute
)

// doubt is whether refusals are caused by load. A platform that serves so many at
// once refuses next to none when there are fewer; records that time out whatever
// is in flight do so however few there are. So when more is refused than probing
// costs, a trial is made, in one or two steps. In each the limit stands still for
// as long as it takes to see two dozen refusals, or to expect them at the rate there was.
//
// What hangs is known to be refused long after what was sent with it was served, and
// then much at once. So the shares compared are of what was sent in a time, counted when
// all of it has ended: before the trial (that is what is expected), and in each step.
//
//	step   | limit                | it shows                      | then
//	-------+----------------------+-------------------------------+------------------
//	less   | a quarter lower      | less than a third of the      | load is the cause: back
//	       |                      | refusals expected, or too few | to where the trial began,
//	       |                      | attempts to say               | none for a while
//	       |                      | most are refused, and far     | the platform has changed:
//	       |                      | more than expected            | on from here, nothing is
//	       |                      |                               | tolerated
//	       |                      | anything else                 | more
//	more   | the highest since    | the share accepted has not    | load is not the cause: it
//	       | the last trial, or   | fallen as the limit has risen | stays there, that share of
//	       | four times as much   |                               | refusals is tolerated
//	       |                      | it has, or far more is        | back to where the trial
//	       |                      | refused than expected         | began, none for a while
//	       |                      | it has, but less was sent     | back to where the trial
//	       |                      | than might have been          | began; nothing is known
type doubt struct {
	began time.Time // when the last trial or burst was over
	peak  float64   // the highest limit since then
	// attempts since then that are remembered, and how many were refused.
	attempts, refused int
	halved            time.Time     // when older ones lost weight last
	recent            float64       // share of refusals of the last few
	lag, served       time.Duration // what the last refusal took, and the last answer
	trial             trial
	wait              time.Duration // after the last trial that was in vain
	next              time.Time     // none before

	share float64   // tolerated; 0: cautious
	until time.Time // so long
}

// trial is what came of another number of requests in flight.
type trial struct {
	step     step
	limit    float64 // to go back to
	expected float64 // share of refusals
	at       float64 // the limit of this step
	began    time.Time
	lag      time.Duration // what an attempt takes
	// What was sent since it began, and until it has closed: what hangs is known to be
	// refused only a lag after what was sent with it was served.
	closed            time.Time // zero: not yet
	attempts, refused int
	less              lessStep
}

// lessStep is what came of the first step of a trial.
type lessStep struct {
	limit             float64
	attempts, refused int
}

// share is what was refused in both steps.
func (t *trial) share() float64 {
	return float64(t.less.refused+t.refused) / float64(max(1, t.less.attempts+t.attempts))
}

type step int

const (
	none step = iota
	less
	higher
)

// forget begins anew, with a limit.
func (d *doubt) forget(limit float64, now time.Time) {
	d.began, d.peak, d.attempts, d.refused, d.halved, d.trial = now, limit, 0, 0, now, trial{}
}

// note counts an attempt at a limit.
func (d *doubt) note(refused bool, took time.Duration, limit float64, now time.Time) {
	d.peak = max(d.peak, limit)
	if d.attempts++; d.attempts > remembered && (d.refused == 0 || now.Sub(d.halved) > 2*d.lag) {
		d.attempts, d.refused, d.halved = d.attempts/2, d.refused/2, now
	}
	d.recent -= d.recent / 16
	if !refused {
		d.served = took
		return
	}
	d.recent += 1.0 / 16
	d.refused++
	d.lag = took
}

// tolerated is the share of refusals that is not blamed on load.
func (d *doubt) tolerated() float64 { return max(d.share, cautious) }

// tolerates reports whether a refusal is one of those, and not of far more.
func (d *doubt) tolerates() bool { return d.share > 0 && d.recent < (1+d.share)/2 }

// arises reports, after a refusal, whether it is time for a trial.
func (d *doubt) arises(limit float64, now time.Time) bool {
	if now.Before(d.next) {
		return false
	}
	if d.share > 0 && now.After(d.until) {
		return d.refused >= someRefused // is it still so?
	}
	share := float64(d.refused) / float64(d.attempts) / d.tolerated()
	if limit <= nextToNone { // whom could it be too much for?
		few := d.refused >= fewRefused && now.Sub(d.began) > slowTrial
		return (d.refused >= enoughRefused || few) && share >= farMore
	}
	return limit <= fallen*d.peak && (d.refused >= manyRefused && share >= more || d.refused >= someRefused && share >= farMore)
}

// begin begins a trial and returns its limit.
func (d *doubt) begin(limit float64, now time.Time) float64 {
	d.trial = trial{step: less, limit: limit, at: max(1, aTrial*limit)}
	d.trial.start(now, max(d.lag, d.served))
	d.trial.expect(d)
	return d.trial.at
}

func (t *trial) start(now time.Time, lag time.Duration) {
	t.began, t.lag, t.closed = now, lag, time.Time{}
	t.attempts, t.refused = 0, 0
}

// expect sets what is expected of the first step: what was refused of all that was sent
// before.
func (t *trial) expect(d *doubt) { t.expected = float64(d.refused) / float64(d.attempts) }

// note counts an attempt, and reports whether the step is over and whether it
// saw enough.
func (t *trial) note(refused bool, sent, now time.Time) (over, enough bool) {
	if t.closed.IsZero() || sent.Before(t.closed) {
		t.attempts++
		if refused {
			t.refused++
		}
	}
	if t.at < 2 {
		enough = t.refused >= enoughAlone
		return enough || t.attempts >= enoughAlone/(farMore*cautious), enough
	}
	expected := max(t.expected*float64(t.attempts), float64(t.refused))
	few := expected >= fewRefused && t.limit <= nextToNone && now.Sub(t.began) > slowTrial
	enough = t.attempts >= leastTried && (expected >= enoughRefused || few)
	if t.closed.IsZero() && now.Sub(t.began) >= t.lag && (enough || t.attempts >= mostTried) {
		t.closed = now
	}
	over = !t.closed.IsZero() && now.Sub(t.closed) >= t.lag || now.Sub(t.began) > longTrial
	return over, enough
}

// worse reports whether far more was refused than expected. What is refused at once is known
// before the first is served, so at first only a turn of refusals tells, and of more in flight.
// With fewer it must be most: what was expected may rest on a time before there were any.
func (t *trial) worse(now time.Time) bool {
	refused, attempts := float64(t.refused), float64(t.attempts)
	switch {
	case t.step == less && (refused < attempts/2 || now.Sub(t.began) < 2*t.lag):
		return false
	case t.step == higher && refused < t.at && now.Sub(t.began) < 2*t.lag:
		return false
	}
	return refused > changed*t.expected*attempts+fewRefused
}

// ofUse reports whether with more in flight more is accepted: where load is the cause the share
// accepted falls as the limit rises, and where it is not it stays. Between the two decides. (The
// rate would tell as much, but varies more: of time-outs by a seventh, by chance.)
func (t *trial) ofUse() bool {
	before := 1 - float64(t.less.refused)/float64(t.less.attempts)
	now := 1 - float64(t.refused)/float64(t.attempts)
	return now > before*math.Sqrt(t.less.limit/t.at)
}

// inVain puts off the next trial.
func (d *doubt) inVain(now time.Time) {
	d.wait = min(max(patience, 2*d.wait), mostPatience)
	d.next = now.Add(d.wait)
	d.share = 0
}

// try counts an attempt for the trial, and ends its step when it tells enough.
func (l *limiter) try(refused bool, took time.Duration, now time.Time) {
	d, t := &l.doubt, &l.doubt.trial
	sent := now.Add(-took)
	if sent.Before(t.began) {
		d.note(refused, took, l.limit, now)
		t.expect(d)
		return
	}
	over, enough := t.note(refused, sent, now)
	worse := t.worse(now)
	if !over && !worse {
		return
	}
	goesOn := enough && (t.at < 2 || float64(t.refused) >= persists*t.expected*float64(t.attempts))
	switch {
	case t.step == less && worse:
		l.limit, d.share = t.at, 0
	case t.step == less && goesOn:
		d.peak = min(max(d.peak, muchMore*t.at), float64(l.max))
		t.expected = max(t.expected, float64(t.refused)/float64(t.attempts))
		t.less = lessStep{limit: t.at, attempts: t.attempts, refused: t.refused}
		t.step, t.at = higher, d.peak
		l.used = false
		l.limit, l.since = d.peak, now
		t.start(now, max(d.lag, d.served))
		return
	case t.step == less, worse:
		l.limit = t.limit
		d.inVain(now)
	case !t.ofUse():
		l.limit = t.limit
		if l.used {
			d.inVain(now)
		} else { // something else held back, and it tells nothing
			d.until = now.Add(patience)
		}
	default:
		d.wait = 0
		d.share, d.until = min(mostTolerated, 2*t.share()), now.Add(tolerance)
	}
	l.since = now
	d.forget(l.limit, now)
	l.proven = l.limit
	l.careful(now)
	l.begin(now)
}
