package telemetry

import (
	"context"
	"iter"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceparent is the header of the W3C trace context, in Kafka as in HTTP.
const traceparent = "traceparent"

// maxTraceparent bounds what is parsed. Version 00 has 55 bytes; later versions
// may add to it (W3C Trace Context, 3.2).
const maxTraceparent = 256

// EventContext returns the trace context in an event's headers, as a remote one;
// one that is not valid where there is none or it is malformed. Of a name that
// occurs more than once the last counts, as in Kafka's own clients. tracestate
// and baggage are not read: they are free text of whoever wrote the event.
func EventContext(headers iter.Seq2[[]byte, []byte]) trace.SpanContext {
	if headers == nil {
		return trace.SpanContext{}
	}
	var last []byte
	for name, value := range headers {
		if string(name) == traceparent {
			last = value
		}
	}
	if len(last) == 0 || len(last) > maxTraceparent {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparent: string(last)})
	return trace.SpanContextFromContext(ctx)
}
