package connect

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"
)

// silence is a broker that accepts connections, reads all and never answers.
type silence struct{ dials atomic.Int64 }

func (s *silence) dial(context.Context, string, string) (net.Conn, error) {
	s.dials.Add(1)
	near, far := net.Pipe()
	go func() {
		_, _ = io.Copy(io.Discard, far)
		_ = far.Close()
	}()
	return near, nil
}

// mute answers nothing and does not even read.
func mute(context.Context, string, string) (net.Conn, error) {
	near, _ := net.Pipe()
	return near, nil
}

func loggingIn(k *settings.Kafka) {
	k.SASL = settings.SASL{Mechanism: settings.ScramSHA256, Username: "u", Password: settings.NewSecret("p")}
}

func TestASilentBrokerEndsTheDialersLogin(t *testing.T) {
	for name, dial := range map[string]DialFunc{"reads": new(silence).dial, "does not read": mute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := connected(t, Config{Kafka: kafkaSettings(loggingIn, "broker:9092"), Dial: dial})
				begin := time.Now()
				_, err := k.Dialer.DialContext(t.Context(), "tcp", "broker:9092")
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("error is %v, want a time-out", err)
				}
				if took, limit := time.Since(begin), 2*RequestTimeout; took > limit {
					t.Errorf("took %v, limit %v", took, limit)
				}
			})
		})
	}
}

func TestASilentBrokerDoesNotStopTheWireForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broker silence
		ctx, cancel := context.WithCancel(t.Context())
		k, err := New(ctx, Config{Kafka: kafkaSettings(loggingIn, "broker:9092"), Topics: []string{"events"}, Dial: broker.dial})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			asking, giveUp := context.WithTimeout(ctx, RequestTimeout)
			if _, err := k.Wire.MetadataOf(asking, []string{"events"}); err == nil {
				t.Fatal("a silent broker answered")
			}
			giveUp()
			time.Sleep(RequestTimeout)
		}
		if n := broker.dials.Load(); n < 5 {
			t.Errorf("%d connections in several minutes: the wire hangs in one", n)
		}
		cancel()
		k.Wire.Close()
		time.Sleep(5 * time.Minute) // whatever still waits for the broker ends
	})
}

func TestASilentBrokerEndsTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "ca")
		var conn *closing
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(silence).dial(ctx, network, address)
			conn = &closing{Conn: c}
			return conn, err
		}
		k := connected(t, Config{Kafka: kafkaSettings(trusting(t, ca), "broker:9092"), Dial: dial})
		begin := time.Now()
		_, err := k.Dialer.DialFunc(t.Context(), "tcp", "broker:9092")
		if _, is := errors.AsType[*handshakeError](err); !is || time.Since(begin) > handshakeTimeout {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		if !conn.closed.Load() {
			t.Error("the socket of the failed handshake is left open")
		}
	})
}

func TestDeadlinesOfCappedConnections(t *testing.T) {
	const limit = 30 * time.Second
	for _, c := range []struct {
		name string
		set  func(net.Conn) error
		want time.Duration // from the beginning of the read or write
	}{
		{"none set", func(net.Conn) error { return nil }, limit},
		{"removed", func(c net.Conn) error { return c.SetDeadline(time.Time{}) }, limit},
		{"far", func(c net.Conn) error { return c.SetDeadline(time.Now().Add(time.Hour)) }, limit},
		{"near", func(c net.Conn) error { return c.SetDeadline(time.Now().Add(2 * time.Second)) }, 2 * time.Second},
		{"past", func(c net.Conn) error { return c.SetDeadline(time.Now().Add(-time.Second)) }, 0},
		{"idle for longer than the limit", func(net.Conn) error { time.Sleep(time.Hour); return nil }, limit},
		{"removed, then idle", func(c net.Conn) error {
			err := c.SetDeadline(time.Time{})
			time.Sleep(time.Hour)
			return err
		}, limit},
	} {
		for direction, do := range map[string]func(net.Conn) error{
			"read":  func(c net.Conn) error { _, err := c.Read(make([]byte, 1)); return err },
			"write": func(c net.Conn) error { _, err := c.Write(make([]byte, 1)); return err },
		} {
			t.Run(c.name+", "+direction, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, _ := net.Pipe()
					conn := &capped{Conn: near, limit: limit}
					if err := c.set(conn); err != nil {
						t.Fatal(err)
					}
					begin := time.Now()
					if err := do(conn); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("error is %v", err)
					}
					if took := time.Since(begin); took != c.want {
						t.Errorf("took %v, want %v", took, c.want)
					}
				})
			})
		}
	}
}

func TestADeadlineSetDuringAReadEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe()
		conn := &capped{Conn: near, limit: time.Hour}
		begin := time.Now()
		time.AfterFunc(time.Second, func() { _ = conn.SetReadDeadline(time.Now()) })
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

// closing remembers whether it was closed.
type closing struct {
	net.Conn
	closed atomic.Bool
}

func (c *closing) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}
