package app

import (
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// What GOGC and GOMEMLIMIT say is kept; the service sets only what they leave open.
func TestTheEnvironmentSetsTheCollectorsPace(t *testing.T) {
	const percent, limit = 123, int64(1 << 40)
	percentBefore, limitBefore := debug.SetGCPercent(percent), debug.SetMemoryLimit(limit)
	t.Cleanup(func() {
		debug.SetGCPercent(percentBefore)
		debug.SetMemoryLimit(limitBefore)
	})
	for _, c := range []struct {
		name    string
		env     map[string]string
		percent int
		limit   int64
	}{
		{"nothing is set", nil, 200, 52 << 20},
		{"GOGC", map[string]string{"GOGC": "50"}, percent, 52 << 20},
		{"GOGC that the runtime goes without", map[string]string{"GOGC": "50%"}, 200, 52 << 20},
		{"GOGC that is off", map[string]string{"GOGC": "off"}, percent, 52 << 20},
		{"GOMEMLIMIT", map[string]string{"GOMEMLIMIT": "115MiB"}, 200, limit},
	} {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
		PaceCollector(func(name string) string { return c.env[name] }, 64, 16<<20)
		if got := debug.SetGCPercent(percent); got != c.percent {
			t.Errorf("%s: %d %%, want %d", c.name, got, c.percent)
		}
		if got := debug.SetMemoryLimit(-1); got != c.limit {
			t.Errorf("%s: limit %d, want %d", c.name, got, c.limit)
		}
	}
	if got := memoryLimit(1_000_000, math.MaxInt64/4); got < 0 {
		t.Error("a large setting makes a limit below zero")
	}
}

// docs/how-to/sizing.md states the GOGC and GOMEMLIMIT that the service sets.
func TestTheSizingPageTellsTheCollectorsPace(t *testing.T) {
	page := repo.Read(t, "docs/how-to/sizing.md")
	const told = "GOGC=200 and a GOMEMLIMIT of 16 MiB + 64 KiB × UPSTREAM_MAX_IN_FLIGHT + 2 × CONSUMER_MAX_PENDING_BYTES"
	if text := strings.Join(strings.Fields(page), " "); !strings.Contains(text, told) {
		t.Errorf("the page does not say %q", told)
	}
	if gcPercent != 200 || memoryLimit(0, 0) != 16<<20 || memoryLimit(1, 1)-memoryLimit(0, 0) != 64<<10+2 {
		t.Error("the program has another pace than the page says")
	}
}
