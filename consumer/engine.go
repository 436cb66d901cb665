package consumer

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"release-forwarder/consumer/queue"
)

// Engine delivers the records of the partitions that its group assigns. Make one with
// New, then call Run once.
type Engine struct {
	cfg Config
	log *slog.Logger

	// ctx ends when Run returns: workers at the gate stop waiting.
	ctx     context.Context
	quit    context.CancelFunc
	running sync.WaitGroup // workers, and other goroutines that deliver or load
	seeing

	mu lock
	// The rest is guarded by mu.
	pool
	holding
	groupState
	commitLimits
	openDeliveries
}

// lock is the engine's mutex. Hooks are called without it: a call that is asked for while it
// is held is made right after the unlock.
type lock struct {
	sync.Mutex
	tells []func() // calls of hooks to make after the unlock
}

// Unlock unlocks the mutex, then calls the hooks.
func (l *lock) Unlock() {
	tells := l.tells
	l.tells = nil
	l.Mutex.Unlock()
	for _, tell := range tells {
		tell()
	}
}

// tell has a hook called after the unlock. The mutex is held.
func (e *Engine) tell(hook func()) { e.mu.tells = append(e.mu.tells, hook) }

// dropped reports records that Kafka no longer has. The mutex is held.
func (e *Engine) dropped(tp topicPartition, count int64) {
	e.tell(func() { e.cfg.Hooks.Dropped(tp.Topic, tp.Number, count) })
}

// pool is the workers, and the partitions from which they choose.
type pool struct {
	// wake is signalled for each key queue that may be delivered.
	wake *sync.Cond
	ring []*partition // partitions with a ready key queue; the next to serve is first
	// workers is how many there are. Of these, idle wait for something to deliver; looking
	// were woken for it and may wait for the gate.
	workers, idle, looking int
	stopped                bool
	// suspended: the lease has ended, so another member may own the partitions.
	suspended bool
}

// holding is the held records.
type holding struct {
	timed  queue.Timetable[*Delivery]
	timer  *time.Timer
	heldBy map[string]int // by reason
	// large is the one record above Config.MaxRecordBytes that is in memory or being
	// loaded; nil: none.
	large *Delivery
}

// groupState is what is known of the group and its topics. It lives as long as the process.
type groupState struct {
	member *member // nil before Run
	// subscribed are the topics of the last join. toldAbsent are those that did not exist, as was
	// logged.
	subscribed, toldAbsent []string
	// cached is the progress of partitions that were given up. If this process gets one back
	// before another member commits, it repeats nothing, even if its last commits failed.
	cached map[topicPartition]cachedProgress

	contact time.Time   // when the group's coordinator last answered anything
	joined  bool        // this process was in the group once
	started bool        // some partition has started
	outside time.Time   // since when this process is outside the group; zero: it is in it
	refused time.Time   // since when each join has failed; zero: the last one did not
	trouble joinTrouble // why the last join failed, while refused is not zero
	// uncommitted is since when the coordinator has accepted no commit; zero: the last one was accepted.
	uncommitted time.Time
	brokers     int // as the metadata last reported
	counts      map[string]topicCount
}

// commitLimits is what the coordinator accepts, as far as its refusals show.
type commitLimits struct {
	// noMetadata: the broker accepts less commit metadata than 4,096 bytes. noEvidence: it does
	// not even accept the some 40 bytes of topic ID and epoch.
	noMetadata, noEvidence bool
	// size is what one request may hold. splits and strips: it was logged that commits are
	// sent in parts, or without metadata.
	size           commitSize
	splits, strips bool
}

// openDeliveries is what the watchdog judges; see alive.go.
type openDeliveries struct {
	opened openList   // the open deliveries
	slots  int        // slots of the gate that they have
	dues   standstill // of the earliest held record
}

// seeing is the watchdog's count and its last verdict. The mutex does not guard it: the mutex may
// be what is stuck.
type seeing struct {
	ticks atomic.Int64
	seen  atomic.Pointer[seen]
}

