package consumer

import (
	"time"

	"release-forwarder/consumer/queue"
)

// hold blocks a record's key queue until the record is opened.
func (e *Engine) hold(d *Delivery, h Hold) {
	d.hold = h
	e.heldBy[h.Reason]++
	p := d.part
	p.Block(&d.queued, h.Quota)
	e.evict(p, h.Quota, d) // not d itself: it was just tried, and would be tried in a loop
}

// evict delivers the longest waiting record of a quota now, unless it is but, if the quota's
// records take more than half of a bound. It is called for each record that is held, and when
// an evicted one ends.
func (e *Engine) evict(p *partition, quota string, but *Delivery) {
	d := p.longest(quota)
	if d == nil || d == but || d.queued.State() != queue.Held {
		return
	}
	e.timed.Remove(&d.queued)
	if e.due(d) {
		e.running.Go(func() { e.hand(d) })
	}
	e.schedule()
}

// schedule sets the engine's one timer to the earliest held record.
func (e *Engine) schedule() {
	first, until := e.timed.First()
	if first == nil || e.stopped {
		return
	}
	wait := max(0, time.Until(until))
	if e.timer == nil {
		e.timer = time.AfterFunc(wait, e.makeDue)
		return
	}
	e.timer.Reset(wait)
}

// makeDue makes every held record ready whose time has come.
func (e *Engine) makeDue() {
	e.mu.Lock()
	opened := e.release(time.Now())
	e.mu.Unlock()
	e.hand(opened...)
}

func (e *Engine) release(now time.Time) (opened []*Delivery) {
	for d, until := e.timed.First(); d != nil && !until.After(now); d, until = e.timed.First() {
		e.timed.Remove(&d.queued)
		e.dues.begun++
		if e.due(d) {
			opened = append(opened, d)
		}
	}
	e.schedule()
	return opened
}

// due ends a record's wait: the record is ready, or open. If it is open, the caller hands it to
// the handler after the unlock. The caller also calls schedule.
func (e *Engine) due(d *Delivery) (opened bool) {
	if e.openNow(d) {
		return true
	}
	if d.hold.NoSlot && !time.Now().Before(d.part.member.lease) {
		e.timed.Add(&d.queued, time.Now().Add(lookAgain), d.hold.Firm)
		return false
	}
	d.part.Due(&d.queued)
	e.markReady(d.part)
	return false
}

// lookAgain is how often a held record that needs no slot looks whether the lease is renewed.
const lookAgain = time.Second

// openNow opens a record whose next delivery needs no slot of the gate, unless a drain, the
// stop, the lease or the bound of gaps forbids it. It reports whether the record is open.
func (e *Engine) openNow(d *Delivery) bool {
	p := d.part
	switch {
	case !d.hold.NoSlot || d.queued.Unloaded || p.drain != nil || e.stopped || !time.Now().Before(p.member.lease):
		return false
	case d != p.First() && !p.fits():
		return false
	}
	e.open(d, false)
	e.unpause(p)
	return true
}

// hand gives records that were opened without a slot to the handler.
func (e *Engine) hand(opened ...*Delivery) {
	for _, d := range opened {
		e.cfg.Handler.Handle(d.part.ctx, d)
	}
}

// is reports whether a record is in a state.
func (e *Engine) is(d *Delivery, state queue.State) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return d.queued.State() == state
}

// wakeUp makes a held record due before its time.
func (e *Engine) wakeUp(d *Delivery) bool {
	e.mu.Lock()
	waits := d.queued.State() == queue.Held
	opened := false
	if waits {
		e.timed.Remove(&d.queued)
		opened = e.due(d)
		e.schedule()
	}
	e.mu.Unlock()
	if opened {
		e.hand(d)
	}
	return waits
}

// Hasten makes all held records due at once, in the order of their times, except those whose
// hold is firm. Call it when the reason to wait has ended: the circuit closed.
func (e *Engine) Hasten() {
	e.mu.Lock()
	var opened []*Delivery
	for _, d := range e.timed.Hasten() {
		if e.due(d) {
			opened = append(opened, d)
		}
	}
	e.schedule()
	e.mu.Unlock()
	e.hand(opened...)
}
