// Command release-forwarder reads abnormal-release events from Kafka and posts
// them, signed, to the parking platform. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/release-forwarder/events"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/cmd/release-forwarder/visible"
)

// Set by release builds (-ldflags "-X main.version=… -X main.revision=…").
var version, revision string

// Exit codes.
const (
	exitAsked  = 0 // stopped as asked
	exitFailed = 1 // anything else
	exitWrong  = 2 // the configuration is wrong
)

type commands struct {
	Run     runCommand     `cmd:"" default:"1" help:"Forward events until told to stop (the default)."`
	Check   checkCommand   `cmd:"" help:"Show what would become of events, without sending anything."`
	Config  configCommand  `cmd:"" help:"Show every setting and the value in force."`
	DLQ     dlqCommand     `cmd:"" name:"dlq" help:"Work off dead letters: list, show, replay, close, export, stats."`
	Offsets offsetsCommand `cmd:"" help:"Show how far the group is: committed, done beyond it, waiting, lag."`
	Find    findCommand    `cmd:"" help:"Find an event by plate, flow, serial or lot, and say what became of it."`
	Doctor  doctorCommand  `cmd:"" help:"Look at brokers, topics, rights, group and credentials, and say what is wrong."`
	// Probe is what doctor was called before: for one release, for init containers and scripts.
	Probe   doctorCommand  `cmd:"" hidden:""`
	Version versionCommand `cmd:"" help:"Show the version."`
}

const description = `Reads abnormal-release events from a Kafka topic and posts them, signed, to the
parking platform's API. Settings are environment variables: see "release-forwarder config".`

func main() {
	// net/http writes there, and quotes an answer that nobody asked for: texts of the
	// platform appear nowhere. The service's telemetry takes these lines over.
	stdlog.SetOutput(io.Discard)
	os.Exit(execute(stopSignal(), os.Args[1:], os.Stdout))
}

// execute runs the command that the arguments name, and gives the exit code.
func execute(stop stopper, args []string, stdout io.Writer) int {
	out := newOutput(stdout, os.Stderr)
	var c commands
	parser := kong.Must(&c, kong.Name("release-forwarder"), kong.Description(description), kong.UsageOnError())
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(out.beside, "release-forwarder: %s\nrelease-forwarder: \"release-forwarder --help\" lists the commands\n", visible.Line(err.Error()))
		return exitFailed
	}
	var stderr io.Writer = out.beside
	if command.Command() == "run" { // the service ends whether or not anybody reads why
		lines := telemetry.NewQueue(out.beside, settings.FormatText)
		defer lines.Flush(linesLimit)
		stderr = lines
	}
	return exitCode(out.verdict(command.Run(stop, out, telemetry.NewBuild(version, revision))), stderr)
}

// exitCode prints what went wrong, once.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitAsked
	}
	if wrong, ok := errors.AsType[*settings.Invalid](err); ok {
		for _, w := range wrong.Settings {
			fmt.Fprintln(stderr, visible.Line(w.String()))
		}
		return exitWrong
	}
	if !errors.Is(err, errSomeFailed) {
		fmt.Fprintln(stderr, "release-forwarder:", strings.Join(told(err), "\n"))
	}
	return exitFailed
}

// stopper ends at the first SIGTERM or SIGINT; the second ends the process.
type stopper struct{ context.Context }

// input is what a command reads: a read that waits ends when the process is to stop.
func (s stopper) input(from io.Reader) io.Reader { return stoppable{s, from} }

type stoppable struct {
	stop stopper
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
		return 0, errStopped
	}
}

func stopSignal() stopper {
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
		os.Exit(exitFailed)
	}()
	return stopper{ctx}
}

// lastWordLimit is how long a process that ends at once waits for who reads standard error.
const lastWordLimit = 100 * time.Millisecond

// hangUp ends with ctx and with SIGHUP, which comes when a terminal is closed: unless the
// process was started so that it outlives its terminal (nohup).
func hangUp(ctx context.Context) (until context.Context, end func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, func() {}
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

type runCommand struct{}

// Help implements kong's HelpProvider.
func (runCommand) Help() string {
	return `Example:

  KAFKA_BROKERS=kafka:9092 KAFKA_TOPIC=abnormal-release KAFKA_GROUP_ID=release-forwarder \
  UPSTREAM_URL=https://api.example.com/gate/1.0/parking/internal/update \
  UPSTREAM_APP_SECRET_FILE=/run/secrets/app-secret release-forwarder run

SIGTERM or SIGINT stops it: open requests are finished, progress is committed, the
group is left. A second one ends it at once. SIGHUP (a terminal that is closed) stops
it as well, but under nohup. Files that change are taken up without a signal.`
}

// Run is the data's way: settings, the parts wired, run, stop. What it writes to standard
// error goes through a queue: who reads that must neither hold it up nor, by going away,
// end it (SIGPIPE).
func (runCommand) Run(stop stopper, out *output, build telemetry.Build) error {
	signal.Ignore(syscall.SIGPIPE)
	ctx, end := hangUp(stop)
	defer end()
	type made struct {
		service *service
		err     error
	}
	ready := make(chan made, 1)
	go func() { // a file of a secret that cannot be read in time must not outlast a stop
		v, err := makeService(out.beside, build)
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

func makeService(stderr io.Writer, build telemetry.Build) (*service, error) {
	s, warnings, err := settings.Load()
	if err != nil {
		return nil, err
	}
	s.Upstream.Proxy.Export()
	paceCollector(os.Getenv, s.Upstream.MaxInFlight, s.Consumer.MaxPendingBytes)
	v, err := New(Config{Settings: s, Stderr: stderr, Build: build})
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		events.Setting.Log(v.log, slog.String("what", w.String()))
	}
	return v, nil
}
