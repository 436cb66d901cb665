package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// silentInput is standard input on which nothing comes, of a process that was told to stop.
func silentInput(t *testing.T) (stopper, *os.File) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = to.Close(), from.Close() })
	ctx, stop := context.WithCancel(context.Background())
	stop()
	return stopper{ctx}, from
}

func TestWhatReadsStandardInputEndsWhenItIsToldToStop(t *testing.T) {
	stop, in := silentInput(t)
	t.Run("check", func(t *testing.T) {
		before := os.Stdin
		os.Stdin = in
		defer func() { os.Stdin = before }()
		if code := execute(stop, []string{"check"}, io.Discard); code != exitFailed {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("find", func(t *testing.T) {
		_, err := (&findCommand{Plate: "-"}).criteria(screen{in: stop.input(in), err: io.Discard})
		if !errors.Is(err, errStopped) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("the question before a replay", func(t *testing.T) {
		j := replayJob{dlqRun: &dlqRun{screen: screen{in: stop.input(in), err: io.Discard, asked: true}}}
		if err := j.ask(); !errors.Is(err, errUnasked) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestStandardInputComesAsItIs(t *testing.T) {
	text := strings.Repeat("粤B12345\n", 10000)
	in := stopper{context.Background()}.input(strings.NewReader(text))
	if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, []byte(text)) {
		t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
	}
}
