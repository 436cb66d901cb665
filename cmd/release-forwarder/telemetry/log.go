package telemetry

import (
	"context"
	"io"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"release-forwarder/cmd/release-forwarder/settings"
)

// NewLogHandler returns the handler that writes lines to w: JSON objects (or
// key=value text) with time (RFC 3339, UTC), level and msg, then the fields as
// given, and trace_id and span_id where the call's context holds a span.
// Durations are written as Go writes them ("1.5s"), since a bare number says
// nothing of its unit.
//
// It does not limit repeats: see [NewLimiter].
func NewLogHandler(w io.Writer, level slog.Leveler, format settings.Format) slog.Handler {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: replace}
	switch format {
	case settings.FormatJSON:
		return identified{slog.NewJSONHandler(w, options)}
	case settings.FormatText:
		return identified{slog.NewTextHandler(w, options)}
	}
	panic("telemetry: no such format of lines: " + string(format))
}

func replace(groups []string, a slog.Attr) slog.Attr {
	switch {
	case a.Key == slog.TimeKey && len(groups) == 0 && a.Value.Kind() == slog.KindTime:
		return slog.Time(slog.TimeKey, a.Value.Time().UTC())
	case a.Value.Kind() == slog.KindDuration:
		return slog.String(a.Key, a.Value.Duration().Round(time.Microsecond).String())
	}
	return a
}

// identified adds trace_id and span_id to each line whose context holds a span.
// Lines of a logger that was given a group carry them inside that group: slog
// offers a handler no way out of it.
type identified struct{ next slog.Handler }

func (h identified) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h identified) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		// A record's attributes may be shared with other handlers: see
		// slog.Record.Clone.
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.next.Handle(ctx, r)
}

func (h identified) WithAttrs(attrs []slog.Attr) slog.Handler {
	return identified{h.next.WithAttrs(attrs)}
}

func (h identified) WithGroup(name string) slog.Handler { return identified{h.next.WithGroup(name)} }

// byKind writes changes of state apart from other lines: see [Queue].
type byKind struct{ state, other slog.Handler }

// newByKind is NewLogHandler for a writer that may be a Queue.
func newByKind(w io.Writer, level slog.Leveler, format settings.Format) slog.Handler {
	return byKind{NewLogHandler(outlet(w, lineState), level, format), NewLogHandler(outlet(w, lineLog), level, format)}
}

func (h byKind) Enabled(ctx context.Context, level slog.Level) bool {
	return h.other.Enabled(ctx, level)
}

func (h byKind) Handle(ctx context.Context, r slog.Record) error {
	if changesState(r) {
		return h.state.Handle(ctx, r)
	}
	return h.other.Handle(ctx, r)
}

func (h byKind) WithAttrs(attrs []slog.Attr) slog.Handler {
	return byKind{h.state.WithAttrs(attrs), h.other.WithAttrs(attrs)}
}

func (h byKind) WithGroup(name string) slog.Handler {
	return byKind{h.state.WithGroup(name), h.other.WithGroup(name)}
}

// leveled holds a handler that has no level of its own (the bridge to OTLP) to
// the level of the others.
type leveled struct {
	slog.Handler
	level slog.Leveler
}

func (h leveled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level.Level() && h.Handler.Enabled(ctx, level)
}

func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{h.Handler.WithAttrs(attrs), h.level}
}

func (h leveled) WithGroup(name string) slog.Handler {
	return leveled{h.Handler.WithGroup(name), h.level}
}
