package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// StartDeadLetter begins the PRODUCER span of one try to write a dead letter: a child
// of the delivery that gave the record up, whose span ctx carries. End it with
// [EndKafka].
func (t *Tracer) StartDeadLetter(ctx context.Context, topic string) trace.Span {
	_, span := t.tracer.Start(ctx, "send "+topic, trace.WithSpanKind(trace.SpanKindProducer))
	if span.IsRecording() {
		span.SetAttributes(
			semconv.MessagingSystemKafka, semconv.MessagingOperationName("send"), semconv.MessagingOperationTypeSend,
			semconv.MessagingDestinationName(topic), t.client,
		)
	}
	return span
}

// StartCommit begins the CLIENT span of one offset commit, which covers many
// records of several partitions and so is a root of its own. Topic is empty where
// it covers several. End it with [EndKafka].
func (t *Tracer) StartCommit(topic string, partitions int) trace.Span {
	name := "commit"
	if topic != "" {
		name += " " + topic
	}
	_, span := t.tracer.Start(context.Background(), name, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(
			semconv.MessagingSystemKafka, semconv.MessagingOperationName("commit"), semconv.MessagingOperationTypeSettle,
			t.group, t.client, partitionsKey.Int(partitions),
		)
		if topic != "" {
			span.SetAttributes(semconv.MessagingDestinationName(topic))
		}
	}
	return span
}

// partitionsKey is how many partitions a commit covers; the conventions count
// messages only.
const partitionsKey = attribute.Key("release_forwarder.partitions")

// EndKafka ends a span of a request to Kafka. Failure is "" for one that was
// taken, else the word of what went wrong, from a closed list.
func EndKafka(span trace.Span, failure string) {
	if failure != "" && span.IsRecording() {
		failure = Sanitize(failure)
		span.SetAttributes(semconv.ErrorTypeKey.String(failure))
		span.SetStatus(codes.Error, failure)
	}
	span.End()
}
