package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mostResident is the most that a replica takes with the defaults and events of
// 1 KiB, in bytes: docs/how-to/sizing.md.
const mostResident = 96 << 20

// backlog starts one replica, with the shipped memory limit, before many waiting
// records: it works them off and is not killed for its memory.
func (w *world) backlog(ctx context.Context) error {
	if w.waiting == 0 {
		return nil
	}
	if err := w.scale(ctx, 0); err != nil {
		return err
	}
	size := len(event(int(w.made.Load())))
	for n := 0; n < w.waiting; n += 1000 {
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
	pids, err := processes()
	if err != nil || len(pids) != 1 {
		return errors.Join(fmt.Errorf("%d processes of one replica", len(pids)), err)
	}
	for {
		behind, err := w.behind(ctx)
		if err == nil && behind < 1000 {
			break
		}
		if time.Since(begun) > 5*time.Minute {
			return fmt.Errorf("%d records are behind after %v (%w)", behind, time.Since(begun), errors.Join(err, errors.New("too slow")))
		}
		time.Sleep(500 * time.Millisecond)
	}
	resident, err := peak(pids[0])
	if err != nil {
		return fmt.Errorf("the replica has ended: %w", err)
	}
	restarts, err := w.kc(ctx, "", "get", "pods", "-o", `jsonpath={.items[*].status.containerStatuses[0].restartCount}`)
	if err != nil {
		return err
	}
	fmt.Printf("rollout: %d waiting records of %d bytes worked off by one replica in %.0fs; resident at most %d MiB, limit %d MiB, restarts %s\n",
		w.waiting, size, time.Since(begun).Seconds(), resident>>20, memoryLimit>>20, restarts)
	if restarts != "0" {
		return errors.New("the container was started again")
	}
	if resident >= mostResident {
		return fmt.Errorf("resident above %d MiB", mostResident>>20)
	}
	return nil
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
