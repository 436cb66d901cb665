package telemetry

import (
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func TestADeadLetterIsSentWithinTheDeliveryThatGaveUp(t *testing.T) {
	tracer, recorder := recording()
	ctx, delivery := tracer.StartDelivery(t.Context(), Record{Topic: "releases"})
	EndKafka(tracer.StartDeadLetter(ctx, "releases.dlq"), "kafka_3")
	EndKafka(tracer.StartDeadLetter(ctx, "releases.dlq"), "")
	tracer.EndDelivery(delivery, "mapping", true)
	for i, want := range []string{"kafka_3", ""} {
		s := recorder.Ended()[i]
		got := attributes(s)
		if s.Name() != "send releases.dlq" || s.SpanKind() != trace.SpanKindProducer || s.Parent().SpanID() != delivery.SpanContext().SpanID() {
			t.Errorf("name %q, kind %v, parent %v", s.Name(), s.SpanKind(), s.Parent())
		}
		for key, value := range map[string]string{
			"messaging.system": "kafka", "messaging.operation.name": "send", "messaging.operation.type": "send",
			"messaging.destination.name": "releases.dlq", "messaging.client.id": "forwarder", "error.type": want,
		} {
			if got[key].AsString() != value {
				t.Errorf("%s = %q, want %q", key, got[key].AsString(), value)
			}
		}
		if (s.Status().Code == codes.Error) != (want != "") {
			t.Errorf("status %v", s.Status())
		}
	}
}

func TestACommitIsASpanOfItsOwn(t *testing.T) {
	tracer, recorder := recording()
	EndKafka(tracer.StartCommit("releases", 3), "stale")
	EndKafka(tracer.StartCommit("", 4), "")
	one, many := recorder.Ended()[0], recorder.Ended()[1]
	if one.Name() != "commit releases" || one.SpanKind() != trace.SpanKindClient || one.Parent().IsValid() {
		t.Errorf("name %q, kind %v, parent %v", one.Name(), one.SpanKind(), one.Parent())
	}
	got := attributes(one)
	for key, value := range map[string]string{
		"messaging.system": "kafka", "messaging.operation.name": "commit", "messaging.operation.type": "settle",
		"messaging.destination.name": "releases", "messaging.consumer.group.name": "lots", "error.type": "stale",
	} {
		if got[key].AsString() != value {
			t.Errorf("%s = %q, want %q", key, got[key].AsString(), value)
		}
	}
	if got["release_forwarder.partitions"].AsInt64() != 3 || one.Status() != (sdktrace.Status{Code: codes.Error, Description: "stale"}) {
		t.Errorf("%v %v", got, one.Status())
	}
	if _, there := attributes(many)["messaging.destination.name"]; there || many.Name() != "commit" || many.Status().Code != codes.Unset {
		t.Errorf("a commit of several topics: %q %v", many.Name(), many)
	}
}
