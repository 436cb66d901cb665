package main

import (
	"fmt"
	"time"
)

// cell is one set of circumstances.
type cell struct {
	delay      time.Duration // of the API
	partitions int
	size       int // bytes of an event
	open       int // requests in flight
}

const (
	small = 300
	large = 100 << 10
)

func (c cell) String() string {
	return fmt.Sprintf("%s, %s, %s events, %d in flight", ms(c.delay), count(c.partitions, "partition"), bytesOf(c.size), c.open)
}

// ms shows a delay as the page does.
func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func bytesOf(n int) string {
	if n >= 1<<10 {
		return fmt.Sprintf("%d-KiB", n>>10)
	}
	return fmt.Sprintf("%d-byte", n)
}

// usual are the cells of a comparison that asks for no others: something of each
// axis of the whole matrix, in a few minutes.
func usual() []cell {
	return []cell{
		{0, 6, small, 64},
		{20 * time.Millisecond, 1, small, 64},
		{100 * time.Millisecond, 1, small, 512},
		{0, 100, large, 64},
	}
}

// matrix is the product of the lists.
func matrix(delays []time.Duration, partitions, sizes, open []int) (cells []cell) {
	for _, d := range delays {
		for _, p := range partitions {
			for _, s := range sizes {
				for _, o := range open {
					cells = append(cells, cell{d, p, s, o})
				}
			}
		}
	}
	return cells
}

const (
	// steady is how long a run lasts that waits for the API with all that may be in
	// flight, and steadyOne one that waits with one.
	steady    = 4 * time.Second
	steadyOne = 2 * time.Second
	// oneByOne is what the plain loop takes for a record beside the API, and
	// oneMore for each of its bytes.
	oneByOne = 500 * time.Microsecond
	oneMore  = 10 * time.Nanosecond
	// mostBytes bounds the topic of a cell.
	mostBytes = 300 << 20
)

// records is how many the cell's runs take, and those of a contender that has
// one request in flight, where most is the number that is enough at 0 ms.
func (c cell) records(most int) (many, one int) {
	many = min(most, mostBytes/c.size)
	if c.delay > 0 {
		many = min(many, int(float64(c.open)*steady.Seconds()/c.delay.Seconds()))
	}
	one = min(many, int(steadyOne/(c.delay+oneByOne+oneMore*time.Duration(c.size))))
	return max(many, 1), max(one, 1)
}
