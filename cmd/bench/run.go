package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"
)

// figures are what one run of a contender came to.
type figures struct {
	rate    float64 // records a second, after those that warm up
	cpu     float64 // µs of the process for each record, of the same
	peak    float64 // bytes
	commits float64 // requests a second; NaN where there is no Kafka
	allocs  float64 // for each record
	spans   float64 // for each record, as the collector got them; NaN without one
	most    float64 // requests open at once
}

const (
	lookAgain = 10 * time.Millisecond
	// stalled is how long nothing may come before a run is given up.
	stalled = time.Minute
)

// warming is how many of n records warm up connections, caches and limits: a
// cold start has its own measurement.
func warming(n int) int64 { return int64(max(1, n/4)) }

// run lets a contender do its job against an API of a delay.
func (l *lab) run(c contender, j job, delay time.Duration) (f figures, err error) {
	api, err := l.start(os.Args[0], []string{"api", "--delay=" + delay.String(), fmt.Sprintf("--mark=%d", warming(j.n))})
	if err != nil {
		return f, err
	}
	defer api.end()
	j.api = api.address
	s, err := c.start(l, j)
	if err != nil {
		return f, fmt.Errorf("%s: %w", c.name, err)
	}
	f, err = watch(s, api.address, j.n)
	spans, ended := s.end()
	if err = errors.Join(err, ended); err != nil {
		return f, fmt.Errorf("%s: %w", c.name, err)
	}
	if f.spans = math.NaN(); spans > 0 {
		f.spans = float64(spans) / float64(j.n)
	}
	if j.topic == "" || c.name == nameBare || c.name == nameFloor {
		f.commits = math.NaN()
	}
	return f, nil
}

// watch takes a subject's figures while it sends n records.
func watch(s subject, api string, n int) (f figures, err error) {
	at, err := awaitCount(api, warming(n))
	if err != nil {
		return f, err
	}
	before := s.proc().cpu()
	if at >= int64(n) { // too few to leave any out
		before, at = 0, 0
	}
	if _, err = awaitCount(api, int64(n)); err != nil {
		return f, err
	}
	spent := s.proc().cpu() - before
	a, err := accountOf(api)
	if err != nil {
		return f, err
	}
	f.rate = float64(a.Count-warming(n)) / time.Duration(a.Last-a.Marked).Seconds()
	f.cpu = float64(spent.Nanoseconds()) / 1e3 / float64(a.Count-at)
	f.peak, f.most = float64(s.proc().peak()), float64(a.Most)
	f.allocs, f.commits, err = s.done(int64(n))
	return f, err
}

// awaitCount waits until an API has accepted n records, and gives the count.
func awaitCount(api string, n int64) (int64, error) {
	last, changed := int64(-1), time.Now()
	for ; ; time.Sleep(lookAgain) {
		count, _, _, _, err := ask(api)
		switch {
		case err != nil:
			return 0, err
		case count >= n:
			return count, nil
		case count != last:
			last, changed = count, time.Now()
		case time.Since(changed) > stalled:
			return count, fmt.Errorf("only %d of %d came, none within %s", count, n, stalled)
		}
	}
}
