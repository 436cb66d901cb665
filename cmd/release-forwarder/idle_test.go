package main

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/settings"
)

// A pod of the tools stays for whoever comes by kubectl exec, whatever its settings are, and goes when it is asked to.
func TestIdleWaitsUntilItIsStopped(t *testing.T) {
	for _, row := range settings.Table() {
		t.Setenv(row.Name, "")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan int, 1)
		go func() { ended <- execute(console.Stopper{Context: ctx}, []string{"idle"}, io.Discard) }()
		synctest.Wait()
		select {
		case code := <-ended:
			t.Fatalf("it ended with %d before it was stopped", code)
		default:
		}
		stop()
		if code := <-ended; code != console.ExitAsked {
			t.Errorf("it ended with %d", code)
		}
	})
}
