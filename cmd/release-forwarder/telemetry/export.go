package telemetry

import (
	"context"
	"fmt"
	"io"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The exporters are made here and not by contrib's autoexport, which takes one
// name a signal where the specification has a list, and reads it from the
// process's environment alone. They read endpoint, headers, time-outs,
// compression and TLS files from the environment themselves, as package otelenv
// has left it, and connect only when there is something to send.

// making is one exporter's constructor for each name.
type making[T any] struct {
	console, grpc, http func() (T, error)
}

// all returns the exporters of the names. One that cannot be made is left out
// and reported: telemetry must not stop the service.
func (m making[T]) all(signal string, names []string, protocol string) (made []T, problems []string) {
	for _, name := range names {
		build := m.http
		switch {
		case name == exporterConsole:
			build = m.console
		case protocol == protocolGRPC:
			build = m.grpc
		}
		exporter, err := build()
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s exporter %s: %s", signal, name, cleanError(err)))
			continue
		}
		made = append(made, exporter)
	}
	return made, problems
}

func spanExporters(ctx context.Context, e environment, console io.Writer) ([]sdktrace.SpanExporter, []string) {
	return making[sdktrace.SpanExporter]{
		console: func() (sdktrace.SpanExporter, error) { return stdouttrace.New(stdouttrace.WithWriter(console)) },
		grpc:    func() (sdktrace.SpanExporter, error) { return otlptracegrpc.New(ctx) },
		http:    func() (sdktrace.SpanExporter, error) { return otlptracehttp.New(ctx) },
	}.all("traces", e.traces, e.tracesProto)
}

func metricExporters(ctx context.Context, e environment, console io.Writer) ([]sdkmetric.Exporter, []string) {
	return making[sdkmetric.Exporter]{
		console: func() (sdkmetric.Exporter, error) { return stdoutmetric.New(stdoutmetric.WithWriter(console)) },
		grpc:    func() (sdkmetric.Exporter, error) { return otlpmetricgrpc.New(ctx) },
		http:    func() (sdkmetric.Exporter, error) { return otlpmetrichttp.New(ctx) },
	}.all("metrics", e.metrics, e.metricsProto)
}

func logExporters(ctx context.Context, e environment, console io.Writer) ([]sdklog.Exporter, []string) {
	return making[sdklog.Exporter]{
		console: func() (sdklog.Exporter, error) { return stdoutlog.New(stdoutlog.WithWriter(console)) },
		grpc:    func() (sdklog.Exporter, error) { return otlploggrpc.New(ctx) },
		http:    func() (sdklog.Exporter, error) { return otlploghttp.New(ctx) },
	}.all("logs", e.logs, e.logsProto)
}
