package app

import (
	"testing"
	"time"
)

// The process ends within 10 s after the drain, also where something hangs.
//
// Where standard error is not read, the last lines are waited for twice: those of the service, then what execute
// reports of the end.
func TestTheLimitsOfTheEndAreWithinTenSeconds(t *testing.T) {
	if most := endLimit + 2*LinesLimit; most > 10*time.Second {
		t.Errorf("the end may take %s after the drain", most)
	}
	if flushEnd >= endLimit {
		t.Errorf("telemetry is flushed until %s, and the end is at %s", flushEnd, endLimit)
	}
}
