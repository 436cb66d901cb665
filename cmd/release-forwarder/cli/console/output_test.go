package console

import (
	"errors"
	"syscall"
	"testing"
)

// An output that cannot be written does not hide why the command failed.
func TestWhatElseFailedIsToldBesideTheOutput(t *testing.T) {
	own := errors.New("own")
	for _, c := range []struct {
		failed, err error
		want        string
	}{
		{nil, nil, "<nil>"},
		{nil, own, "own"},
		{syscall.ENOSPC, nil, "the output cannot be written: no space left on device"},
		{syscall.ENOSPC, own, "own\nthe output cannot be written: no space left on device"},
		{syscall.ENOSPC, ErrSomeFailed, "the output cannot be written: no space left on device"},
		{syscall.EPIPE, nil, "<nil>"},
		{syscall.EPIPE, own, "own"},
		{syscall.EPIPE, ErrSomeFailed, ErrSomeFailed.Error()},
		// Kafka's connection broke, not the pipe.
		{nil, syscall.EPIPE, "broken pipe"},
	} {
		o := &Output{to: failingWriter{c.failed}}
		_, writeErr := o.Write([]byte("x"))
		got := "<nil>"
		if err := o.Verdict(c.err); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v, %v: %s, want %s", c.failed, c.err, got, c.want)
		}
		if c.err == nil && c.failed != nil {
			if err := o.Verdict(writeErr); (err == nil) != (c.want == "<nil>") {
				t.Errorf("%v told by the command: %v", c.failed, err)
			}
		}
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write(p []byte) (int, error) { return 0, f.err }
