package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Bounds of repeats of one event name: the first LimitFirst lines in each
// LimitWindow pass. An outage of an hour writes at most 600 lines of a name.
const (
	LimitFirst  = 10
	LimitWindow = time.Minute
)

// StateChangeKey is the field that marks a line as a change of state (a circuit
// that opens, a partition taken or lost). Such a line is never suppressed, since
// what came after it cannot be understood without it. The field is a boolean,
// stays in the line, and needs nothing of this package:
//
//	logger.LogAttrs(ctx, slog.LevelWarn, "circuit opened", slog.Bool("state_change", true))
const StateChangeKey = "state_change"

// maxEvents bounds the windows kept. The event names are constants in the code,
// fewer than this; should a name ever be made from data, what is beyond shares
// one window instead of taking memory.
const maxEvents = 512

type stateChange struct{}

// StateChange returns a context whose log lines are never suppressed: the same
// as [StateChangeKey] for a caller that wants no field.
func StateChange(ctx context.Context) context.Context {
	return context.WithValue(ctx, stateChange{}, true)
}

func changesState(ctx context.Context) bool { return ctx.Value(stateChange{}) != nil }

// Limiter is a slog.Handler that suppresses repeats. An event name is a record's
// message: a constant, the variable part in fields. Of each name the first lines
// of a window pass; the first line of a later window carries suppressed=K, the
// number that was left out since. Lines below info (a person asked for all of
// them) and changes of state always pass.
//
// It stands before all outputs, so that standard error and a collector agree. The context
// it hands on is [StateChange]'s for every change of state, however it was marked.
// A window has no timer: it costs nothing while nothing is logged.
type Limiter struct {
	next      slog.Handler
	unlimited bool     // a logger made by With(state_change, true)
	shared    *windows // one for all handlers made from the first by WithAttrs and WithGroup
}

type windows struct {
	first int
	size  time.Duration

	mu     sync.Mutex
	events map[string]*window // guarded by mu
}

type window struct {
	opened     time.Time
	passed     int
	suppressed int
}

// NewLimiter returns a Limiter before next that lets the first n (at least 1)
// lines of an event name pass in each window.
func NewLimiter(next slog.Handler, n int, size time.Duration) *Limiter {
	return &Limiter{next: next, shared: &windows{first: max(n, 1), size: size, events: map[string]*window{}}}
}

// Enabled implements slog.Handler.
func (l *Limiter) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *Limiter) Handle(ctx context.Context, r slog.Record) error {
	if l.unlimited || changesState(ctx) || isState(r.Message) || marksStateChange(r) {
		return l.next.Handle(StateChange(ctx), r)
	}
	if r.Level < slog.LevelInfo {
		return l.next.Handle(ctx, r)
	}
	pass, suppressed := l.shared.admit(r.Message, r.Time)
	if !pass {
		return nil
	}
	if suppressed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", suppressed))
	}
	return l.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *Limiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	unlimited := l.unlimited
	for _, a := range attrs {
		unlimited = unlimited || isStateChange(a)
	}
	return &Limiter{next: l.next.WithAttrs(attrs), unlimited: unlimited, shared: l.shared}
}

// WithGroup implements slog.Handler.
func (l *Limiter) WithGroup(name string) slog.Handler {
	return &Limiter{next: l.next.WithGroup(name), unlimited: l.unlimited, shared: l.shared}
}

// Flush writes one line for each event name of which lines were left out and not
// yet reported: what would otherwise be lost at the end of the process.
func (l *Limiter) Flush(ctx context.Context) {
	if !l.Enabled(ctx, slog.LevelInfo) {
		return
	}
	for name, n := range l.shared.takeSuppressed() {
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "log lines suppressed", 0)
		r.AddAttrs(slog.String("of", name), slog.Int("suppressed", n))
		_ = l.next.Handle(StateChange(ctx), r) // nobody is left to be told
	}
}

// isState tells whether the event of a message is a change of state.
func isState(message string) bool {
	e := byMessage[message]
	return e != nil && e.State
}

func marksStateChange(r slog.Record) bool {
	marked := false
	r.Attrs(func(a slog.Attr) bool {
		marked = isStateChange(a)
		return !marked
	})
	return marked
}

func isStateChange(a slog.Attr) bool {
	return a.Key == StateChangeKey && a.Value.Kind() == slog.KindBool && a.Value.Bool()
}

// admit says whether a line of the event may pass at the time, and how many
// were left out since the last window of it that had room.
func (w *windows) admit(event string, at time.Time) (pass bool, suppressed int) {
	if at.IsZero() { // slog.Record allows it
		at = time.Now()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	state, known := w.events[event]
	if !known {
		if len(w.events) >= maxEvents {
			event = ""
		}
		if state = w.events[event]; state == nil {
			state = &window{opened: at}
			w.events[event] = state
		}
	}
	if at.Sub(state.opened) >= w.size {
		suppressed = state.suppressed
		*state = window{opened: at}
	}
	if state.passed >= w.first {
		state.suppressed++
		return false, 0
	}
	state.passed++
	return true, suppressed
}

func (w *windows) takeSuppressed() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := map[string]int{}
	for name, state := range w.events {
		if state.suppressed > 0 {
			taken[name] = state.suppressed
			state.suppressed = 0
		}
	}
	return taken
}
