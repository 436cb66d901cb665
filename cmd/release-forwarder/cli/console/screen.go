package console

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"release-forwarder/cmd/release-forwarder/visible"
)

// Screen is where a command reads and writes: standard input, output and error, or a test's.
type Screen struct {
	In       io.Reader
	Out, Err io.Writer
	bar      io.Writer // where bars are drawn: err's terminal itself; nil for none
	Asked    bool      // In and Err are a terminal: a person can be asked
}

// NewScreen returns the process's standard input with out; reads end when stop does.
func NewScreen(stop Stopper, out *Output) Screen {
	sc := Screen{In: stop.Input(os.Stdin), Out: out, Err: out.Beside}
	if out.bar != nil {
		sc.bar, sc.Asked = out.bar, term.IsTerminal(int(os.Stdin.Fd()))
	}
	return sc
}

// Say writes one line to standard error; line ends in the texts are escaped.
func (s Screen) Say(format string, args ...any) {
	fmt.Fprintln(s.Err, visible.Line(fmt.Sprintf(format, args...)))
}

// Unbroken is for a command that writes to Kafka: a closed output pipe (| head) no longer
// ends it within a batch, which would leave dead letters in doubt. A terminal that is closed
// stops it as SIGTERM does. It changes out; call end when the command is over.
func Unbroken(stop Stopper, out *Output) (ctx context.Context, end func()) {
	signal.Ignore(syscall.SIGPIPE)
	out.to = dropping{out.to}
	return HangUp(stop)
}
