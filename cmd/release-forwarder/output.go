package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/term"

	"release-forwarder/cmd/release-forwarder/visible"
)

// output is a command's standard output, which remembers that it could not be
// written: a full disk must not make half a list look like a whole one, whether or
// not the command looks at each write.
type output struct {
	to     io.Writer
	failed error // of the first write that failed; nothing is written behind it

	beside *visible.Writer // standard error
	bar    *os.File        // standard error for what draws on a terminal and shows no text from outside; nil: no terminal
}

// newOutput is the one way to standard output and standard error, of every command and the
// service: nothing that nobody sees, and that could steer a terminal, gets through.
func newOutput(stdout io.Writer, stderr *os.File) *output {
	o := &output{to: visible.NewWriter(stdout), beside: visible.NewWriter(stderr)}
	if term.IsTerminal(int(stderr.Fd())) {
		o.bar = stderr
	}
	return o
}

// warn writes a line to standard error.
func (o *output) warn(text string) { fmt.Fprintln(o.beside, "warning:", visible.Line(text)) }

// told are the lines that tell of an error: one for each of those that were joined, however
// many lines the texts from outside in them have.
func told(err error) (lines []string) {
	joined, is := err.(interface{ Unwrap() []error }) //nolint:errorlint // what wraps it says it in one line
	if !is {
		return []string{visible.Line(err.Error())}
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		texts, lines = append(texts, e.Error()), append(lines, told(e)...)
	}
	if err.Error() != strings.Join(texts, "\n") { // fmt.Errorf wraps several too
		return []string{visible.Line(err.Error())}
	}
	return lines
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
