package app

import (
	"testing"
	"time"
)

// Where something hangs and nobody reads standard error, the last lines are waited for
// twice: the service's, then what execute says of the end.
func TestTheLimitsOfTheEndAreWithinTenSeconds(t *testing.T) {
	if most := endLimit + 2*LinesLimit; most > 10*time.Second {
		t.Errorf("the end may take %s after the drain", most)
	}
	if flushEnd >= endLimit {
		t.Errorf("telemetry is flushed until %s, and the end is at %s", flushEnd, endLimit)
	}
}
