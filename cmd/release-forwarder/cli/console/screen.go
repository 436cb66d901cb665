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

// Screen is where a command reads and writes.
type Screen struct {
	In       io.Reader
	Out, Err io.Writer
	bar      io.Writer // where bars are drawn: err's terminal itself; nil for none
	Asked    bool      // In and err are a terminal: a person can be asked
}

func NewScreen(stop Stopper, out *Output) Screen {
	sc := Screen{In: stop.Input(os.Stdin), Out: out, Err: out.Beside}
	if out.bar != nil {
		sc.bar, sc.Asked = out.bar, term.IsTerminal(int(os.Stdin.Fd()))
	}
	return sc
}

// Say writes one line beside the results, whatever the texts in it hold.
func (s Screen) Say(format string, args ...any) {
	fmt.Fprintln(s.Err, visible.Line(fmt.Sprintf(format, args...)))
}

// Unbroken keeps a command that writes to Kafka from ending amid a batch when
// nobody reads what it prints any more (| head): that is no reason to leave
// dead letters in doubt. A terminal that goes away stops it as SIGTERM does.
func Unbroken(stop Stopper, out *Output) (ctx context.Context, end func()) {
	signal.Ignore(syscall.SIGPIPE)
	out.to = dropping{out.to}
	return HangUp(stop)
}
