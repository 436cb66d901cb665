package upstream

import (
	"testing"
	"testing/synctest"
	"time"
)

// resting is a gate with one place, which another has while a delivery that rests wants it
// for its next attempt. The channel tells whether it got it.
func resting(t *testing.T, proceed func() bool) (gate *Gate, resumed chan bool) {
	gate = NewGate(GateConfig{MaxInFlight: 64, Adaptive: true})
	gate.limiter.starting, gate.limiter.limit = false, 1
	for range 2 {
		if _, err := gate.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if gate.resting == 0 {
			gate.rest()
		}
	}
	resumed = make(chan bool, 1)
	go func() { resumed <- gate.resume(t.Context(), time.Second, proceed) }()
	synctest.Wait()
	return gate, resumed
}

func wantResumed(t *testing.T, resumed chan bool, over, want bool) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-resumed:
		if !over || got != want {
			t.Errorf("resumed: %v", got)
		}
	default:
		if over {
			t.Error("still waits")
		}
	}
}

func TestWhatRestsWaitsForItsPlaceAsLongAsOthersAreAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, resumed := resting(t, nil)
		for range 10 {
			time.Sleep(900 * time.Millisecond)
			gate.Accepted()
		}
		wantResumed(t, resumed, false, false)
		gate.Release(true)
		wantResumed(t, resumed, true, true)
	})
}

func TestWhatRestsGivesUpWhereNothingIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, resumed := resting(t, nil)
		gate.Accepted()
		time.Sleep(1500 * time.Millisecond)
		wantResumed(t, resumed, false, false)
		time.Sleep(time.Second)
		wantResumed(t, resumed, true, false)
	})
}

func TestWhatRestsAsksWhetherToGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, resumed := resting(t, func() bool { return false }) // a drain has begun
		gate.Accepted()
		time.Sleep(1100 * time.Millisecond)
		wantResumed(t, resumed, true, false)
	})
}

// The attempt that an open circuit allows is a probe's: a quick retry would be none.
func TestCircuitThatOpensSendsAwayWhatRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, resumed := resting(t, nil)
		probed := make(chan bool, 1)
		go func() {
			probe, _ := gate.Acquire(t.Context())
			probed <- probe
		}()
		synctest.Wait()
		for id := range 5 {
			gate.Failed(id)
		}
		wantResumed(t, resumed, true, false)
		time.Sleep(time.Second)
		synctest.Wait()
		select {
		case probe := <-probed:
			if !probe {
				t.Error("no probe")
			}
		default:
			t.Error("the second's attempt went to nobody")
		}
	})
}
