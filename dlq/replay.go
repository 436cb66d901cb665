package dlq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// batchMost is how many letters are sent between two links of the lock, and so
// the most that a killed run leaves in the dark.
const batchMost = 100

// batchSize bounds a batch's bytes before compression; one letter may be larger.
const batchSize = 512 << 10

// Replay is what to send again, and how.
type Replay struct {
	// To is the topic that the events are sent to, each into the partition that it
	// came from, modulo the topic's partitions.
	To     string
	Filter *Filter
	// IDs, where there are any, are the letters instead of all that Filter lets
	// through.
	IDs []ID
	// Limit is the most letters to send; 0: all.
	Limit int
	// Again sends letters too that were replayed or closed.
	Again bool
	// MaxRedrives leaves out letters whose events were replayed so often already;
	// negative: none.
	MaxRedrives int
	// Rate is the most events sent a second; 0: as fast as it goes.
	Rate float64
	// Change gives the value to send instead of the letter's; nil: the letters'
	// own. A letter for which it returns an error is left out.
	Change func(*Stored) ([]byte, error)

	// Waiting is told, once for each, who else replays right now; Doubt what an
	// earlier run left in the dark and is sent again; Sent of each letter whose
	// event is confirmed; LeftOut of each one that is not sent, and why.
	Waiting func(by string)
	Doubt   func(by string, letters []string)
	Sent    func(s *Stored, partition int32, offset int64)
	LeftOut func(s *Stored, err error)
}

// Left says why a letter is not sent.
var (
	// ErrOften: Replay.MaxRedrives.
	ErrOften = errors.New("its event was replayed too often already")
	// ErrHeldBack: order within the session.
	ErrHeldBack = errors.New("an earlier event of its session could not be sent")
)

// Choose yields the letters that a replay would send, in its order: those that
// are open, unless r.Again, and that can be sent. It tells r.LeftOut of others.
func (d *Desk) Choose(ctx context.Context, ledger *Ledger, r *Replay, yield func(*Stored) error) error {
	letters := d.Pick(ctx, r.IDs...)
	if len(r.IDs) == 0 {
		spans, err := d.spans(ctx)
		if err != nil {
			return err
		}
		letters = d.Letters(ctx, spans, r.Filter)
	}
	chosen := 0
	for s, err := range letters {
		if err != nil {
			return err
		}
		if !r.Again && ledger.State(s) != Open {
			continue
		}
		switch unfit := s.Unfit(); {
		case unfit != nil:
			r.leave(s, unfit)
			continue
		case r.MaxRedrives >= 0 && s.Redrives >= r.MaxRedrives:
			r.leave(s, ErrOften)
			continue
		}
		if err := yield(s); err != nil {
			return err
		}
		if chosen++; chosen == r.Limit {
			return nil
		}
	}
	return nil
}

func (r *Replay) leave(s *Stored, err error) {
	if r.LeftOut != nil {
		r.LeftOut(s, err)
	}
}

// Replay sends letters' events again, and enters each confirmed one into the
// ledger. It waits until no other run replays. When ctx ends, the batch under way
// is finished; another call goes on from there. See lease for what becomes of
// letters when a run is killed.
func (d *Desk) Replay(ctx context.Context, r *Replay) error {
	run := &run{desk: d, Replay: r, to: source{client: d.client, clientID: d.clientID, topic: r.To}, held: map[string]bool{}}
	targets, err := run.to.partitions(ctx)
	if err != nil {
		return topicError("write to", r.To, err)
	}
	run.targets = int32(len(targets))
	if run.ledger, err = d.Ledger(ctx); err != nil {
		return err
	}
	if err := run.ledger.ensure(ctx); err != nil {
		return err
	}
	run.lease = newLease(run.ledger, d.cfg.By)
	left, err := run.lease.acquire(ctx, func(by string) {
		if r.Waiting != nil {
			r.Waiting(by)
		}
	})
	if err != nil {
		return err
	}
	// What ends the run must not cut the last batch, nor keep the lock.
	finish := context.WithoutCancel(ctx)
	defer run.lease.release(finish)
	if len(left.letters) > 0 && r.Doubt != nil {
		r.Doubt(left.by, left.letters)
	}
	if err := d.Choose(ctx, run.ledger, r, func(s *Stored) error { return run.add(ctx, s) }); err != nil {
		return err
	}
	return run.turn(ctx)
}

// run is a replay under way.
type run struct {
	desk *Desk
	*Replay
	to      source
	targets int32 // partitions of the topic replayed to
	ledger  *Ledger
	lease   *lease

	batch []item
	bytes int
	// held are sessions of which an event could not be sent: the later ones wait.
	held map[string]bool
	next time.Time // when Rate allows the next batch
}

// item is a letter on its way.
type item struct {
	letter    *Stored
	record    *redrivenRecord
	session   string
	partition int32
	changed   bool
}

// add puts a letter into the batch, and sends the batch when it is full.
func (r *run) add(ctx context.Context, s *Stored) error {
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
	it := item{letter: s, record: s.redriven(value, changed), partition: s.Partition % r.targets, changed: changed}
	if r.desk.cfg.Session != nil {
		it.session = r.desk.cfg.Session(value)
	}
	if r.bytes > 0 && r.bytes+it.record.size() > batchSize {
		if err := r.turn(ctx); err != nil {
			return err
		}
	}
	r.batch = append(r.batch, it)
	r.bytes += it.record.size()
	if len(r.batch) >= r.most() {
		return r.turn(ctx)
	}
	return nil
}

// most is how many letters a batch may hold: with a rate, what is due in a second.
func (r *run) most() int {
	if r.Rate <= 0 {
		return batchMost
	}
	return max(1, min(batchMost, int(r.Rate)))
}

