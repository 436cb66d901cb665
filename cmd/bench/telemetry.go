package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// collectorCommand is a collector of telemetry that does nothing with it. It is to
// cost as little as may be, so that what is measured is the forwarder.
type collectorCommand struct {
	Mode string `enum:"takes,slow,refuses,swallows" default:"takes"`
}

// slowness is how long the slow collector takes for each answer.
const slowness = 3 * time.Second

func (c collectorCommand) Run() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var bytes atomic.Int64
	http.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		bytes.Add(n)
		switch c.Mode {
		case "slow":
			time.Sleep(slowness)
		case "refuses":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "swallows":
			<-r.Context().Done()
		}
	})
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, bytes.Load()) })
	fmt.Println(l.Addr())
	return http.Serve(l, nil)
}

type telemetryCommand struct {
	shared
	N      int           `default:"60000" help:"Records of a measurement."`
	Rounds int           `default:"5" help:"Rounds; each has every collector once, in another order."`
	Delay  time.Duration `default:"0" help:"How long the API takes for each answer."`
	Sample float64       `default:"1" help:"Share of traces that are sampled, 0 to 1."`
}

// Help is shown by --help.
func (telemetryCommand) Help() string {
	return `Traces, metrics and logs go to a collector that takes all, is down, takes 3 s for each answer, refuses all (503), or never answers; beside them a forwarder that exports nothing. What is told are the medians over the rounds of the ratios against the collector that takes all, in the same round.`
}

// collectors are the kinds there are; the first is what the others are held against.
var collectors = []string{"takes", "down", "slow", "refuses", "swallows", "none"}

// exported is what came of one measurement.
type exported struct {
	result
	stop     time.Duration // from SIGTERM to the end
	received int64         // bytes at the collector
}

// Run measures all collectors in each round and prints each, then the table.
func (c telemetryCommand) Run() error {
	return c.with(func(l *lab) error {
		topic, err := l.fill(c.N)
		if err != nil {
			return err
		}
		all := map[string][]exported{}
		for round := range c.Rounds {
			order := slices.Clone(collectors)
			for range round % len(order) {
				order = append(order[1:], order[0])
			}
			for _, kind := range order {
				e, err := l.exporting(c, topic, fmt.Sprintf("%s-%d", kind, round), kind)
				if err != nil {
					return fmt.Errorf("%s: %w", kind, err)
				}
				fmt.Printf("round %d  %-8s %6.0f/s %5.1f µs, peak %d MiB, stopped in %.1fs, %d MiB received\n",
					round+1, kind, e.rate, e.cpu, e.peak>>20, e.stop.Seconds(), e.received>>20)
				all[kind] = append(all[kind], e)
			}
		}
		exportedTable(all)
		return nil
	})
}

// exportedTable prints the medians in the form of the documents.
func exportedTable(all map[string][]exported) {
	fmt.Println("\n| collector | throughput | CPU a record | peak memory | longest stop |\n| --- | --- | --- | --- | --- |")
	takes := all[collectors[0]]
	for _, kind := range collectors {
		var rate, cpu []float64
		var peak int64
		var stop time.Duration
		for i, e := range all[kind] {
			rate = append(rate, e.rate/takes[i].rate)
			cpu = append(cpu, e.cpu/takes[i].cpu)
			peak, stop = max(peak, e.peak), max(stop, e.stop)
		}
		fmt.Printf("| %s | %.1f %% | %.2f × | %d MiB | %.1f s |\n", kind, 100*median(rate), median(cpu), peak>>20, stop.Seconds())
	}
}

// exporting has a forwarder of a group of its own send the topic's records.
func (l *lab) exporting(c telemetryCommand, topic, group, kind string) (e exported, err error) {
	env := []string{"KAFKA_GROUP_ID=" + group, "OTEL_TRACES_SAMPLER=traceidratio", fmt.Sprintf("OTEL_TRACES_SAMPLER_ARG=%g", c.Sample),
		"OTEL_METRIC_EXPORT_INTERVAL=1000", "LOG_LEVEL=error"} // a log line for each export that fails is not what is measured
	switch kind {
	case "none":
	case "down":
		address, err := unused()
		if err != nil {
			return e, err
		}
		env = append(env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+address)
	default:
		collector, err := l.start(os.Args[0], []string{"collector", "--mode=" + kind})
		if err != nil {
			return e, err
		}
		defer collector.end()
		defer func() { e.received, _ = received(collector.address) }()
		env = append(env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+collector.address)
	}
	r, err := l.round(c.N, c.Delay, func(api string) (*process, error) { return l.startForwarder(topic, api, c.Open, env...) })
	e.result, e.stop = r, r.stopped
	return e, err
}

// received asks a collector how much it got.
func received(address string) (n int64, err error) {
	resp, err := http.Get("http://" + address + "/")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = fmt.Fscan(resp.Body, &n)
	return n, err
}

// unused is an address at which nothing listens.
func unused() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
