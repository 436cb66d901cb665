package acceptance

import (
	"testing"
	"time"
)

// eventually asks until condition returns nil, and fails the test with its last
// error when that takes longer than the backend's patience.
func eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	within(t, kafka.patience(), what, condition)
}

// within is eventually with a limit of its own, for what takes long by design.
func within(t testing.TB, limit time.Duration, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("%s: the test is over: %v", what, err)
		}
	}
}
