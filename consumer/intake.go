package consumer

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/progress"
)

// takeIn handles one partition's part of an answer. left is how many parts have records that
// are not taken in yet, this one included.
func (g *member) takeIn(p *partition, broker int32, a *fetch.Answer, left int) {
	switch {
	case a.Err != nil:
		g.fetchRefused(p, broker, a.Err)
		return
	case a.Diverges != nil:
		if !g.leavesNear(p, broker) {
			g.distrusts(p)
		}
		g.release(p, errDiverging)
		return
	case a.Preferred != noReplica && a.Preferred != broker:
		g.engine.mu.Lock()
		p.near = near{a.Preferred, time.Now().Add(nearFor)}
		g.engine.mu.Unlock()
		g.release(p, nil)
		return
	}
	e := g.engine
	e.mu.Lock()
	p.logEnd = a.HighWatermark
	g.allot(p, left)
	from := p.Position()
	e.mu.Unlock()

	rd := a.Records(from, e.limits())
	defer rd.Close()
	err := g.read(p, rd)
	e.mu.Lock()
	p.unreadable = err != nil
	p.weigh(a.LastStableOffset, time.Now())
	paused := p.paused
	e.mu.Unlock()
	if err != nil {
		eventLogUnreadable.Log(e.log, slog.String("topic", p.Topic), slog.Any("partition", p.Number),
			slog.Int64("offset", rd.Position()), slog.String("error", err.Error()))
	}
	// The log has records, but the answer yields none: a pause is needed before the next request.
	stuck := rd.Position() == from && from < a.LastStableOffset && a.Len() > 0 && paused == BoundNone
	if err == nil && stuck {
		err = errStuck
	}
	g.release(p, err)
}

// errDiverging: the replica answered DIVERGING_EPOCH.
var errDiverging = errors.New("the log is not the one that was read before (DIVERGING_EPOCH)")

var errStuck = errors.New("the answer brings nothing of what there is")

func (e *Engine) limits() fetch.Limits {
	return fetch.Limits{MaxRecordBytes: max(hardRecordLimit, 4*e.cfg.MaxRecordBytes)}
}

// hardRecordLimit is the size to which one record may always unpack; beyond it, up to four times
// Config.MaxRecordBytes. It is a limit because a small batch can claim any size. Kafka's
// default limit is 1 MiB.
const hardRecordLimit = 32 << 20

// read takes in as many of the reader's records as the partition has room for.
func (g *member) read(p *partition, rd *fetch.Reader) error {
	e := g.engine
	var batch []*Delivery
	var orderKeys []string
	for {
		e.mu.Lock()
		if p.phase != reading || p.drain != nil {
			e.mu.Unlock()
			return nil
		}
		records, bytes, bound := p.room()
		if bound != BoundNone {
			p.paused = bound
			e.mu.Unlock()
			return nil
		}
		empty := p.Len() == 0
		e.mu.Unlock()

		batch, orderKeys = batch[:0], orderKeys[:0]
		var last error
		var full Bound
		var wants *Delivery // the record that did not fit
		now := time.Now()
		for len(batch) < min(records, takeInAtOnce) {
			var rec fetch.Record
			if rec, last = rd.Next(); last != nil {
				break
			}
			d := newDelivery(p, rec, now)
			orderKey := e.cfg.OrderKey(&d.Record)
			d.progress.Before = rd.Before()
			d.queued.Cost += len(orderKey) // its key queue keeps the order key, and may hold this record alone
			first := empty && len(batch) == 0
			if !first && d.queued.Cost > bytes {
				full, wants = BoundBytes, d
				break
			}
			bytes -= d.queued.Cost
			batch = append(batch, d)
			orderKeys = append(orderKeys, orderKey)
			if d.oversized {
				d.strip()
			}
		}
		if g.add(p, batch, orderKeys, full, wants, last, rd.Position(), rd.Epoch()) {
			return nil
		}
		if last != nil {
			return onlyEnd(last)
		}
	}
}

// framing is the bytes of a batch in the log beside its one record's: 61 for the batch
// and a dozen for lengths.
const framing = 80

// takeInAtOnce is how many records are decoded before they are added.
const takeInAtOnce = 256

func onlyEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func newDelivery(p *partition, rec fetch.Record, now time.Time) *Delivery {
	d := &Delivery{Record: Record{Topic: p.Topic, Partition: p.Number, Record: rec}, part: p, size: payload(&rec)}
	d.progress.Of, d.progress.Offset, d.progress.Epoch, d.progress.Before = d, rec.Offset, rec.Epoch, progress.UnknownEpoch
	d.oversized = d.size > p.engine.cfg.MaxRecordBytes
	d.queued.Of, d.queued.Cost, d.queued.Unloaded = d, recordOverhead, d.oversized
	if !d.oversized {
		d.queued.Cost += d.size
	}
	d.readAt(now)
	return d
}

// readAt sets when the record was first read. This is also its Time if its timestamp is not
// credible.
func (d *Delivery) readAt(now time.Time) {
	d.Read, d.Record.Time = now, now
	if t, believable := d.Record.Dated(); believable && !t.After(now) {
		d.Record.Time = t
	}
}

// add queues a batch and reports whether reading of this answer must stop. position and epoch
// are the reader's: the next offset and the leader epoch below it.
func (g *member) add(p *partition, batch []*Delivery, orderKeys []string, full Bound, wants *Delivery, last error, position int64, epoch int32) (stop bool) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.phase != reading || p.drain != nil {
		return true
	}
	readied, size := 0, 0
	for i, d := range batch {
		size += d.size
		if before := d.progress.Before; before != progress.UnknownEpoch {
			p.Advance(d.Record.Offset, before) // past markers
		}
		if p.FinishedBefore(d.Record.Offset) {
			p.Pass(d.Record.Offset, d.Record.Epoch)
			continue
		}
		p.memories.recall(d)
		if d.oversized {
			eventRecordLarge.Log(e.log, slog.String("topic", p.Topic), slog.Any("partition", p.Number),
				slog.Int64("offset", d.Record.Offset), slog.Int("bytes", d.size))
		}
		if p.join(d, orderKeys[i]) {
			readied++
		}
	}
	g.recount(p)
	if len(batch) > 0 {
		p.size = size/len(batch) + framing
	}
	if full == BoundNone && (last == nil || errors.Is(last, io.EOF)) {
		p.Advance(position, epoch)
	}
	g.dirty = true
	p.paused, p.wants = full, 0
	if wants != nil {
		p.wants = wants.queued.Cost
	}
	if readied > 0 {
		e.markReady(p)
	}
	return full != BoundNone
}
