package dlq

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"release-forwarder/consumer/topic"
)

// batchMost is how many letters are sent between two links of the lock, and so how many a
// killed run leaves unconfirmed.
const batchMost = 100

// batchSize bounds a batch's bytes before compression; one letter may be larger.
const batchSize = 512 << 10

// Replay says what to send again and how, with a field for each flag of the command, and
// functions that report progress.
type Replay struct {
	// To is the topic that the events are sent to, each into its original partition,
	// modulo the topic's partitions.
	To     string
	Filter *Filter
	// Spans bound the letters; nil: all that exist when the replay begins. Letters that
	// are written later are not chosen, not even a replayed event's next letter.
	Spans []topic.Span
	// IDs, if there are any, are the letters. Filter may leave some out.
	IDs []ID
	// Order is the result of Reader.Order for all this; nil: it is computed.
	Order *Order
	// Limit bounds the letters to send, the first ones in the events' order; 0: all.
	Limit int
	// Again also sends letters that were replayed or closed.
	Again bool
	// MaxRedrives leaves out letters whose events were replayed this often already;
	// negative: no bound.
	MaxRedrives int
	// Rate bounds the events sent a second; 0: no bound.
	Rate float64
	// Change returns the value to send instead of the letter's; nil: the letter's own.
	// If it returns an error the letter is left out.
	Change func(*Stored) ([]byte, error)

	// Waiting is called once for each other run that holds the lock; Doubt for letters
	// that an earlier run left unconfirmed and that are sent again; Sent for each letter
	// whose event is confirmed; LeftOut for each letter that is not sent.
	Waiting func(by string)
	Doubt   func(by string, letters []string)
	Sent    func(s *Stored, partition int32, offset int64)
	LeftOut func(s *Stored, err error)

	// alive is called while letters are read, so that a run renews its lease.
	alive func() error
}

// Why a letter is not sent.
var (
	// ErrOften: Replay.MaxRedrives.
	ErrOften = errors.New("its event was replayed too often already")
	// ErrHeldBack: the events of an order key are sent in order.
	ErrHeldBack = errors.New("an earlier event of its order key could not be sent")
	// ErrUnchosen: Replay.IDs names it, but Replay.Filter leaves it out.
	ErrUnchosen = errors.New("the other conditions leave it out")
)

// DecidedError says that a letter given by its ID was replayed or closed already.
type DecidedError struct {
	ID    ID
	State State
}

func (e *DecidedError) Error() string {
	return fmt.Sprintf("dead letter %s is %s already", e.ID, e.State)
}

// Choose yields the letters that a replay would send, in its order: those that are open
// (with r.Again also others) and can be sent. It calls r.LeftOut for the others.
func (d *Reader) Choose(ctx context.Context, ledger *Ledger, r *Replay, yield func(*Stored) error) error {
	order := r.Order
	if order == nil {
		var err error
		if order, err = d.Order(ctx, ledger, r); err != nil {
			return err
		}
	}
	chosen := 0
	err := d.inOrder(ctx, order, r, func() int {
		if r.Limit == 0 {
			return order.Len()
		}
		return r.Limit - chosen
	}, func(s *Stored) error {
		if left := r.leftOut(s, ledger.State(s), d.cfg.Lot); left != nil {
			if _, decided := errors.AsType[*DecidedError](left); !decided || len(r.IDs) > 0 {
				r.leave(s, left)
			}
			return nil
		}
		if err := yield(s); err != nil {
			return err
		}
		if chosen++; chosen == r.Limit {
			return errEnough
		}
		return nil
	})
	if err == errEnough { //nolint:errorlint // made above, wrapped by nobody
		return nil
	}
	return err
}

// errEnough ends a choice at its limit.
var errEnough = errors.New("enough dead letters are chosen")

// letters yields the letters that a replay chooses from.
func (d *Reader) letters(ctx context.Context, r *Replay) (iter.Seq2[*Stored, error], error) {
	if len(r.IDs) > 0 {
		return d.Pick(ctx, r.IDs...), nil
	}
	spans := r.Spans
	if spans == nil {
		var err error
		if spans, err = d.Spans(ctx); err != nil {
			return nil, err
		}
	}
	return d.Letters(ctx, spans, r.Filter), nil
}

