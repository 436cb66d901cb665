package upstream_test

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
	"release-forwarder/upstream/gate"
)

// A failure without a byte sent is named with its remedy. If too many requests in flight may be
// the cause, it lowers the limit like a 503.
func TestFailuresOfThisHostAndOfConnections(t *testing.T) {
	for name, c := range map[string]struct {
		call   string
		err    syscall.Errno
		says   string
		lowers bool
	}{
		"no file descriptor":             {"socket", syscall.EMFILE, "no file descriptor is left: raise the limit (ulimit -n, LimitNOFILE)", true},
		"no file descriptor on the host": {"socket", syscall.ENFILE, "no file descriptor is left on this host", true},
		"no local port":                  {"connect", syscall.EADDRNOTAVAIL, "no local port is left", true},
		"no memory for connections":      {"socket", syscall.ENOBUFS, "no memory left", true},
		"connection refused":             {"connect", syscall.ECONNREFUSED, "connection refused", true},
		"a firewall":                     {"connect", syscall.EPERM, "a firewall or a NetworkPolicy", false},
		"no way there":                   {"connect", syscall.EHOSTUNREACH, "no route to host", false},
		"reset at the first byte":        {"write", syscall.ECONNRESET, "connection reset by peer", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conf := config("http://platform.test/")
				g := gate.New(gate.Config{MaxInFlight: 64, Adaptive: true})
				conf.Gate = g
				failure := &net.OpError{Op: c.call, Net: "tcp", Err: os.NewSyscallError(c.call, c.err)}
				conf.Dial = func(context.Context, string, string) (net.Conn, error) {
					if c.call == "write" {
						here, there := net.Pipe()
						t.Cleanup(func() { _ = there.Close() })
						return broken{here, failure}, nil
					}
					return nil, failure
				}
				before := g.State().Limit
				a := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release})
				if !a.Unsent || a.Verdict != upstream.Unreachable || !strings.Contains(a.Err.Error(), c.says) {
					t.Errorf("%v (%v), unsent %v; want %q", a.Verdict, a.Err, a.Unsent, c.says)
				}
				if after := g.State().Limit; (after < before) != c.lowers {
					t.Errorf("the limit was %d and is %d", before, after)
				}
			})
		})
	}
}

// broken is a connection that takes nothing.
type broken struct {
	net.Conn
	err error
}

func (b broken) Write([]byte) (int, error) { return 0, b.err }

// Without a credential nothing is sent.
func TestWithoutACredentialNothingIsSent(t *testing.T) {
	conf := config("http://platform.test/")
	conf.Credential = nil
	conf.Credentials = func(string) (credential.Credential, bool) { return credential.Credential{}, false }
	if a := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release}); a.Verdict != upstream.Refused || !a.Unsent {
		t.Errorf("%v, unsent %v", a.Verdict, a.Unsent)
	}
}
