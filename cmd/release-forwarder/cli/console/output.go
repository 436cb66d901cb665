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

// ErrSomeFailed says that an event failed its check; that was printed.
var ErrSomeFailed = errors.New("some events cannot be sent")

// ErrStopped is what a signal leaves to say.
var ErrStopped = errors.New("stopped as asked")

// FlushFirst is how many dead letters are written out at once, so that a person
// sees something; later ones fill buffers.
const FlushFirst = 50

// Output is a command's standard output, which remembers that it could not be
// written: a full disk must not make half a list look like a whole one, whether or
// not the command looks at each write.
type Output struct {
	to     io.Writer
	failed error // of the first write that failed; nothing is written behind it

	Beside *visible.Writer // standard error
	bar    *os.File        // standard error for what draws on a terminal and shows no text from outside; nil: no terminal
}

// NewOutput is the one way to standard output and standard error, of every command and the
// service: nothing that nobody sees, and that could steer a terminal, gets through.
func NewOutput(stdout io.Writer, stderr *os.File) *Output {
	o := &Output{to: visible.NewWriter(stdout), Beside: visible.NewWriter(stderr)}
	if term.IsTerminal(int(stderr.Fd())) {
		o.bar = stderr
	}
	return o
}

// Warn writes a line to standard error.
func (o *Output) Warn(text string) { fmt.Fprintln(o.Beside, "warning:", visible.Line(text)) }

// Told are the lines that tell of an error: one for each of those that were joined, however
// many lines the texts from outside in them have.
func Told(err error) (lines []string) {
	joined, is := err.(interface{ Unwrap() []error }) //nolint:errorlint // what wraps it says it in one line
	if !is {
		return []string{visible.Line(err.Error())}
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		texts, lines = append(texts, e.Error()), append(lines, Told(e)...)
	}
	if err.Error() != strings.Join(texts, "\n") { // fmt.Errorf wraps several too
		return []string{visible.Line(err.Error())}
	}
	return lines
}

// Write implements io.Writer. Behind a write that failed it fails with the same
// error, so that commands that look end soon.
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

// Verdict is how a command ends that ended with err. One whose output could not be
// written has failed, unless nobody reads it any more (| head): whoever closed the
// pipe saw what was wanted.
func (o *Output) Verdict(err error) error {
	own := err != nil && !errors.Is(err, o.failed)
	switch {
	case o.failed == nil || own && errors.Is(o.failed, syscall.EPIPE):
		return err
	case errors.Is(o.failed, syscall.EPIPE):
		return nil
	case own && !errors.Is(err, ErrSomeFailed): // that is told of on the output alone
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
