// Command rollout puts the forwarder through what Kubernetes does to it, under
// load, on a real node with a real Kafka: start, scale, from the last release to
// this version and back, a rollout that must not go on, eviction. The platform's double and Kafka's own records say
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
	"time"
)

type config struct {
	kubectl, brokers, address, logs string
	this, previous                  release
	rate, waiting                   int
}

// release is a version as it is deployed.
type release struct {
	image     string // name:tag, that the node holds
	manifests string // its folder deployments
}

func main() {
	var c config
	flag.StringVar(&c.kubectl, "kubectl", "", "script that runs kubectl against the cluster")
	flag.StringVar(&c.brokers, "brokers", "", "Kafka as the pods reach it, host:port")
	flag.StringVar(&c.address, "address", "", "this machine's address as the pods see it")
	flag.StringVar(&c.this.image, "image", "", "the image, name:tag, that the node holds")
	flag.StringVar(&c.this.manifests, "manifests", "", "the folder deployments")
	flag.StringVar(&c.previous.image, "previous-image", "", "the same of the release before, which the replicas begin with")
	flag.StringVar(&c.previous.manifests, "previous-manifests", "", "the same of the release before")
	flag.StringVar(&c.logs, "logs", "", "the folder of the pods' logs")
	flag.IntVar(&c.rate, "rate", 100, "events a second")
	flag.IntVar(&c.waiting, "waiting", 200_000, "records that wait for the first replica; 0 leaves that step out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, c)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rollout:", err)
		os.Exit(1)
	}
}

type step struct {
	name string
	do   func(context.Context) error
}

func run(ctx context.Context, c config) error {
	w, err := newWorld(ctx, c)
	if err != nil {
		return err
	}
	defer w.close()
	steps := []step{
		{"start one replica of the last release, beside a Service named kafka", w.start},
		{"scale to 3", w.scaleTo(3)},
		{"rolling update to this version, with another user", w.update},
		{"rollout undo, to the last release", w.undo},
		{"rolling update to this version again", w.update},
		{fmt.Sprintf("%d records waiting, one replica", c.waiting), w.backlog},
		{"scale to 3 again", w.scaleTo(3)},
		{"a rollout that cannot become ready stops at its first pod", w.stuck},
		{"so does one with a wrong setting, and the pod's status names it", w.misconfigured},
		{"evict every pod, as node drains do", w.evict},
		{"scale to 1", w.scaleTo(1)},
		{"scale to 4", w.scaleTo(4)},
		{"scale to 1 again", w.scaleTo(1)},
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
		fmt.Printf("rollout: %-67s %5.1fs, %6d events meanwhile, lag back after %.1fs\n", s.name, took.Seconds(), w.produced.Load()-before, back.Seconds())
	}
	return w.settle(ctx)
}
