package arrival

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"proof/received"
	"proof/stage"
	"release-forwarder/cmd/testkit/platform"
)

var update = flag.Bool("update", false, "write the trace of docs/reference/telemetry anew")

const (
	producerTrace, producerSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	noParent                    = ""
)

// TestATraceTellsOfEachDeliveryAttemptDeadLetterAndCommit sends three records: one that is accepted, one that is held after
// its quick retries and accepted then, and one that cannot be mapped.
func TestATraceTellsOfEachDeliveryAttemptDeadLetterAndCommit(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			w := open(t, "secret")
			w.Platform.Script(func(r *platform.Request) *platform.Reply {
				if r.Params["flow_no"] != "retried" || r.Attempt > 3 {
					return nil
				}
				body := platform.Body{Code: platform.CodeError, Message: "busy", Seqno: fmt.Sprintf("seqno-%d", r.Attempt)}
				return &platform.Reply{Status: http.StatusInternalServerError, Body: body.String()}
			})
			f := w.start("one", protocol, nil)
			traced := kgo.RecordHeader{Key: "traceparent", Value: []byte("00-" + producerTrace + "-" + producerSpan + "-01")}
			baggage := []kgo.RecordHeader{{Key: "baggage", Value: []byte("a=b")}, {Key: "tracestate", Value: []byte("a=b")}}
			w.send(event(0, "accepted", nil, append(baggage, traced)...))
			w.send(event(1, "retried", nil, append(baggage, traced)...))
			w.send(event(2, "unmapped", map[string]any{"operate_time": "yesterday"}))
			w.settled(f)
			w.stopped(f)

			spans := w.sink.Spans()
			if bad := w.sink.Bad(); len(bad) > 0 {
				t.Errorf("the collector handed on what cannot be read: %v", bad)
			}
			page, err := os.ReadFile("../../../../docs/reference/traces.md")
			must(t, err)
			for _, s := range spans {
				checkEverySpan(t, s)
				for name := range s.Attributes {
					if !strings.Contains(string(page), "`"+name+"`") {
						t.Errorf("%s has the attribute %s, which docs/reference/traces.md does not name", s.Name, name)
					}
				}
			}
			checkAccepted(t, spans)
			first, second := checkRetried(t, spans)
			checkUnmapped(t, spans)
			checkCommits(t, spans)
			for name, n := range w.HeadersAtThePlatform() {
				if name == "traceparent" && n != 5 || name == "tracestate" || name == "baggage" {
					t.Errorf("%d requests brought the platform the header %s", n, name)
				}
			}
			if *update && protocol == "http/protobuf" {
				keep(t, w.sink, first.Trace, second.Trace)
			}
		})
	}
}

func checkEverySpan(t *testing.T, s received.Span) {
	t.Helper()
	if s.Resource["service.name"] != "release-forwarder" || s.Resource["deployment.environment.name"] != "proof" || s.Resource["telemetry.sdk.language"] != "go" {
		t.Errorf("%s: resource %v", s.Name, s.Resource)
	}
	for name := range s.Resource {
		if strings.HasPrefix(name, "process.") || strings.HasPrefix(name, "host.") {
			t.Errorf("%s: the resource tells %s", s.Name, name)
		}
	}
	if s.Events != 0 || s.TraceState != "" || s.Dropped != 0 || s.End < s.Start {
		t.Errorf("%+v", s)
	}
	if s.Name != "POST" && !strings.HasPrefix(s.Schema, "https://opentelemetry.io/schemas/1.") {
		t.Errorf("%s: schema %q", s.Name, s.Schema)
	}
}

// delivery is the CONSUMER span of the n-th delivery of the record at the start of a partition.
func delivery(t *testing.T, spans []received.Span, partition, n, of int) received.Span {
	t.Helper()
	var all []received.Span
	for _, s := range spans {
		if s.Name == "process "+stage.Topic && s.Attributes["messaging.destination.partition.id"] == fmt.Sprint(partition) {
			all = append(all, s)
		}
	}
	if len(all) != of {
		t.Fatalf("partition %d: %d deliveries, want %d: %+v", partition, len(all), of, all)
	}
	s := all[n]
	holds(t, s, "Consumer", map[string]any{
		"messaging.system": "kafka", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name": stage.Topic, "messaging.destination.partition.id": fmt.Sprint(partition),
		"messaging.kafka.offset": int64(0), "messaging.consumer.group.name": stage.Group, "messaging.client.id": "release-forwarder",
	})
	if s.Parent != noParent {
		t.Errorf("a delivery is no root: %+v", s)
	}
	return s
}

// holds checks a span's kind and attributes; those whose value is nil must not be there.
func holds(t *testing.T, s received.Span, kind string, want map[string]any) {
	t.Helper()
	if s.Kind != kind {
		t.Errorf("%s: kind %s, want %s", s.Name, s.Kind, kind)
	}
	for name, value := range want {
		if got := s.Attributes[name]; got != value {
			t.Errorf("%s: %s is %v, want %v; all: %v", s.Name, name, got, value, s.Attributes)
		}
	}
}

