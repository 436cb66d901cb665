package upstream

import "time"

const (
	// A trial is made once manyRefused have been refused and so many more than
	// probing costs, or fewer and far more.
	manyRefused, more    = 60, 1.3
	someRefused, farMore = 20, 2
	fewRefused           = 5 // while nextToNone are in flight
	// remembered attempts are enough to know a share by; then older ones weigh half.
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
	// enoughRefused are as many as a trial must have to expect: with fewer, chance
	// would judge. It ends at mostTried attempts, or after longTrial. Where few are in
	// flight fewRefused do after slowTrial: to go on would cost more than a wrong answer.
	enoughRefused = 24
	slowTrial     = 5 * time.Second
	leastTried    = 16
	enoughAlone   = 3 // while only one is in flight
	mostTried     = 800
	longTrial     = 2 * time.Minute
	// muchMore is the least that is tried once fewer have shown to be of no use, and
	// ofUse how many times more must be accepted with it.
	muchMore, ofUse = 4, 1.5
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
// as long as it takes to see two dozen refusals at the rate there was.
//
//	step   | limit                | it shows                      | then
//	-------+----------------------+-------------------------------+------------------
//	less   | a quarter lower      | less than half the refusals,  | load is the cause: back
//	       |                      | or too few attempts to say    | to where the trial began,
//	       |                      |                               | none for a while
//	       |                      | far more than before          | the platform has changed:
//	       |                      |                               | on from here
//	       |                      | as many, or nearly            | more
//	more   | the highest since    | more accepted, no more        | load is not the cause: it
//	       | the last trial       | refused                       | stays there, that share of
//	       |                      |                               | refusals is tolerated
//	       |                      | anything else                 | back to where the trial
//	       |                      |                               | began, none for a while
type doubt struct {
	began time.Time // when the last trial or burst was over
	peak  float64   // the highest limit since then
	// attempts since then that are remembered, and how many were refused.
	attempts, refused int
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
	// Since it began: what was accepted, and what was refused.
	accepted, failed int
	// What has ended since all that went before has, and how much was refused.
	from              time.Time
	attempts, refused int
	less              lessStep
}

// lessStep is what came of the first step of a trial.
type lessStep struct {
	limit, rate       float64 // rate: accepted a second
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
	d.began, d.peak, d.attempts, d.refused, d.trial = now, limit, 0, 0, trial{}
}

// note counts an attempt at a limit.
func (d *doubt) note(refused bool, took time.Duration, limit float64) {
	d.peak = max(d.peak, limit)
	if d.attempts++; d.attempts > remembered {
		d.attempts, d.refused = d.attempts/2, d.refused/2
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
	d.trial = trial{step: less, limit: limit, expected: float64(d.refused) / float64(d.attempts), at: max(1, aTrial*limit)}
	d.trial.start(now, max(d.lag, d.served))
	return d.trial.at
}

func (t *trial) start(now time.Time, lag time.Duration) {
	t.began, t.lag, t.from = now, lag, now.Add(lag)
	t.accepted, t.failed, t.attempts, t.refused = 0, 0, 0, 0
}

// note counts an attempt, and reports whether the step is over and whether it
// saw enough.
func (t *trial) note(refused bool, now time.Time) (over, enough bool) {
	if refused {
		t.failed++
	} else {
		t.accepted++
	}
	long := now.Sub(t.began) > longTrial
	if now.Before(t.from) && !long {
		return false, false
	}
	t.attempts++
	if refused {
		t.refused++
	}
	if now.Sub(t.from) < 2*t.lag && !long {
		return false, false // answers come in waves
	}
	if t.at < 2 {
		enough = t.refused >= enoughAlone
		return enough || t.attempts >= enoughAlone/(farMore*cautious), enough
	}
	expected := t.expected * float64(t.attempts)
	few := expected >= fewRefused && t.limit <= nextToNone && now.Sub(t.began) > slowTrial
	enough = t.attempts >= leastTried && (expected >= enoughRefused || few)
	return enough || t.attempts >= mostTried || long, enough
}

// worse reports whether far more was refused than expected. With more in flight all that
// was sent is told by that: what hangs ends much later than the rest, and then much at
// once. What is refused at once comes before the first is served, so it must be much.
func (t *trial) worse(now time.Time) bool {
	refused, attempts := t.refused, t.attempts
	if t.step == higher {
		refused, attempts = t.failed, t.failed+t.accepted
		if now.Before(t.from.Add(t.lag)) && float64(refused) < t.at/2 {
			return false
		}
	}
	return float64(refused) > changed*t.expected*float64(attempts)+fewRefused
}

// inVain puts off the next trial.
func (d *doubt) inVain(now time.Time) {
	d.wait = min(max(patience, 2*d.wait), mostPatience)
	d.next = now.Add(d.wait)
	d.share = 0
}

// try counts an attempt for the trial, and ends its step when it tells enough.
func (l *limiter) try(refused bool, now time.Time) {
	d, t := &l.doubt, &l.doubt.trial
	over, enough := t.note(refused, now)
	worse := t.worse(now)
	if !over && !worse {
		return
	}
	rate := float64(t.attempts-t.refused) / max(now.Sub(t.from).Seconds(), 1e-3)
	persists := enough && (t.at < 2 || float64(t.refused) >= t.expected*float64(t.attempts)/2)
	switch {
	case t.step == less && worse:
		l.limit = t.at
	case t.step == less && persists:
		d.peak = min(max(d.peak, muchMore*t.at), float64(l.max))
		t.expected = max(t.expected, float64(t.refused)/float64(t.attempts))
		t.less = lessStep{limit: t.at, rate: rate, attempts: t.attempts, refused: t.refused}
		t.step, t.at = higher, d.peak
		l.used = false
		l.limit, l.since = d.peak, now
		t.start(now, max(d.lag, d.served))
		return
	case t.step == less, worse:
		l.limit = t.limit
		d.inVain(now)
	case rate < t.less.rate*min(ofUse, (1+t.at/t.less.limit)/2):
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
