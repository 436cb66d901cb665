package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/sandbox/screen"
)

// commands are the command line; each field's own flags are with its type.
type commands struct {
	Run      runCommand      `cmd:"" default:"withargs" help:"All of it: Kafka, platform, lanes, and the forwarder between them (the default)."`
	Kafka    kafkaCommand    `cmd:"" help:"An embedded Kafka alone."`
	Platform platformCommand `cmd:"" help:"The platform's double alone."`
	Lanes    lanesCommand    `cmd:"" help:"The lane simulator alone, against any brokers."`
}

const description = `A place to see the release-forwarder work, and to work on it. Everything runs on this machine, on 127.0.0.1, and ends with the sandbox.

Example: "sandbox --for 30s" runs everything for half a minute and settles the account. "sandbox COMMAND --help" explains a command and its flags.`

// errUnsettled ends a run whose account, already shown, does not close.
var errUnsettled = errors.New("the account does not close")

func newParser() *kong.Kong {
	return kong.Must(&commands{},
		kong.Name("sandbox"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"faults": defaultFaults},
	)
}

func main() {
	command, err := newParser().Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		fmt.Fprintln(os.Stderr, `See "sandbox --help".`)
		os.Exit(2)
	}
	out := screen.New(os.Stdout)
	started := &processes{}
	ctx := interruptible(out.Gone(), started)
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(out, started)
	if err != nil && !errors.Is(err, errUnsettled) {
		fmt.Fprintln(os.Stderr, "sandbox:", strings.TrimSpace(err.Error()))
	}
	if err != nil {
		os.Exit(1)
	}
}
