package consumer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/queue"
	"release-forwarder/consumer/wire"
)

// A record above Config.MaxRecordBytes is large. Its bytes are in memory only while it is
// tried, one record at a time in the process. When it is read, its offset, order key, leader
// epoch, time and size are kept, and its bytes are dropped. When its turn comes, its bytes are
// loaded: one Fetch for this record. So a large record that waits delays no other, and costs no
// more memory than a small one. The price is one more Fetch for each try.
//
//	state     | entered by                           | left by
//	----------+--------------------------------------+-----------------------------------
//	unloaded  | it is its key queue's head and ready | its turn, and none is in memory -> loading
//	loading   | its bytes are being read             | read -> ready, before all others of its
//	          |                                      | queue; no longer in Kafka -> gone; else
//	          |                                      | held, and loaded again later
//	ready     | like any other                       | a worker takes it -> open; its partition
//	          |                                      | reaches the bound of gaps -> unloaded
//	open      | like any other                       | any end: its bytes are dropped
//
// A loaded record may wait for the gate or the lease: they stop all large records alike. A
// drain and the bound of gaps stop only its partition: its bytes are dropped, and another large
// record is loaded.

// strip drops a large record's bytes.
func (d *Delivery) strip() {
	d.Record.Key, d.Record.Value, d.Record.Headers = nil, nil, fetch.Headers{}
	d.queued.Unloaded = true
}

// putLarge drops the bytes of a large record and loads the next one. It does nothing for a
// small one. The engine's mutex is held here and below.
func (e *Engine) putLarge(d *Delivery) {
	if !d.oversized {
		return
	}
	d.strip()
	if e.large == d {
		e.large = nil
		e.loadNext()
	}
}

// unload drops the bytes of a partition's large record that is loaded but not open.
func (e *Engine) unload(p *partition) {
	d := e.large
	if d == nil || d.part != p || d.queued.State() != queue.Ready {
		return
	}
	d.strip()
	p.Unload(&d.queued)
	e.large = nil
	e.loadNext()
}

// loadNext starts to load the next large record, if none is in memory.
func (e *Engine) loadNext() {
	if e.large != nil || e.stopped || e.suspended || e.member == nil {
		return
	}
	for _, p := range e.member.parts {
		if p.drain != nil {
			continue
		}
		d := p.nextToLoad()
		if d == nil {
			continue
		}
		e.large = d
		e.running.Go(func() { e.load(p.member, d) })
		return
	}
}

// nextToLoad takes the partition's next large record to load; nil: none.
func (p *partition) nextToLoad() *Delivery {
	d := p.Head(queue.Unloaded)
	if d != nil && !p.fits() {
		d = p.First() // as in choose
	}
	if d == nil || !p.Load(&d.queued) {
		return nil
	}
	return d
}

// errGone: Kafka no longer has the record.
var errGone = errors.New("the record is no longer in the log")

// load reads a large record's bytes and makes the record ready.
func (e *Engine) load(g *member, d *Delivery) {
	rec, err := g.readAgain(d)
	e.mu.Lock()
	opened := e.loaded(d, rec, err)
	e.mu.Unlock()
	if opened {
		e.hand(d)
	}
}

// loaded stores a large record's bytes, or notes why they could not be read.
func (e *Engine) loaded(d *Delivery, rec fetch.Record, err error) (opened bool) {
	switch {
	case err == nil:
		d.failing = time.Time{}
	case d.failing.IsZero():
		d.failing = time.Now()
	}
	if e.large != d || d.queued.State() != queue.Loading {
		return false // its partition was revoked meanwhile
	}
	p := d.part
	p.reread, p.rereads = "", time.Time{}
	switch {
	case err == nil:
		if p.drain != nil { // it is no longer tried, so another one may be loaded
			e.large = nil
			p.Unload(&d.queued)
			break
		}
		d.Record.Key, d.Record.Value, d.Record.Headers = rec.Key, rec.Value, rec.Headers
		d.queued.Unloaded, d.loads = false, retry{}
		d.beyond = time.Time{}
		if d.queued.Blocking() && e.openNow(d) {
			return true
		}
		p.Loaded(&d.queued)
		e.markReady(p)
		return false
	case errors.Is(err, errGone):
		e.large = nil
		e.gone(d)
	default:
		e.large = nil
		d.loads.after(1, 0)
		p.reread, p.rereads = wire.Cause(err), d.failing
		e.timed.Add(&d.queued, d.loads.next, d.hold.Firm)
		e.schedule()
		if p.ctx.Err() == nil {
			eventLargeUnreadable.Log(e.log,
				slog.String("topic", p.Topic), slog.Any("partition", p.Number), slog.Int64("offset", d.Record.Offset),
				slog.String("cause", wire.Cause(err)), slog.String("error", err.Error()))
		}
	}
	e.loadNext()
	return false
}

