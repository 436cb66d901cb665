package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

// pageCommand measures all figures of docs/development/benchmarks.md again.
type pageCommand struct {
	Rounds int  `default:"5" help:"Rounds of the comparisons."`
	Tiny   bool `help:"With sizes that measure nothing, to see that it works; writes nothing."`
}

// steps are the commands of a whole page, each a process of its own.
func (c pageCommand) steps() (steps [][]string) {
	rounds := fmt.Sprintf("--rounds=%d", c.Rounds)
	if c.Tiny {
		return [][]string{
			{"compare", "--real", "--n=300", "--rounds=1"},
			{"compare", "--n=300", "--rounds=1"},
			{"latency", "--real", "--n=1000", "--rounds=1", "--for=500ms", "--warm=500ms"},
			{"start", "--real", "--n=3000", "--rounds=1"},
			{"outage", "--real", "--before=2s", "--outage=2s", "--rounds=1"},
			{"replicas", "--real", "--replicas=1,2", "--for=1s", "--rounds=1"},
			{"growth", "--real", "--n=500", "--partitions=1,20", "--waiting=2000", "--held=0,20", "--order-keys=2000", "--for=1s"},
		}
	}
	return [][]string{
		{"compare", "--real", "--write", rounds},
		{"compare", "--write", rounds},
		{"latency", "--real", "--write"},
		{"latency", "--real", "--write", "--delay=20ms", "--shares=0.5"},
		{"start", "--real", "--write"},
		{"outage", "--real", "--write"},
		{"replicas", "--real", "--write"},
		{"growth", "--real", "--write"},
		{"compare", "--full", "--real", "--write", rounds, "--n=40000", "--only=" + nameBare, "--only=" + nameShipped},
	}
}

func (c pageCommand) Run() error {
	begun := time.Now()
	for _, args := range c.steps() {
		fmt.Printf("=== %v after %s\n", args, took(begun))
		cmd := exec.Command(os.Args[0], args...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%v: %w", args, err)
		}
	}
	fmt.Printf("=== done after %s\n", took(begun))
	return nil
}
