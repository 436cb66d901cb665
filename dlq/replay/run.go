package replay

import (
	"context"
	"errors"
	"time"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
)

// batchMost is how many letters are sent between two links of the lock, and so how many a
// killed run leaves unconfirmed.
const batchMost = 100

// batchSize bounds a batch's bytes before compression; one letter may be larger.
const batchSize = 512 << 10

// Run sends letters' events again, and records each confirmed one in the ledger. It waits
// until no other run replays. When ctx ends, it finishes the current batch; another call
// continues from there. doc.go says what happens when a run is killed.
func (d *Replayer) Run(ctx context.Context, p *Plan) error {
	mine := *p
	r := &run{replayer: d, Plan: &mine, held: map[string]bool{}, targets: map[string]*target{}}
	var err error
	for _, to := range r.To {
		if r.targets[to], err = d.target(ctx, to); err != nil {
			return err
		}
	}
	if r.ledger, err = ledger.Open(ctx, d.cfg.Ledger); err != nil {
		return err
	}
	if err := r.ledger.Ensure(ctx); err != nil {
		return err
	}
	var left ledger.Unconfirmed
	r.lease, left, err = r.ledger.Lock(ctx, func(by string) {
		if r.Waiting != nil {
			r.Waiting(by)
		}
	})
	if err != nil {
		return err
	}
	// The end of ctx must not cut the last batch or prevent the release of the lock.
	defer r.lease.Release(context.WithoutCancel(ctx))
	if len(left.Letters) > 0 && r.Doubt != nil {
		r.Doubt(left.By, left.Letters)
	}
	r.alive = func() error { return r.lease.KeepAlive(ctx) }
	spans, err := d.cfg.Reader.Spans(ctx)
	if err != nil {
		return err
	}
	if err := r.lease.Forget(ctx, spans); err != nil {
		return err
	}
	if err := d.Choose(ctx, r.ledger, r.Plan, func(s *dlq.Stored) error { return r.add(ctx, s) }); err != nil {
		return err
	}
	return r.sendBatch(ctx)
}

// run is a running replay.
type run struct {
	replayer *Replayer
	*Plan
	targets map[string]*target // by name
	ledger  *ledger.Ledger
	lease   *ledger.Lease

	batch   []item
	bytes   int
	sending []string // the current batch, for the lock
	// held are order keys of which an event could not be sent: later events of them are
	// left out.
	held map[string]bool
	next time.Time // when Rate allows the next batch
}

// target is a topic that the run sends to.
type target struct {
	Target
	log  *topic.Log
	ends map[int32]endMark
}

func (d *Replayer) target(ctx context.Context, to string) (*target, error) {
	t, err := d.Target(ctx, to)
	return &target{t, topic.NewLog(d.cfg.Wire, d.cfg.ClientID, to), map[int32]endMark{}}, err
}

// item is a letter in a batch.
type item struct {
	letter   *dlq.Stored
	record   *dlq.Record
	orderKey string // within which order is kept, with the topic; "": none
	place
	changed bool
}

// place is a partition that events are sent to.
type place struct {
	to        *target
	partition int32
}

// add adds a letter to the batch, and sends the batch when it is full.
func (r *run) add(ctx context.Context, s *dlq.Stored) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	value, changed := s.Value, false
	if r.Change != nil {
		var err error
		if value, err = r.Change(s); err != nil {
			r.leave(s, err)
			return nil
		}
		changed = string(value) != string(s.Value)
	}
	at, err := r.placeFor(s)
	if err != nil {
		return err // Choose leaves such letters out
	}
	it := item{letter: s, record: s.Record(value, changed), place: at, changed: changed}
	if r.replayer.cfg.OrderKey != nil {
		if key := r.replayer.cfg.OrderKey(s, value); key != "" {
			it.orderKey = at.to.Topic + "/" + key
		}
	}
	if r.bytes > 0 && r.bytes+it.record.Size() > batchSize {
		if err := r.sendBatch(ctx); err != nil {
			return err
		}
	}
	r.batch = append(r.batch, it)
	r.bytes += it.record.Size()
	if len(r.batch) >= r.most() {
		return r.sendBatch(ctx)
	}
	return nil
}

// placeFor returns where a letter's event is sent.
func (r *run) placeFor(s *dlq.Stored) (at place, err error) {
	to, err := r.To.Of(s)
	if err != nil {
		return at, err
	}
	at.to = r.targets[to]
	at.partition, err = at.to.Partition(s)
	return at, err
}

// most is how many letters a batch may hold: with a rate, those due in a second.
func (r *run) most() int {
	if r.Rate <= 0 {
		return batchMost
	}
	return max(1, min(batchMost, int(r.Rate)))
}

// sendBatch waits for the rate, then sends the batch. If the wait is cancelled, the batch is not
// sent. A later end of the run does not cut it.
func (r *run) sendBatch(ctx context.Context) error {
	for r.Rate > 0 && time.Now().Before(r.next) {
		if err := r.alive(); err != nil {
			return err
		}
		if err := topic.Pause(ctx, min(time.Until(r.next), ledger.RenewAfter)); err != nil {
			r.batch = nil
			return err
		}
	}
	if r.Rate > 0 {
		r.next = time.Now().Add(time.Duration(min(float64(len(r.batch))/r.Rate*float64(time.Second), float64(longestPause))))
	}
	return r.flush(context.WithoutCancel(ctx))
}

// longestPause bounds the wait between two batches, for very low rates.
const longestPause = 365 * 24 * time.Hour

// flush sends the batch and confirms it.
func (r *run) flush(ctx context.Context) error {
	batch := r.batch
	r.batch, r.bytes = nil, 0
	if len(batch) == 0 {
		return nil
	}
	r.sending = names(batch)
	if err := r.lease.Renew(ctx, r.sending); err != nil {
		return err
	}
	// Leave out letters that were decided since they were chosen: entries before our link
	// count.
	byPlace, order := map[place][]item{}, []place{}
	for _, it := range batch {
		if !r.Again && r.ledger.State(it.letter) != dlq.Open {
			continue
		}
		if byPlace[it.place] == nil {
			order = append(order, it.place)
		}
		byPlace[it.place] = append(byPlace[it.place], it)
	}
	for _, at := range order {
		sent, err := r.send(ctx, at, byPlace[at])
		if confirmErr := r.confirm(ctx, sent); confirmErr != nil {
			return errors.Join(err, confirmErr)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
