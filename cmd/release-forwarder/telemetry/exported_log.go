package telemetry

import (
	"context"
	"log/slog"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/log"
)

// exported returns the handler that sends lines by OTLP: with the level of the
// other handlers, which the bridge would ignore, and in valid UTF-8, since one
// bad byte costs the whole batch there.
func exported(provider log.LoggerProvider, level slog.Leveler) slog.Handler {
	return leveled{wellFormed{otelslog.NewHandler(scopeName, otelslog.WithLoggerProvider(provider))}, level}
}

type wellFormed struct{ slog.Handler }

func (h wellFormed) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, strings.ToValidUTF8(r.Message, "?"), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(wellFormedAttr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

func (h wellFormed) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = wellFormedAttr(a)
	}
	return wellFormed{h.Handler.WithAttrs(clean)}
}

func (h wellFormed) WithGroup(name string) slog.Handler {
	return wellFormed{h.Handler.WithGroup(name)}
}

// wellFormedAttr makes strings valid and errors strings: the bridge would report
// an error as an exception.
func wellFormedAttr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		if !utf8.ValidString(v.String()) {
			return slog.String(a.Key, strings.ToValidUTF8(v.String(), "?"))
		}
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return slog.String(a.Key, strings.ToValidUTF8(err.Error(), "?"))
		}
	}
	return a
}
