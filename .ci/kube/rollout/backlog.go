package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// waiting is how many records wait when the replica comes back.
const waiting = 200_000

// backlog starts one replica, with the shipped memory limit, before many waiting
// records: it works them off and is not killed for its memory.
func (w *world) backlog(ctx context.Context) error {
	if err := w.scale(ctx, 0); err != nil {
		return err
	}
	for n := 0; n < waiting; n += 1000 {
		records := make([]*kgo.Record, 1000)
		for i := range records {
			records[i] = w.next()
		}
		if err := w.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return err
		}
		w.produced.Add(int64(len(records)))
	}
	begun := time.Now()
	if err := w.scale(ctx, 1); err != nil {
		return err
	}
	peak := 0.0
	for {
		behind, err := w.behind(ctx)
		if err == nil && behind < 1000 {
			break
		}
		if time.Since(begun) > 5*time.Minute {
			return fmt.Errorf("%d records are behind after %v (%w)", behind, time.Since(begun), errors.Join(err, errors.New("too slow")))
		}
		if rss, err := w.memory(ctx); err == nil {
			peak = max(peak, rss)
		}
		time.Sleep(500 * time.Millisecond)
	}
	restarts, err := w.kc(ctx, "", "get", "pods", "-o", `jsonpath={.items[*].status.containerStatuses[0].restartCount}`)
	if err != nil {
		return err
	}
	limit, err := w.kc(ctx, "", "get", "deployment/release-forwarder", "-o", `jsonpath={.spec.template.spec.containers[0].resources.limits.memory}`)
	if err != nil {
		return err
	}
	fmt.Printf("rollout: %d waiting records worked off by one replica in %.0fs; resident at most %.0f MiB, limit %s, restarts %s\n",
		waiting, time.Since(begun).Seconds(), peak/(1<<20), limit, restarts)
	if restarts != "0" {
		return errors.New("the container was started again")
	}
	return nil
}

// memory is the replica's resident memory, as it says on /metrics.
func (w *world) memory(ctx context.Context) (float64, error) {
	ips, err := w.addresses(ctx)
	if err != nil || len(ips) == 0 {
		return 0, errors.Join(err, errors.New("no pod has an address"))
	}
	lines, err := w.metrics(ctx, ips[0], "process_resident_memory_bytes ")
	if err != nil || len(lines) != 1 {
		return 0, errors.Join(err, errors.New("no process_resident_memory_bytes on /metrics"))
	}
	_, value, _ := strings.Cut(lines[0], " ")
	return strconv.ParseFloat(value, 64)
}

func (w *world) addresses(ctx context.Context) ([]string, error) {
	ips, err := w.kc(ctx, "", "get", "pods", "-o", "jsonpath={.items[*].status.podIP}")
	return strings.Fields(ips), err
}

// metrics are the lines of a replica's /metrics that begin with one of these.
func (w *world) metrics(ctx context.Context, ip string, prefixes ...string) (found []string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ip+":8081/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	s := bufio.NewScanner(response.Body)
	for s.Scan() {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s.Text(), p) }) {
			found = append(found, s.Text())
		}
	}
	return found, s.Err()
}