func children(spans []received.Span, of received.Span, name string) (all []received.Span) {
	for _, s := range spans {
		if s.Trace == of.Trace && s.Parent == of.ID && s.Name == name {
			all = append(all, s)
		}
	}
	return all
}

func checkAccepted(t *testing.T, spans []received.Span) {
	t.Helper()
	s := delivery(t, spans, 0, 0, 1)
	holds(t, s, "Consumer", map[string]any{"release_forwarder.outcome": "accepted", "error.type": nil})
	if !slices.Equal(s.Links, []received.Link{{Trace: producerTrace, Span: producerSpan}}) || s.Status == "Error" || s.Trace == producerTrace {
		t.Errorf("%+v", s)
	}
	posts := children(spans, s, "POST")
	if len(posts) != 1 {
		t.Fatalf("%d attempts", len(posts))
	}
	holds(t, posts[0], "Client", map[string]any{
		"http.request.method": "POST", "http.response.status_code": int64(200), "http.request.resend_count": nil,
		"release_forwarder.code": "1001", "release_forwarder.verdict": "accepted", "error.type": nil, "url.query": nil,
	})
	if posts[0].Attributes["release_forwarder.seqno"] == nil || posts[0].Status != "Ok" {
		t.Errorf("%+v", posts[0])
	}
}

// checkRetried returns the two deliveries.
func checkRetried(t *testing.T, spans []received.Span) (first, second received.Span) {
	t.Helper()
	first, second = delivery(t, spans, 1, 0, 2), delivery(t, spans, 1, 1, 2)
	holds(t, first, "Consumer", map[string]any{"release_forwarder.outcome": "failed", "error.type": "failed"})
	holds(t, second, "Consumer", map[string]any{"release_forwarder.outcome": "accepted", "error.type": nil})
	event := received.Link{Trace: producerTrace, Span: producerSpan}
	if !slices.Equal(first.Links, []received.Link{event}) || first.Status != "Error" {
		t.Errorf("the first delivery: %+v", first)
	}
	if !slices.Equal(second.Links, []received.Link{event, {Trace: first.Trace, Span: first.ID}}) || first.Trace == second.Trace {
		t.Errorf("the second delivery is not linked to the event and the first: %+v", second)
	}
	attempts := children(spans, first, "POST")
	if len(attempts) != 3 {
		t.Fatalf("%d attempts, want 3", len(attempts))
	}
	for i, s := range attempts {
		resend := any(int64(i))
		if i == 0 {
			resend = nil // absent on the first
		}
		holds(t, s, "Client", map[string]any{
			"http.response.status_code": int64(500), "http.request.resend_count": resend, "release_forwarder.code": "500",
			"release_forwarder.seqno": fmt.Sprintf("seqno-%d", i+1), "release_forwarder.verdict": "failed",
			"error.type": "500", // the HTTP conventions' word for an answer of that status
		})
		if s.Status != "Error" {
			t.Errorf("a refused attempt is %s", s.Status)
		}
	}
	if last := children(spans, second, "POST"); len(last) != 1 || last[0].Attributes["http.request.resend_count"] != nil {
		t.Errorf("the second delivery's attempts: %+v", last)
	}
	return first, second
}

func checkUnmapped(t *testing.T, spans []received.Span) {
	t.Helper()
	s := delivery(t, spans, 2, 0, 1)
	holds(t, s, "Consumer", map[string]any{"release_forwarder.outcome": "mapping", "error.type": "mapping"})
	deadLetters := children(spans, s, "send "+stage.DeadLetters)
	if len(deadLetters) != 1 || s.Status != "Error" || len(s.Links) != 0 {
		t.Fatalf("%d dead letters of %+v", len(deadLetters), s)
	}
	holds(t, deadLetters[0], "Producer", map[string]any{
		"messaging.system": "kafka", "messaging.operation.name": "send", "messaging.operation.type": "send",
		"messaging.destination.name": stage.DeadLetters, "error.type": nil,
	})
}

func checkCommits(t *testing.T, spans []received.Span) {
	t.Helper()
	n := 0
	for _, s := range spans {
		if s.Name != "commit "+stage.Topic {
			continue
		}
		n++
		holds(t, s, "Client", map[string]any{
			"messaging.system": "kafka", "messaging.operation.name": "commit", "messaging.operation.type": "settle",
			"messaging.destination.name": stage.Topic, "messaging.consumer.group.name": stage.Group, "error.type": nil,
		})
		if s.Parent != noParent {
			t.Errorf("a commit is no root: %+v", s)
		}
	}
	if n == 0 {
		t.Error("no commit came")
	}
}

// keep writes the trace that the documents show.
func keep(t *testing.T, sink *received.Sink, traces ...string) {
	t.Helper()
	text, err := sink.Traces(traces...)
	must(t, err)
	var out bytes.Buffer
	must(t, json.Indent(&out, text, "", " "))
	must(t, os.WriteFile("../../../../docs/reference/telemetry/retry.json", append(out.Bytes(), '\n'), 0o644))
}
