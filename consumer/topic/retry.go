package topic

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"release-forwarder/consumer/fetch"
)

const (
	// Tries is how often in a row a request may fail with retriable errors.
	Tries = 8
	// TryPause is the pause after the first failure. It grows with each failure, up to 8
	// times itself.
	TryPause = 250 * time.Millisecond
)

// Retry repeats try while it fails with retriable errors.
func Retry(ctx context.Context, try func() error) error { return RetryIf(ctx, Retriable, try) }

// RetryIf repeats try while it fails with errors for which worth returns true.
func RetryIf(ctx context.Context, worth func(error) bool, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if n == Tries || !worth(err) {
			return err
		}
		if err := Pause(ctx, TryPause*time.Duration(min(n, 8))); err != nil {
			return err
		}
	}
}

// Pause waits, and returns the context's error if it ends before.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Retriable reports whether the next try may succeed. A topic that does not exist is not
// retriable: a person has mistyped it, or must create it.
func Retriable(err error) bool {
	if code, is := errors.AsType[kafka.Error](err); is {
		return code.Temporary() && code != kafka.UnknownTopicOrPartition || code == kafka.BrokerNotAvailable
	}
	if errors.Is(err, fetch.ErrLeftOut) || errors.Is(err, fetch.ErrTwice) || errors.Is(err, fetch.ErrNoOffset) ||
		errors.Is(err, fetch.ErrOtherReplica) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, protocol.ErrNoLeader) {
		return true
	}
	if _, is := errors.AsType[net.Error](err); is {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
