package upstream_test

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"release-forwarder/upstream"
)

// otelhttp puts a reader of its own around the request's body, which net/http
// does not know to be in memory: it would write the head first and the body
// after it. One request is one write all the same.
func TestOneWriteARequestUnderOTelHTTP(t *testing.T) {
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
		"plain":    nil,
		"otelhttp": func(next http.RoundTripper) http.RoundTripper { return otelhttp.NewTransport(next) },
	} {
		t.Run(name, func(t *testing.T) {
			server := newPlatform(t, nil, yes.ServeHTTP)
			var writes atomic.Int64
			conf := config(server.URL)
			conf.Dial, conf.Wrap = counting(&writes), wrap
			deliverer := client(t, conf)
			for range 50 {
				if answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); answer.Verdict != upstream.Accepted {
					t.Fatal(answer)
				}
			}
			if got := writes.Load(); got != 50 {
				t.Errorf("%d writes for 50 requests", got)
			}
		})
	}
}

// deliverys is the trace context of a delivery as a whole.
const deliverys = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

// Each attempt carries the delivery's trace context where no wrapper knows better.
func TestTraceparentOfTheDelivery(t *testing.T) {
	var told []string
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if told = append(told, r.Header.Values("traceparent")...); len(told) < 2 {
			garbage.ServeHTTP(w, r)
			return
		}
		yes.ServeHTTP(w, r)
	})
	conf := config(server.URL)
	conf.RetryMax, conf.RetryWaitMin, conf.RetryWaitMax = 1, 1, 1
	answer := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release, Quick: true, Traceparent: deliverys})
	if answer.Verdict != upstream.Accepted || !slices.Equal(told, []string{deliverys, deliverys}) {
		t.Errorf("%+v, told %q", answer, told)
	}
}

// What a wrapper sees: one span and one measurement an attempt, ended with the
// answer's body, with the hook's attributes, and nothing that may not be shown.
func TestSpansAndMetricsOfEachAttempt(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	reader := sdkmetric.NewManualReader()
	metrics := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))

	var parents []string
	var served atomic.Int32
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		parents = append(parents, r.Header.Get("traceparent"))
		switch served.Add(1) {
		case 1:
			hangUp(w, "HTTP/1.1 plate=粤 \r\n\r\n")
		case 2:
			garbage.ServeHTTP(w, r)
		default:
			yes.ServeHTTP(w, r)
		}
	})
	conf := config(server.URL + "/update")
	conf.RetryMax, conf.RetryWaitMin, conf.RetryWaitMax = 2, 1, 1
	conf.Wrap = func(next http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(next, otelhttp.WithTracerProvider(traces), otelhttp.WithMeterProvider(metrics),
			otelhttp.WithPropagators(propagation.TraceContext{}))
	}
	conf.OnAnswer = func(ctx context.Context, a upstream.Attempt) {
		trace.SpanFromContext(ctx).SetAttributes(attribute.Int("resend", a.Number-1), attribute.String("verdict", a.Verdict.String()))
	}
	answer := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release, Quick: true, Traceparent: deliverys})
	if answer.Verdict != upstream.Accepted || answer.Attempts != 3 {
		t.Fatalf("%+v", answer)
	}
	ended := spans.Ended()
	if len(ended) != 3 || len(spans.Started()) != 3 {
		t.Fatalf("%d spans ended", len(ended))
	}
	for i, want := range []string{"unreachable", "unreadable", "accepted"} {
		set := attribute.NewSet(ended[i].Attributes()...)
		if verdict, _ := set.Value("verdict"); verdict.AsString() != want {
			t.Errorf("span %d has verdict %q", i, verdict.AsString())
		}
		if resend, ok := set.Value("resend"); !ok || resend.AsInt64() != int64(i) {
			t.Errorf("span %d is resend %d", i, resend.AsInt64())
		}
		if id := ended[i].SpanContext().SpanID().String(); len(parents) <= i || len(parents[i]) != 55 || parents[i][36:52] != id {
			t.Errorf("span %s, traceparent %s", id, parents[i])
		}
	}
	status := ended[0].Status()
	failed := attribute.NewSet(ended[0].Attributes()...)
	kind, _ := failed.Value("error.type")
	if status.Code != codes.Error || status.Description != "unreachable: the exchange failed (*errors.errorString)" || kind.AsString() != "unreachable" {
		t.Errorf("status %+v, error.type %s", status, kind.AsString())
	}

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &collected); err != nil {
		t.Fatal(err)
	}
	sizes := uint64(0)
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == "http.client.request.body.size" {
				for _, point := range m.Data.(metricdata.Histogram[int64]).DataPoints {
					sizes += point.Count
					if low, ok := point.Min.Value(); !ok || low < 100 {
						t.Errorf("a body of %d bytes", low)
					}
				}
			}
		}
	}
	if sizes != 3 {
		t.Errorf("%d request bodies measured", sizes)
	}
}
