package console

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry"
)

// Stopper ends at the first SIGTERM or SIGINT; the second ends the process.
type Stopper struct{ context.Context }

// Input is what a command reads: a read that waits ends when the process is to stop.
func (s Stopper) Input(from io.Reader) io.Reader { return stoppable{s, from} }

type stoppable struct {
	stop Stopper
	from io.Reader
}

// Read implements io.Reader. After a stop what comes is nobody's.
func (r stoppable) Read(p []byte) (int, error) {
	type read struct {
		n   int
		err error
	}
	ended, own := make(chan read, 1), make([]byte, len(p)) // p is the caller's again after a stop
	go func() {
		n, err := r.from.Read(own)
		ended <- read{n, err}
	}()
	select {
	case got := <-ended:
		return copy(p, own[:got.n]), got.err
	case <-r.stop.Done():
		return 0, ErrStopped
	}
}

func StopSignal() Stopper {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		stop()
		<-signals
		lines := telemetry.NewQueue(os.Stderr, settings.FormatText) // whoever reads it, if anybody, must not hold up the end
		fmt.Fprintln(lines, "release-forwarder: second signal: ends at once, open requests are cut and may be sent again")
		lines.Flush(lastWordLimit)
		os.Exit(ExitFailed)
	}()
	return Stopper{ctx}
}

// lastWordLimit is how long a process that ends at once waits for who reads standard error.
const lastWordLimit = 100 * time.Millisecond

// HangUp ends with ctx and with SIGHUP, which comes when a terminal is closed: unless the
// process was started so that it outlives its terminal (nohup).
func HangUp(ctx context.Context) (until context.Context, end func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, func() {}
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}
