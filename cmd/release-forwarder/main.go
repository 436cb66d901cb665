// Command release-forwarder reads abnormal-release events from Kafka and posts
// them, signed, to the parking platform. See README.md.
package main

import (
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/cli"
	"release-forwarder/cmd/release-forwarder/cli/audit"
	"release-forwarder/cmd/release-forwarder/cli/check"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/deadletters"
	"release-forwarder/cmd/release-forwarder/cli/find"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/cmd/release-forwarder/visible"
)

// Set by release builds (-ldflags "-X main.version=… -X main.revision=…").
var version, revision string

type commands struct {
	Run     runCommand          `cmd:"" default:"1" help:"Forward events until asked to stop (the default)."`
	Check   check.Command       `cmd:"" help:"Show what would become of events, without sending anything."`
	Config  cli.ConfigCommand   `cmd:"" help:"Show the settings that differ from their defaults; --all: every setting."`
	DLQ     deadletters.Command `cmd:"" name:"dlq" help:"Work off dead letters: list, show, replay, close, export, stats."`
	Offsets cli.OffsetsCommand  `cmd:"" help:"Show how far the group is: committed, finished beyond it, waiting, lag."`
	Find    find.Command        `cmd:"" help:"Find an event by plate, flow, serial or lot, and say what became of it."`
	Audit   audit.Command       `cmd:"" help:"Say from receipts what became of events, long after they are gone; count, verify."`
	Doctor  cli.DoctorCommand   `cmd:"" help:"Check brokers, topics, rights, group and credentials, and say what is wrong."`
	Idle    cli.IdleCommand     `cmd:"" help:"Wait until stopped: keeps a container there for kubectl exec."`
	// Probe is what doctor was called before: for one release, for init containers and scripts.
	Probe   cli.DoctorCommand  `cmd:"" hidden:""`
	Version cli.VersionCommand `cmd:"" help:"Show the version."`
}

const description = `Reads abnormal-release events from a Kafka topic and posts them, signed, to the
parking platform's API. Settings are environment variables: see "release-forwarder config --all".`

func main() {
	// net/http writes there, and quotes answers that no request asked for: texts of the
	// platform must appear nowhere. The service's telemetry takes these lines over.
	stdlog.SetOutput(io.Discard)
	os.Exit(execute(console.StopSignal(), os.Args[1:], os.Stdout))
}

// execute runs the command that the arguments name, and gives the exit code.
func execute(stop console.Stopper, args []string, stdout io.Writer) int {
	out := console.NewOutput(stdout, os.Stderr)
	var c commands
	parser := kong.Must(&c, kong.Name("release-forwarder"), kong.Description(description), kong.UsageOnError())
	command, err := parser.Parse(args)
	if err != nil {
		for _, line := range check.Refusal(err, args) {
			fmt.Fprintln(out.Beside, "release-forwarder:", visible.Line(line))
		}
		return console.ExitFailed
	}
	var stderr io.Writer = out.Beside
	if command.Command() == "run" { // the service must end even if no one reads standard error
		lines := telemetry.NewQueue(out.Beside, settings.FormatText)
		defer lines.Flush(app.LinesLimit)
		stderr = lines
	}
	return exitCode(out.Verdict(command.Run(stop, out, telemetry.NewBuild(version, revision))), stderr)
}

// exitCode prints what went wrong, once.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return console.ExitAsked
	}
	if wrong, ok := errors.AsType[*settings.Invalid](err); ok {
		for _, w := range wrong.Settings {
			fmt.Fprintln(stderr, visible.Line(w.String()))
		}
		return console.ExitWrong
	}
	if !errors.Is(err, console.ErrSomeFailed) {
		fmt.Fprintln(stderr, "release-forwarder:", strings.Join(console.ErrorLines(err), "\n"))
	}
	return console.ExitFailed
}
