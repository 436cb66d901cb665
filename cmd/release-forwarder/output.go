package main

import (
	"errors"
	"io"
	"syscall"
)

// output is a command's standard output, which remembers that it could not be
// written: a full disk must not make half a list look like a whole one, whether or
// not the command looks at each write.
type output struct {
	to     io.Writer
	failed error // of the first write that failed; nothing is written behind it
}

// Write implements io.Writer. Behind a write that failed it fails with the same
// error, so that commands that look end soon.
func (o *output) Write(p []byte) (int, error) {
	if o.failed != nil {
		return 0, o.failed
	}
	n, err := o.to.Write(p)
	if err != nil {
		o.failed = &unwrittenError{err}
	}
	return n, o.failed
}

// verdict is how a command ends that ended with err. One whose output could not be
// written has failed, unless nobody reads it any more (| head): whoever closed the
// pipe saw what was wanted.
func (o *output) verdict(err error) error {
	own := err != nil && !errors.Is(err, o.failed)
	switch {
	case o.failed == nil || own && errors.Is(o.failed, syscall.EPIPE):
		return err
	case errors.Is(o.failed, syscall.EPIPE):
		return nil
	case own && !errors.Is(err, errSomeFailed): // that is told of on the output alone
		return errors.Join(err, o.failed)
	}
	return o.failed
}

// unwrittenError says that a command's output could not be written.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string { return "the output cannot be written: " + e.err.Error() }
func (e *unwrittenError) Unwrap() error { return e.err }

// dropping writes for as long as somebody reads. What comes behind is dropped.
type dropping struct{ to io.Writer }

// Write implements io.Writer.
func (d dropping) Write(p []byte) (int, error) {
	n, err := d.to.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	return n, err
}
