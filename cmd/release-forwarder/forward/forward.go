package forward

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/dlq"
	"release-forwarder/dlq/receipt"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
	"release-forwarder/upstream/gate"
)

// Reasons of the metric held_records that are not the verdict of a delivery.
const (
	HeldDeadLetter = "dead-letter" // its dead letter could not be written
	HeldStorm      = "storm"       // it waits for a place in a storm
	HeldUnlisted   = "unlisted"    // its lot's code is not in the lookup file
)

// Config holds the settings and parts of a Forwarder.
type Config struct {
	Mapper      *mapping.Mapper
	Platform    *upstream.Client
	Gate        *gate.Gate
	DeadLetters *dlq.Publisher
	Receipts    Receipts

	// Budget is after how many counted failures a record becomes a dead letter; 0: never.
	Budget int
	// BackoffMin and BackoffMax bound the wait before a held record's next
	// delivery: exponential with jitter.
	BackoffMin, BackoffMax time.Duration
	// LotHoldMax is how long records of a refused lot wait.
	LotHoldMax time.Duration
	// HeldBefore, if set, is a person's decision: a record with an earlier timestamp
	// becomes a dead letter at its next failure.
	HeldBefore time.Time
	// StormLimit is how many consecutive dead letters are written at once; 0: all.
	StormLimit int
	// Hasten makes the engine deliver held records whose hold is not firm.
	Hasten func()

	Tracer  *telemetry.Tracer
	Metrics *telemetry.Instruments
	// Written is called for each dead letter that was written.
	Written func(stage, reason string)
	Log     *slog.Logger
}

// Forwarder is the engine's handler.
type Forwarder struct {
	Config
	evidence *evidence
	lots     *lots
	storms   *storms

	mapper atomic.Pointer[mapping.Mapper] // Config.Mapper, with the lookup files as they are now
	newer  sync.Mutex                     // is held while one is taken
}

// New makes a forwarder.
func New(cfg Config) *Forwarder {
	f := &Forwarder{Config: cfg, evidence: newEvidence(), storms: newStorms(cfg.StormLimit)}
	f.lots = newLots(f.backoff)
	f.mapper.Store(cfg.Mapper)
	return f
}

// history is kept for a record between its deliveries, also through a rebalance if its
// partition stays. It holds none of the record's bytes.
type history struct {
	deliveries  int
	attempts    int // HTTP requests
	first, last time.Time
	since       mark   // the evidence for its next failure begins here
	failures    int    // that counted against the budget
	backoffs    int    // how often its backoff grew
	throttled   uint64 // 1 and the count of acceptances when it was answered 429 last; 0: never

	firstSpan, lastSpan trace.SpanContext // of its deliveries

	// Its dead letter, once it is one, without the record: see whole.
	deadLetter      *dlq.Letter
	deadLetterTries int
	deadLetterSpan  trace.SpanContext // of the delivery that led to it
	source          string            // of its streak; "": its dead letter neither counts nor waits

	receipted
}

// delivery is one delivery of one record: the argument of Handle, the record's history, and the
// state of this delivery.
type delivery struct {
	*consumer.Delivery
	*history
	lot      string            // as it is sent
	release  *mapping.Release  // nil if it cannot be mapped, and before
	unlisted *mapping.Unlisted // set if it cannot be sent, since its lookup file does not have it
	attempt  *lot              // set if this is a refused lot's one attempt
}

// recordID identifies a record for the circuit.
type recordID struct {
	topic     string
	partition int32
	offset    int64
}

// Handle implements consumer.Handler.
func (f *Forwarder) Handle(ctx context.Context, cd *consumer.Delivery) {
	h, _ := cd.Note.(*history)
	if h == nil {
		h = &history{}
		cd.Note = h
	}
	d := &delivery{Delivery: cd, history: h}
	if h.delivered { // by this process, before it lost the partition
		d.ReturnSlot()
		f.finish(ctx, d)
		return
	}
	if h.deadLetter != nil {
		d.ReturnSlot()
		f.deadLetter(trace.ContextWithSpanContext(ctx, h.deadLetterSpan), d)
		return
	}
	release, err := f.read(&d.Record)
	if ignored, is := errors.AsType[*mapping.Ignored](err); is {
		d.ReturnSlot()
		f.Metrics.Ignored(ignored.Profile)
		f.noteReceipt(ctx, d, receipt.Ignored, upstream.Answer{}, "")
		f.finish(ctx, d)
		return
	}
	d.unlisted, _ = errors.AsType[*mapping.Unlisted](err)
	if err != nil && d.unlisted == nil {
		d.ReturnSlot()
		ctx, span := f.start(ctx, d)
		defer f.Tracer.EndDelivery(span, string(dlq.StageMapping), true)
		f.unmappable(ctx, d, err)
		return
	}
	if d.unlisted != nil {
		d.lot = d.unlisted.Lot()
	} else {
		d.lot, d.release = release.Lot(), release
	}
	h.source = lotSource(d.lot)
	if o := decide(f.beforeSending(d)); o.action != send {
		d.ReturnSlot()
		f.lots.giveBack(d.attempt)
		f.end(ctx, d, o, d.unsent())
		return
	}
	ctx, span := f.start(ctx, d)
	h.deliveries++
	if h.deliveries == 1 {
		h.firstSpan = trace.SpanContextFromContext(ctx)
		h.since = f.evidence.now()
		for _, s := range release.Suspicions {
			f.Metrics.Suspicious(string(s))
		}
	}
	a, recovered := f.send(ctx, d, release)
	f.end(ctx, d, decide(f.afterDelivery(ctx, d, a, recovered)), a)
	f.Tracer.EndDelivery(span, a.Verdict.String(), a.Verdict != upstream.Accepted)
}

