package consumer

import (
	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/queue"
)

// A record settles between its delivery and its end: it is not sent again, and the next record of
// its order key goes on, but the commit waits for it. It has neither a slot nor its bytes. It
// counts as an unfinished record, so that the bounds of those bound it too.

// settlingOverhead is the bytes that a settling record costs beside its entry: what is written
// about it.
const settlingOverhead = 1024

// Delivered ends the delivery, but does not finish the record: the commit waits for Done. The
// record is not delivered again, unless Leave is called. Do not use the record's bytes afterwards.
func (d *Delivery) Delivered() { d.part.engine.delivered(d) }

// Settled is Done for several delivered records of one engine, under one lock.
func Settled(records []*Delivery) {
	e := records[0].part.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range records {
		if d.settling {
			e.settle(d)
		}
	}
}

// Leave leaves a delivered record unfinished, for its partition's next owner. Call it only when
// the context of the delivery has ended.
func (d *Delivery) Leave() { d.part.engine.leave(d) }

// Lost reports whether another member may own the partition: to finish the record has no effect.
func (d *Delivery) Lost() bool {
	e := d.part.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	return d.part.phase == revoked || d.part.member.fenced.Err() != nil
}

// settlingCost is the bytes that a settling record costs.
func (d *Delivery) settlingCost() int {
	cost := d.queued.Cost + settlingOverhead
	if !d.oversized {
		cost -= d.size
	}
	return cost
}

func (e *Engine) delivered(d *Delivery) {
	e.mu.Lock()
	if d.queued.State() != queue.Open || d.settling {
		e.mu.Unlock()
		return
	}
	evicted, slot := d.Evicted, e.dropSlot(d)
	e.opened.remove(d)
	d.Evicted, d.settling = "", true
	e.putLarge(d)
	d.Record.Key, d.Record.Value, d.Record.Headers = nil, nil, fetch.Headers{}
	p := d.part
	p.settling.Records, p.settling.Bytes = p.settling.Records+1, p.settling.Bytes+d.settlingCost()
	if p.phase != revoked {
		p.Leave(&d.queued)
		e.evict(p, evicted, nil)
		e.markReady(p)
		e.unpause(p)
	}
	e.mu.Unlock()
	if slot {
		e.cfg.Gate.Release(true)
	}
}

// settled ends a record's settling. It reports whether the record may be finished: not if its
// partition was revoked. The mutex is held.
func (e *Engine) settled(d *Delivery) (current bool) {
	p := d.part
	d.settling = false
	p.Closed(&d.progress)
	p.ended()
	p.settling.Records, p.settling.Bytes = p.settling.Records-1, p.settling.Bytes-d.settlingCost()
	return p.phase != revoked
}

func (e *Engine) leave(d *Delivery) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d.settling {
		e.settled(d)
	}
}

// settle finishes a settling record.
func (e *Engine) settle(d *Delivery) {
	if !e.settled(d) {
		return
	}
	p := d.part
	p.Finish(&d.progress)
	p.member.dirty = true
	e.markReady(p) // it can no longer split a run, so another may fit
	e.unpause(p)
}
