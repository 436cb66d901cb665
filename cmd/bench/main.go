// Command bench measures the forwarder as a user runs it: its own process, beside
// a Kafka and an API in processes of their own, and in turn with a bare loop over
// net/http that sends the same signed requests without any Kafka. What it prints
// is ratios against that loop in the same round; absolute numbers belong to the
// machine they were measured on.
//
//	bench rate    records a second and CPU for each, at 0 ms and 20 ms API latency
//	bench dead    peak memory with records waiting behind an API that is down
//	bench letters time and peak memory of the commands that work off a million dead letters
//
// The Kafka is kfake unless --brokers names another.
package main

import (
	"fmt"
	"os"

	"github.com/alecthomas/kong"
)

type commands struct {
	Compare compareCommand `cmd:"" help:"The forwarder beside other ways, side by side."`

	Rate rateCommand `cmd:"" help:"Throughput and CPU beside a bare net/http loop."`
	Dead deadCommand `cmd:"" help:"Peak memory behind an API that is down."`

	Letters lettersCommand `cmd:"" help:"Time and peak memory of the dlq commands, by default on a million dead letters."`

	// The processes that a measurement starts.
	Kafka kafkaCommand `cmd:"" hidden:""`
	API   apiCommand   `cmd:"" hidden:""`
	Sink  sinkCommand  `cmd:"" hidden:""`
	Bare  bareCommand  `cmd:"" hidden:""`
	Floor floorCommand `cmd:"" hidden:""`
	Plain plainCommand `cmd:"" hidden:""`
}

func main() {
	var c commands
	if err := kong.Parse(&c, kong.Name("bench"), kong.UsageOnError()).Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