// New makes an engine. It contacts nothing.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg, log: cfg.Log}
	e.wake = sync.NewCond(&e.mu)
	e.timed = queue.NewTimetable[*Delivery]()
	e.heldBy, e.size = map[string]int{}, widest
	e.counts, e.cached = map[string]topicCount{}, map[topicPartition]cachedProgress{}
	e.ctx, e.quit = context.WithCancel(context.Background())
	return e
}

// share is the bytes of unfinished records each partition may hold.
func (e *Engine) share() int64 {
	n := int64(1)
	if e.member != nil {
		n = int64(max(1, len(e.member.parts)))
	}
	return (e.cfg.MaxPendingBytes - e.answerBytes()) / n
}

// answerBytes is the part of MaxPendingBytes for answers being read: a quarter.
func (e *Engine) answerBytes() int64 { return e.cfg.MaxPendingBytes / 4 }

// markReady puts a partition with a ready key queue into the ring and wakes one worker.
// A worker that takes a key queue wakes the next.
func (e *Engine) markReady(p *partition) {
	if p.phase == revoked || p.drain != nil {
		return
	}
	if p.Count(queue.Unloaded) > 0 {
		e.loadNext()
	}
	if p.Ready() == 0 {
		return
	}
	if !p.inRing {
		p.inRing = true
		e.ring = append(e.ring, p)
	}
	e.wakeWorker()
}

// wakeWorker wakes one idle worker. If none is idle or looking, it starts one, up to Config.Workers.
func (e *Engine) wakeWorker() {
	switch {
	case e.suspended || e.stopped:
	case e.idle > 0:
		e.idle--
		e.looking++
		e.wake.Signal()
	case e.looking == 0 && e.workers < e.cfg.Workers:
		e.workers++
		e.looking++
		e.running.Go(e.work)
	}
}

// work is one worker. It waits for something to deliver, then for the gate, and only then
// chooses a record.
func (e *Engine) work() {
	for e.await() {
		probe, err := e.cfg.Gate.Acquire(e.ctx)
		if err != nil {
			return
		}
		d, try := e.take(probe)
		if d == nil {
			e.cfg.Gate.Release(false)
			continue
		}
		e.cfg.Handler.Handle(d.part.ctx, d)
		e.settleSlot(d, try)
	}
}

// await waits until something may be delivered; false: the engine has stopped.
func (e *Engine) await() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.stopped {
		if len(e.ring) > 0 && !e.suspended {
			return true
		}
		e.idle++
		e.looking--
		e.wake.Wait() // wakeWorker counts it as looking
	}
	return false
}

// take opens the head of the next key queue; partitions take turns. A probe takes
// a record that was never tried, if any partition has one.
func (e *Engine) take(probe bool) (d *Delivery, try int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.member == nil || e.stopped {
		return nil, 0
	}
	if !time.Now().Before(e.member.lease) {
		e.suspended = true
		return nil, 0
	}
	if probe {
		for i, p := range e.ring {
			if p.Count(queue.Fresh) > 0 {
				e.ring[0], e.ring[i] = e.ring[i], e.ring[0]
				break
			}
		}
	}
	for n := len(e.ring); n > 0; n-- {
		p := e.ring[0]
		copy(e.ring, e.ring[1:])
		e.ring = e.ring[:len(e.ring)-1]
		p.inRing = false
		d := p.choose(probe)
		if d == nil {
			p.member.recount(p)
			continue // markReady adds it to the ring again
		}
		if p.Ready() > 0 {
			p.inRing = true
			e.ring = append(e.ring, p)
		}
		e.looking--
		if len(e.ring) > 0 {
			e.wakeWorker()
		}
		e.open(d, true)
		p.takes.begun++
		e.unpause(p)
		return d, d.Number
	}
	return nil, 0
}

// open begins a delivery of a record; slot says whether it has a slot of the gate.
func (e *Engine) open(d *Delivery, slot bool) {
	p := d.part
	d.OverHalf = p.overHalf(p.Blocked()) // d counts as blocked until Open
	if d.queued.Blocking() {
		if p.longest(d.hold.Quota) == d {
			d.Evicted = d.hold.Quota
		}
		e.heldBy[d.hold.Reason]--
	}
	p.Open(&d.queued)
	if d.slot = slot; slot {
		e.slots++
	}
	e.moves(d)
	d.Number++
	p.open++
	p.Opened(&d.progress)
}

