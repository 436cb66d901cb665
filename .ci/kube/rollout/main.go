// Command rollout puts the forwarder through what Kubernetes does to it, under
// load, on a real node with a real Kafka: start, scale, rolling update, a rollout
// that must not go on, eviction. The platform's double and Kafka's own records say
// what came of every event; the forwarder is not asked.
//
// It is started by ../rollout.sh, which brings node, image and Kafka.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"
)

type config struct {
	kubectl, brokers, address, image, previous, manifests, logs string
	rate, waiting                                               int
}

func main() {
	var c config
	flag.StringVar(&c.kubectl, "kubectl", "", "script that runs kubectl against the cluster")
	flag.StringVar(&c.brokers, "brokers", "", "Kafka as the pods reach it, host:port")
	flag.StringVar(&c.address, "address", "", "this machine's address as the pods see it")
	flag.StringVar(&c.image, "image", "", "the image, name:tag, that the node holds")
	flag.StringVar(&c.previous, "previous", "", "the image of the release before, which the replicas begin with; they are updated to the other, taken back, and updated again")
	flag.StringVar(&c.manifests, "manifests", "", "the folder deployments")
	flag.StringVar(&c.logs, "logs", "", "the folder of the pods' logs")
	flag.IntVar(&c.rate, "rate", 100, "events a second")
	flag.IntVar(&c.waiting, "waiting", 200_000, "records that wait for the first replica; 0 leaves that step out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "rollout:", err)
		os.Exit(1)
	}
}

type step struct {
	name string
	do   func(context.Context) error
}

const undone = "rollout undo"

func run(ctx context.Context, c config) error {
	w, err := newWorld(ctx, c)
	if err != nil {
		return err
	}
	defer w.close()
	steps := []step{
		{"start one replica, with a Service named kafka in the namespace", w.start},
		{fmt.Sprintf("%d records waiting, one replica", c.waiting), w.backlog},
		{"scale to 3", w.scaleTo(3)},
		{"rolling update, to another user", w.update},
		{undone, w.undo},
		{"a rollout that cannot become ready stops at its first pod", w.stuck},
		{"so does one with a wrong setting, and the pod's status names it", w.misconfigured},
		{"evict every pod, as node drains do", w.evict},
		{"scale to 1", w.scaleTo(1)},
		{"scale to 4", w.scaleTo(4)},
		{"scale to 1 again", w.scaleTo(1)},
	}
	if c.previous != "" {
		at := slices.IndexFunc(steps, func(s step) bool { return s.name == undone })
		steps = slices.Insert(steps, at+1, step{"rolling update again, after the release before", w.update})
	}
	for _, s := range steps {
		begun, before := time.Now(), w.produced.Load()
		if err := s.do(ctx); err != nil {
			w.explain()
			return fmt.Errorf("%s: %w", s.name, err)
		}
		took := time.Since(begun)
		back, err := w.caughtUp(ctx)
		if err != nil {
			w.explain()
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("rollout: %-62s %5.1fs, %6d events meanwhile, lag back after %.1fs\n", s.name, took.Seconds(), w.produced.Load()-before, back.Seconds())
	}
	return w.settle(ctx)
}
