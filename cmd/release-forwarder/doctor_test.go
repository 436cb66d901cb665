package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/doctor"
	"release-forwarder/cmd/release-forwarder/settings"
)

// examined runs the command in the world and returns what it printed.
func (w *world) examined(ctx context.Context, c doctorCommand, dial connect.DialFunc) (report, progress string, err error) {
	w.t.Helper()
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return w.commandOn(ctx, dial, &c)
}

func TestDoctorSendsNothingToThePlatform(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		report, progress, err := w.examined(w.t.Context(), doctorCommand{}, w.net.Dial)
		if err != nil || progress != "" || strings.Contains(report, "\nplatform\n") || !strings.Contains(report, "0 wrong") {
			t.Errorf("%v, aside %q:\n%s", err, progress, report)
		}
		if n := w.platform.Stats().Received; n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestDoctorAsksThePlatformWithOneRequestThatIsAnnounced(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		report, progress, err := w.examined(w.t.Context(), doctorCommand{Platform: true, Lot: "lot-1"}, w.net.Dial)
		if err != nil || !strings.Contains(report, "accepted: code 400") {
			t.Errorf("%v:\n%s", err, report)
		}
		if want := "sending one signed request without flow_no to http://127.0.0.1:80/gate (lot lot-1); the platform can only refuse it\n"; progress != want {
			t.Errorf("announced %q, want %q", progress, want)
		}
		if s := w.platform.Stats(); s.Received != 1 || s.Accepted != 0 {
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
			return w.net.Dial(ctx, network, address)
		}
		report, _, err := w.examined(w.t.Context(), doctorCommand{Platform: true, Timeout: 2 * time.Second}, silent)
		if !strings.Contains(report, "accepted: code 400") || !strings.Contains(report, "unknown  exists") {
			t.Errorf("Kafka silent: %v:\n%s", err, report)
		}
		away := func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "127.0.0.1:80" {
				return nil, &net.DNSError{Err: "no such host", Name: "platform.test", IsNotFound: true}
			}
			return w.net.Dial(ctx, network, address)
		}
		report, _, err = w.examined(w.t.Context(), doctorCommand{Platform: true}, away)
		if !errors.Is(err, errSomeFailed) || !strings.Contains(report, "wrong    reachable  unreachable: look up platform.test: no such host") {
			t.Errorf("platform away: %v:\n%s", err, report)
		}
	})
}

func TestDoctorThatIsInterruptedSendsNothing(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		ctx, stop := context.WithCancel(w.t.Context())
		stop()
		report, progress, err := w.examined(ctx, doctorCommand{Platform: true}, w.net.Dial)
		if err == nil || report+progress != "" || w.platform.Stats().Received != 0 {
			t.Errorf("%v: %s%s", err, report, progress)
		}
	})
}

// The service says at its start what the command would, once, and goes on.
func TestServiceLogsAtItsStartWhatTheDoctorWarnsOf(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.start("KAFKA_REPLAY_TOPIC", "again", "KAFKA_SESSION_TIMEOUT", "30s")
		w.until("the warnings", func() bool { return strings.Contains(w.log.String(), `"a check at the start"`) })
		time.Sleep(5 * time.Minute)
		w.end(r)
		s, _, err := settings.Load()
		if err != nil {
			t.Fatal(err)
		}
		var want int
		for _, f := range doctor.Kafka(w.t.Context(), s, w.net.Dial) {
			if f.Verdict != doctor.Warning && f.Verdict != doctor.Wrong || f.Subject == "again (replay)" {
				continue
			}
			want++
			found := false
			for line := range strings.Lines(w.log.String()) {
				found = found || strings.Contains(line, `"level":"WARN"`) && strings.Contains(line, `"a check at the start"`) &&
					strings.Contains(line, `"check":"`+f.Check+`"`) && strings.Contains(line, `"subject":"`+f.Subject+`"`) && strings.Contains(line, `"verdict":"`+string(f.Verdict)+`"`)
			}
			if !found {
				t.Errorf("not logged: %+v", f)
			}
		}
		if n := strings.Count(w.log.String(), `"a check at the start"`); n != want || want == 0 {
			t.Errorf("%d lines for %d warnings", n, want)
		}
		if n := strings.Count(w.log.String(), `"an optional topic does not exist`); n != 1 {
			t.Errorf("%d lines say that the replay topic is missing, want one warning", n)
		}
		if n := w.platform.Stats().Received; n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}
