package forward

import (
	"time"

	"release-forwarder/dlq"
	"release-forwarder/upstream"
)

// Quotas: records that wait for one of these reasons may take half of a partition's bounds, so
// that others flow. Beyond that the longest waiting are evicted.
const (
	quotaLots   = "refused-lots"
	quotaStorms = "storms"
)

// facts are the whole input of a decision.
type facts struct {
	// What happened. deadLetter says that the record's dead letter is due. Otherwise verdict
	// is that of its delivery, or Unknown before it.
	deadLetter bool
	verdict    upstream.Verdict
	retryAfter time.Duration // asked for by the answer
	asked      bool          // it asked for one, if only for 0
	unsent     bool          // no byte of the request left this host
	recovered  bool          // the circuit closed while it was under way

	platform platformFacts
	lot      lotFacts
	storm    stormFacts

	// The record: failures that counted so far, the budget of them, the quota in which it must
	// make room, and whether DLQ_HELD_BEFORE applies to it.
	failures, budget int
	evicted          string
	byOperator       bool
}

// platformFacts are facts about the platform.
type platformFacts struct {
	open    bool // its circuit
	proven  bool // it mostly accepts, and the record is the trouble: see evidence
	alone   bool // it has accepted others since it throttled this record before
	accepts bool // it has accepted others since this record's lot began to wait
}

// lotFacts are facts about the record's lot.
type lotFacts struct {
	waits   bool          // it alone is refused, and this is not its attempt
	next    time.Duration // to that
	overdue bool          // the record has waited for LOT_HOLD_MAX
}

// stormFacts are facts about the record's streaks.
type stormFacts struct {
	waits, all bool          // it has to wait for a place; there is a storm of all
	about      time.Duration // until it gets the place
}

// action is what to do with a record.
type action int

const (
	send         action = iota // send it to the platform
	write                      // write its dead letter
	done                       // finish it
	deadLetter                 // make it a dead letter, with outcome.reason
	leave                      // leave it to the partition's next owner
	waitUntil                  // wait for outcome.wait, and for the backoff if that grows
	waitForGate                // wait for a slot of the platform's gate
	waitForPlace               // wait for a place in its storm
)

// outcome is a decision.
type outcome struct {
	action action
	reason string        // of the dead letter
	wait   time.Duration // at least
	grows  bool          // the record's backoff grows, and the wait with it
	firm   bool          // no event shortens the wait
	quota  string        // of the waiting record
	counts bool          // the failure counts against the budget
	outage bool          // the failure counts for the circuit
	pauses bool          // the whole platform waits
}

// decide is the table in doc.go: the first row that applies decides. It is a pure function.
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

// pass decides, by the storms alone, whether a record or its dead letter goes now.
func (s *stormFacts) pass(deadLetter bool, evicted string) outcome {
	switch {
	case s.waits && (s.all || evicted != quotaStorms): // in a storm of all there is no other record to make room for
		return outcome{action: waitForPlace, wait: s.about, firm: true, quota: quotaStorms}
	case deadLetter:
		return outcome{action: write}
	}
	return outcome{action: send}
}

// failure decides about a record that the platform did not accept.
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
