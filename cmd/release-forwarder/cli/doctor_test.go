package cli

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/connect"
)

// examined runs the command in the world and returns what it printed.
func (w *world) examined(ctx context.Context, c DoctorCommand, dial connect.DialFunc) (report, progress string, err error) {
	w.T.Helper()
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return w.CommandOn(ctx, dial, &c)
}

// doctor sends the platform nothing unless it is asked to.
func TestDoctorSendsNothingToThePlatform(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		report, progress, err := w.examined(w.T.Context(), DoctorCommand{}, w.Net.Dial)
		if err != nil || progress != "" || strings.Contains(report, "\nplatform\n") || !strings.Contains(report, "0 wrong") {
			t.Errorf("%v, aside %q:\n%s", err, progress, report)
		}
		if n := w.Platform.Stats().Received; n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// doctor --platform announces its one request before it sends it.
func TestDoctorAsksThePlatformWithOneRequestThatIsAnnounced(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		report, progress, err := w.examined(w.T.Context(), DoctorCommand{Platform: true, Lot: "lot-1"}, w.Net.Dial)
		if err != nil || !strings.Contains(report, "accepted: code 400") {
			t.Errorf("%v:\n%s", err, report)
		}
		if want := "sending one signed request without flow_no to http://127.0.0.1:80/gate (lot lot-1); the platform can only refuse it\n"; progress != want {
			t.Errorf("announced %q, want %q", progress, want)
		}
		if s := w.Platform.Stats(); s.Received != 1 || s.Accepted != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A platform that hangs, and a Kafka that is silent for as long as it may be, are
// each told as what they are; and the command ends with 1.
func TestDoctorTellsTheSilentFromTheOthers(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		silent := func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != "127.0.0.1:80" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return w.Net.Dial(ctx, network, address)
		}
		report, _, err := w.examined(w.T.Context(), DoctorCommand{Platform: true, Timeout: 2 * time.Second}, silent)
		if !strings.Contains(report, "accepted: code 400") || !strings.Contains(report, "unknown  exists") {
			t.Errorf("Kafka silent: %v:\n%s", err, report)
		}
		away := func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "127.0.0.1:80" {
				return nil, &net.DNSError{Err: "no such host", Name: "platform.test", IsNotFound: true}
			}
			return w.Net.Dial(ctx, network, address)
		}
		report, _, err = w.examined(w.T.Context(), DoctorCommand{Platform: true}, away)
		if !errors.Is(err, console.ErrSomeFailed) || !strings.Contains(report, "wrong    reachable  unreachable: look up platform.test: no such host") {
			t.Errorf("platform away: %v:\n%s", err, report)
		}
	})
}

// A doctor that is interrupted sends the platform nothing any more.
func TestDoctorThatIsInterruptedSendsNothing(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		ctx, stop := context.WithCancel(w.T.Context())
		stop()
		report, progress, err := w.examined(ctx, DoctorCommand{Platform: true}, w.Net.Dial)
		if err == nil || report+progress != "" || w.Platform.Stats().Received != 0 {
			t.Errorf("%v: %s%s", err, report, progress)
		}
	})
}
