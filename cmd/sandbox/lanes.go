package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"release-forwarder/cmd/sandbox/lanes"
	"release-forwarder/cmd/sandbox/screen"
)

// flushLimit is how long the lanes wait for Kafka to take what is on its way.
const flushLimit = 30 * time.Second

// streetFlags say what the lanes are like.
type streetFlags struct {
	Rate   float64 `default:"50" help:"Events a second."`
	Lots   int     `default:"24" help:"Parking lots."`
	Spoilt float64 `default:"0.03" help:"Share of events that cannot be mapped, 0 to 1."`
	Seed   uint64  `default:"0" help:"Decides lots and events; 0: another each time."`
}

// Validate is called by the command line's parser.
func (f streetFlags) Validate() error {
	switch {
	case f.Rate <= 0 || f.Rate > 100_000:
		return errors.New("--rate must be above 0, at most 100000")
	case f.Lots < 1:
		return errors.New("--lots must be 1 or more")
	case f.Spoilt < 0 || f.Spoilt > 1:
		return errors.New("--spoilt must be 0 to 1")
	}
	return nil
}

func (f streetFlags) street() *lanes.Street {
	seed := f.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	return lanes.NewStreet(lanes.Config{Seed: seed, Lots: f.Lots, Spoilt: f.Spoilt, Start: time.Now()})
}

// lanesCommand is "sandbox lanes".
type lanesCommand struct {
	Brokers []string      `required:"" env:"KAFKA_BROKERS" help:"host:port, separated by commas; plain text, no login."`
	Topic   string        `default:"abnormal-releases" env:"KAFKA_TOPIC" help:"Where the events go; it must exist."`
	For     time.Duration `default:"0" help:"Stop after this long; 0: with Ctrl-C."`
	streetFlags
}

// Help is shown by --help.
func (lanesCommand) Help() string {
	return `Events of many lots, in all forms that the event contract allows, a few per cent of them beyond mapping. A line a second says how many Kafka has taken.

Example: "sandbox lanes --brokers 127.0.0.1:9092 --topic events --rate 200 --for 1m".`
}

// Validate is called by the command line's parser.
func (c lanesCommand) Validate() error {
	if len(c.Brokers) == 0 || slices.Contains(c.Brokers, "") {
		return errors.New("--brokers must be host:port, separated by commas")
	}
	return c.streetFlags.Validate()
}

// Run is "sandbox lanes".
func (c lanesCommand) Run(ctx context.Context, out *screen.Screen) error {
	client, err := lanes.Dial(c.Brokers)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("lanes: no broker answers: %w", err)
	}
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	sender := &lanes.Sender{Street: c.street(), Topic: c.Topic, Rate: c.Rate}
	done := make(chan error, 1)
	start := time.Now()
	go func() { done <- sender.Run(ctx, client, flushLimit) }()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			out.Say(c.line(sender, start))
			return err
		case <-ticker.C:
			out.Say(c.line(sender, start))
		}
	}
}

func (c lanesCommand) line(s *lanes.Sender, start time.Time) string {
	acked, failed := s.Counts()
	line := fmt.Sprintf("%4.0fs  produced %d", time.Since(start).Seconds(), acked)
	if failed > 0 {
		line += fmt.Sprintf("  not taken by Kafka %d", failed)
	}
	return line
}
