package fetch

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

func TestRouting(t *testing.T) {
	x := &raw{broker: 3}
	cluster := protocol.Cluster{Brokers: map[int32]protocol.Broker{3: {ID: 3, Host: "c"}}}
	if b, err := x.Broker(cluster); err != nil || b.ID != 3 {
		t.Errorf("%v, %v", b, err)
	}
	x.broker = -1
	if _, err := x.Broker(cluster); !errors.Is(err, kafka.LeaderNotAvailable) {
		t.Errorf("%v", err)
	}
}

// An exchange nobody waits for any more ends at once: the connection is not held
// until the broker answers.
func TestCancelledExchangeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		ctx, cancel := context.WithCancel(t.Context())
		x := &raw{ctx: ctx, spoken: oldestVersion, exchange: func(rw io.ReadWriter, v int16) error {
			_, err := exchange(rw, someRequest, v)
			return err
		}}
		done := make(chan error)
		go func() {
			_, err := x.RawExchange(protocol.NewConn(ours, ""))
			done <- err
		}()
		synctest.Wait() // the request is out, the answer awaited
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
		_ = ours.Close()
		_ = theirs.Close()

		if _, err := x.RawExchange(&broker{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before it began: %v", err)
		}
	})
}
