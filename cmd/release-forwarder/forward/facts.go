package forward

import (
	"context"
	"log/slog"
	"time"

	"release-forwarder/upstream"
)

// facts returns the facts that do not depend on what happened.
func (f *Forwarder) facts(d *delivery) facts {
	return facts{
		failures: d.failures, budget: f.budget(d.OverHalf), evicted: d.Evicted, byOperator: f.byOperator(d),
		platform: platformFacts{open: f.Gate.Open()},
	}
}

// overHalfBudget is the budget while held records take more than half of a bound. Otherwise
// they would fill it, no record would be read or accepted, and no failure would count again.
const overHalfBudget = 3

func (f *Forwarder) budget(overHalf bool) int {
	if overHalf {
		return min(f.Budget, overHalfBudget)
	}
	return f.Budget
}

// byOperator reports whether DLQ_HELD_BEFORE applies to the record. A record without a
// plausible timestamp counts as old: the person waits for it to go.
func (f *Forwarder) byOperator(d *delivery) bool {
	if f.HeldBefore.IsZero() {
		return false
	}
	dated, believable := d.Record.Dated()
	return !believable || dated.Before(f.HeldBefore)
}

// beforeSending collects the facts that decide whether a record may be sent, and takes its lot's
// attempt and its storm's place if it needs them.
func (f *Forwarder) beforeSending(d *delivery) facts {
	before, lot := f.facts(d), f.lots.permit(d.lot, d.unlisted == nil && f.Platform.HasCredential(d.lot), time.Now())
	d.attempt = lot.attempt
	if d.unlisted != nil {
		f.lotUnlisted(d, &lot)
	}
	if lot.waits {
		f.lotWaits(&before, d, lot)
	} else {
		before.storm = f.storms.take(d.Delivery, d.source, false)
	}
	return before
}

// lotUnlisted logs a lot that its lookup file does not have, unless a newer file that has it came meanwhile.
func (f *Forwarder) lotUnlisted(d *delivery, lot *standing) {
	switch mapper := f.mapper.Load(); {
	case mapper.Lists(d.unlisted):
		f.lots.listed(mapper)
		lot.next = time.Now()
	case lot.newly:
		eventLotUnlisted.Log(f.Log, slog.String("lot", upstream.Sanitize(d.unlisted.Code)), slog.String("file", d.unlisted.File))
	}
}

// afterDelivery collects the facts that decide about a record that was sent, and records what
// its delivery says about the lot and the platform.
func (f *Forwarder) afterDelivery(ctx context.Context, d *delivery, a upstream.Answer, recovered bool) facts {
	after := f.facts(d)
	after.verdict, after.retryAfter, after.asked, after.unsent, after.recovered = a.Verdict, a.RetryAfter, a.HasRetryAfter, a.Unsent, recovered
	acceptances, throttled := f.evidence.acceptances(), a.Verdict == upstream.Throttled
	// After an outage only a throttled answer matters: it says how long to wait.
	lot := f.lots.ended(d.lot, d.attempt, &a, recovered && !throttled, acceptances, time.Now())
	if lot.newly {
		eventLotRefused.LogContext(ctx, f.Log, answer(a, slog.String("lot", upstream.Sanitize(d.lot)))...)
	}
	switch {
	case a.Verdict == upstream.Accepted || a.Verdict == upstream.Permanent || a.Verdict == upstream.Cut, after.byOperator, recovered && !throttled:
		return after
	case lot.waits:
		f.lotWaits(&after, d, lot)
		return after
	}
	if d.deliveries == 1 {
		f.evidence.fail(&d.since)
	}
	if throttled {
		after.platform.alone = d.throttled > 0 && acceptances >= d.throttled
		d.throttled = acceptances + 1
	}
	needs := "" // the lot that must have been accepted
	if a.Verdict == upstream.Refused {
		needs = d.lot
	}
	after.platform.proven = f.evidence.proves(d.since, needs)
	return after
}

// lotWaits sets the facts of a lot that waits. The record waits since it was read, or since its
// lot was found refused, whichever is later: a rebalance changes neither.
func (f *Forwarder) lotWaits(known *facts, d *delivery, lot standing) {
	since := d.Read
	if lot.began.After(since) {
		since = lot.began
	}
	left := time.Until(since.Add(f.LotHoldMax))
	known.lot = lotFacts{waits: true, overdue: left <= 0, next: time.Until(lot.next)}
	if left > 0 {
		known.lot.next = min(known.lot.next, left)
	}
	known.platform.accepts = f.evidence.acceptedSince(since)
}
