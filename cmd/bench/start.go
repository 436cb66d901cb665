package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

type startCommand struct {
	backend
	Partitions int  `default:"6" help:"Partitions of the topic."`
	Open       int  `default:"64" help:"Requests in flight."`
	N          int  `default:"80000" help:"Records that wait in the topic."`
	Rounds     int  `default:"5" help:"Rounds, each with a new group."`
	Write      bool `help:"Write the table into docs/development/benchmarks.md."`
}

// starts are the times of cold starts, in milliseconds.
type starts struct{ joined, first, full spread }

// Run starts a forwarder on a group without members and a topic with a backlog,
// and prints when it joins, when the first record is accepted, and when the rate
// of the whole run is reached.
func (c startCommand) Run() error {
	return shared{backend: c.backend, Partitions: int32(c.Partitions), Open: c.Open, Size: small}.with(func(l *lab) error {
		topic, err := l.fill(c.N)
		if err != nil {
			return err
		}
		var s starts
		for round := range c.Rounds {
			if err := s.add(l, topic, fmt.Sprintf("%s-%d", topic, round), c.N); err != nil {
				return err
			}
		}
		text := s.table()
		fmt.Println(text)
		if !c.Write {
			return nil
		}
		return l.publish(partStart, c.Rounds, text)
	})
}

func (s *starts) add(l *lab, topic, group string, n int) error {
	api, err := l.start(os.Args[0], []string{"api"})
	if err != nil {
		return err
	}
	defer api.end()
	r, err := l.startReplica(topic, group, api.address, l.Open)
	if err != nil {
		return err
	}
	defer r.stop()
	joined, err := r.awaitJoined()
	if err != nil {
		return err
	}
	if _, err := awaitCount(api.address, int64(n)); err != nil {
		return err
	}
	a, err := accountOf(api.address)
	if err != nil {
		return err
	}
	s.joined = append(s.joined, float64(joined.Sub(r.begun).Milliseconds()))
	s.first = append(s.first, float64(time.Unix(0, a.First).Sub(r.begun).Milliseconds()))
	full := math.NaN()
	if i := fullSpeed(a.Tenths); i >= 0 {
		full = max(0, float64(time.Unix(0, a.Begun).Add(time.Duration(i)*tenth).Sub(joined).Milliseconds()))
	}
	s.full = append(s.full, full)
	return nil
}

func (s *starts) table() string {
	var b strings.Builder
	b.WriteString("| from | to | ms |\n| --- | --- | --- |\n")
	fmt.Fprintf(&b, "| the process's start | the group is joined | %s |\n", s.joined.format("%.0f"))
	fmt.Fprintf(&b, "| the process's start | the first record arrives | %s |\n", s.first.format("%.0f"))
	fmt.Fprintf(&b, "| the group is joined | full speed, to a tenth of a second | %s |\n", s.full.format("%.0f"))
	return b.String()
}

const tenth = 100 * time.Millisecond

// fullRate is the rate of a run in acceptances a tenth of a second: the median
// between its first and its last half a second; NaN where it was too short.
func fullRate(tenths []int64) float64 {
	first, last := ends(tenths)
	var middle spread
	for i := first + 5; i <= last-5; i++ {
		middle = append(middle, float64(tenths[i]))
	}
	return middle.median()
}

// ends are the first and the last tenth in which anything was accepted.
func ends(tenths []int64) (first, last int) {
	first = len(tenths)
	for i, n := range tenths {
		if n > 0 {
			first, last = min(first, i), i
		}
	}
	return first, last
}

// fullSpeed is the tenth from which on half a second reaches nine tenths of the
// full rate; -1 where none does.
func fullSpeed(tenths []int64) int { return reaches(tenths, 0, fullRate(tenths)) }

func reaches(tenths []int64, from int, full float64) int {
	const width = 5
	for i := from; i+width <= len(tenths); i++ {
		sum := 0.0
		for _, n := range tenths[i : i+width] {
			sum += float64(n)
		}
		if sum >= 0.9*full*width {
			return i
		}
	}
	return -1
}
