package main

import (
	"bytes"
	"context"
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

func TestCheckEndsWhenItIsToldToStop(t *testing.T) {
	stop, in := silentInput(t)
	before := os.Stdin
	os.Stdin = in
	defer func() { os.Stdin = before }()
	if code := execute(stop, []string{"check"}, io.Discard); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

func TestStandardInputComesAsItIs(t *testing.T) {
	text := strings.Repeat("粤B12345\n", 10000)
	in := stopper{context.Background()}.input(strings.NewReader(text))
	if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, []byte(text)) {
		t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
	}
}
