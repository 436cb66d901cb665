// Command release-forwarder reads abnormal-release events from Kafka and posts
// them, signed, to the parking platform. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/release-forwarder/settings"
)

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
	Probe   probeCommand   `cmd:"" help:"Look at brokers, topics, rights, group and credentials, and say what is wrong."`
	Version versionCommand `cmd:"" help:"Show the version."`
}

const description = `Reads abnormal-release events from a Kafka topic and posts them, signed, to the
parking platform's API. Settings are environment variables: see "release-forwarder config".`

func main() {
	os.Exit(execute(stopSignal(), os.Args[1:], os.Stdout))
}

// execute runs the command that the arguments name, and gives the exit code.
func execute(stop stopper, args []string, stdout io.Writer) int {
	var c commands
	parser := kong.Must(&c, kong.Name("release-forwarder"), kong.Description(description), kong.UsageOnError())
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "release-forwarder: %v\nrelease-forwarder: \"release-forwarder --help\" lists the commands\n", err)
		return exitFailed
	}
	out := &output{to: stdout}
	return exitCode(out.verdict(command.Run(stop, out)))
}

// exitCode prints what went wrong, once.
func exitCode(err error) int {
	if err == nil {
		return exitAsked
	}
	if wrong, ok := errors.AsType[*settings.Invalid](err); ok {
		for _, w := range wrong.Settings {
			fmt.Fprintln(os.Stderr, w.String())
		}
		return exitWrong
	}
	if !errors.Is(err, errSomeFailed) {
		fmt.Fprintln(os.Stderr, "release-forwarder:", err)
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
		fmt.Fprintln(os.Stderr, "release-forwarder: second signal: ends at once, open requests are cut and may be sent again")
		os.Exit(exitFailed)
	}()
	return stopper{ctx}
}

type runCommand struct{}

// Help implements kong's HelpProvider.
func (runCommand) Help() string {
	return `Example:

  KAFKA_BROKERS=kafka:9092 KAFKA_TOPIC=abnormal-release KAFKA_GROUP_ID=release-forwarder \
  UPSTREAM_URL=https://api.example.com/gate/1.0/parking/internal/update \
  UPSTREAM_APP_SECRET_FILE=/run/secrets/app-secret release-forwarder run

SIGTERM or SIGINT stops it: open requests are finished, progress is committed, the
group is left. A second signal ends it at once.`
}

// Run is the data's way: settings, the parts wired, run, stop.
func (runCommand) Run(stop stopper) error {
	s, warnings, err := settings.Load()
	if err != nil {
		return err
	}
	s.Upstream.Proxy.Export()
	paceCollector(os.Getenv, s.Upstream.MaxInFlight, s.Consumer.MaxPendingBytes)
	service, err := newService(s, nil, os.Stderr)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		service.log.Warn("setting", "what", w.String())
	}
	return service.run(stop)
}
