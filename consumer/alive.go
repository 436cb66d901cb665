package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"release-forwarder/consumer/queue"
)

// The engine is alive while deliveries move: each ends within its limit, and each that could
// begin does. A watchdog judges once a second what has happened, not whether the lock is free.
//
//	stuck                                            not stuck
//	a delivery open for stuckAfter longer than       a held record
//	Config.DeliveryLimit
//	a partition of which nothing was tried for       a gate that is closed, paused, between two
//	stuckAfter, although a record was ready and the  turns or full; the bound of gaps; a lease that
//	gate had a slot at each look                     has ended; a drain; no generation
//	a held record that was due stuckAfter ago
//	the lock, if the watchdog could not get it for stuckAfter
//
// So an outage of any length is not stuck: deliveries fail, are held and tried again, or the gate
// gives no slot.
//
// Time is counted in ticks of a goroutine that needs no lock. A frozen process or a machine that
// sleeps counts no ticks: what was open meanwhile is not late when it wakes.
const (
	tick       = time.Second
	stuckAfter = 30 * time.Second
)

const stuckTicks = int64(stuckAfter / tick)

// seen is the watchdog's last verdict.
type seen struct {
	at    int64  // tick
	stuck string // what does not move; "" while all does
}

// Alive reports whether deliveries move, and if not, what is stuck. It takes no lock.
func (e *Engine) Alive() (ok bool, why string) {
	s, now := e.seen.Load(), e.ticks.Load()
	switch {
	case s == nil: // Run has not begun
		return true, ""
	case now-s.at > stuckTicks:
		return false, fmt.Sprintf("no one could take the engine's lock for %s", time.Duration(now-s.at)*tick)
	}
	return s.stuck == "", s.stuck
}

// watchdog counts the ticks and looks at each.
func (e *Engine) watchdog(ctx context.Context) {
	var looking sync.WaitGroup
	defer looking.Wait()
	looks := make(chan struct{}, 1)
	defer close(looks)
	e.seen.Store(&seen{at: e.ticks.Load()})
	looking.Go(func() {
		for range looks {
			e.look()
		}
	})
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			e.ticks.Add(1)
			poke(looks)
		case <-ctx.Done():
			return
		}
	}
}

// look judges whether anything is stuck.
func (e *Engine) look() {
	may, full := true, false
	if e.cfg.Slot != nil {
		may, full = e.cfg.Slot()
	}
	e.mu.Lock()
	now := e.ticks.Load()
	stuck := e.stuck(now, may && (!full || e.slots == 0)) // full, but no delivery has a slot: the slots are lost
	e.mu.Unlock()
	before := e.seen.Swap(&seen{now, stuck})
	if stuck != "" && before.stuck == "" {
		eventStuck.Log(e.log, slog.String("what", stuck))
	}
}

// stuck says what is stuck, "" if nothing is; slot says whether the gate has a slot.
func (e *Engine) stuck(now int64, slot bool) string {
	if d := e.opened.first; d != nil && now-d.endsBy >= stuckTicks {
		return fmt.Sprintf("the delivery of %s has taken %s longer than its limit, %s", at(d), time.Duration(now-d.endsBy)*tick, e.cfg.DeliveryLimit)
	}
	if d, until := e.timed.First(); e.dues.stands(d != nil && time.Since(until) > tick) {
		return fmt.Sprintf("%s is held although its time came at %s", at(d), until.UTC().Format(time.RFC3339))
	}
	if e.member == nil {
		return ""
	}
	open := !e.stopped && time.Now().Before(e.member.lease)
	for _, p := range e.member.parts {
		if p.takes.stands(open && slot && p.drain == nil && p.deliverable()) {
			return fmt.Sprintf("nothing of %s/%d was tried for %s although records are due and nothing stands in their way; the first unfinished is offset %d",
				p.Topic, p.Number, stuckAfter, p.Watermark())
		}
	}
	return ""
}

// deliverable reports whether a delivery could begin. A large record that is not loaded cannot.
func (p *partition) deliverable() bool {
	if p.overfull() { // only the first unfinished record may start
		d := p.First()
		return d != nil && d.queued.In() != queue.None && d.queued.In() != queue.Unloaded
	}
	return p.Ready() > 0
}

func at(d *Delivery) string {
	return fmt.Sprintf("%s/%d/%d", d.Record.Topic, d.Record.Partition, d.Record.Offset)
}

// standstill counts the looks in a row at which something could have begun, and nothing did.
type standstill struct {
	begun, seen uint64 // how often something began, until now and until the last look
	looks       int64
}

func (s *standstill) stands(could bool) bool {
	if !could || s.begun != s.seen {
		s.seen, s.looks = s.begun, 0
		return false
	}
	s.looks++
	return s.looks > stuckTicks
}

// openList is the open deliveries, in the order in which they must end. All have the same limit.
type openList struct{ first, last *Delivery }

func (l *openList) add(d *Delivery) {
	d.openBefore, d.openAfter, d.listed = l.last, nil, true
	if l.last == nil {
		l.first = d
	} else {
		l.last.openAfter = d
	}
	l.last = d
}

func (l *openList) remove(d *Delivery) {
	if !d.listed {
		return
	}
	if d.openBefore == nil {
		l.first = d.openAfter
	} else {
		d.openBefore.openAfter = d.openAfter
	}
	if d.openAfter == nil {
		l.last = d.openBefore
	} else {
		d.openAfter.openBefore = d.openBefore
	}
	d.openBefore, d.openAfter, d.listed = nil, nil, false
}

// moves starts a delivery's limit.
func (e *Engine) moves(d *Delivery) {
	if e.cfg.DeliveryLimit <= 0 {
		return
	}
	e.opened.remove(d)
	d.endsBy = e.ticks.Load() + int64((e.cfg.DeliveryLimit+tick-1)/tick) + 1 // the present tick may end at once
	e.opened.add(d)
}
