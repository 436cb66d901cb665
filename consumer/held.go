package consumer

import "time"

// hold notes that a record waits for another try, until unhold.
func (e *Engine) hold(d *Delivery, h Hold) {
	d.hold = h
	e.heldBy[h.Reason]++
	p := d.part
	p.setStuck(d.lane, true, h.Quota)
	if h.Quota != "" && p.overHalf(p.quotas[h.Quota]) {
		e.push(p, h.Quota, d)
	}
}

// push delivers the longest waiting record of a quota now, to make room.
func (e *Engine) push(p *partition, quota string, but *Delivery) {
	now := time.Now()
	d := p.longest(quota, but, now)
	if d == nil {
		return
	}
	d.MakeRoom, d.pushed = true, now
	if d.state == held {
		e.timed.remove(d)
		e.ripe(d)
	}
}

func (e *Engine) unhold(d *Delivery) {
	e.heldBy[d.hold.Reason]--
	d.part.setStuck(d.lane, false, "")
}

// schedule sets the one timer to the earliest held record.
func (e *Engine) schedule() {
	if len(e.timed) == 0 || e.stopped {
		return
	}
	wait := max(0, time.Until(e.timed[0].until))
	if e.timer == nil {
		e.timer = time.AfterFunc(wait, e.ripen)
		return
	}
	e.timer.Reset(wait)
}

// ripen makes every held record ready whose time has come.
func (e *Engine) ripen() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.release(time.Now())
}

func (e *Engine) release(now time.Time) {
	for len(e.timed) > 0 && !e.timed[0].until.After(now) {
		e.ripens.begun++
		e.ripe(e.timed.pop())
	}
	e.schedule()
}

func (e *Engine) ripe(d *Delivery) {
	d.state = ready
	if d.hold.NoSlot {
		d.part.enqueue(d.lane, &d.part.errands)
	} else {
		d.part.enqueue(d.lane, &d.part.due)
	}
	e.arm(d.part)
}

// Hasten makes every held record ready at once whose hold is not firm, in the order
// of their times: what they waited for is over.
func (e *Engine) Hasten() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.timed.hasten() {
		e.ripe(d)
	}
	e.schedule()
}
