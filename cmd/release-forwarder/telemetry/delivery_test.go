package telemetry

import (
	"iter"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

const (
	eventTraceID     = "0af7651916cd43dd8448eb211c80319c"
	eventTraceparent = "00-" + eventTraceID + "-b7ad6b7169203331-00"
)

// recording returns a tracer whose ended spans are kept.
func recording(options ...sdktrace.TracerProviderOption) (*Tracer, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	options = append(options, sdktrace.WithSpanProcessor(recorder))
	tracer := newTracer(sdktrace.NewTracerProvider(options...), Config{Group: "lots", ClientID: "forwarder"}, true)
	tracer.duration, _ = newRequestDuration(nil) // measures nothing
	return tracer, recorder
}

func headers(pairs ...string) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if !yield([]byte(pairs[i]), []byte(pairs[i+1])) {
				return
			}
		}
	}
}

func attributes(s sdktrace.ReadOnlySpan) map[string]attribute.Value {
	all := map[string]attribute.Value{}
	for _, kv := range s.Attributes() {
		all[string(kv.Key)] = kv.Value
	}
	return all
}

func TestADeliveryIsARootLinkedToItsEvent(t *testing.T) {
	tracer, recorder := recording()
	outer, span := tracer.tracer.Start(t.Context(), "whatever runs around it")
	defer span.End()
	first := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})

	ctx, delivery := tracer.StartDelivery(outer, Record{
		Topic: "releases", Partition: 7, Offset: 12345678901, Tombstone: true, First: first,
		Headers: headers("traceparent", "00-11111111111111111111111111111111-1111111111111111-01", "traceparent", eventTraceparent,
			"baggage", "plate=B12345", "tracestate", "vendor=plate"),
	})
	if TraceID(ctx) != delivery.SpanContext().TraceID().String() {
		t.Error("the context carries another span")
	}
	tracer.EndDelivery(delivery, "accepted", false)

	s := recorder.Ended()[0]
	if s.Name() != "process releases" || s.SpanKind() != trace.SpanKindConsumer || s.Parent().IsValid() {
		t.Errorf("name %q, kind %v, parent %v", s.Name(), s.SpanKind(), s.Parent())
	}
	if !strings.HasSuffix(s.InstrumentationScope().SchemaURL, "/1.43.0") {
		t.Errorf("schema %q", s.InstrumentationScope().SchemaURL)
	}
	links := s.Links()
	if len(links) != 2 || links[0].SpanContext.TraceID().String() != eventTraceID || !links[0].SpanContext.IsRemote() ||
		links[0].SpanContext.TraceState().Len() != 0 || !links[1].SpanContext.Equal(first) {
		t.Errorf("links %v", links)
	}
	got := attributes(s)
	for key, want := range map[string]string{
		"messaging.system": "kafka", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name": "releases", "messaging.consumer.group.name": "lots", "messaging.client.id": "forwarder",
		"messaging.destination.partition.id": "7", "release_forwarder.outcome": "accepted",
	} {
		if got[key].AsString() != want {
			t.Errorf("%s = %q, want %q", key, got[key].AsString(), want)
		}
	}
	if got["messaging.kafka.offset"].AsInt64() != 12345678901 || !got["messaging.kafka.message.tombstone"].AsBool() {
		t.Errorf("offset or tombstone: %v", got)
	}
	if s.Status().Code != codes.Unset || len(got) != 10 {
		t.Errorf("status %v, attributes %v", s.Status(), got)
	}
}

func TestADeliveryThatFailedIsAnErrorOfItsKind(t *testing.T) {
	tracer, recorder := recording()
	for outcome, want := range map[string]string{"timeout": "timeout", "粤B12345": "?"} {
		_, span := tracer.StartDelivery(t.Context(), Record{Topic: "releases"})
		tracer.EndDelivery(span, outcome, true)
		s := recorder.Ended()[len(recorder.Ended())-1]
		got := attributes(s)
		if s.Status() != (sdktrace.Status{Code: codes.Error, Description: want}) || got["error.type"].AsString() != want {
			t.Errorf("%s: %v %v", outcome, s.Status(), got)
		}
		if _, there := got["messaging.kafka.message.tombstone"]; there {
			t.Error("not a tombstone")
		}
	}
}

func TestTheProducersSamplingHasNoSay(t *testing.T) {
	for _, c := range []struct {
		name, flags string
		sampler     sdktrace.Sampler
		want        int
	}{
		{"an event marked unsampled is sampled here", "00", sdktrace.ParentBased(sdktrace.AlwaysSample()), 1},
		{"an event marked sampled is not sampled here", "01", sdktrace.ParentBased(sdktrace.NeverSample()), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			tracer, recorder := recording(sdktrace.WithSampler(c.sampler))
			_, span := tracer.StartDelivery(t.Context(), Record{
				Topic: "releases", Headers: headers("traceparent", strings.TrimSuffix(eventTraceparent, "00")+c.flags),
			})
			tracer.EndDelivery(span, "accepted", false)
			if got := len(recorder.Ended()); got != c.want {
				t.Errorf("%d spans", got)
			}
		})
	}
}

