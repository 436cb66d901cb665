package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"release-forwarder/consumer/logevent"
)

// Bounds of repeats of one event name: the first LimitFirst lines in each
// LimitWindow pass. An outage of an hour writes at most 600 lines of a name.
const (
	LimitFirst  = 10
	LimitWindow = time.Minute
)

// maxEvents bounds the windows kept. The event names are constants in the code,
// fewer than this; should a name ever be made from data, what is beyond shares
// one window instead of taking memory.
const maxEvents = 512

// Limiter is a slog.Handler that suppresses repeats. An event name is a record's
// message: a constant, the variable part in fields. Of each name the first lines
// of a window pass; the first line of a later window carries suppressed=K, the
// number that was left out since. Lines below info (a person asked for all of
// them) and changes of state (a circuit that opens, a partition taken or lost) always pass.
//
// It stands before all outputs, so that standard error and a collector agree.
// A window has no timer: it costs nothing while nothing is logged.
type Limiter struct {
	next   slog.Handler
	shared *windows // one for all handlers made from the first by WithAttrs and WithGroup
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
	if r.Level < slog.LevelInfo || changesState(r) {
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
	return &Limiter{next: l.next.WithAttrs(attrs), shared: l.shared}
}

// WithGroup implements slog.Handler.
func (l *Limiter) WithGroup(name string) slog.Handler {
	return &Limiter{next: l.next.WithGroup(name), shared: l.shared}
}

// Flush writes one line for each event name of which lines were left out and not
// yet reported: what would otherwise be lost at the end of the process.
func (l *Limiter) Flush(ctx context.Context) {
	if !l.Enabled(ctx, slog.LevelInfo) {
		return
	}
	for name, n := range l.shared.takeSuppressed() {
		// There is no one left to report an error to.
		_ = l.next.Handle(ctx, eventSuppressed.Record(slog.String("of", name), slog.Int("suppressed", n)))
	}
}

// changesState reports whether a line is of a change of state.
func changesState(r slog.Record) bool {
	e := logevent.Of(r)
	return e != nil && e.State
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
