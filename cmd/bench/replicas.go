package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"time"
)

type replicasCommand struct {
	backend
	Partitions int           `default:"12" help:"Partitions of the topic."`
	Open       int           `default:"64" help:"Requests in flight of each replica."`
	Delay      time.Duration `default:"50ms" help:"Delay of the API."`
	For        time.Duration `default:"10s" help:"How long the rate is measured once all replicas deliver."`
	Rounds     int           `default:"3" help:"Rounds."`
	Replicas   []int         `default:"1,2,4" help:"Numbers of replicas."`
	Write      bool          `help:"Write the table and the plot into docs/development/benchmarks.md."`
}

// team is a number of replicas that share a group, and their figures.
type team struct {
	size            int
	rate, cpu, peak spread // of all together; of the largest
	planned         spread // what plan's formula says of the API as it was
}

const (
	// joining is how long a team may take to share the partitions: the topic holds
	// records for as long.
	joining = 20 * time.Second
	// settling is how long it delivers before it is measured: the limit of requests
	// in flight rises within a second.
	settling = 2 * time.Second
)

// Run lets 1, 2, 4 replicas work on one topic and holds their rate against what
// plan foretells.
func (c replicasCommand) Run() error {
	return shared{backend: c.backend, Partitions: int32(c.Partitions), Open: c.Open, Size: small}.with(func(l *lab) error {
		var teams []*team
		for _, size := range c.Replicas {
			t := &team{size: size}
			topic, err := l.fill(int(float64(size) * float64(c.Open) / c.Delay.Seconds() * (c.For + joining).Seconds()))
			if err != nil {
				return err
			}
			for round := range c.Rounds {
				if err := t.add(l, c, topic, fmt.Sprintf("%s-%d", topic, round)); err != nil {
					return fmt.Errorf("%s: %w", count(size, "replica"), err)
				}
			}
			l.drop(topic)
			teams = append(teams, t)
		}
		text := teamTable(teams) + "\n" + planTable(teams)
		fmt.Println(text)
		if !c.Write {
			return nil
		}
		return l.writeReplicas(teams, text, c.Rounds)
	})
}

// add measures a team from the moment at which each of it has delivered.
func (t *team) add(l *lab, c replicasCommand, topic, group string) (err error) {
	api, err := l.start(os.Args[0], []string{"api", "--delay=" + c.Delay.String()})
	if err != nil {
		return err
	}
	defer api.end()
	var members []*replica
	defer func() {
		for _, r := range members {
			r.stop()
		}
	}()
	for range t.size {
		r, err := l.startReplica(topic, group, api.address, c.Open)
		if err != nil {
			return err
		}
		members = append(members, r)
	}
	for _, r := range members {
		if err := r.awaitAccepted(); err != nil {
			return err
		}
	}
	time.Sleep(settling)
	begin, err := accountOf(api.address)
	before := spentBy(members)
	if err != nil {
		return err
	}
	time.Sleep(c.For)
	end, err := accountOf(api.address)
	spent := spentBy(members) - before
	if err != nil {
		return err
	}
	accepted := float64(end.Count - begin.Count)
	peak := 0.0
	for _, r := range members {
		peak = max(peak, float64(r.peak()))
	}
	latency := float64(end.Busy-begin.Busy) / 1e9 / accepted
	t.planned = append(t.planned, float64(t.size)*float64(c.Open)/latency)
	t.rate = append(t.rate, accepted/time.Duration(end.Now-begin.Now).Seconds())
	t.cpu, t.peak = append(t.cpu, float64(spent.Nanoseconds())/1e3/accepted), append(t.peak, peak)
	return nil
}

func spentBy(members []*replica) (sum time.Duration) {
	for _, r := range members {
		sum += r.cpu()
	}
	return sum
}

// awaitAccepted waits until the replica's own first record was accepted.
func (r *replica) awaitAccepted() error {
	for begun := time.Now(); time.Since(begun) < stalled; time.Sleep(lookAgain) {
		m, err := r.metrics()
		if err != nil {
			return err
		}
		if m[metricAccepted] > 0 {
			return nil
		}
	}
	return errors.New("a replica has no share of the records")
}

func teamTable(teams []*team) string {
	var b strings.Builder
	b.WriteString("| replicas | records/s | in flight ÷ latency | of that | CPU µs/record | peak RSS MiB of the largest |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, t := range teams {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s |\n", t.size, t.rate.format("%.0f"), t.planned.format("%.0f"),
			t.rate.over(t.planned).times(100).format("%.0f %%"), t.cpu.format("%.0f"), t.peak.times(1.0/(1<<20)).format("%.0f"))
	}
	return b.String()
}

// plan is how many replicas a load needs: enough requests in flight for the
// platform's latency and enough CPU, with a share of both kept free for working
// off a backlog. CPU is in µs for each record, cores those of one replica.
func plan(load float64, latency time.Duration, open int, cpu, cores, share float64) int {
	waiting := load * latency.Seconds() / float64(open)
	working := load * cpu / 1e6 / cores
	return max(1, int(math.Ceil(max(waiting, working)/share-1e-9)))
}

// kept is the share of what replicas can do that a plan uses: the rest works off
// what an outage has left, at 3/7 of the load.
const kept = 0.7

// planTable shows plans by the CPU that the smallest team was measured to take.
func planTable(teams []*team) string {
	if len(teams) == 0 {
		return ""
	}
	cpu := teams[0].cpu.median()
	var b strings.Builder
	fmt.Fprintf(&b, "Replicas for a load with 64 requests in flight and 1 core each, at %.0f µs of CPU for each record and %.0f %% of what they can do:\n\n", cpu, 100*kept)
	b.WriteString("| events/s | platform answers in 20 ms | 50 ms | 200 ms | 1 s |\n| --- | --- | --- | --- | --- |\n")
	for _, load := range []float64{100, 500, 2000, 5000, 20000} {
		fmt.Fprintf(&b, "| %.0f |", load)
		for _, latency := range []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Second} {
			fmt.Fprintf(&b, " %d |", plan(load, latency, 64, cpu, 1, kept))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\nThe machine has %s for replicas, Kafka and the platform's double together.\n", count(runtime.NumCPU(), "core"))
	return b.String()
}
