package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
)

// arrived is an item that a broker confirmed.
type arrived struct {
	item
	offset int64
}

// send writes items to one partition, in order. If the broker refuses them together for good,
// each is sent alone, so that one that cannot be written holds back only its own order key.
func (r *run) send(ctx context.Context, at place, items []item) (sent []arrived, err error) {
	free := make([]item, 0, len(items))
	for _, it := range items {
		if it.orderKey != "" && r.held[it.orderKey] {
			r.leave(it.letter, ErrHeldBack)
			continue
		}
		free = append(free, it)
	}
	if len(free) == 0 {
		return nil, nil
	}
	base, err := r.write(ctx, at, free)
	switch {
	case err == nil:
		for i, it := range free {
			sent = append(sent, arrived{it, base + int64(i)})
		}
		return sent, nil
	case !topic.RecordRefused(err):
		return nil, err
	case len(free) == 1:
		r.leave(free[0].letter, err)
		return nil, r.holdBack(free[0])
	}
	for i := range free {
		one, err := r.send(ctx, at, free[i:i+1])
		sent = append(sent, one...)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// maxHeld bounds the order keys of which an event could not be sent. If there are more, the
// topic refuses not only single events.
const maxHeld = 10_000

func (r *run) holdBack(it item) error {
	if it.orderKey != "" {
		r.held[it.orderKey] = true
	}
	if len(r.held) > maxHeld {
		return fmt.Errorf("topic %s refuses the events of more than %d order keys", it.to.Topic, maxHeld)
	}
	return nil
}

// ErrUncertain ends a replay that does not know the result of its last batch and does not find
// it in the topic. Those letters stay open; the next replay sends them again.
var ErrUncertain = errors.New("it is not known whether the last batch arrived")

// ErrUnentered ends a replay that has sent events and cannot say so in the ledger.
var ErrUnentered = errors.New("were sent but could not be entered into the ledger, and will be sent again by the next replay")

// write sends one request. It retries while it is proven that nothing was written and the
// error may pass. Without that proof it reads the topic: events that are there are confirmed.
// It sends nothing after Lease.SendUntil.
func (r *run) write(ctx context.Context, at place, items []item) (base int64, err error) {
	at.before(ctx)
	for n := 1; ; n++ {
		if time.Now().After(r.lease.SendUntil()) {
			if err := r.lease.Renew(ctx, r.sending); err != nil {
				return 0, err
			}
		}
		records := make([]kafka.Record, len(items))
		for i, it := range items {
			records[i] = it.record.ToSend()
		}
		base, err = r.produce(ctx, at, records)
		switch {
		case err == nil, topic.RecordRefused(err):
			return base, err
		case !topic.Unwritten(err):
			base, seen := r.look(ctx, at, items)
			if seen == present {
				return base, nil
			}
			// A broker says that it is no longer the leader after the next leader was chosen.
			// That leader's log is final: an event that is absent there never comes. After a
			// lost answer, or another error of the leader itself, the records may come later.
			if seen != absent || !errors.Is(err, kafka.NotLeaderForPartition) || n == topic.Tries {
				return 0, fmt.Errorf("topic %s, partition %d: %w: %w", at.to.Topic, at.partition, ErrUncertain, err)
			}
		case n == topic.Tries || !topic.Retriable(err):
			return 0, topic.Explain("write to", at.to.Topic, err)
		}
		if err := topic.Pause(ctx, topic.TryPause*time.Duration(n)); err != nil {
			return 0, err
		}
	}
}

func (r *run) produce(ctx context.Context, at place, records []kafka.Record) (int64, error) {
	ctx, cancel := context.WithDeadline(ctx, r.lease.Until())
	defer cancel()
	base, err := at.to.log.Append(ctx, at.partition, records)
	if err == nil {
		at.to.ends[at.partition] = endMark{base + int64(len(records)), time.Now()}
	}
	return base, err
}

func names(items []item) []string {
	all := make([]string, len(items))
	for i, it := range items {
		all[i] = it.letter.ID.Short()
	}
	return all
}

// confirm records confirmed events in the ledger. They are facts even if another run has the
// lock by now, so confirm retries for longer than the lease.
func (r *run) confirm(ctx context.Context, sent []arrived) error {
	if len(sent) == 0 {
		return nil
	}
	decisions := make([]ledger.Decision, len(sent))
	for i, a := range sent {
		decisions[i] = ledger.Decision{Letter: a.letter, Entry: ledger.Entry{
			State: dlq.Replayed, To: fmt.Sprintf("%s/%d/%d", a.to.Topic, a.partition, a.offset), Changed: a.changed,
		}}
	}
	if err := r.ledger.Enter(ctx, decisions...); err != nil {
		return fmt.Errorf("%d events %w: %w", len(sent), ErrUnentered, err)
	}
	for _, a := range sent {
		if r.Sent != nil {
			r.Sent(a.letter, a.to.Topic, a.partition, a.offset)
		}
	}
	return nil
}
