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
	// dense refusals are no matter of doubt while more than one request is in
	// flight: what is too much goes down at once.
	dense = 1.0 / 3
	// aTrial lowers the limit to this part of what it is.
	aTrial = 0.75
	// enoughRefused are as many as a trial must have to expect: with fewer, chance
	// would judge. It ends at mostTried attempts, or after longTrial.
	enoughRefused = 12
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
// as long as it takes to see a dozen refusals at the rate there was.
//
//	step   | limit                | it shows                      | then
//	-------+----------------------+-------------------------------+------------------
//	less   | a quarter lower      | less than half the refusals,  | load is the cause: back
//	       |                      | or too few attempts to say    | to where the trial began
//	       |                      | as many, or nearly            | more
//	more   | the highest since    | more accepted                 | load is not the cause: it
//	       | the last trial       |                               | stays there, that share of
//	       |                      |                               | refusals is tolerated
//	       |                      | no more                       | back to where the trial
//	       |                      |                               | began, none for a while
type doubt struct {
	peak float64 // the highest limit since the last trial
	// attempts since then that are remembered, and how many were refused.
	attempts, refused int
	recent            float64       // share of refusals of the last few
	lag               time.Duration // what the last refusal took
	trial             trial
	wait              time.Duration // after the last trial that was wrong
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
	accepted int // since it began
	// What has ended since all that went before has, and how much was refused.
	from              time.Time
	attempts, refused int
	rate              float64 // accepted a second in the step before
}

type step int

const (
	none step = iota
	less
	higher
)

// forget begins anew, with a limit.
func (d *doubt) forget(limit float64) {
	d.peak, d.attempts, d.refused, d.trial = limit, 0, 0, trial{}
}

// note counts an attempt at a limit.
func (d *doubt) note(refused bool, took time.Duration, limit float64) {
	d.peak = max(d.peak, limit)
	if d.attempts++; d.attempts > remembered {
		d.attempts, d.refused = d.attempts/2, d.refused/2
	}
	d.recent -= d.recent / 16
	if refused {
		d.recent += 1.0 / 16
		d.refused++
		d.lag = took
	}
}

// tolerated is the share of refusals that is not blamed on load.
func (d *doubt) tolerated() float64 { return max(d.share, cautious) }

// arises reports, after a refusal, whether it is time for a trial.
func (d *doubt) arises(limit float64, now time.Time) bool {
	if now.Before(d.next) {
		return false
	}
	if d.share > 0 && now.After(d.until) {
		return true // is it still so?
	}
	share := float64(d.refused) / float64(d.attempts) / d.tolerated()
	if limit <= nextToNone { // whom could it be too much for?
		return d.refused >= fewRefused && share >= farMore
	}
	return (d.refused >= manyRefused && share >= more || d.refused >= someRefused && share >= farMore) && d.recent < dense
}

// begin begins a trial and returns its limit.
func (d *doubt) begin(limit float64, now time.Time) float64 {
	d.trial = trial{step: less, limit: limit, expected: float64(d.refused) / float64(d.attempts), at: max(1, aTrial*limit)}
	d.trial.start(now, d.lag)
	return d.trial.at
}

func (t *trial) start(now time.Time, lag time.Duration) {
	t.began, t.from = now, now.Add(lag)
	t.accepted, t.attempts, t.refused = 0, 0, 0
}

// note counts an attempt, and reports whether the step is over and whether it
// saw enough.
func (t *trial) note(refused bool, now time.Time) (over, enough bool) {
	if !refused {
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
	if t.at < 2 {
		enough = t.refused >= enoughAlone
		return enough || t.attempts >= enoughAlone/(farMore*cautious), enough
	}
	expected := t.expected * float64(t.attempts)
	enough = t.attempts >= leastTried && (expected >= enoughRefused || expected >= fewRefused && t.limit <= nextToNone)
	return enough || t.attempts >= mostTried || long, enough
}

// try counts an attempt for the trial, and ends its step when it tells enough.
func (l *limiter) try(refused bool, now time.Time) {
	d, t := &l.doubt, &l.doubt.trial
	over, enough := t.note(refused, now)
	if !over {
		return
	}
	rate := float64(t.accepted) / max(now.Sub(t.began).Seconds(), 1e-3)
	persists := enough && (t.at < 2 || float64(t.refused) >= t.expected*float64(t.attempts)/2)
	switch {
	case t.step == less && persists:
		d.peak = min(max(d.peak, muchMore*t.at), float64(l.max))
		t.expected = max(t.expected, float64(t.refused)/float64(t.attempts))
		t.step, t.rate = higher, rate
		l.used = false
		l.limit, l.since = d.peak, now
		t.start(now, d.lag)
		return
	case t.step == less:
		l.limit, d.share = t.limit, 0
	case l.used && rate < t.rate*min(ofUse, (1+d.peak/t.at)/2):
		d.wait = min(max(patience, 2*d.wait), mostPatience)
		d.next = now.Add(d.wait)
		l.limit, d.share = t.limit, 0
	default:
		d.wait = 0
		d.share, d.until = min(mostTolerated, 1.5*t.expected), now.Add(tolerance)
	}
	l.since = now
	d.forget(l.limit)
	l.proven = l.limit
	l.careful()
	l.begin(now)
}