// read maps a record to the platform's parameters.
func (f *Forwarder) read(r *consumer.Record) (*mapping.Release, error) {
	if err := dlq.CheckHeaders(r.Headers); err != nil {
		return nil, err
	}
	told := Mapped(f.Mapper, r)
	return f.mapper.Load().Map(&told)
}

// unsent takes the place of an answer where nothing was sent.
func (d *delivery) unsent() upstream.Answer {
	a := upstream.Answer{Verdict: upstream.Refused}
	if d.unlisted != nil {
		a.Err = d.unlisted
	}
	return a
}

// Mapped is what a mapper needs of a record.
func Mapped(m *mapping.Mapper, r *consumer.Record) mapping.Record {
	if !m.LooksOutside() {
		return mapping.Record{Value: r.Value, Time: r.Time}
	}
	headers := r.Headers.All()
	return mapping.Record{Topic: dlq.FirstTopic(r.Topic, headers), Key: r.Key, Value: r.Value, Headers: headers, Time: r.Time}
}

// OrderKey is a record's order key.
func OrderKey(m *mapping.Mapper, r *consumer.Record) string {
	told := Mapped(m, r)
	return m.OrderKey(&told)
}

// start begins the span of a delivery.
func (f *Forwarder) start(ctx context.Context, d *delivery) (context.Context, trace.Span) {
	ctx, span := f.Tracer.StartDelivery(ctx, telemetry.Record{
		Topic: d.Record.Topic, Partition: int(d.Record.Partition), Offset: d.Record.Offset,
		Tombstone: d.Record.Value == nil, Headers: d.Record.Headers.All(), First: d.firstSpan,
	})
	d.lastSpan = span.SpanContext()
	return ctx, span
}

// send makes the delivery; recovered says that an outage ended during it.
func (f *Forwarder) send(ctx context.Context, d *delivery, release *mapping.Release) (a upstream.Answer, recovered bool) {
	params := make([]upstream.Param, 0, 12)
	for name, value := range release.All() {
		params = append(params, upstream.Param{Name: name, Value: value})
	}
	probe, began := d.attempt != nil, time.Now()
	a = f.Platform.Deliver(ctx, upstream.Request{
		Lot: d.lot, Params: params, Traceparent: f.Tracer.Outgoing(ctx),
		Quick: d.deliveries == 1 && !probe, Probe: probe || f.Gate.Open(), Proceed: d.Current,
	})
	d.attempts += a.Attempts
	d.appID = a.AppID
	if d.first.IsZero() {
		d.first = a.FirstAttempt
	}
	if !a.LastAttempt.IsZero() {
		d.last = a.LastAttempt
	}
	return a, a.Verdict != upstream.Accepted && f.Gate.RecoveredSince(began)
}

