package console

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

// ErrSomeFailed makes a command exit 1 without a further line: what failed was printed already.
var ErrSomeFailed = errors.New("some events cannot be sent")

// ErrStopped is the error of a command that a signal stopped.
var ErrStopped = errors.New("stopped as asked")

// FlushFirst is how many dead letters are written out immediately, so that a person
// sees something; later ones are buffered.
const FlushFirst = 50

// Output is a command's standard output. It remembers a write that failed: after a full
// disk half a list must not look like a whole one, even if the command ignores the error.
type Output struct {
	to     io.Writer
	failed error // of the first write that failed; nothing is written behind it

	Beside *visible.Writer // standard error
	bar    *os.File        // standard error for what draws on a terminal and shows no text from outside; nil: no terminal
}

// NewOutput is the only way to standard output and standard error, for every command and the
// service: it escapes invisible characters, which could steer a terminal.
func NewOutput(stdout io.Writer, stderr *os.File) *Output {
	o := &Output{to: visible.NewWriter(stdout), Beside: visible.NewWriter(stderr)}
	if term.IsTerminal(int(stderr.Fd())) {
		o.bar = stderr
	}
	return o
}

// Warn writes a line to standard error.
func (o *Output) Warn(text string) { fmt.Fprintln(o.Beside, "warning:", visible.Line(text)) }

// ErrorLines returns an error as lines for a person: one for each of the errors that were joined, even if a text
// from outside in it has line ends.
func ErrorLines(err error) (lines []string) {
	joined, is := err.(interface{ Unwrap() []error }) //nolint:errorlint // what wraps it says it in one line
	if !is {
		return []string{visible.Line(err.Error())}
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		texts, lines = append(texts, e.Error()), append(lines, ErrorLines(e)...)
	}
	if err.Error() != strings.Join(texts, "\n") { // fmt.Errorf wraps several too
		return []string{visible.Line(err.Error())}
	}
	return lines
}

// Write implements io.Writer. After a write that failed it returns the same error, so
// that a command that checks it ends soon.
func (o *Output) Write(p []byte) (int, error) {
	if o.failed != nil {
		return 0, o.failed
	}
	n, err := o.to.Write(p)
	if err != nil {
		o.failed = &unwrittenError{err}
	}
	return n, o.failed
}

// Verdict returns the error of a command that ended with err, nil if it succeeded. A command
// whose output could not be written has failed, unless the pipe was closed (| head): its
// reader saw what was wanted.
func (o *Output) Verdict(err error) error {
	own := err != nil && !errors.Is(err, o.failed)
	switch {
	case o.failed == nil || own && errors.Is(o.failed, syscall.EPIPE):
		return err
	case errors.Is(o.failed, syscall.EPIPE):
		return nil
	case own && !errors.Is(err, ErrSomeFailed): // that was reported on the output alone
		return errors.Join(err, o.failed)
	case err != nil && !own:
		return err // it may say the same in another language
	}
	return o.failed
}

// unwrittenError says that a command's output could not be written.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string { return "the output cannot be written: " + e.err.Error() }
func (e *unwrittenError) Unwrap() error { return e.err }

// dropping writes until the pipe is closed, and drops the rest.
type dropping struct{ to io.Writer }

// Write implements io.Writer.
func (d dropping) Write(p []byte) (int, error) {
	n, err := d.to.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	return n, err
}
