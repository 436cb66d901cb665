package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/trace"
)

func TestTheSinkCountsWhatTheExporterSends(t *testing.T) {
	server := httptest.NewServer(sink())
	defer server.Close()
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(server.URL+"/v1/traces"))
	if err != nil {
		t.Fatal(err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	for _, scope := range []string{"a", "b"} {
		for range 7 {
			_, span := provider.Tracer(scope).Start(context.Background(), "span")
			span.End()
		}
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := spansOf(strings.TrimPrefix(server.URL, "http://"))
	if err != nil || got != 14 {
		t.Errorf("%d spans, %v", got, err)
	}
}

func TestADamagedMessageEndsTheCount(t *testing.T) {
	for _, message := range []string{"\x0a", "\x0a\x7f\x01", "\x08", "\x0f", "\x09\x01", "\xff"} {
		if n := countSpans([]byte(message)); n != 0 {
			t.Errorf("%q: %d", message, n)
		}
	}
}
