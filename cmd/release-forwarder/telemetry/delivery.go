package telemetry

import (
	"context"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes the spans of the service, by the messaging conventions named in
// its schema URL:
//
//	process <topic>   CONSUMER, one delivery of one record; a root, linked to the
//	                  event's traceparent and to the record's first delivery
//	  POST            CLIENT, one HTTP attempt; see [Tracer.HTTPTransport]
//	  send <dlq>      PRODUCER, one try to write the record's dead letter
//	commit <topic>    CLIENT, one offset commit; a root
//
// Its methods may be called from any goroutine.
type Tracer struct {
	provider  trace.TracerProvider
	duration  requestDuration
	tracer    trace.Tracer
	propagate bool                 // W3C trace context: from events, to the platform
	discarded bool                 // no exporter takes the spans
	fixed     []attribute.KeyValue // those every delivery has
	group     attribute.KeyValue
	client    attribute.KeyValue
}

func newTracer(provider trace.TracerProvider, cfg Config, propagate bool) *Tracer {
	group, client := semconv.MessagingConsumerGroupName(cfg.Group), semconv.MessagingClientID(cfg.ClientID)
	return &Tracer{
		provider:  provider,
		tracer:    provider.Tracer(scopeName, trace.WithInstrumentationVersion(cfg.Build.Version), trace.WithSchemaURL(semconv.SchemaURL)),
		propagate: propagate,
		fixed: []attribute.KeyValue{
			semconv.MessagingSystemKafka, semconv.MessagingOperationName("process"), semconv.MessagingOperationTypeProcess,
			group, client,
		},
		group: group, client: client,
	}
}

// Record is what a delivery's span says of its record: where it is, and nothing
// it holds.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	// Tombstone: the record's value is null.
	Tombstone bool
	// Headers are the record's headers in their order; nil for none. Only
	// traceparent is looked at, and only where the span is recorded.
	Headers iter.Seq2[[]byte, []byte]
	// First is the span of the record's first delivery, for a later one.
	First trace.SpanContext
}

// StartDelivery begins the CONSUMER span of one delivery of a record and returns
// the context that carries it. It is a root: the producer's sampling has no say
// here, and a record held for hours does not stretch the producer's trace. End it
// with [Tracer.EndDelivery].
func (t *Tracer) StartDelivery(ctx context.Context, r Record) (context.Context, trace.Span) {
	if t.discarded {
		ctx = trace.ContextWithSpanContext(ctx, newRoot())
		return ctx, trace.SpanFromContext(ctx)
	}
	ctx, span := t.tracer.Start(ctx, "process "+r.Topic, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer))
	if !span.IsRecording() {
		return ctx, span
	}
	span.SetAttributes(t.fixed...)
	span.SetAttributes(
		semconv.MessagingDestinationName(r.Topic),
		semconv.MessagingDestinationPartitionID(strconv.Itoa(r.Partition)),
		semconv.MessagingKafkaOffsetKey.Int64(r.Offset),
	)
	if r.Tombstone {
		span.SetAttributes(semconv.MessagingKafkaMessageTombstone(true))
	}
	if t.propagate {
		if event := EventContext(r.Headers); event.IsValid() {
			span.AddLink(trace.Link{SpanContext: event})
		}
	}
	if r.First.IsValid() {
		span.AddLink(trace.Link{SpanContext: r.First})
	}
	return ctx, span
}

// newRoot makes the IDs of a span that no exporter takes: a span of the SDK would be four
// more allocations a record.
func newRoot() trace.SpanContext {
	var c trace.SpanContextConfig
	for !c.TraceID.IsValid() {
		binary.NativeEndian.PutUint64(c.TraceID[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(c.TraceID[8:], rand.Uint64())
	}
	for !c.SpanID.IsValid() {
		binary.NativeEndian.PutUint64(c.SpanID[:], rand.Uint64())
	}
	return trace.NewSpanContext(c)
}

// Attributes of our own on spans; the conventions have none for them.
const (
	outcomeKey = attribute.Key("release_forwarder.outcome")
	verdictKey = attribute.Key("release_forwarder.verdict")
	codeKey    = attribute.Key("release_forwarder.code")
	seqnoKey   = attribute.Key("release_forwarder.seqno")
)

// EndDelivery ends a delivery's span with its outcome: a word such as accepted,
// mapping, or the verdict that holds the record. Failed marks the span as an
// error of that type.
func (t *Tracer) EndDelivery(span trace.Span, outcome string, failed bool) {
	if span.IsRecording() {
		outcome = Sanitize(outcome)
		span.SetAttributes(outcomeKey.String(outcome))
		if failed {
			span.SetAttributes(semconv.ErrorTypeKey.String(outcome))
			span.SetStatus(codes.Error, outcome)
		}
	}
	span.End()
}

// TraceID returns the trace ID that ctx carries as 32 hex digits, or "".
func TraceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// Outgoing returns the traceparent that is sent to the platform for a delivery that is not
// sampled. It is "" for one that is sampled, where each attempt's own span is sent (see
// [Tracer.HTTPTransport]), and if nothing is propagated.
func (t *Tracer) Outgoing(ctx context.Context) string {
	if !t.propagate || trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	return Traceparent(ctx)
}

// Traceparent returns the span that ctx carries as a W3C traceparent (version 00),
// or "": what a dead letter names, so that whoever handles it finds the delivery
// that failed.
func Traceparent(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return ""
	}
	flags := sc.TraceFlags() & (trace.FlagsSampled | trace.FlagsRandom)
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + flags.String()
}
