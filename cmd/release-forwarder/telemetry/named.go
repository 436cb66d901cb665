package telemetry

import (
	"context"
	"log/slog"

	"release-forwarder/consumer/logevent"
)

// named puts the name of a line's event behind its fields, and where the event has one the remedy
// and the runbook.
type named struct{ slog.Handler }

func (h named) Handle(ctx context.Context, r slog.Record) error {
	e := logevent.Of(r)
	if e == nil {
		return h.Handler.Handle(ctx, r)
	}
	line, brings := slog.NewRecord(r.Time, r.Level, r.Message, r.PC), false
	r.Attrs(func(a slog.Attr) bool {
		brings = brings || a.Key == "remedy"
		if logevent.From(a) == nil {
			line.AddAttrs(a)
		}
		return true
	})
	line.AddAttrs(slog.Any(logevent.Key, e)) // the event, not its name alone: byKind asks it
	if e.Remedy != "" && !brings {           // a line may know better than its event
		line.AddAttrs(slog.String("remedy", e.Remedy))
	}
	if e.Runbook != "" {
		line.AddAttrs(slog.String("runbook", e.Runbook))
	}
	return h.Handler.Handle(ctx, line)
}

func (h named) WithAttrs(attrs []slog.Attr) slog.Handler { return named{h.Handler.WithAttrs(attrs)} }
func (h named) WithGroup(name string) slog.Handler       { return named{h.Handler.WithGroup(name)} }
