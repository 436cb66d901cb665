package main

import (
	"context"
	"io"
	"os"
	"testing"

	"release-forwarder/cmd/release-forwarder/cli/console"
)

// silentInput is standard input on which nothing comes, of a process that was told to stop.
func silentInput(t *testing.T) (console.Stopper, *os.File) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = to.Close(), from.Close() })
	ctx, stop := context.WithCancel(context.Background())
	stop()
	return console.Stopper{Context: ctx}, from
}

func TestCheckEndsWhenItIsToldToStop(t *testing.T) {
	stop, in := silentInput(t)
	before := os.Stdin
	os.Stdin = in
	defer func() { os.Stdin = before }()
	if code := execute(stop, []string{"check"}, io.Discard); code != console.ExitFailed {
		t.Errorf("exit code %d", code)
	}
}