// close ends the open delivery of d. If slot is true, the caller gives the slot back. current
// is false if the delivery was ended before, or if its partition was revoked: then the record
// belongs to another member.
func (e *Engine) close(d *Delivery) (slot, current bool) {
	if d.queued.State() != queue.Open {
		return false, false
	}
	slot = e.dropSlot(d)
	e.opened.remove(d)
	d.Evicted = ""
	d.part.Closed(&d.progress)
	d.part.ended()
	e.putLarge(d)
	return slot, d.part.phase != revoked
}

// dropSlot takes away the slot of d. It reports whether there was one: the caller gives it back.
func (e *Engine) dropSlot(d *Delivery) (had bool) {
	if had = d.slot; had {
		d.slot = false
		e.slots--
	}
	return had
}

func (e *Engine) done(d *Delivery) {
	e.mu.Lock()
	if d.settling {
		e.settle(d)
		e.mu.Unlock()
		return
	}
	evicted := d.Evicted
	slot, current := e.close(d)
	if current {
		p := d.part
		p.leave(d)
		e.evict(p, evicted, nil)
		p.member.dirty = true
		e.markReady(p)
		e.unpause(p)
	}
	e.mu.Unlock()
	if slot {
		e.cfg.Gate.Release(true)
	}
}

func (e *Engine) againAt(d *Delivery, t time.Time, hold Hold) {
	e.mu.Lock()
	evicted := d.Evicted
	slot, current := e.close(d)
	if current {
		e.timed.Add(&d.queued, t, hold.Firm)
		e.hold(d, hold)
		e.evict(d.part, evicted, d)
		e.schedule()
		e.markReady(d.part) // it can no longer split a run, so another may fit
		e.unpause(d.part)
	}
	e.mu.Unlock()
	if slot {
		e.cfg.Gate.Release(true)
	}
}

func (e *Engine) againInTurn(d *Delivery, hold Hold) {
	e.mu.Lock()
	slot, current := e.close(d)
	if current {
		e.hold(d, hold)
		d.part.Turn(&d.queued)
		e.markReady(d.part)
		e.unpause(d.part)
	}
	e.mu.Unlock()
	if slot {
		e.cfg.Gate.Release(true)
	}
}

func (e *Engine) returnSlot(d *Delivery, used bool) {
	e.mu.Lock()
	slot := d.queued.State() == queue.Open && e.dropSlot(d)
	e.mu.Unlock()
	if slot {
		e.cfg.Gate.Release(used)
	}
}

// settleSlot gives back the slot of a delivery whose handler returned before its end: the
// rest (a dead letter being written) needs none. The worker looks for the next record.
func (e *Engine) settleSlot(d *Delivery, try int) {
	e.mu.Lock()
	e.looking++
	slot := d.queued.State() == queue.Open && d.Number == try && e.dropSlot(d)
	e.mu.Unlock()
	if slot {
		e.cfg.Gate.Release(true)
	}
}

func (e *Engine) current(d *Delivery) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := d.part
	return d.queued.State() == queue.Open && p.phase != revoked && p.drain == nil && time.Now().Before(p.member.lease)
}

// renew extends the lease: until then no other member can own this member's partitions.
func (e *Engine) renew(g *member, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if g.fenced.Err() != nil {
		return
	}
	if until.After(g.lease) {
		g.lease = until
	}
	if e.suspended && time.Now().Before(g.lease) {
		e.suspended = false
		for range min(len(e.ring), e.cfg.Workers) {
			e.wakeWorker()
		}
		e.loadNext()
	}
}

// heard notes an answer of the group's coordinator.
func (e *Engine) heard() {
	e.mu.Lock()
	e.contact = time.Now()
	e.mu.Unlock()
}

// unpause resumes reading of a partition if there is room.
func (e *Engine) unpause(p *partition) {
	p.member.recount(p)
	p.readOn()
}
