package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

type growthCommand struct {
	backend
	N          int           `default:"20000" help:"Records of a run by partitions and by held records."`
	Partitions []int         `default:"1,100,1000" help:"Partitions."`
	Waiting    []int         `default:"10000,100000,1000000" help:"Records waiting in the topic."`
	Held       []int         `default:"0,100,1000" help:"Records held because the platform fails for them alone."`
	OrderKeys  int           `default:"1000000" help:"Distinct order keys that pass through."`
	For        time.Duration `default:"10s" help:"How long is watched what does not end by itself."`
	Write      bool          `help:"Write the tables into docs/development/benchmarks.md."`
}

// state is what a replica takes at one moment.
type state struct {
	what             string
	peak, now        float64 // MiB
	cpu              float64 // µs for each record accepted since the last state
	goroutines, held float64
}

// grower runs one replica through states.
type grower struct {
	*replica
	api   *process
	cpu   time.Duration
	count int64
}

// Run prints what grows with partitions, waiting records, held ones and order
// keys, and what does not.
func (c growthCommand) Run() error {
	return shared{backend: c.backend, Partitions: 6, Open: 64, Size: small}.with(func(l *lab) error {
		var b strings.Builder
		for _, part := range []struct {
			title   string
			measure func(*lab) ([]state, error)
		}{
			{"Partitions, after their records", c.byPartitions},
			{"Records waiting in the topic, while they are worked off", c.byWaiting},
			{"Records held, after the others were accepted", c.byHeld},
			{"Distinct order keys that have passed through", c.byOrderKeys},
		} {
			states, err := part.measure(l)
			if err != nil {
				return fmt.Errorf("%s: %w", part.title, err)
			}
			text := growthTable(part.title, states)
			fmt.Println(text)
			b.WriteString(text + "\n")
		}
		if !c.Write {
			return nil
		}
		return l.publish(partGrowth, 1, b.String())
	})
}

func growthTable(title string, states []state) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n\n| | peak RSS MiB | RSS then | CPU µs/record | goroutines | held |\n| --- | --- | --- | --- | --- | --- |\n", title)
	for _, s := range states {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.1f | %.0f | %.0f |\n", s.what, s.peak, s.now, s.cpu, s.goroutines, s.held)
	}
	return b.String()
}

func (c growthCommand) byPartitions(l *lab) (states []state, err error) {
	defer func(was int32) { l.Partitions = was }(l.Partitions)
	for _, n := range c.Partitions {
		l.Partitions = int32(n)
		topic, err := l.fill(c.N)
		if err != nil {
			return nil, err
		}
		one, err := l.grow(topic, 0, nil, func(g *grower) ([]state, error) {
			return g.when(count(n, "partition"), int64(c.N))
		})
		l.drop(topic)
		if err != nil {
			return nil, err
		}
		states = append(states, one...)
	}
	return states, nil
}

func (c growthCommand) byWaiting(l *lab) (states []state, err error) {
	for _, n := range c.Waiting {
		topic, err := l.fill(n)
		if err != nil {
			return nil, err
		}
		one, err := l.grow(topic, 20*time.Millisecond, nil, func(g *grower) ([]state, error) {
			if _, err := awaitCount(g.api.address, 1); err != nil {
				return nil, err
			}
			time.Sleep(c.For)
			return g.when(fmt.Sprintf("%d waiting", n), 1)
		})
		l.drop(topic)
		if err != nil {
			return nil, err
		}
		states = append(states, one...)
	}
	return states, nil
}

// spacing is the distance between events for which the platform fails: others are
// accepted between, so that the failures are those records' own.
const spacing = 4

func (c growthCommand) byHeld(l *lab) (states []state, err error) {
	for _, n := range c.Held {
		topic, err := l.fillWith(c.N+n, func(i int) []byte {
			if i%spacing == spacing-1 && i/spacing < n {
				return eventOf(fmt.Sprintf("%s-%d", refused, i), i, l.Size)
			}
			return event(i, l.Size)
		})
		if err != nil {
			return nil, err
		}
		// Without a budget they are held indefinitely.
		one, err := l.grow(topic, 0, []string{"RETRY_BUDGET=0"}, func(g *grower) ([]state, error) {
			if _, err := awaitCount(g.api.address, int64(c.N)); err != nil {
				return nil, err
			}
			return g.whenHeld(n, c.For)
		})
		l.drop(topic)
		if err != nil {
			return nil, err
		}
		states = append(states, one...)
	}
	return states, nil
}

func (c growthCommand) byOrderKeys(l *lab) (states []state, err error) {
	topic, err := l.fill(c.OrderKeys) // each event has an order key of its own
	if err != nil {
		return nil, err
	}
	defer l.drop(topic)
	return l.grow(topic, 0, nil, func(g *grower) (states []state, err error) {
		for _, share := range []int{10, 4, 2, 1} {
			n := c.OrderKeys / share
			s, err := g.when(fmt.Sprintf("%d order keys", n), int64(n))
			if err != nil {
				return nil, err
			}
			states = append(states, s...)
		}
		return states, nil
	})
}

// grow runs a replica on a topic, and ends it.
func (l *lab) grow(topic string, delay time.Duration, env []string, watch func(*grower) ([]state, error)) ([]state, error) {
	api, err := l.start(os.Args[0], []string{"api", "--delay=" + delay.String()})
	if err != nil {
		return nil, err
	}
	defer api.end()
	r, err := l.startReplica(topic, topic, api.address, l.Open, env...)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	return watch(&grower{replica: r, api: api})
}

// whenHeld gives the replica's state once most of n records are held: some are
// always being tried. What is not within a time stands in the table.
func (g *grower) whenHeld(n int, within time.Duration) ([]state, error) {
	for begun := time.Now(); time.Since(begun) < within; time.Sleep(lookAgain) {
		m, err := g.metrics()
		if err != nil {
			return nil, err
		}
		if m[metricHeld] >= 0.9*float64(n) {
			break
		}
	}
	return g.when(fmt.Sprintf("%d held", n), 1)
}

// when gives the replica's state once n records were accepted.
func (g *grower) when(what string, n int64) ([]state, error) {
	count, err := awaitCount(g.api.address, n)
	if err != nil {
		return nil, err
	}
	cpu := g.replica.cpu()
	m, err := g.metrics()
	if err != nil {
		return nil, err
	}
	s := state{
		what: what, peak: float64(g.peak()) / (1 << 20), now: float64(g.resident()) / (1 << 20),
		cpu:        float64((cpu - g.cpu).Nanoseconds()) / 1e3 / float64(max(1, count-g.count)),
		goroutines: m[metricGoroutines], held: m[metricHeld],
	}
	g.cpu, g.count = cpu, count
	return []state{s}, nil
}
