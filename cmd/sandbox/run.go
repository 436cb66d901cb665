package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"release-forwarder/cmd/sandbox/faults"
	"release-forwarder/cmd/sandbox/screen"
)

// runCommand is "sandbox run", and "sandbox" alone.
type runCommand struct {
	For        time.Duration     `default:"0" help:"Stop the lanes after this long and settle the account; 0: with Ctrl-C."`
	Faults     string            `default:"${faults}" help:"Faults of the platform on a schedule; empty: none."`
	Latency    time.Duration     `default:"20ms" help:"How long each answer of the platform takes."`
	Partitions int               `default:"6" help:"Partitions of the event topic and of the dead-letter topic."`
	Drain      time.Duration     `default:"30s" help:"How long the forwarder may take, once the lanes have stopped, for what still waits."`
	Forwarder  string            `placeholder:"PATH" help:"A forwarder's binary to run instead of building one."`
	Set        map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"A setting of the forwarder; may be repeated."`
	streetFlags
}

// Help is shown by --help.
func (runCommand) Help() string {
	return `It ends with Ctrl-C, after --for, or when its output's reader is gone: faults stop, the lanes stop, the forwarder finishes what waits and is asked to stop, and the account of every event is settled from Kafka's records and the platform's own. The exit code is 0 when it closes, 1 otherwise. A second Ctrl-C ends everything at once. (Under "go run" a Ctrl-C makes the go command itself exit with 1, whatever the sandbox says.) All is kept in memory, some 300 MB for an hour at 50 events a second.

` + faultsHelp + `

Example: sandbox --for 1m --rate 500 --faults "outage@10s+20s" --set UPSTREAM_MAX_IN_FLIGHT=16.`
}

// Validate is called by the command line's parser.
func (c runCommand) Validate() error {
	if c.Partitions < 1 || c.Partitions > 10_000 {
		return fmt.Errorf("--partitions must be 1 to 10000")
	}
	if err := c.streetFlags.Validate(); err != nil {
		return err
	}
	_, err := faults.Parse(c.Faults)
	return err
}

// Run is "sandbox run": start, watch, stop, settle.
func (c runCommand) Run(ctx context.Context, out *screen.Screen, started *processes) error {
	schedule, err := faults.Parse(c.Faults)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "release-forwarder-sandbox-")
	if err != nil {
		return err
	}
	defer os.Remove(dir) // it stays when there is something in it: the log
	w := newWorld(out, faults.NewPlayer(schedule, out.Say))
	defer w.close()
	if err := w.openEnds(dir, c.Partitions, c.Latency); err != nil {
		return err
	}
	out.Say(fmt.Sprintf("sandbox    Kafka      %s  topic %s, %d partitions", strings.Join(w.kafka.Brokers, ","), eventTopic, c.Partitions))
	out.Say("sandbox    platform   " + w.platform.URL)
	out.Say("sandbox    faults     " + cmp.Or(c.Faults, "none"))
	if err := w.openForwarder(ctx, dir, c.Forwarder, c.Set, started); err != nil {
		return err
	}
	out.Say("sandbox    forwarder  status page " + w.forwarder.Admin + "/  log " + w.forwarder.Log)
	out.Say("sandbox    Ctrl-C stops the lanes and settles the account, a second one ends at once")
	w.openLanes(c.street(), c.Rate)
	if err := w.watch(ctx, c.For); err != nil {
		return err
	}
	failed := w.stop(c.Drain)
	return cmp.Or(failed, w.settle())
}
