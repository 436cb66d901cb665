package forward

import (
	"context"
	"log/slog"
	"time"

	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/dlq"
	"release-forwarder/upstream"
)

// Quotas: records that wait for one of these reasons keep to half of a
// partition's bounds, so that others flow.
const (
	quotaLots   = "refused-lots"
	quotaStorms = "storms"
)

// mayGo tells whether a record may be sent now, with what its lot says; where it may
// not, the delivery has been ended.
func (f *Forwarder) mayGo(ctx context.Context, d *consumer.Delivery, h *history, lot string, t turn) bool {
	if !t.send {
		d.ReturnSlot()
		f.waitForLot(ctx, d, h, t.began, t.until)
		return false
	}
	now := time.Now()
	if _, all := f.storms.storming(lotSource(lot)); all || !h.makesRoom(d, quotaStorms) {
		// The lot's records are not sent faster than its letters are written.
		if at := f.storms.await(&h.turns, lotSource(lot), false, now); at.After(now) {
			d.ReturnSlot()
			f.holdForTurn(d, h, lotSource(lot), at, all)
			return false
		}
	}
	return true
}

// holdForTurn holds a record until its turn in a storm. A storm of one source makes
// room where others need it; one of all has nobody to let pass.
func (f *Forwarder) holdForTurn(d *consumer.Delivery, h *history, source string, at time.Time, all bool) {
	hold := h.hold(HeldStorm)
	if h.quota = quotaStorms; all {
		h.quota = ""
	}
	hold.Quota = h.quota
	turns := h.turns // h is another delivery's from then on
	d.AgainAt(at, hold)
	if f.storms.over(turns, source) {
		f.Hasten() // who ended it may have done so before this record was held
	}
}

// lotEnded tells a delivery's lot how it ended, and gives back the lot's attempt where
// it was that.
func (f *Forwarder) lotEnded(ctx context.Context, lot string, try *attempt, a upstream.Answer, over bool) standing {
	// Only what is throttled says something after an outage too: how long to wait.
	stands := f.lots.ended(lot, try, &a, over && a.Verdict != upstream.Throttled, f.evidence.acceptances(), time.Now())
	if stands.newly {
		f.Log.LogAttrs(telemetry.StateChange(ctx), slog.LevelError,
			"lot refused: the platform refuses this lot alone (its secret, app_id or contract); its records wait, the others flow",
			answer(a, slog.String("lot", upstream.Tame(lot)))...)
	}
	return stands
}

// waitForLot holds a record of a refused lot until the lot's next attempt, or
// gives it up where it has waited too long or room must be made; never while
// nothing proves that the platform accepts others. It has waited since it was read or
// since its lot was found refused, whichever came later: both are kept through
// generations of the group.
func (f *Forwarder) waitForLot(ctx context.Context, d *consumer.Delivery, h *history, began, until time.Time) {
	if f.byOperator(d) {
		f.giveUp(ctx, d, h, "", dlq.Letter{Stage: dlq.StageUpstream, Reason: dlq.ReasonByOperator})
		return
	}
	now, since := time.Now(), later(began, d.Read)
	end := since.Add(f.LotHoldMax)
	proved := !f.Gate.Open() && f.evidence.acceptedSince(since)
	if proved && (h.makesRoom(d, quotaLots) || !now.Before(end)) {
		f.giveUp(ctx, d, h, "", dlq.Letter{Stage: dlq.StageUpstream, Reason: dlq.ReasonLotRefused})
		return
	}
	if end.After(now) && end.Before(until) {
		until = end
	}
	hold := h.hold(upstream.Refused.String())
	h.quota = quotaLots
	hold.Quota = h.quota
	d.AgainAt(until, hold)
}

// byOperator tells whether a person has decided to give up records as old as
// this. One whose timestamp cannot be believed counts as old: the person waits for it to go.
func (f *Forwarder) byOperator(d *consumer.Delivery) bool {
	if f.HeldBefore.IsZero() {
		return false
	}
	dated, believable := d.Record.Dated()
	return !believable || dated.Before(f.HeldBefore)
}

// RefusedLots lists the lots in an outage of their own.
func (f *Forwarder) RefusedLots() []RefusedLot { return f.lots.list() }

// Rejoined is to be told when a new generation of the group begins: what waited in
// the one before it is read again.
func (f *Forwarder) Rejoined() { f.storms.rejoined(time.Now()) }

// Storms counts the dead-letter storms there are.
func (f *Forwarder) Storms() int { return f.storms.active() }

// TryLots lets refused lots try at once, all where none is named: their
// credential changed, or the platform accepts again.
func (f *Forwarder) TryLots(names []string) {
	f.lots.tryNow(names)
	f.Hasten()
}
