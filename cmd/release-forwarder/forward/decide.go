package forward

import (
	"time"

	"release-forwarder/dlq"
	"release-forwarder/upstream"
)

// Quotas: records that wait for one of these reasons keep to half of a partition's bounds, so
// that others flow. Beyond that the longest waiting are evicted.
const (
	quotaLots   = "refused-lots"
	quotaStorms = "storms"
)

// facts are all that a decision rests on.
type facts struct {
	// What happened: dead letter says that the record's dead letter is due; else verdict is
	// what became of its delivery, Unknown before that.
	deadLetter bool
	verdict    upstream.Verdict
	retryAfter time.Duration // asked for by the answer
	asked      bool          // it asked for one, if only for 0
	unsent     bool          // no byte of the request left this host
	recovered  bool          // the circuit closed while it was under way

	platform platformFacts
	lot      lotFacts
	storm    stormFacts

	// The record: failures are those that counted before, budget how many may, evicted the
	// quota in which it is to make room; a person has decided about records as old as this.
	failures, budget int
	evicted          string
	byOperator       bool
}

// platformFacts are what is known of the platform.
type platformFacts struct {
	open    bool // its circuit
	proven  bool // it mostly accepts, and the record is the trouble: see evidence
	alone   bool // it has accepted others since it throttled this record before
	accepts bool // it has accepted others since this record's lot began to wait
}

// lotFacts are what is known of the record's lot.
type lotFacts struct {
	waits   bool          // it alone is refused, and this is not its attempt
	next    time.Duration // to that
	overdue bool          // the record has waited for LOT_HOLD_MAX
}

// stormFacts are what is known of the record's streaks.
type stormFacts struct {
	waits, all bool          // there is no place for it; there is a storm of all
	about      time.Duration // to the place
}

// action is what becomes of a record.
type action int

const (
	send         action = iota // to the platform
	write                      // its dead letter, to the topic
	done                       // it is finished
	deadLetter                 // it becomes one, for outcome.reason
	leave                      // it is the partition's next owner's
	waitUntil                  // for outcome.wait, and the backoff where that grows
	waitForGate                // until its turn at the platform's gate
	waitForPlace               // in its storm
)

// outcome is what is decided.
type outcome struct {
	action action
	reason string        // of the dead letter
	wait   time.Duration // at least
	grows  bool          // the record's backoff, and the wait with it
	firm   bool          // what ends shortens no wait
	quota  string        // in which the record waits
	counts bool          // the failure counts against the budget
	outage bool          // the failure counts for the circuit
	pauses bool          // the whole platform waits
}

// decide says what becomes of a record, by the table in the package's doc: of its rows the first
// that fits holds. It is pure.
func decide(f facts) outcome {
	switch f.verdict {
	case upstream.Accepted:
		return outcome{action: done}
	case upstream.Permanent:
		return outcome{action: deadLetter, reason: dlq.ReasonRefused}
	case upstream.Cut:
		return outcome{action: leave}
	case upstream.Unknown:
		if !f.lot.waits {
			return f.storm.pass(f.deadLetter, f.evicted)
		}
	case upstream.Refused, upstream.Throttled, upstream.Failed, upstream.Unreadable, upstream.Timeout, upstream.Unreachable:
	}
	switch {
	case f.byOperator:
		return outcome{action: deadLetter, reason: dlq.ReasonByOperator}
	case f.recovered && f.verdict != upstream.Throttled:
		return outcome{action: waitUntil, wait: f.retryAfter, firm: f.asked}
	case f.lot.waits && f.platform.accepts && !f.platform.open && (f.lot.overdue || f.evicted == quotaLots):
		return outcome{action: deadLetter, reason: dlq.ReasonLotRefused}
	case f.lot.waits:
		return outcome{action: waitUntil, wait: f.lot.next, quota: quotaLots}
	}
	return f.failure()
}

// pass says whether a record, or its dead letter, goes now as far as storms go.
func (s *stormFacts) pass(deadLetter bool, evicted string) outcome {
	switch {
	case s.waits && (s.all || evicted != quotaStorms): // in a storm of all there is nobody to make room for
		return outcome{action: waitForPlace, wait: s.about, firm: true, quota: quotaStorms}
	case deadLetter:
		return outcome{action: write}
	}
	return outcome{action: send}
}

// failure says what becomes of a record that the platform did not take.
func (f *facts) failure() outcome {
	throttled, alone := f.verdict == upstream.Throttled, f.platform.alone
	o := outcome{action: waitUntil, wait: f.retryAfter, firm: f.asked}
	if !f.recovered {
		o.counts = f.platform.proven && !f.platform.open && !f.unsent && (!throttled || alone)
		o.outage = !o.counts
	}
	switch {
	case o.counts && f.budget > 0 && f.failures+1 >= f.budget:
		return outcome{action: deadLetter, reason: dlq.ReasonBudgetExhausted, counts: true}
	case throttled && f.asked && !alone:
		o.pauses = true
	case f.platform.open && !f.asked:
		o.action = waitForGate
	case !f.platform.open:
		o.grows = true
	}
	return o
}
