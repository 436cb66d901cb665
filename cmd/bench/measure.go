package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type shared struct {
	backend
	Partitions int32 `default:"1" help:"Partitions of the topic."`
	Open       int   `default:"64" help:"Requests in flight."`
	Size       int   `default:"300" help:"Bytes of an event, at least 300."`
}

type rateCommand struct {
	shared
	N      int `default:"60000" help:"Records of a round at 0 ms; a fifth of it at 20 ms."`
	Rounds int `default:"3" help:"Rounds, interleaved with the bare loop."`
}

// Run measures rounds in turn and prints each and the medians of their ratios.
func (c rateCommand) Run() error {
	return c.with(func(l *lab) error {
		for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
			n := c.N
			if delay > 0 {
				n /= 5
			}
			var rate, cpu []float64
			for round := range c.Rounds {
				bare, err := l.bare(n, c.Open, delay)
				if err != nil {
					return err
				}
				ours, err := l.forwarder(n, c.Open, delay)
				if err != nil {
					return err
				}
				fmt.Printf("%4s round %d  bare %6.0f/s %5.1f µs  forwarder %6.0f/s %5.1f µs, peak %d MiB, most open %d\n",
					delay, round+1, bare.rate, bare.cpu, ours.rate, ours.cpu, ours.peak>>20, ours.most)
				rate = append(rate, ours.rate/bare.rate)
				cpu = append(cpu, ours.cpu/bare.cpu)
				if delay > 0 {
					ideal := float64(c.Open) / delay.Seconds()
					fmt.Printf("             %.1f %% of %d/%s = %.0f/s\n", 100*ours.rate/ideal, c.Open, delay, ideal)
				}
			}
			fmt.Printf("%4s median    %.0f %% of the bare loop's rate, %.2f × its CPU for each record\n", delay, 100*median(rate), median(cpu))
		}
		return nil
	})
}

type deadCommand struct {
	shared
	N   int           `default:"200000" help:"Records waiting."`
	For time.Duration `default:"30s" help:"How long to watch."`
}

// Run lets records wait behind an API that is down and prints the peak memory.
func (c deadCommand) Run() error {
	return c.with(func(l *lab) error {
		api, err := l.start(os.Args[0], []string{"api", "--down"})
		if err != nil {
			return err
		}
		defer api.end()
		topic, err := l.fill(c.N)
		if err != nil {
			return err
		}
		f, err := l.startForwarder(topic, api.address, c.Open)
		if err != nil {
			return err
		}
		time.Sleep(c.For)
		peak := f.peak()
		cpu := f.stop()
		fmt.Printf("%d records waiting for %s behind a dead API: peak %d MiB, CPU %s\n", c.N, c.For, peak>>20, cpu.Round(time.Millisecond))
		return nil
	})
}

// lab is where a measurement takes place.
type lab struct {
	shared
	dir    string
	client *kgo.Client
	kafka  string // what it is, for the page
	topics int
	groups int
}