// end carries out a decision; a is the answer, if there is one.
func (f *Forwarder) end(ctx context.Context, d *delivery, o outcome, a upstream.Answer) {
	if o.counts {
		d.failures++
		d.since = f.evidence.now()
		f.Metrics.BudgetSpent()
	}
	if o.outage {
		f.Gate.Failed(recordID{d.Record.Topic, d.Record.Partition, d.Record.Offset})
		o.grows = o.grows && !f.Gate.Open() // this failure may have opened the circuit
	}
	now := time.Now()
	if o.pauses {
		f.Gate.Pause(now.Add(o.wait))
		o.wait = max(o.wait, f.BackoffMin) // Retry-After 0 would spin
	}
	if o.action != done && o.action != deadLetter && o.action != leave && a.Attempts > 0 {
		eventDeliveryFailed.LogContext(ctx, f.Log, f.about(d.Delivery, answer(a,
			slog.Int("deliveries", d.deliveries), slog.Int("counted", d.failures))...)...)
	}
	switch o.action {
	case done:
		f.accepted(ctx, d, a)
		return
	case deadLetter:
		f.giveUp(ctx, d, upstreamDeadLetter(o.reason, a))
		return
	case waitForPlace:
		deadLetter := d.deadLetter != nil // copied: after AgainAt another goroutine may use d
		cd, source := d.Delivery, d.source
		d.AgainAt(now.Add(o.wait), d.hold(HeldStorm, o))
		f.storms.wait(cd, source, deadLetter)
		return
	case leave, waitForGate: // the engine ignores leave's hold
	case waitUntil:
		if o.grows {
			d.backoffs++
			o.wait = max(o.wait, f.backoff(d.backoffs))
		}
	case send, write: // decided before a delivery, and never here
	}
	f.storms.leave(d.Delivery, d.source)
	if o.action == waitForGate {
		d.AgainInTurn(d.hold(a.Verdict.String(), o))
		return
	}
	reason := a.Verdict.String()
	if d.unlisted != nil {
		reason = HeldUnlisted
	}
	d.AgainAt(now.Add(o.wait), d.hold(reason, o))
}

// hold says why the record waits, how often it was sent, and the trace of its last delivery,
// even if it was not sent this time.
func (h *history) hold(reason string, o outcome) consumer.Hold {
	hold := consumer.Hold{Reason: reason, Firm: o.firm, Quota: o.quota, NoSlot: h.deadLetter != nil, Attempts: h.attempts}
	if h.lastSpan.HasTraceID() {
		hold.Trace = h.lastSpan.TraceID().String()
	}
	return hold
}

func (f *Forwarder) accepted(ctx context.Context, d *delivery, a upstream.Answer) {
	f.evidence.accept(d.lot, d.deliveries == 1)
	// The circuit first: records that wait for the platform continue at once.
	f.Gate.Accepted()
	f.Metrics.Accepted()
	f.Metrics.Delivered(ctx, max(0, time.Since(d.Record.Time)).Seconds()) // the clock may have been set back
	if d.deliveries > 1 {
		eventAcceptedLate.LogContext(ctx, f.Log, f.about(d.Delivery,
			slog.Int("deliveries", d.deliveries), slog.Int("attempts", d.attempts))...)
	}
	f.storms.leave(d.Delivery, d.source)
	source, topic, partition := d.source, d.Record.Topic, d.Record.Partition
	f.noteReceipt(ctx, d, receipt.Accepted, a, "")
	f.finish(ctx, d)
	if f.storms.counting() && f.storms.accepted(source, partitionSource(topic, partition)) {
		eventStormOver.LogContext(ctx, f.Log)
	}
	if f.lots.accepted(d.lot) {
		eventLotAccepted.LogContext(ctx, f.Log, slog.String("lot", upstream.Sanitize(d.lot)))
		f.Hasten()
	}
}

// backoff is the wait before the n-th retry: BackoffMin, doubled each time up to BackoffMax,
// plus a random part of at most half, so that records that failed together are not retried
// together.
func (f *Forwarder) backoff(n int) time.Duration {
	wait := f.BackoffMax
	if n <= 32 && f.BackoffMin<<(n-1) > 0 {
		wait = min(wait, f.BackoffMin<<(n-1))
	}
	most := min(wait+wait/2, f.BackoffMax)
	least := max(f.BackoffMin, min(wait, most*2/3))
	return least + rand.N(most-least+1)
}

// RefusedLots lists the refused lots.
func (f *Forwarder) RefusedLots() []RefusedLot { return f.lots.list() }

// Storms counts the active dead-letter storms.
func (f *Forwarder) Storms() int { return f.storms.active() }

// Lookup takes a lookup file as it is now. The records of lots that it has now go on.
func (f *Forwarder) Lookup(file string, l mapping.Lookup) {
	f.newer.Lock()
	defer f.newer.Unlock()
	mapper := f.mapper.Load().With(file, l)
	f.mapper.Store(mapper)
	if found := f.lots.listed(mapper); len(found) > 0 {
		eventLotsListed.Log(f.Log, slog.Int("lots", len(found)), slog.String("file", file), slog.String("first", upstream.Sanitize(found[0])))
		f.Hasten()
	}
}

// TryLots lets refused lots try at once, because their credential changed or the platform
// accepts again; nil means all.
func (f *Forwarder) TryLots(names []string) {
	f.lots.tryNow(names)
	f.Hasten()
}
