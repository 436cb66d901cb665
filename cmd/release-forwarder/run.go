package main

import (
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/events"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry"
)

type runCommand struct{}

// Help implements kong's HelpProvider.
func (runCommand) Help() string {
	return `Reads events from KAFKA_TOPIC and posts each, signed, to UPSTREAM_URL until it is stopped.

SIGTERM or SIGINT stops it: open requests end, progress is committed, the group is left. A
second signal ends it at once. SIGHUP (a closed terminal) stops it too, except under nohup.
Files that change are reloaded without a signal.

Exits 0 if it was stopped; 2 if a setting is wrong; 1 for anything else.

Example:

  KAFKA_BROKERS=kafka:9092 KAFKA_TOPIC=abnormal-release KAFKA_GROUP_ID=release-forwarder \
  UPSTREAM_URL=https://api.example.com/gate/1.0/parking/internal/update \
  UPSTREAM_APP_SECRET_FILE=/run/secrets/app-secret release-forwarder run`
}

// Run is the whole life of the service: read the settings, wire the parts, run, stop. Its log lines go through a
// queue, so that a slow reader of standard error does not hold it up, and one that goes away does not end it
// (SIGPIPE).
func (runCommand) Run(stop console.Stopper, out *console.Output, build telemetry.Build) error {
	signal.Ignore(syscall.SIGPIPE)
	ctx, end := console.HangUp(stop)
	defer end()
	type made struct {
		service *app.Service
		err     error
	}
	ready := make(chan made, 1)
	go func() { // a secret's file that hangs while it is read must not delay a stop
		v, err := makeService(out.Beside, build)
		ready <- made{v, err}
	}()
	select {
	case m := <-ready:
		if m.err != nil {
			return m.err
		}
		return m.service.Run(ctx)
	case <-ctx.Done():
		return nil // nothing was contacted yet
	}
}

func makeService(stderr io.Writer, build telemetry.Build) (*app.Service, error) {
	s, warnings, err := settings.Load()
	if err != nil {
		return nil, err
	}
	s.Upstream.Proxy.Export()
	app.PaceCollector(os.Getenv, s.Upstream.MaxInFlight, s.Consumer.MaxPendingBytes)
	v, err := app.New(app.Config{Settings: s, Stderr: stderr, Build: build})
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		events.Setting.Log(v.Log, slog.String("what", w.String()))
	}
	return v, nil
}
