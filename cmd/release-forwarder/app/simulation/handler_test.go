package simulation

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/consumer"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// handlerMistakes are those of the step from a delivery to its outcome.
func handlerMistakes() []*mistake {
	return []*mistake{
		handled("a record is done before it is accepted", func(h *handler, ctx context.Context, d *consumer.Delivery) {
			d.Done()
			h.right.Handle(ctx, d)
		}),
		verdicts("a failure is taken for done", upstream.Failed),
		verdicts("a time-out is taken for done", upstream.Timeout),
		verdicts("an unreadable answer is taken for done", upstream.Unreadable).in("platform answers garbage"),
		verdicts("no answer is taken for done", upstream.Unreachable).in("connections to the platform cut", "platform's answer lost"),
		verdicts("a throttled record is taken for done", upstream.Throttled).in("platform throttles"),
		verdicts("a refused record is taken for done", upstream.Refused).in("one lot refused", "secret changed"),
		verdicts("what a drain cuts is taken for done", upstream.Cut).in("platform stalls", "half-open to the platform"),
		lettered("a failure is a dead letter at once", func(_ int, v upstream.Verdict) bool { return v == upstream.Failed }),
		lettered("a time-out is a dead letter at once", func(_ int, v upstream.Verdict) bool { return v == upstream.Timeout }),
		lettered("a refused lot's record is a dead letter at once", func(_ int, v upstream.Verdict) bool { return v == upstream.Refused }),
		lettered("the budget is spent in an outage", func(failures int, _ upstream.Verdict) bool { return failures >= 6 }).in(anOutage...),
		handled("a record that cannot be mapped is dropped", func(h *handler, ctx context.Context, d *consumer.Delivery) {
			if _, err := h.mapper.Map(&mapping.Record{Value: d.Record.Value, Time: d.Record.Time}); err != nil {
				d.Done()
				return
			}
			h.right.Handle(ctx, d)
		}),
		handled("a record that a profile ignores is dead-lettered", func(h *handler, ctx context.Context, d *consumer.Delivery) {
			_, err := h.mapper.Map(&mapping.Record{Value: d.Record.Value, Time: d.Record.Time})
			if _, ignores := errors.AsType[*mapping.Ignored](err); !ignores {
				h.right.Handle(ctx, d)
				return
			}
			d.ReturnSlot()
			l := deadLetterAbout(d)
			l.Stage, l.Reason = dlq.StageMapping, "no-profile"
			h.v.DeadLetters.Publish(ctx, l, func(err error) { h.settle(d, err) })
		}),
		unmappable("a dead letter is not awaited", func(h *handler, ctx context.Context, d *consumer.Delivery, l *dlq.Letter) {
			h.v.DeadLetters.Publish(ctx, l, func(error) {})
			d.Done()
		}),
		unmappable("a dead letter that could not be written is taken for done", func(h *handler, ctx context.Context, d *consumer.Delivery, l *dlq.Letter) {
			h.v.DeadLetters.Publish(ctx, l, func(error) { d.Done() })
		}),
		unmappable("a dead letter is written twice", func(h *handler, ctx context.Context, d *consumer.Delivery, l *dlq.Letter) {
			h.v.DeadLetters.Publish(ctx, l, func(error) {
				h.v.DeadLetters.Publish(ctx, l, func(err error) { h.settle(d, err) })
			})
		}),
		unmappable("a dead letter is cut", func(h *handler, ctx context.Context, d *consumer.Delivery, l *dlq.Letter) {
			l.Value = l.Value[:len(l.Value)-1]
			h.v.DeadLetters.Publish(ctx, l, func(err error) { h.settle(d, err) })
		}),
		unmappable("a dead letter lies in another partition", func(h *handler, ctx context.Context, d *consumer.Delivery, l *dlq.Letter) {
			l.Partition++
			h.v.DeadLetters.Publish(ctx, l, func(err error) { h.settle(d, err) })
		}),
		handled("one record in twenty is sent twice", func(h *handler, ctx context.Context, d *consumer.Delivery) {
			if h.n.Add(1)%20 == 0 {
				h.deliver(ctx, d)
			}
			h.right.Handle(ctx, d)
		}),
		handled("a delivery leaves a goroutine behind until the service stops", func(h *handler, ctx context.Context, d *consumer.Delivery) {
			go func() { <-h.v.Stopping().Done() }()
			h.right.Handle(ctx, d)
		}).in(hours),
		handled("one delivery in fifty never ends", func(h *handler, ctx context.Context, d *consumer.Delivery) {
			if h.n.Add(1)%50 != 0 {
				h.right.Handle(ctx, d)
			}
		}),
	}
}

// handler stands in for the service's, or before it.
type handler struct {
	v      *app.Parts
	right  consumer.Handler
	mapper *mapping.Mapper
	handle func(h *handler, ctx context.Context, d *consumer.Delivery)
	n      atomic.Int64
}

