package gate_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// A failure may be due to an outage alone if its delivery began before the circuit closed,
// and the circuit is not open now.
func TestRecoveredSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		began := time.Now()
		want := func(when string, before, now bool) {
			t.Helper()
			time.Sleep(time.Second)
			if b, n := s.gate.RecoveredSince(began), s.gate.RecoveredSince(time.Now()); b != before || n != now {
				t.Errorf("%s: %v for one that began at first, %v for one that begins", when, b, n)
			}
		}
		want("never open", false, false)
		s.open()
		want("open", false, false)
		s.gate.Accepted()
		want("closed", true, false)
		s.open()
		want("open again", false, false)
	})
}
