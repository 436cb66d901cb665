package telemetry

import (
	"context"
	"sync/atomic"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// account counts what was given to the exporters of a signal, and what they passed
// on. The SDK keeps what its queues drop to itself.
type account struct {
	given  atomic.Int64
	passed []*atomic.Int64 // by exporter
}

// exporter opens the account of one more exporter.
func (a *account) exporter() *atomic.Int64 {
	passed := new(atomic.Int64)
	a.passed = append(a.passed, passed)
	return passed
}

// dropped is how many were not passed on, of all exporters together.
func (a *account) dropped() (n int64) {
	for _, passed := range a.passed {
		n += a.given.Load() - passed.Load()
	}
	return n
}

// Dropped returns how many spans and log records no exporter has passed on since the
// start: because its queue was full, because it failed, or because it was cut off by
// the end of a Shutdown. What still waits counts too.
func (t *Telemetry) Dropped() (spans, logs int64) { return t.spans.dropped(), t.logs.dropped() }

// spanCounter counts the spans that are given to the exporters.
type spanCounter struct{ account *account }

var _ sdktrace.SpanProcessor = spanCounter{}

func (c spanCounter) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (c spanCounter) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() { // others are recorded at the most
		c.account.given.Add(1)
	}
}
func (c spanCounter) Shutdown(context.Context) error   { return nil }
func (c spanCounter) ForceFlush(context.Context) error { return nil }

// countedSpans counts what a span exporter has passed on.
type countedSpans struct {
	sdktrace.SpanExporter
	passed *atomic.Int64
}

func (c countedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		c.passed.Add(int64(len(spans)))
	}
	return err
}

// logCounter counts the log records that are given to the exporters.
type logCounter struct{ account *account }

var _ sdklog.Processor = logCounter{}

func (c logCounter) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (c logCounter) OnEmit(context.Context, *sdklog.Record) error {
	c.account.given.Add(1)
	return nil
}
func (c logCounter) Shutdown(context.Context) error   { return nil }
func (c logCounter) ForceFlush(context.Context) error { return nil }

// countedLogs counts what a log exporter has passed on.
type countedLogs struct {
	sdklog.Exporter
	passed *atomic.Int64
}

func (c countedLogs) Export(ctx context.Context, records []sdklog.Record) error {
	err := c.Exporter.Export(ctx, records)
	if err == nil {
		c.passed.Add(int64(len(records)))
	}
	return err
}