// Handle implements consumer.Handler.
func (h *handler) Handle(ctx context.Context, d *consumer.Delivery) { h.handle(h, ctx, d) }

func handled(name string, handle func(h *handler, ctx context.Context, d *consumer.Delivery)) *mistake {
	return &mistake{name: name, double: func(v *app.Parts, cfg *consumer.Config) {
		mapper, err := v.Settings.Event.Mapper()
		if err != nil {
			panic(err)
		}
		cfg.Handler = &handler{v: v, right: cfg.Handler, mapper: mapper, handle: handle}
	}}
}

// deliver sends a record, first of all tries or not.
func (h *handler) deliver(ctx context.Context, d *consumer.Delivery) upstream.Answer {
	release, err := h.mapper.Map(&mapping.Record{Value: d.Record.Value, Time: d.Record.Time})
	if err != nil {
		return upstream.Answer{Verdict: upstream.Permanent}
	}
	var params []upstream.Param
	for name, value := range release.All() {
		params = append(params, upstream.Param{Name: name, Value: value})
	}
	return h.v.Platform.Deliver(ctx, upstream.Request{Lot: release.Lot(), Params: params, Quick: d.Number == 1, Proceed: d.Current})
}

// decide is a simple handler that is right but for what wrong makes of some
// answers; it reports true where it has ended the delivery.
func decide(name string, wrong func(h *handler, ctx context.Context, d *consumer.Delivery, v upstream.Verdict) bool) *mistake {
	return handled(name, func(h *handler, ctx context.Context, d *consumer.Delivery) {
		if _, err := h.mapper.Map(&mapping.Record{Value: d.Record.Value, Time: d.Record.Time}); err != nil {
			h.right.Handle(ctx, d)
			return
		}
		if _, own := d.Note.(int); !own && d.Note != nil {
			h.right.Handle(ctx, d) // its dead letter waits
			return
		}
		a := h.deliver(ctx, d)
		switch {
		case wrong(h, ctx, d, a.Verdict):
		case a.Verdict == upstream.Accepted:
			h.v.Gate.Accepted()
			d.Done()
		case a.Verdict == upstream.Permanent:
			d.Note = nil
			h.right.Handle(ctx, d) // which asks once more
		default:
			h.v.Gate.Failed(d.Record.Offset)
			if h.v.Gate.Open() {
				d.AgainInTurn(consumer.Hold{Reason: "failed"})
			} else {
				d.AgainAt(time.Now().Add(2*time.Second), consumer.Hold{Reason: "failed"})
			}
		}
	})
}

func verdicts(name string, mistaken upstream.Verdict) *mistake {
	return decide(name, func(_ *handler, _ context.Context, d *consumer.Delivery, v upstream.Verdict) bool {
		if v == mistaken {
			d.Done()
		}
		return v == mistaken
	})
}

// lettered gives a record up when told to, by how often it failed and by the last
// verdict.
func lettered(name string, enough func(failures int, v upstream.Verdict) bool) *mistake {
	return decide(name, func(h *handler, ctx context.Context, d *consumer.Delivery, v upstream.Verdict) bool {
		failures, _ := d.Note.(int)
		switch v {
		case upstream.Accepted, upstream.Permanent, upstream.Cut:
			return false
		}
		failures++
		d.Note = failures
		if !enough(failures, v) {
			return false
		}
		l := deadLetterAbout(d)
		l.Stage, l.Reason = dlq.StageUpstream, dlq.ReasonBudgetExhausted
		h.v.DeadLetters.Publish(ctx, l, func(err error) { h.settle(d, err) })
		return true
	})
}

func unmappable(name string, write func(h *handler, ctx context.Context, d *consumer.Delivery, l *dlq.Letter)) *mistake {
	return handled(name, func(h *handler, ctx context.Context, d *consumer.Delivery) {
		_, err := h.mapper.Map(&mapping.Record{Value: d.Record.Value, Time: d.Record.Time})
		if _, ignores := errors.AsType[*mapping.Ignored](err); err == nil || ignores {
			h.right.Handle(ctx, d)
			return
		}
		d.ReturnSlot()
		l := deadLetterAbout(d)
		l.Stage, l.Reason = dlq.StageMapping, "missing-field"
		write(h, ctx, d, l)
	})
}

func deadLetterAbout(d *consumer.Delivery) *dlq.Letter {
	return &dlq.Letter{Topic: d.Record.Topic, Partition: d.Record.Partition, Offset: d.Record.Offset, Timestamp: d.Record.Timestamp, Key: d.Record.Key, Value: d.Record.Value}
}

// settle ends a delivery by what became of its dead letter.
func (h *handler) settle(d *consumer.Delivery, err error) {
	if err == nil {
		d.Done()
		return
	}
	d.AgainAt(time.Now().Add(time.Second), consumer.Hold{Reason: "dead-letter", Firm: true})
}
