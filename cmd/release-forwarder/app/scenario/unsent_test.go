package scenario

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/testkit/platform"
)

// scarce lets a replica have so many connections to the platform at once; how one more
// fails is the lack's.
type scarce struct {
	dial connect.DialFunc
	most int32
	lack func() (net.Conn, error)
	open atomic.Int32
}

func (s *scarce) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !strings.HasSuffix(address, ":80") {
		return s.dial(ctx, network, address)
	}
	if s.open.Add(1) > s.most {
		s.open.Add(-1)
		return s.lack()
	}
	conn, err := s.dial(ctx, network, address)
	return scarceConn{conn, sync.OnceFunc(func() { s.open.Add(-1) })}, err
}

type scarceConn struct {
	net.Conn
	gone func()
}

func (c scarceConn) Close() error { c.gone(); return c.Conn.Close() }

// deaf is a connection that takes nothing.
type deaf struct{ net.Conn }

func (deaf) Write([]byte) (int, error) {
	return 0, &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.ECONNRESET)}
}

// A failure of which no byte left this host counts against no record's budget.
//
// That holds however well the platform treats others meanwhile. One of nine requests finds no connection; one failure
// that counts would make a dead letter.
func TestWhatNeverLeftThisHostCountsForNoRecord(t *testing.T) {
	errno := func(call string, e syscall.Errno) func() (net.Conn, error) {
		return func() (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, e)}
		}
	}
	for name, lack := range map[string]func() (net.Conn, error){
		"no file descriptor": errno("socket", syscall.EMFILE),
		"no local port":      errno("connect", syscall.EADDRNOTAVAIL),
		"a firewall":         errno("connect", syscall.EPERM),
		"connection refused": errno("connect", syscall.ECONNREFUSED),
		"no name": func() (net.Conn, error) {
			return nil, &net.DNSError{Err: "server misbehaving", Name: "platform", IsTemporary: true}
		},
		"reset before a byte": func() (net.Conn, error) { here, _ := net.Pipe(); return deaf{here}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 20 * time.Millisecond} })
				few := &scarce{dial: w.Net.Dial, most: 8, lack: lack}
				r := w.StartOn(few.Dial, "UPSTREAM_RETRY_MAX", "0", "UPSTREAM_MAX_IN_FLIGHT", "9", "RETRY_BUDGET", "1", "UPSTREAM_TIMEOUT", "2s")
				w.Until("the start", func() bool { return w.Committed(0) == 0 })
				const events = 2000
				var values []string
				for n := range events {
					values = append(values, apptest.Event(n, 0))
				}
				w.Produce(0, values...)
				w.Until("all", w.AllCommitted(1, events), 5*time.Minute)
				if spent := r.Sample("release_forwarder_budget_spent_total"); spent != "0" {
					t.Errorf("%s failures counted, none of whose requests left this host", spent)
				}
				w.End(r)
				if deadLetters := w.DeadLetters(); len(deadLetters) != 0 {
					t.Errorf("%d dead letters; the first says %s, %s", len(deadLetters), apptest.DeadLetterHeader(deadLetters[0], "reason"), apptest.DeadLetterHeader(deadLetters[0], "message"))
				}
				if r.Sample("release_forwarder_attempts_total{verdict=\"unreachable\"}") == "0" {
					t.Error("nothing was lacking")
				}
			})
		})
	}
}