// leftOut returns why a letter is not sent, or nil.
func (r *Replay) leftOut(s *Stored, state State, lot func([]byte) string) error {
	switch unfit := s.Unfit(); {
	case len(r.IDs) > 0 && !r.Filter.fits(s, lot):
		return ErrUnchosen
	case !r.Again && state != Open:
		return &DecidedError{s.ID, state}
	case unfit != nil:
		return unfit
	case r.MaxRedrives >= 0 && s.Redrives >= r.MaxRedrives:
		return ErrOften
	}
	return nil
}

func (r *Replay) leave(s *Stored, err error) {
	if r.LeftOut != nil {
		r.LeftOut(s, err)
	}
}

// Replay sends letters' events again, and records each confirmed one in the ledger. It waits
// until no other run replays. When ctx ends, it finishes the current batch; another call
// continues from there. See lease for what happens when a run is killed.
func (d *Reader) Replay(ctx context.Context, r *Replay) error {
	mine := *r
	r = &mine
	run := &run{reader: d, Replay: r, held: map[string]bool{}, log: topic.NewLog(d.cfg.Wire, d.cfg.ClientID, r.To), ends: map[int32]endMark{}}
	var err error
	if run.to, err = d.Target(ctx, r.To); err != nil {
		return err
	}
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
	// The end of ctx must not cut the last batch or prevent the release of the lock.
	finish := context.WithoutCancel(ctx)
	defer run.lease.release(finish)
	if len(left.letters) > 0 && r.Doubt != nil {
		r.Doubt(left.by, left.letters)
	}
	r.alive = run.stayAlive(ctx)
	if err := run.forget(ctx); err != nil {
		return err
	}
	if err := d.Choose(ctx, run.ledger, r, func(s *Stored) error { return run.add(ctx, s) }); err != nil {
		return err
	}
	return run.turn(ctx)
}

// stayAlive renews the lease when it is due.
func (r *run) stayAlive(ctx context.Context) func() error {
	return func() error {
		if !r.lease.due() {
			return nil
		}
		return r.lease.renew(context.WithoutCancel(ctx), nil)
	}
}

// forgetMost is how many entries one replay deletes from the ledger at most.
const forgetMost = 10_000

// forget deletes the entries of letters that retention has deleted, so that the ledger does
// not grow without bound. Other readers of the ledger are not affected.
func (r *run) forget(ctx context.Context) error {
	spans, err := r.reader.Spans(ctx)
	if err != nil {
		return err
	}
	left := forgetMost
	for _, span := range spans {
		gone := r.ledger.before(span.Partition, span.First, left)
		left -= len(gone)
		for chunk := range slices.Chunk(gone, batchMost) {
			entries := make([]keyed, len(chunk))
			for i, offset := range chunk {
				entries[i] = keyed{key: letterName(span.Partition, offset)}
			}
			if err := r.alive(); err != nil {
				return err
			}
			if err := r.ledger.enter(ctx, entries...); err != nil {
				return err
			}
		}
	}
	return nil
}

// run is a running replay.
type run struct {
	reader *Reader
	*Replay
	to     Target
	ledger *Ledger
	lease  *lease

	batch   []item
	bytes   int
	sending []string // the current batch, for the lock
	// held are order keys of which an event could not be sent: later events of them are
	// left out.
	held map[string]bool
	next time.Time  // when Rate allows the next batch
	log  *topic.Log // reads the target topic
	ends map[int32]endMark
}

// item is a letter in a batch.
type item struct {
	letter    *Stored
	record    *replayRecord
	orderKey  string
	partition int32
	changed   bool
}

// add adds a letter to the batch, and sends the batch when it is full.
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
	partition, err := r.to.Partition(s)
	if err != nil {
		return err // Choose leaves such letters out
	}
	it := item{letter: s, record: s.replayed(value, changed), partition: partition, changed: changed}
	if r.reader.cfg.OrderKey != nil {
		it.orderKey = r.reader.cfg.OrderKey(value)
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

// most is how many letters a batch may hold: with a rate, those due in a second.
func (r *run) most() int {
	if r.Rate <= 0 {
		return batchMost
	}
	return max(1, min(batchMost, int(r.Rate)))
}

// turn waits for the rate, then sends the batch. If the wait is cancelled, the batch is not
// sent. A later end of the run does not cut it.
func (r *run) turn(ctx context.Context) error {
	for r.Rate > 0 && time.Now().Before(r.next) {
		if err := r.alive(); err != nil {
			return err
		}
		if err := topic.Pause(ctx, min(time.Until(r.next), renewAfter)); err != nil {
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
	if err := r.lease.renew(ctx, r.sending); err != nil {
		return err
	}
	// Leave out letters that were decided since they were chosen: entries before our link
	// count.
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
