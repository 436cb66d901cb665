package forward

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/trace"

	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// Why records wait that do not wait for the verdict of their last delivery, in
// the metric held_records.
const (
	HeldDeadLetter = "dead-letter" // its letter could not be written
	HeldStorm      = "storm"       // its letter's turn has not come
)

// Config is what a Forwarder joins.
type Config struct {
	Mapper   *mapping.Mapper
	Platform *upstream.Client
	Gate     *upstream.Gate
	Letters  *dlq.Publisher

	// Budget is how many failures that count make a dead letter; 0: none does.
	Budget int
	// BackoffMin and BackoffMax bound the wait before a held record's next
	// delivery: exponential with jitter.
	BackoffMin, BackoffMax time.Duration
	// LotHoldMax is how long records of a lot that alone is refused wait.
	LotHoldMax time.Duration
	// HeldBefore, where set, is a person's decision: a record with a timestamp
	// before it is given up at its next failure.
	HeldBefore time.Time
	// StormLimit is how many dead letters in a row are written as they come; 0:
	// all are.
	StormLimit int
	// Hasten makes the engine deliver what is held, where the hold is not firm.
	Hasten func()

	Tracer  *telemetry.Tracer
	Metrics *telemetry.Instruments
	// Written is told of each letter that was written.
	Written func(stage, reason string)
	Log     *slog.Logger
}

// Forwarder is the engine's handler.
type Forwarder struct {
	Config
	evidence *evidence
	lots     *lots
	storms   *storms
}

// New makes a forwarder.
func New(cfg Config) *Forwarder {
	f := &Forwarder{Config: cfg, evidence: newEvidence(), storms: newStorms(cfg.StormLimit)}
	f.lots = newLots(f.backoff)
	return f
}

// history is what is remembered of a record between its deliveries, through generations
// too as long as its partition stays. It holds none of the record's bytes.
type history struct {
	deliveries  int
	attempts    int // HTTP requests
	first, last time.Time
	since       mark // where the evidence for its next failure begins
	failures    int  // that counted
	backoffs    int  // holds that grew
	throttledAt uint64
	throttled   bool              // answered 429 before, at that count of acceptances
	span        trace.SpanContext // of its first delivery
	lastSpan    trace.SpanContext // of its last delivery
	letter      *dlq.Letter       // to be written before it is done: the verdict alone, see whole
	gaveUp      trace.SpanContext // of the delivery that led to it
	source      string            // of the letter, for storms
	letterTries int

	turns turns  // in storms
	quota string // of its last hold for its refused lot or for a storm
}

// recordID tells records apart for the circuit.
type recordID struct {
	topic     string
	partition int32
	offset    int64
}

// Handle implements consumer.Handler.
func (f *Forwarder) Handle(ctx context.Context, d *consumer.Delivery) {
	h, _ := d.Note.(*history)
	if h == nil {
		h = &history{}
		d.Note = h
	}
	if h.letter != nil {
		d.ReturnSlot()
		f.writeInTurn(trace.ContextWithSpanContext(ctx, h.gaveUp), d, h)
		return
	}
	var release *mapping.Release
	err := dlq.CheckHeaders(d.Record.Headers)
	if err == nil {
		release, err = f.Mapper.Map(d.Record.Value, d.Record.Time)
	}
	if err != nil {
		d.ReturnSlot()
		ctx, span := f.start(ctx, d, h)
		defer f.Tracer.EndDelivery(span, string(dlq.StageMapping), true)
		f.unmappable(ctx, d, h, err)
		return
	}
	t := f.lots.turn(release.ParkUUID, f.Platform.HasCredential(release.ParkUUID), time.Now())
	defer f.lots.giveBack(t.try) // on every way out
	if !f.mayGo(ctx, d, h, release.ParkUUID, t) {
		return
	}
	ctx, span := f.start(ctx, d, h)
	h.deliveries++
	if h.deliveries == 1 {
		h.span = trace.SpanContextFromContext(ctx)
		h.since = f.evidence.now()
		for _, s := range release.Suspicions {
			f.Metrics.Suspicious(string(s))
		}
	}
	verdict := f.deliver(ctx, d, h, release, t.try)
	f.Tracer.EndDelivery(span, verdict.String(), verdict != upstream.Accepted)
}

// start begins the span of a delivery.
func (f *Forwarder) start(ctx context.Context, d *consumer.Delivery, h *history) (context.Context, trace.Span) {
	ctx, span := f.Tracer.StartDelivery(ctx, telemetry.Record{
		Topic: d.Record.Topic, Partition: int(d.Record.Partition), Offset: d.Record.Offset,
		Tombstone: d.Record.Value == nil, Headers: d.Record.Headers.All(), First: h.span,
	})
	h.lastSpan = span.SpanContext()
	return ctx, span
}

