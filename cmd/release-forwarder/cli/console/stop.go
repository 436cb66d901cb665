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

// Input returns from with reads that end with [ErrStopped] when the process is asked to stop. Input read after a stop is
// discarded.
func (s Stopper) Input(from io.Reader) io.Reader { return stoppable{s, from} }

type stoppable struct {
	stop Stopper
	from io.Reader
}

// Read implements io.Reader. Input read after a stop is discarded.
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

// StopSignal returns a Stopper that ends at the first SIGTERM or SIGINT. The second exits 1 at once.
func StopSignal() Stopper {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		stop()
		<-signals
		lines := telemetry.NewQueue(os.Stderr, settings.FormatText) // a slow reader must not hold up the end
		fmt.Fprintln(lines, "release-forwarder: second signal: ends at once, open requests are cut and may be sent again")
		lines.Flush(lastWordLimit)
		os.Exit(ExitFailed)
	}()
	return Stopper{ctx}
}

// lastWordLimit is how long a process that ends at once waits for standard error to take its last line.
const lastWordLimit = 100 * time.Millisecond

// HangUp returns a context that ends with ctx and at SIGHUP (the terminal is closed), unless
// the process ignores SIGHUP (nohup). Call end when it is no longer needed.
func HangUp(ctx context.Context) (until context.Context, end func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, func() {}
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}