// turn waits for the rate, then sends the batch. What ends the wait sends it no
// more; what ends the run afterwards does not cut it.
func (r *run) turn(ctx context.Context) error {
	for r.Rate > 0 && time.Now().Before(r.next) {
		if r.lease.ripe() {
			if err := r.lease.renew(context.WithoutCancel(ctx), nil); err != nil {
				return err
			}
		}
		if err := pause(ctx, min(time.Until(r.next), renewAfter)); err != nil {
			r.batch = nil
			return err
		}
	}
	if r.Rate > 0 {
		r.next = time.Now().Add(time.Duration(float64(len(r.batch)) / r.Rate * float64(time.Second)))
	}
	return r.flush(context.WithoutCancel(ctx))
}

// flush sends the batch and confirms it.
func (r *run) flush(ctx context.Context) error {
	batch := r.batch
	r.batch, r.bytes = nil, 0
	if len(batch) == 0 {
		return nil
	}
	if err := r.lease.renew(ctx, names(batch)); err != nil {
		return err
	}
	// Decided by somebody since it was chosen: what stands before our link counts.
	byPartition, order := map[int32][]item{}, []int32{}
	for _, it := range batch {
		if !r.Again && r.ledger.State(it.letter) != Open {
			continue
		}
		if byPartition[it.partition] == nil {
			order = append(order, it.partition)
		}
		byPartition[it.partition] = append(byPartition[it.partition], it)
	}
	for _, partition := range order {
		sent, err := r.send(ctx, partition, byPartition[partition])
		if confirmErr := r.confirm(ctx, sent); confirmErr != nil {
			return errors.Join(err, confirmErr)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// arrived is an item that a broker confirmed.
type arrived struct {
	item
	offset int64
}

// send writes items to one partition, in order. Where the broker refuses them as
// a whole for good, each is sent alone, so that one that cannot be written keeps
// back its own session alone.
func (r *run) send(ctx context.Context, partition int32, items []item) (sent []arrived, err error) {
	free := make([]item, 0, len(items))
	for _, it := range items {
		if it.session != "" && r.held[it.session] {
			r.leave(it.letter, ErrHeldBack)
			continue
		}
		free = append(free, it)
	}
	if len(free) == 0 {
		return nil, nil
	}
	base, err := r.write(ctx, partition, free)
	switch {
	case err == nil:
		for i, it := range free {
			sent = append(sent, arrived{it, base + int64(i)})
		}
		return sent, nil
	case !recordRefused(err):
		return nil, err
	case len(free) == 1:
		r.leave(free[0].letter, err)
		return nil, r.holdBack(free[0].session)
	}
	for i := range free {
		one, err := r.send(ctx, partition, free[i:i+1])
		sent = append(sent, one...)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// maxHeld bounds the sessions of which an event could not be sent. A topic that
// refuses more than that refuses more than single events.
const maxHeld = 10_000

func (r *run) holdBack(session string) error {
	if session != "" {
		r.held[session] = true
	}
	if len(r.held) > maxHeld {
		return fmt.Errorf("topic %s refuses the events of more than %d sessions", r.To, maxHeld)
	}
	return nil
}

// recordRefused tells whether a broker refuses what a record is, for good.
func recordRefused(err error) bool {
	for _, code := range []kafka.Error{kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidRecord, kafka.InvalidMessage, kafka.PolicyViolation} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// write sends one request, again while the broker says that it wrote nothing and
// the reason may pass. It sends nothing beyond the lease.
func (r *run) write(ctx context.Context, partition int32, items []item) (base int64, err error) {
	for n := 1; ; n++ {
		if time.Now().After(r.lease.sendUntil()) {
			if err := r.lease.renew(ctx, names(items)); err != nil {
				return 0, err
			}
		}
		records := make([]kafka.Record, len(items))
		for i, it := range items {
			records[i] = it.record.kafka()
		}
		base, err = r.produce(ctx, partition, records)
		switch {
		case err == nil, recordRefused(err):
			return base, err
		case !notWritten(err):
			return 0, fmt.Errorf("topic %s, partition %d: %w: %w", r.To, partition, ErrUncertain, err)
		case n == tries || !passing(err):
			return 0, topicError("write to", r.To, err)
		}
		if err := pause(ctx, tryPause*time.Duration(n)); err != nil {
			return 0, err
		}
	}
}

func (r *run) produce(ctx context.Context, partition int32, records []kafka.Record) (int64, error) {
	ctx, cancel := context.WithDeadline(ctx, r.lease.until)
	defer cancel()
	return produce(ctx, r.to.client, r.To, partition, records)
}

func names(items []item) []string {
	all := make([]string, len(items))
	for i, it := range items {
		all[i] = it.letter.ID.Short()
	}
	return all
}

// confirm enters what arrived into the ledger. It is true whoever holds the lock
// by now, so that it is tried for longer than the lease.
func (r *run) confirm(ctx context.Context, sent []arrived) error {
	if len(sent) == 0 {
		return nil
	}
	now := time.Now().UTC()
	entries := make([]keyed, len(sent))
	for i, a := range sent {
		key, value := encodeLetter(a.letter.ID, a.letter.Written, Entry{
			State: Replayed, At: now, By: r.desk.cfg.By, To: fmt.Sprintf("%s/%d/%d", r.To, a.partition, a.offset), Changed: a.changed,
		})
		entries[i] = keyed{key, value}
	}
	if err := again(ctx, func() error { return r.ledger.append(ctx, entries...) }); err != nil {
		return fmt.Errorf("%d letters were sent but could not be entered into the ledger, and will be sent again by the next replay: %w", len(sent), err)
	}
	for _, a := range sent {
		if r.Sent != nil {
			r.Sent(a.letter, a.partition, a.offset)
		}
	}
	return nil
}
