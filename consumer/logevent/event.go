// Package logevent declares log lines as values. It knows no event: each package that logs has a [List] of its
// events in a file events.go, and writes a line by the event's method:
//
//	var events logevent.List
//
//	var eventJoined = events.Add(logevent.Event{
//		Name: "joined", Level: slog.LevelInfo, State: true, Message: "joined the group",
//	})
//
//	eventJoined.Log(log, slog.String("group", group))
//
// The record carries the event in the field event, whose value prints as the event's name. A handler gets the
// event by [Of].
package logevent

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Key is the field that holds an event.
const Key = "event"

// Event is a log line that the service can write: a constant message; what varies is in fields.
type Event struct {
	// Name is the field event, for alerts and searches. It stays when the message is reworded.
	Name    string
	Level   slog.Level
	Message string
	// State marks a change of state. Its line is never suppressed: without it the lines that follow cannot be
	// understood.
	State bool
	// Remedy is what a person should do. Runbook is the page in deployments/runbooks that says more. The line
	// carries both; a field remedy of the line replaces Remedy. "": the line asks for nothing, or its message
	// or its own field remedy says it.
	Remedy, Runbook string
}

// Log writes the event's line to a logger.
func (e *Event) Log(log *slog.Logger, attrs ...slog.Attr) {
	e.LogContext(context.Background(), log, attrs...)
}

// LogContext is Log with a context: the line carries the context's span.
func (e *Event) LogContext(ctx context.Context, log *slog.Logger, attrs ...slog.Attr) {
	log.LogAttrs(ctx, e.Level, e.Message, append(slices.Clip(attrs), e.attr())...)
}

// Record returns the event's line, for a handler that has no logger before it.
func (e *Event) Record(attrs ...slog.Attr) slog.Record {
	r := slog.NewRecord(time.Now(), e.Level, e.Message, 0)
	r.AddAttrs(attrs...)
	r.AddAttrs(e.attr())
	return r
}

// At returns the event at another level, for a line whose level depends on its cause.
func (e *Event) At(level slog.Level) *Event {
	other := *e
	other.Level = level
	return &other
}

// LogValue implements slog.LogValuer: an event prints as its name.
func (e *Event) LogValue() slog.Value { return slog.StringValue(e.Name) }

func (e *Event) attr() slog.Attr { return slog.Any(Key, e) }

// Of returns the event of a record; nil if it has none.
func Of(r slog.Record) (found *Event) {
	r.Attrs(func(a slog.Attr) bool {
		found = From(a)
		return found == nil
	})
	return found
}

// From returns the event that a field holds; nil if it holds something else.
func From(a slog.Attr) *Event {
	e, _ := a.Value.Any().(*Event)
	return e
}

// List holds the events of one package, in the order of their declarations.
type List []*Event

// Add appends an event to the list and returns it.
func (l *List) Add(e Event) *Event {
	*l = append(*l, &e)
	return &e
}
