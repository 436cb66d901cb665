// Command bench measures the forwarder as a user runs it: its own process, beside
// a Kafka and an API in processes of their own, and in turn with a bare loop over
// net/http that sends the same signed requests without any Kafka. What it prints
// is ratios against that loop in the same round; absolute numbers belong to the
// machine they were measured on.
//
//	bench compare  records a second, CPU, memory, commits and allocations, side by side
//	bench latency  from when an event was due to its arrival, by load
//	bench start    from the process's start to the first acceptance and to full speed
//	bench outage   how fast a backlog is worked off after an outage of the API
//	bench replicas what 1, 2 and 4 replicas reach together
//	bench group    how long records wait while replicas join, leave, die and freeze
//	bench growth   what grows with partitions, waiting records, held ones and order keys
//	bench page     all of these on a real Kafka, into docs/development/benchmarks.md
//	bench rate     records a second and CPU for each, beside the bare loop alone
//	bench dead     peak memory with records waiting behind an API that is down
//	bench telemetry throughput, CPU, memory and stop beside a collector that takes all, and others
//	bench letters  time and peak memory of the commands that work off a million dead letters
//
// The Kafka is kfake unless --brokers names another or --real starts one.
package main

import (
	"fmt"
	"os"

	"github.com/alecthomas/kong"
)

type commands struct {
	Compare  compareCommand  `cmd:"" help:"The forwarder beside other ways of doing the same."`
	Latency  latencyCommand  `cmd:"" help:"How long an event is on its way, by load, beside a bare net/http loop."`
	Start    startCommand    `cmd:"" help:"From the process's start to full speed."`
	Outage   outageCommand   `cmd:"" help:"How fast a backlog is worked off after an outage of the API."`
	Replicas replicasCommand `cmd:"" help:"What several replicas of a group reach together."`
	Group    groupCommand    `cmd:"" help:"How long records wait while replicas of a group join, leave, die and freeze."`
	Growth   growthCommand   `cmd:"" help:"Memory and CPU by partitions, waiting records, held ones and order keys."`
	Page     pageCommand     `cmd:"" help:"All of the above, into docs/development/benchmarks.md."`

	Rate rateCommand `cmd:"" help:"Throughput and CPU beside a bare net/http loop."`
	Dead deadCommand `cmd:"" help:"Peak memory behind an API that is down."`

	Telemetry telemetryCommand `cmd:"" help:"Throughput beside a collector of telemetry that is down, slow, refuses or never answers."`

	Letters lettersCommand `cmd:"" help:"Time and peak memory of the dlq commands, by default on a million dead letters."`

	// The processes that a measurement starts.
	Kafka kafkaCommand `cmd:"" hidden:""`
	API   apiCommand   `cmd:"" hidden:""`
	Sink  sinkCommand  `cmd:"" hidden:""`
	Bare  bareCommand  `cmd:"" hidden:""`
	Floor floorCommand `cmd:"" hidden:""`
	Plain plainCommand `cmd:"" hidden:""`
	Hasty hastyCommand `cmd:"" hidden:""`

	Collector collectorCommand `cmd:"" hidden:""`
}

func main() {
	var c commands
	if err := kong.Parse(&c, kong.Name("bench"), kong.UsageOnError()).Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