func (c shared) with(measure func(*lab) error) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l := &lab{shared: c, dir: dir}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "release-forwarder"), "./cmd/release-forwarder")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	if l.Brokers == "" {
		end, err := l.startKafka()
		if err != nil {
			return err
		}
		defer end()
	}
	l.client, err = kgo.NewClient(kgo.SeedBrokers(l.Brokers), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerBatchMaxBytes(2_000_000), kgo.MaxBufferedRecords(2000), kgo.ProducerLinger(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer l.client.Close()
	return measure(l)
}

// process is one that was started, and what it said first.
type process struct {
	cmd     *exec.Cmd
	address string
	stdin   io.Closer
}

func (l *lab) start(program string, args []string) (*process, error) {
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	return &process{cmd, strings.TrimSpace(line), stdin}, err
}

func (p *process) end() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// peak is the process's largest resident memory so far, in bytes.
func (p *process) peak() int64 { return p.memory("VmHWM") }

// stop ends the process as an operator does and returns the CPU it took.
func (p *process) stop() time.Duration {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// fill makes a topic with n events.
func (l *lab) fill(n int) (topic string, err error) {
	return l.fillWith(n, func(i int) []byte { return event(i, l.Size) })
}

func (l *lab) fillWith(n int, event func(i int) []byte) (topic string, err error) {
	l.topics++
	topic = fmt.Sprintf("bench-%d-%d", os.Getpid(), l.topics)
	ctx := context.Background()
	for _, t := range []string{topic, topic + ".dlq"} {
		if _, err := kadm.NewClient(l.client).CreateTopic(ctx, l.Partitions, 1, nil, t); err != nil {
			return "", err
		}
	}
	for i := range n {
		l.client.Produce(ctx, &kgo.Record{Topic: topic, Value: event(i)}, func(_ *kgo.Record, perr error) {
			if perr != nil {
				err = perr
			}
		})
	}
	if ferr := l.client.Flush(ctx); ferr != nil {
		return "", ferr
	}
	return topic, err
}

// drop deletes a topic that fill made: an in-memory Kafka would keep its events.
func (l *lab) drop(topic string) {
	_, _ = kadm.NewClient(l.client).DeleteTopics(context.Background(), topic, topic+".dlq")
}

// startForwarder starts one with more settings, which win over those named here.
func (l *lab) startForwarder(topic, api string, open int, more ...string) (*process, error) {
	cmd := exec.Command(filepath.Join(l.dir, "release-forwarder"))
	cmd.Env = append(os.Environ(), "KAFKA_BROKERS="+l.Brokers, "KAFKA_TOPIC="+topic, "KAFKA_GROUP_ID="+topic,
		"UPSTREAM_URL=http://"+api+"/", "UPSTREAM_APP_SECRET="+secret, fmt.Sprintf("UPSTREAM_MAX_IN_FLIGHT=%d", open), "ADMIN_ADDR=none", "LOG_LEVEL=warn")
	cmd.Env = append(cmd.Env, more...)
	cmd.Stderr = os.Stderr
	return &process{cmd: cmd}, cmd.Start()
}

type result struct {
	rate float64 // records a second
	cpu  float64 // µs for each
	peak int64
	most int64
	// stopped is how long the end took, from SIGTERM on.
	stopped time.Duration
}

func (l *lab) bare(n, open int, delay time.Duration) (result, error) {
	return l.round(n, delay, func(api string) (*process, error) {
		cmd := exec.Command(os.Args[0], "bare", "--url", "http://"+api+"/", fmt.Sprintf("--n=%d", n), fmt.Sprintf("--open=%d", open))
		cmd.Stderr = os.Stderr
		return &process{cmd: cmd}, cmd.Start()
	})
}

func (l *lab) forwarder(n, open int, delay time.Duration) (result, error) {
	topic, err := l.fill(n)
	if err != nil {
		return result{}, err
	}
	return l.round(n, delay, func(api string) (*process, error) { return l.startForwarder(topic, api, open) })
}

func (l *lab) round(n int, delay time.Duration, start func(api string) (*process, error)) (result, error) {
	api, err := l.start(os.Args[0], []string{"api", "--delay=" + delay.String()})
	if err != nil {
		return result{}, err
	}
	defer api.end()
	p, err := start(api.address)
	if err != nil {
		return result{}, err
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		count, first, last, most, err := ask(api.address)
		if err != nil {
			return result{}, err
		}
		if count >= int64(n) {
			r := result{rate: float64(count) / time.Duration(last-first).Seconds(), most: most, peak: p.peak()}
			asked := time.Now()
			r.cpu = float64(p.stop().Microseconds()) / float64(n)
			r.stopped = time.Since(asked)
			return r, nil
		}
		if time.Since(begun) > 5*time.Minute {
			p.stop()
			return result{}, fmt.Errorf("only %d of %d came in five minutes", count, n)
		}
	}
}

func ask(api string) (count, first, last, most int64, err error) {
	resp, err := http.Get("http://" + api + "/")
	if err != nil {
		return 0, 0, 0, 0, err
	}
	defer resp.Body.Close()
	_, err = fmt.Fscan(resp.Body, &count, &first, &last, &most)
	return count, first, last, most, err
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