func TestDeliveriesHaveTraceIDsAlsoWhenNothingIsExported(t *testing.T) {
	tel, _ := start(t, map[string]string{"OTEL_TRACES_EXPORTER": "none"})
	ctx, span := tel.Tracer.StartDelivery(t.Context(), Record{Topic: "releases", Headers: headers("traceparent", eventTraceparent)})
	defer tel.Tracer.EndDelivery(span, "accepted", false)
	if span.IsRecording() {
		t.Error("a span is recorded for nobody")
	}
	id := TraceID(ctx)
	if len(id) != 32 || id == strings.Repeat("0", 32) || id == eventTraceID {
		t.Errorf("trace ID %q", id)
	}
	if got := Traceparent(ctx); got != "00-"+id+"-"+span.SpanContext().SpanID().String()+"-00" {
		t.Errorf("traceparent %q", got)
	}
	if TraceID(t.Context()) != "" || Traceparent(t.Context()) != "" {
		t.Error("IDs out of nothing")
	}
}

func TestTraceparentIsWhatThePropagatorWrites(t *testing.T) {
	for flags := range 256 {
		ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{0: 1, 15: 0xfe}, SpanID: trace.SpanID{0: 0xab, 7: 9}, TraceFlags: trace.TraceFlags(flags),
		}))
		carrier := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(ctx, carrier)
		if got := Traceparent(ctx); got != carrier[traceparent] {
			t.Errorf("%q, the propagator writes %q", got, carrier[traceparent])
		}
	}
}

func TestOnlyAWellFormedTraceparentIsTaken(t *testing.T) {
	for _, c := range []struct {
		name   string
		events iter.Seq2[[]byte, []byte]
		want   bool
	}{
		{"no headers", nil, false},
		{"none", headers("other", "x"), false},
		{"well-formed", headers("traceparent", eventTraceparent), true},
		{"the last counts", headers("traceparent", "junk", "traceparent", eventTraceparent), true},
		{"the last counts, though it is junk", headers("traceparent", eventTraceparent, "traceparent", "junk"), false},
		{"another case is another header", headers("Traceparent", eventTraceparent), false},
		{"upper-case hex", headers("traceparent", strings.ToUpper(eventTraceparent)), false},
		{"all zero", headers("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"), false},
		{"a later version with a tail", headers("traceparent", "cc"+eventTraceparent[2:]+"-what-comes"), true},
		{"a tail without end", headers("traceparent", "cc"+eventTraceparent[2:]+"-"+strings.Repeat("x", 1<<20)), false},
		{"bytes", headers("traceparent", "\xff\xfe"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := EventContext(c.events).IsValid(); got != c.want {
				t.Errorf("valid: %v", got)
			}
		})
	}
}

func TestWithoutPropagationNoEventIsLinked(t *testing.T) {
	tracer, recorder := recording()
	tracer.propagate = false
	_, span := tracer.StartDelivery(t.Context(), Record{Topic: "releases", Headers: headers("traceparent", eventTraceparent)})
	tracer.EndDelivery(span, "accepted", false)
	if n := len(recorder.Ended()[0].Links()); n != 0 {
		t.Errorf("%d links", n)
	}
}

func BenchmarkDeliverySpanWithoutExporter(b *testing.B) {
	tracer := newTracer(sdktrace.NewTracerProvider(), Config{}, true)
	tracer.discarded = true
	event := headers("traceparent", eventTraceparent)
	b.ReportAllocs()
	for b.Loop() {
		_, span := tracer.StartDelivery(b.Context(), Record{Topic: "releases", Headers: event})
		tracer.EndDelivery(span, "accepted", false)
	}
}

// A span that nobody gets costs its IDs: as an error's trace they must not be
// anybody else's.
func TestADeliveryCostsItsIDsWhereNothingIsExported(t *testing.T) {
	tel, _ := start(t, map[string]string{"OTEL_TRACES_EXPORTER": "none"})
	record := Record{Topic: "releases"}
	if n := testing.AllocsPerRun(100, func() {
		_, span := tel.Tracer.StartDelivery(t.Context(), record)
		tel.Tracer.EndDelivery(span, "accepted", false)
	}); n > 3 {
		t.Errorf("%.0f allocations, 3 at the most", n)
	}
	seen := map[string]bool{}
	for range 1000 {
		ctx, span := tel.Tracer.StartDelivery(t.Context(), record)
		if sc := span.SpanContext(); !sc.IsValid() || sc.IsSampled() || seen[TraceID(ctx)] || seen[sc.SpanID().String()] {
			t.Fatalf("the IDs %v", sc)
		}
		seen[TraceID(ctx)], seen[span.SpanContext().SpanID().String()] = true, true
	}
}