// makesRoom tells whether this delivery is to make room in a quota: the record may
// wait for another reason by now.
func (h *history) makesRoom(d *consumer.Delivery, quota string) bool {
	return d.MakeRoom && h.quota == quota
}

// hold is why the record waits, with how often it was sent and the trace of its
// last delivery: also where it comes to wait anew without having been sent.
func (h *history) hold(reason string) consumer.Hold {
	hold := consumer.Hold{Reason: reason, Attempts: h.attempts, NoSlot: h.letter != nil}
	if h.lastSpan.HasTraceID() {
		hold.Trace = h.lastSpan.TraceID().String()
	}
	return hold
}

// deliver tries once and ends the delivery; try is its lot's attempt, where it is that.
func (f *Forwarder) deliver(ctx context.Context, d *consumer.Delivery, h *history, release *mapping.Release, try *attempt) upstream.Verdict {
	lot, probe := release.ParkUUID, try != nil
	closings := f.Gate.Closings()
	a := f.Platform.Deliver(ctx, upstream.Request{
		Lot: lot, Params: params(release), Traceparent: f.Tracer.Outgoing(ctx),
		Quick: h.deliveries == 1 && !probe, Probe: probe || f.Gate.Open(), Proceed: d.Current, Rests: d.Rests,
	})
	h.attempts += a.Attempts
	if h.first.IsZero() {
		h.first = a.FirstAttempt
	}
	if !a.LastAttempt.IsZero() {
		h.last = a.LastAttempt
	}
	over := a.LeftOver || !f.Gate.Open() && f.Gate.Closings() != closings
	stands := f.lotEnded(ctx, lot, try, a, over)
	switch a.Verdict {
	case upstream.Accepted:
		f.accepted(ctx, d, h, lot)
	case upstream.Permanent:
		f.giveUp(ctx, d, h, lotSource(lot), upstreamLetter(dlq.ReasonRefused, a))
	case upstream.Cut:
		// The partition is another's by now; whatever is said here is not heard.
		d.AgainAt(time.Now(), h.hold(a.Verdict.String()))
	default:
		f.failed(ctx, d, h, lot, stands, over, a)
	}
	return a.Verdict
}

func params(r *mapping.Release) []upstream.Param {
	params := make([]upstream.Param, 0, 12)
	for name, value := range r.All() {
		params = append(params, upstream.Param{Name: name, Value: value})
	}
	return params
}

func (f *Forwarder) accepted(ctx context.Context, d *consumer.Delivery, h *history, lot string) {
	f.evidence.accept(lot, h.deliveries == 1)
	// The circuit first: what waits for the platform goes on at once.
	f.Gate.Accepted()
	f.Metrics.Accepted()
	f.Metrics.Delivered(ctx, max(0, time.Since(d.Record.Time)).Seconds()) // the clock may have been set back
	if h.deliveries > 1 {
		f.Log.LogAttrs(ctx, slog.LevelInfo, "accepted after it had been held", f.about(d,
			slog.Int("deliveries", h.deliveries), slog.Int("attempts", h.attempts))...)
	}
	d.Done()
	mended := f.lots.accepted(lot)
	if mended {
		f.Log.LogAttrs(telemetry.StateChange(ctx), slog.LevelInfo, "lot accepted again: its records go on", slog.String("lot", upstream.Tame(lot)))
	}
	calmed := f.storms.accepted(time.Now(), lotSource(lot), partitionSource(d.Record.Topic, d.Record.Partition))
	if calmed {
		f.Log.LogAttrs(telemetry.StateChange(ctx), slog.LevelInfo, "dead-letter storm over: something of it was accepted")
	}
	if mended || calmed {
		f.Hasten()
	}
}

