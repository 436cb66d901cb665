package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// kept is a handler that keeps the lines it gets, as "message suppressed=K".
type kept struct {
	mu    *sync.Mutex
	lines *[]string
}

func newKept() kept { return kept{&sync.Mutex{}, &[]string{}} }

func (k kept) Enabled(context.Context, slog.Level) bool { return true }
func (k kept) WithAttrs([]slog.Attr) slog.Handler       { return k }
func (k kept) WithGroup(string) slog.Handler            { return k }
func (k kept) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "suppressed" || a.Key == "of" {
			line += fmt.Sprintf(" %s=%s", a.Key, a.Value)
		}
		return true
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	*k.lines = append(*k.lines, line)
	return nil
}

func (k kept) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	lines := *k.lines
	*k.lines = nil
	return lines
}

func TestRepeatsOfAnEventAreLimitedInEachWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newKept()
		logger := slog.New(NewLimiter(out, 2, time.Minute))
		for range 5 {
			logger.Warn("held")
		}
		logger.Warn("other event")
		if got := out.take(); !slices.Equal(got, []string{"held", "held", "other event"}) {
			t.Errorf("first window: %q", got)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		logger.Warn("held")
		if got := out.take(); len(got) != 0 {
			t.Errorf("the window has not ended: %q", got)
		}
		time.Sleep(time.Nanosecond)
		for range 3 {
			logger.Warn("held")
		}
		if got := out.take(); !slices.Equal(got, []string{"held suppressed=4", "held"}) {
			t.Errorf("second window: %q", got)
		}
		time.Sleep(time.Hour)
		logger.Warn("held")
		logger.Warn("held")
		if got := out.take(); !slices.Equal(got, []string{"held suppressed=1", "held"}) {
			t.Errorf("after a quiet hour: %q", got)
		}
	})
}

func TestAnHourOfFailuresIsFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newKept()
		logger := slog.New(NewLimiter(out, LimitFirst, LimitWindow))
		for range 10_000 {
			logger.Warn("delivery failed")
			time.Sleep(360 * time.Millisecond)
		}
		if n := len(out.take()); n != 60*LimitFirst {
			t.Errorf("%d lines, want %d", n, 60*LimitFirst)
		}
	})
}

func TestStateChangesAreNeverLimited(t *testing.T) {
	out := newKept()
	limiter := NewLimiter(out, 1, time.Hour)
	logger := slog.New(limiter)
	for name, log := range map[string]func(){
		"by its event":  func() { joined.Log(logger) },
		"by logger":     func() { joined.Log(logger.With("topic", "releases")) },
		"by group":      func() { joined.Log(logger.WithGroup("g"), slog.Int("n", 1)) },
		"as debug line": func() { logger.Debug("joined the group") },
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				log()
			}
			if n := len(out.take()); n != 20 {
				t.Errorf("%d of 20 lines", n)
			}
		})
	}
	t.Run("an event of another kind marks nothing", func(t *testing.T) {
		for range 20 {
			fetchFailed.Log(logger)
		}
		if n := len(out.take()); n != 1 {
			t.Errorf("%d lines", n)
		}
	})
}

func TestLoggersMadeFromOneShareItsWindows(t *testing.T) {
	out := newKept()
	logger := slog.New(NewLimiter(out, 1, time.Hour))
	logger.Warn("held")
	logger.With("topic", "releases").Warn("held")
	logger.WithGroup("g").Warn("held")
	if got := out.take(); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestFlushReportsWhatWasLeftOut(t *testing.T) {
	out := newKept()
	limiter := NewLimiter(out, 1, time.Hour)
	logger := slog.New(limiter)
	for range 4 {
		logger.Warn("held")
	}
	logger.Warn("once")
	out.take()
	limiter.Flush(t.Context())
	limiter.Flush(t.Context())
	if got := out.take(); !slices.Equal(got, []string{"log lines suppressed of=held suppressed=3"}) {
		t.Errorf("%q", got)
	}
}

func TestNamesMadeFromDataTakeNoMemory(t *testing.T) {
	out := newKept()
	limiter := NewLimiter(out, 1, time.Hour)
	logger := slog.New(limiter)
	for i := range 10 * maxEvents {
		logger.Warn(fmt.Sprint("record ", i))
	}
	if n := len(limiter.shared.events); n != maxEvents+1 {
		t.Errorf("%d windows", n)
	}
	if n := len(out.take()); n != maxEvents+1 {
		t.Errorf("%d lines", n)
	}
}

func TestConcurrentLinesAreCountedOnce(t *testing.T) {
	out := newKept()
	limiter := NewLimiter(out, 5, time.Hour)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				slog.New(limiter).Warn("held")
			}
		})
	}
	wg.Wait()
	if n := len(out.take()); n != 5 {
		t.Errorf("%d lines passed", n)
	}
	if n := limiter.shared.takeSuppressed()["held"]; n != 795 {
		t.Errorf("%d suppressed", n)
	}
}
