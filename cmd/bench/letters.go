package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"release-forwarder/consumer/wire"
	"release-forwarder/dlq"
)

type lettersCommand struct {
	shared
	N int `default:"1000000" help:"Dead letters."`
}

// Run writes dead letters as the service does, and prints what each command that
// works them off needs: the time to the first dead letter shown, the whole time,
// CPU and peak memory.
func (c lettersCommand) Run() error {
	return c.with(func(l *lab) error {
		topic, err := l.fill(0)
		if err != nil {
			return err
		}
		begun := time.Now()
		if err := l.post(topic, c.N); err != nil {
			return err
		}
		fmt.Printf("%d dead letters written in %s\n", c.N, time.Since(begun).Round(time.Second))
		fmt.Printf("%-34s %9s %9s %9s %9s %9s\n", "", "1st line", "1st dead letter", "whole", "CPU", "peak")
		for _, args := range [][]string{
			{"list", "--limit", "20"}, {"list", "--since", "1s"}, {"list"}, {"stats"}, {"show", "0/0"}, {"export"}, {"replay", "--dry-run"}, {"replay"},
			// Against a ledger of as many entries.
			{"list"}, {"list", "--all", "--limit", "20"}, {"list", "--all"}, {"stats"}, {"show", "0/0"}, {"export", "--all"},
			{"replay"}, {"replay", "--again", "--dry-run"},
		} {
			if err := l.work(topic, args); err != nil {
				return err
			}
		}
		return nil
	})
}

// waiting bounds the dead letters that a publisher holds.
const waiting = 5000

// post writes n dead letters of the topic's events.
func (l *lab) post(topic string, n int) error {
	ctx, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	w := wire.New(ctx, wire.Config{Brokers: strings.Split(l.Brokers, ","), Topics: []string{topic + ".dlq"}})
	p := dlq.NewPublisher(dlq.Config{
		Wire: w, Timeout: time.Minute, Topic: topic + ".dlq", Group: topic,
	})
	defer p.Close()
	for p.Exists(context.Background()) != nil { // the topic was made a moment ago
		time.Sleep(100 * time.Millisecond)
	}
	done := make(chan error, waiting)
	left := 0
	wait := func(most int) (err error) {
		for ; left > most; left-- {
			err = errors.Join(err, <-done)
		}
		return err
	}
	now := time.Now()
	for i := range n {
		if err := wait(waiting - 1); err != nil {
			return err
		}
		left++
		p.Publish(context.Background(), &dlq.Letter{
			Topic: topic, Partition: int32(i) % l.Partitions, Offset: int64(i), Timestamp: now.UnixMilli(), Value: event(i, l.Size),
			Stage: dlq.StageUpstream, Reason: dlq.ReasonRefused, Message: "plate_color: not allowed", Code: "400", Seqno: fmt.Sprintf("abc6c253b93c%08x", i),
			HTTPStatus: 200, Attempts: 1, First: now, Last: now, Traceparent: fmt.Sprintf("00-4bf92f3577b34da6a3ce929d%08x-00f067aa%08x-01", i, i),
		}, func(err error) { done <- err })
	}
	return wait(0)
}

// work runs one dlq command and prints what it needed.
func (l *lab) work(topic string, args []string) error {
	cmd := exec.Command(filepath.Join(l.dir, "release-forwarder"), append([]string{"dlq"}, args...)...)
	cmd.Env = append(os.Environ(), "KAFKA_BROKERS="+l.Brokers, "KAFKA_TOPIC="+topic, "KAFKA_GROUP_ID="+topic)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var said strings.Builder
	cmd.Stderr = &said
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	line, letter, peak := "-", "-", watchPeak(&process{cmd: cmd})
	since := func() string { return time.Since(begun).Round(time.Millisecond).String() }
	lines := bufio.NewReader(out)
	for {
		text, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if line == "-" {
			line = since()
		}
		if letter == "-" && strings.Contains(text, topic+".dlq/") {
			letter = since()
		}
	}
	err = cmd.Wait()
	most := peak()
	if err != nil {
		return fmt.Errorf("dlq %s: %w: %s", strings.Join(args, " "), err, said.String())
	}
	state := cmd.ProcessState
	fmt.Printf("%-34s %9s %9s %9s %9s %5d MiB\n", "dlq "+strings.Join(args, " "), line, letter, since(),
		(state.UserTime() + state.SystemTime()).Round(time.Millisecond), most>>20)
	return nil
}

// watchPeak asks for a process's peak memory while it runs: the account that the
// kernel gives of an ended child counts what its parent had, too.
func watchPeak(p *process) (peak func() int64) {
	most, end, ended := int64(0), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			most = max(most, p.peak())
			select {
			case <-tick.C:
			case <-end:
				tick.Stop()
				return
			}
		}
	}()
	return func() int64 { close(end); <-ended; return most }
}