// failed ends a delivery that is to be repeated. over says that an outage ended while
// it was under way, stands what it told of its lot.
func (f *Forwarder) failed(ctx context.Context, d *consumer.Delivery, h *history, lot string, stands standing, over bool, a upstream.Answer) {
	if f.byOperator(d) {
		f.giveUp(ctx, d, h, "", upstreamLetter(dlq.ReasonByOperator, a))
		return
	}
	now := time.Now()
	if over && a.Verdict != upstream.Throttled {
		f.leftOver(ctx, d, h, a)
		return
	}
	if stands.waits {
		f.logFailure(ctx, d, h, a)
		f.waitForLot(ctx, d, h, stands.began, stands.next)
		return
	}
	if h.deliveries == 1 {
		f.evidence.fail(&h.since)
	}
	alone := false // a throttled record that waits for itself, not with the platform
	if a.Verdict == upstream.Throttled {
		count := f.evidence.acceptances()
		alone = h.throttled && count > h.throttledAt
		h.throttled, h.throttledAt = true, count
	}
	pauses := a.Verdict == upstream.Throttled && a.HasRetryAfter && !alone
	switch {
	case over: // only what is throttled: it waits as it is asked to
	case (a.Verdict != upstream.Throttled || alone) && !a.Unsent && !f.Gate.Open() && f.counts(h, lot, a):
		h.failures++
		f.Metrics.BudgetSpent()
		if limit := f.budget(d.Crowded); limit > 0 && h.failures >= limit {
			f.giveUp(ctx, d, h, lotSource(lot), upstreamLetter(dlq.ReasonBudgetExhausted, a))
			return
		}
	default:
		f.Gate.Failed(recordID{d.Record.Topic, d.Record.Partition, d.Record.Offset})
	}
	f.logFailure(ctx, d, h, a)

	hold := h.hold(a.Verdict.String())
	hold.Firm = a.HasRetryAfter
	switch {
	case pauses:
		// It waits with the platform, so its own backoff does not grow; it is
		// held nonetheless, since a Retry-After of nothing would spin.
		f.Gate.Pause(now.Add(a.RetryAfter))
		d.AgainAt(now.Add(max(f.BackoffMin, a.RetryAfter)), hold)
	case f.Gate.Open() && a.HasRetryAfter:
		d.AgainAt(now.Add(a.RetryAfter), hold)
	case f.Gate.Open():
		d.AgainInTurn(hold)
	default:
		h.backoffs++
		d.AgainAt(now.Add(max(f.backoff(h.backoffs), a.RetryAfter)), hold)
	}
}

// leftOver tries a record again at once that failed in an outage which is over. It has
// waited long enough, and its session with it; the failure counts for nothing.
func (f *Forwarder) leftOver(ctx context.Context, d *consumer.Delivery, h *history, a upstream.Answer) {
	f.logFailure(ctx, d, h, a)
	hold := h.hold(a.Verdict.String())
	hold.Firm = a.HasRetryAfter
	d.AgainAt(time.Now().Add(a.RetryAfter), hold)
}

func (f *Forwarder) logFailure(ctx context.Context, d *consumer.Delivery, h *history, a upstream.Answer) {
	f.Log.LogAttrs(ctx, slog.LevelWarn, "delivery failed, tried again", f.about(d, answer(a,
		slog.Int("deliveries", h.deliveries), slog.Int("counted", h.failures))...)...)
}

// counts tells whether a failure is the record's own.
func (f *Forwarder) counts(h *history, lot string, a upstream.Answer) bool {
	if a.Verdict != upstream.Refused {
		lot = "" // needs no acceptance of the same lot
	}
	return f.evidence.proves(&h.since, lot)
}

// crowdedBudget is enough while records that wait crowd the partition: else they
// would fill its bounds, nothing more would be read or accepted, and no failure
// would ever count again.
const crowdedBudget = 3

func (f *Forwarder) budget(crowded bool) int {
	if crowded {
		return min(f.Budget, crowdedBudget)
	}
	return f.Budget
}

// backoff is the wait before the n-th try again: the least wait, doubled each
// time up to the most, and up to a half more by chance, so that records that
// failed together do not come back together.
func (f *Forwarder) backoff(n int) time.Duration {
	wait := f.BackoffMax
	if n <= 32 && f.BackoffMin<<(n-1) > 0 {
		wait = min(wait, f.BackoffMin<<(n-1))
	}
	most := min(wait+wait/2, f.BackoffMax)
	least := max(f.BackoffMin, min(wait, most*2/3))
	return least + rand.N(most-least+1)
}

// about is what may be said of a record in a log line: where it is, and never
// what it holds.
func (f *Forwarder) about(d *consumer.Delivery, more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{
		slog.String("topic", d.Record.Topic), slog.Int("partition", int(d.Record.Partition)), slog.Int64("offset", d.Record.Offset),
	}, more...)
}

// answer is what may be said of an answer.
func answer(a upstream.Answer, more ...slog.Attr) []slog.Attr {
	attrs := append([]slog.Attr{slog.String("verdict", a.Verdict.String())}, more...)
	if a.HTTPStatus != 0 {
		attrs = append(attrs, slog.Int("http_status", a.HTTPStatus))
	}
	if a.Code != "" {
		attrs = append(attrs, slog.String("code", upstream.Tame(a.Code)))
	}
	if a.Seqno != "" {
		attrs = append(attrs, slog.String("seqno", upstream.Tame(a.Seqno)))
	}
	if a.Explanation != "" {
		attrs = append(attrs, slog.String("explanation", a.Explanation))
	}
	var text *upstream.Error
	if errors.As(a.Err, &text) {
		attrs = append(attrs, slog.String("error", text.Error()))
	}
	return attrs
}
