package consumer

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"release-forwarder/consumer/queue"
)

// Engine delivers the records of the partitions its group gives it. Make one with
// New, then call Run once.
type Engine struct {
	cfg Config
	log *slog.Logger

	// ctx is what idle workers wait under; ended when Run returns.
	ctx     context.Context
	quit    context.CancelFunc
	running sync.WaitGroup // workers, and whatever else delivers
	seeing

	mu lock
	// The rest is guarded by mu.
	pool
	holding
	groupState
	commitLimits
	openDeliveries
}

// lock is the engine's mutex. Hooks are called without it: what they are to be told while it is held is
// told when it is given up.
type lock struct {
	sync.Mutex
	tells []func()
}

// Unlock gives the mutex up, and tells what is to be told.
func (l *lock) Unlock() {
	tells := l.tells
	l.tells = nil
	l.Mutex.Unlock()
	for _, tell := range tells {
		tell()
	}
}

// tell has a hook called when the mutex, which is held, is given up.
func (e *Engine) tell(hook func()) { e.mu.tells = append(e.mu.tells, hook) }

// dropped tells of records that Kafka has no more. The mutex is held.
func (e *Engine) dropped(tp topicPartition, count int64) {
	e.tell(func() { e.cfg.Hooks.Dropped(tp.Topic, tp.Number, count) })
}

// pool is the workers, and what they choose from.
type pool struct {
	// wake is signalled for each key queue that may be delivered.
	wake *sync.Cond
	ring []*partition // that have something ready, the next first
	// workers there are; idle of them wait for something to deliver, looking of them
	// have been woken for it, and may wait for the gate.
	workers, idle, looking int
	stopped                bool
	// suspended says that the group has not been heard of for a session
	// time-out: another may own the partitions.
	suspended bool
}

// holding is the records that wait for another try.
type holding struct {
	timed  queue.Timetable[*Delivery]
	timer  *time.Timer
	heldBy map[string]int // by reason
	// large is the record above Config.MaxRecordBytes that is in memory, or is being
	// read; nil: none is.
	large *Delivery
}

// groupState is what is known of the group and its topics, from the first join to the end of the
// process.
type groupState struct {
	member *member // nil before Run
	// subscribed are the topics of the last join; toldAbsent says that a missing one was logged.
	subscribed []string
	toldAbsent bool
	// cached of the partitions that were given up: where the same
	// process gets one back before anybody else has committed, it repeats
	// nothing, although its last commits were not taken.
	cached map[topicPartition]cachedProgress

	contact time.Time   // when the group's coordinator last answered anything
	joined  bool        // it was in the group once
	started bool        // a partition has been read
	outside time.Time   // since when it has not been in the group; zero while it is
	refused time.Time   // since when joining has failed, again and again; zero where it has not
	trouble joinTrouble // of the last time, while refused is not zero
	// uncommitted is since when no commit that was sent has been taken.
	uncommitted time.Time
	brokers     int // as last seen
	counts      map[string]topicCount
}

// commitLimits are what was learnt of what the coordinator takes.
type commitLimits struct {
	// noMetadata says that the broker takes less commit metadata than ours, noEvidence that it
	// does not even take by what a log is known.
	noMetadata, noEvidence bool
	// size is what a commit may hold; splits and strips say that it was logged that
	// commits are sent in parts, or without metadata.
	size           commitSize
	splits, strips bool
}

// openDeliveries is what the watchdog looks at, see alive.go.
type openDeliveries struct {
	opened openList   // deliveries in hand
	slots  int        // of the gate, which they have
	dues   standstill // of the earliest held record
}

// seeing is what the watchdog counts and saw; without the mutex, which may be what is stuck.
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

// answerBytes is the part of MaxPendingBytes kept for answers being read.
func (e *Engine) answerBytes() int64 { return e.cfg.MaxPendingBytes / 4 }

// markReady puts a partition among those that have something to deliver and sees to it
// that a worker looks. The one that takes a key queue wakes the next.
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

// wakeWorker wakes one worker, or starts one where all have a record and more are allowed.
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

// work is one worker: it waits for something to deliver, then for the gate, and
// only then chooses.
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
		e.wake.Wait() // for wakeWorker, which counts it
	}
	return false
}

// take chooses the next key queue's head, partition by partition in turn. A
// probe looks for records never tried in all partitions first.
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
			continue // it comes back when something of it changes
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

// open begins a try of a record that was taken, with a slot of the gate or without
// one.
func (e *Engine) open(d *Delivery, slot bool) {
	p := d.part
	d.OverHalf = p.overHalf(p.Blocked()) // itself included: it is one of those that wait
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

// close ends the open try of d, whose slot the caller gives back if it is told
// to. False means that the try was ended before, or the record's partition was
// revoked meanwhile: then the record is another's.
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

// dropSlot takes the slot from d that it has, if any, for the caller to give back.
func (e *Engine) dropSlot(d *Delivery) (had bool) {
	if had = d.slot; had {
		d.slot = false
		e.slots--
	}
	return had
}

func (e *Engine) done(d *Delivery) {
	e.mu.Lock()
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
		e.markReady(d.part) // what it might have split is whole
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

// settleSlot gives back the slot of a try whose handler returned without ending
// it: what is left of it (a dead letter being written) needs none. Its worker looks
// again.
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

// renew notes until when no other member can own what this one owns.
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

// heard notes that the group's coordinator answered something.
func (e *Engine) heard() {
	e.mu.Lock()
	e.contact = time.Now()
	e.mu.Unlock()
}

// unpause lets a partition be read again once there is room.
func (e *Engine) unpause(p *partition) {
	p.member.recount(p)
	p.readOn()
}