// gone passes over a record that Kafka dropped while it waited, counts it and logs it.
func (e *Engine) gone(d *Delivery) {
	p, offset := d.part, d.Record.Offset
	if d.queued.Blocking() {
		e.heldBy[d.hold.Reason]--
	}
	p.leave(d)
	p.member.dirty = true
	e.dropped(p.topicPartition, 1)
	eventLargeDropped.Log(e.log, slog.String("topic", p.Topic), slog.Any("partition", p.Number), slog.Int64("from", offset),
		slog.Int64("to", offset+1), slog.Int("count", 1))
	e.markReady(p)
	e.unpause(p)
}

// readAgain reads one record from its partition's leader. It must have the offset and the
// epoch of the one that was read before; any other record is of another log.
func (g *member) readAgain(d *Delivery) (rec fetch.Record, err error) {
	e, p, offset := g.engine, d.part, d.Record.Offset
	ctx, cancel := context.WithTimeout(p.ctx, requestTimeout)
	defer cancel()
	leaders, err := g.leaders(ctx)
	l := leaders.of(p.topicPartition)
	if err = cmp.Or(err, l.err); err != nil {
		return rec, err
	}
	e.mu.Lock()
	logID := p.logID
	e.mu.Unlock()
	if logID != (wire.ID{}) && l.id != (wire.ID{}) && l.id != logID {
		return rec, errGone // its topic is gone
	}
	// With a limit of one byte the broker sends the first batch whole, and no second one.
	res, err := fetch.Do(ctx, e.cfg.Wire, &fetch.Request{
		Broker: l.broker, ClientID: e.cfg.ClientID, MinBytes: 1, MaxBytes: 1,
		Partitions: []fetch.Partition{{
			Topic: p.Topic, TopicID: logID, Partition: p.Number, Offset: offset, LeaderEpoch: l.epoch, LastEpoch: progress.UnknownEpoch, MaxBytes: 1,
		}},
	})
	if err != nil {
		return rec, err
	}
	defer res.Free()
	if len(res.Partitions) != 1 {
		return rec, fetch.ErrLeftOut
	}
	a := &res.Partitions[0]
	switch {
	case errors.Is(a.Err, kafka.OffsetOutOfRange):
		return rec, g.outOfLog(ctx, d, l)
	case a.Err != nil:
		if staleLeader(a.Err) {
			e.cfg.Wire.Refresh()
		}
		return rec, a.Err
	}
	rd := a.Records(offset, e.limits())
	defer rd.Close()
	switch rec, err = rd.Next(); {
	case err == nil && rec.Offset == offset && rec.Epoch == d.Record.Epoch:
		return rec, nil
	case err == nil, errors.Is(err, io.EOF) && rd.Position() > offset:
		return rec, errGone // another record or none: compaction, or another log
	case errors.Is(err, io.EOF):
		return rec, errStuck // not readable yet: the leader lags
	}
	return rec, err
}

// outOfLog judges a record whose offset is not in the log. Below the log's start the record is
// gone. Above its end it is gone only after settleTime without a change: a new leader may lag.
func (g *member) outOfLog(ctx context.Context, d *Delivery, l leader) error {
	b, err := offsets.Bounds(ctx, g.engine.cfg.Wire, d.part.Topic, d.part.Number, wire.Partition{Leader: l.broker, Epoch: l.epoch}, false)
	switch {
	case err != nil:
		return err
	case d.Record.Offset < b.First:
		return errGone
	case d.Record.Offset < b.End: // the leader has caught up, or there is another leader
		d.beyond = time.Time{}
	case d.beyond.IsZero():
		d.beyond = time.Now()
	case time.Since(d.beyond) >= settleTime:
		return errGone
	}
	return kafka.OffsetOutOfRange
}
