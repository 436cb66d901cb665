package upstream

import (
	"runtime"
	"testing"
	"weak"
)

// A connection that is kept knows its last request: what that holds stays in
// memory for as long.
func TestAnAttemptThatHasEndedHoldsNoOther(t *testing.T) {
	var requests inFlight
	last := &attempt{}
	requests.begin(last, func() {})
	kept := last
	var ended []weak.Pointer[attempt]
	for range 100 { // each begins before the one before it ends
		a := &attempt{}
		requests.begin(a, func() {})
		requests.end(last)
		if last != kept {
			ended = append(ended, weak.Make(last))
		}
		last = a
	}
	runtime.GC()
	held := 0
	for _, a := range ended {
		if a.Value() != nil {
			held++
		}
	}
	if held > 0 {
		t.Errorf("%d of %d attempts that ended are still in memory", held, len(ended))
	}
	runtime.KeepAlive(kept)
}
