package consumer

import (
	"time"

	"release-forwarder/consumer/queue"
)

// hold notes that a record waits for another try, until it is opened.
func (e *Engine) hold(d *Delivery, h Hold) {
	d.hold = h
	e.heldBy[h.Reason]++
	p := d.part
	p.Block(&d.queued, h.Quota)
	e.evict(p, h.Quota, d) // which was just tried: it would be tried without end
}

// evict delivers the longest waiting record of a quota now, but for one, where all take more than
// half of a bound. It is asked for each that is held, and when an evicted one is done.
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

// schedule sets the one timer to the earliest held record.
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

// due ends a record's wait: it is ready, or already open, and then the caller hands it on
// without the lock. The caller sets the timer too.
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

// lookAgain is how soon it is looked again whether the group was heard of.
const lookAgain = time.Second

// openNow opens a ready record whose try sends nothing, and so needs no slot of the gate; not
// where something else stands in its way.
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

// hand delivers records that were opened without a slot.
func (e *Engine) hand(opened ...*Delivery) {
	for _, d := range opened {
		e.cfg.Handler.Handle(d.part.ctx, d)
	}
}

// is tells whether a record is in a state.
func (e *Engine) is(d *Delivery, state queue.State) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return d.queued.State() == state
}

// wakeUp ends a record's wait before its time.
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

// Hasten makes every held record ready at once whose hold is not firm, in the order
// of their times: what they waited for is over.
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
