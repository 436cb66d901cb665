package main

import (
	"fmt"
	"slices"
	"time"
)

// P4 (docs/explanation/guarantees.md) allows two kinds of repeats. A record is forgotten if its
// replica was killed, frozen or cut off while the acceptance was under way or less
// than a commit interval old, or if Kafka took no commits since: its coordinator was
// away, or the group waited for its assignment. A request is late if it was on its way
// while its replica was frozen or cut off, and another replica had the record accepted
// meanwhile.

// Times of the account.
const (
	// slack is what a loaded machine adds to a commit interval: the commit's own
	// way to the coordinator.
	slack = 1500 * time.Millisecond
	// coordination is how long after a broker's return the group may still be
	// unable to commit: the coordinator loads, members learn of it and join.
	coordination = sessionTimeout + rebalanceTimeout
)

// hits reports whether the fault is one of the forwarder; a broker's is one of
// all.
func (f injected) hits(forwarder int) bool {
	return f.ofBroker() || f.Kind == assigning || f.On == forwarder
}

// forgets is the time in which acceptances may be forgotten because of the
// fault.
func (f injected) forgets() (from, to time.Time) {
	from = f.begun.Add(-commitInterval - slack)
	switch f.Kind {
	case killForwarder, pauseForwarder:
		return from, f.begun.Add(slack)
	case cutPlatform: // commits go on: only answers are lost
		return f.begun.Add(-slack), f.healed.Add(platformTimeout + slack)
	case assigning:
		return from, f.healed.Add(commitInterval + slack)
	case killBroker, pauseBroker, cutBroker:
		return from, f.healed.Add(coordination)
	case cutForwarder, cutLink:
	}
	return from, f.healed.Add(platformTimeout + slack)
}

// delays reports whether the fault keeps requests on their way to the platform.
func (f injected) delays() bool { return f.Kind == pauseForwarder || f.Kind == cutPlatform }

// mayForget reports whether the fault may have made an acceptance forgotten.
func (f injected) mayForget(accept acceptance) bool {
	from, to := f.forgets()
	return f.hits(accept.by) && !accept.at.Before(from) && !accept.at.After(to)
}

// allows is mayForget, held against what was committed: a replica that ends or
// freezes forgets what no commit had reported by then; any other fault, what no commit
// reported within a commit interval.
func (f injected) allows(accept acceptance, reported time.Time) bool {
	if !f.mayForget(accept) {
		return false
	}
	if f.Kind == killForwarder || f.Kind == pauseForwarder {
		return reported.IsZero() || reported.After(f.begun)
	}
	return reported.IsZero() || reported.Sub(accept.at) > commitInterval
}

// explains reports whether the fault explains that a record accepted first was
// accepted again.
func (f injected) explains(first, again acceptance) bool {
	if f.mayForget(first) && !again.at.Before(f.begun) {
		return true
	}
	return f.delays() && f.On == again.by && !again.at.Before(f.begun) && !again.at.After(f.healed.Add(platformTimeout+slack))
}

// repeats holds every acceptance after the first against the faults.
func (a *account) repeats(r records, parts map[int32][]entry) {
	costs := make([]int, len(r.faults))
	for partition, entries := range parts {
		reported := reports(r, partition, entries)
		for i, e := range entries {
			v := r.flows[e.flow]
			if v == nil || len(v.accepts) == 0 {
				continue
			}
			if !reported[i].IsZero() {
				a.Unreported = append(a.Unreported, reported[i].Sub(v.accepts[0].at))
			}
			for _, accept := range v.accepts {
				if slices.ContainsFunc(r.faults, func(f injected) bool { return f.allows(accept, reported[i]) }) {
					a.Allowed++
				}
			}
			for _, again := range v.accepts[1:] {
				if !reported[i].IsZero() && arrival(v, again.at).After(reported[i].Add(slack)) {
					a.Late++
				}
			}
			a.Repeats += len(v.accepts) - 1
			a.explain(r.faults, e, v.accepts, costs)
		}
	}
	for _, f := range r.faults {
		if f.delays() {
			a.LateBound += inFlight
		}
	}
	a.Allowed += a.LateBound
	if a.Late > a.LateBound {
		a.Notes = append(a.Notes, fmt.Sprintf("%d repeats of what a commit had reported as done; requests in flight explain %d", a.Late, a.LateBound))
	}
	for i, f := range r.faults {
		t := a.toll(f.Kind)
		t.Repeats += costs[i]
		t.Worst = max(t.Worst, costs[i])
	}
}

// explain finds the fault behind each repeat of a record and counts it in costs.
func (a *account) explain(faults []injected, e entry, accepts []acceptance, costs []int) {
	spent := map[int]bool{} // a kill explains one repeat of a record, no more
	for n := 1; n < len(accepts); n++ {
		first, again := accepts[n-1], accepts[n]
		cause := -1
		for i, f := range faults {
			if f.explains(first, again) && !spent[i] {
				cause = i
			}
		}
		if cause < 0 {
			a.note(&a.Unexplained, "partition %d offset %d: accepted %s from forwarder %d and again %s from %d, and no fault explains it",
				e.partition, e.offset, clock(first.at), first.by, clock(again.at), again.by)
			continue
		}
		costs[cause]++
		spent[cause] = faults[cause].Kind == killForwarder
	}
}

// reports returns for each entry when a commit first reported it done; zero if none
// did.
func reports(r records, partition int32, entries []entry) []time.Time {
	reported := make([]time.Time, len(entries))
	tell := func(first, end int, at time.Time) {
		for i := first; i < end; i++ {
			if reported[i].IsZero() {
				reported[i] = at
			}
		}
	}
	next := 0
	for _, c := range r.commits[partition] {
		if upto := below(entries, c.offset); upto > next {
			tell(next, upto, c.at)
			next = upto
		}
		for _, run := range r.told(partition, c).Done {
			tell(below(entries, run.First), below(entries, run.Last+1), c.at)
		}
	}
	return reported
}

// arrival is when the request arrived that was accepted at a time: the last
// before it.
func arrival(v *visits, accepted time.Time) time.Time {
	at := v.arrivals[0]
	for _, t := range v.arrivals {
		if !t.After(accepted) {
			at = t
		}
	}
	return at
}
