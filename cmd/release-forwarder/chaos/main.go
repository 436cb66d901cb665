package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/sandbox/process"
)

func main() {
	length := flag.Duration("for", 2*time.Minute, "how long faults are injected; two minutes or more hold at least 5 kills, 2 pauses and 2 cuts")
	seed := flag.Uint64("seed", rand.Uint64()%1_000_000, "draws the faults; the default is drawn itself")
	rate := flag.Int("rate", 120, "events a second")
	file := flag.String("report", "", "file to append the report to")
	script := flag.String("kafka", ".ci/kafka/kafka.sh", "the script that runs the brokers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := chaos(ctx, *length, *seed, *rate, *file, *script)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// partitions of the event topic: each forwarder has two while all are there.
const partitions = 6

func chaos(ctx context.Context, length time.Duration, seed uint64, rate int, file, script string) (err error) {
	out := io.Writer(os.Stdout)
	if file != "" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		out = io.MultiWriter(os.Stdout, f)
	}
	dir, err := os.MkdirTemp("", "chaos-*")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			os.RemoveAll(dir)
		} else {
			fmt.Fprintln(os.Stderr, "chaos: the logs are kept in", dir)
		}
	}()
	s := &stage{dir: dir, net: newNetwork(), ledger: &ledger{flows: map[string]*visits{}}}
	defer s.close()
	if err := s.build(ctx, script); err != nil {
		return err
	}
	return s.play(ctx, draw(seed, length), &run{seed: seed, length: length, rate: rate}, out)
}

// stage is everything a run needs, started.
type stage struct {
	dir        string
	net        *network
	cluster    *cluster
	ledger     *ledger
	platform   *http.Server
	forwarders []*forwarder
	client     *kgo.Client
	admin      *kadm.Client
}

func (s *stage) build(ctx context.Context, script string) error {
	fmt.Println("starting three brokers and three forwarders…")
	binary := filepath.Join(s.dir, "release-forwarder")
	if err := process.Build(ctx, binary); err != nil {
		return err
	}
	var err error
	if s.cluster, err = startCluster(script, s.dir, s.net); err != nil {
		return err
	}
	s.client, err = kgo.NewClient(kgo.SeedBrokers(s.cluster.direct...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.MaxBufferedRecords(1<<20), kgo.MetadataMinAge(250*time.Millisecond))
	if err != nil {
		return err
	}
	s.admin = kadm.NewClient(s.client)
	if err := s.topics(ctx); err != nil {
		return err
	}
	origin, err := s.net.listen() // the platform itself
	if err != nil {
		return err
	}
	s.platform = &http.Server{Handler: newPlatform(s.ledger)}
	go func() { _ = s.platform.Serve(origin) }() // it ends by Close
	for n := 1; n <= replicas; n++ {
		front, err := s.net.listen()
		if err != nil {
			return err
		}
		go s.net.serve(front, always(n), platformSide, origin.Addr().String())
		f := newForwarder(n, binary, s.dir, s.cluster.proxy, platformURL(front))
		if err := f.start(); err != nil {
			return err
		}
		s.forwarders = append(s.forwarders, f)
	}
	return nil
}

func (s *stage) topics(ctx context.Context) error {
	// The brokers have just been started anew: they may not lead yet.
	for deadline := time.Now().Add(time.Minute); ; {
		_, err := s.admin.CreateTopic(ctx, partitions, replicas, nil, eventTopic)
		if err == nil {
			_, err = s.admin.CreateTopic(ctx, 1, replicas, nil, letterTopic)
		}
		if err == nil || time.Now().After(deadline) || !sleep(ctx, time.Second) {
			return err
		}
	}
}

// play produces and breaks for the run's length, waits for the end, and settles.
func (s *stage) play(ctx context.Context, plan []planned, r *run, out io.Writer) error {
	l := &load{client: s.client, partitions: partitions, acked: map[string]bool{}}
	w := &commitWatch{admin: s.admin, seen: map[int32][]sighting{}}
	j := &injector{net: s.net, cluster: s.cluster, forwarders: s.forwarders, admin: s.admin, out: os.Stdout}
	watching, stopWatch := context.WithCancel(ctx)
	producing, stopLoad := context.WithCancel(ctx)
	var side sync.WaitGroup
	defer side.Wait()
	defer stopWatch()
	defer stopLoad()
	side.Go(func() { w.run(watching) })
	loaded := make(chan error, 1)
	go func() { loaded <- l.run(producing, r.rate) }()

	if err := s.flowing(ctx); err != nil {
		return err
	}
	begun := time.Now()
	j.run(ctx, plan)
	sleep(ctx, r.length-time.Since(begun))
	mended := time.Now()
	sleep(ctx, warmUp) // the recovery from the last fault is measured too
	stopLoad()
	if err := <-loaded; err != nil {
		return fmt.Errorf("the events cannot be produced: %w", err)
	}
	if err := s.drained(ctx, w); err != nil {
		return errors.Join(err, s.ended())
	}
	r.settled = time.Since(mended)
	for _, f := range s.forwarders {
		if err := f.stop(); err != nil {
			j.failed = append(j.failed, fmt.Errorf("forwarder %d did not stop as asked: %w", f.number, err))
		}
	}
	stopWatch()
	side.Wait()
	return s.settle(ctx, l, w, j, r, out)
}

// flowing waits until something of every partition was accepted: faults before
// that would test the start.
func (s *stage) flowing(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); ; {
		s.ledger.mu.Lock()
		n := len(s.ledger.flows)
		s.ledger.mu.Unlock()
		switch {
		case n > 3*sessions:
			return nil
		case time.Now().After(deadline):
			return errors.Join(errors.New("the forwarders do not forward"), s.ended())
		case !sleep(ctx, 100*time.Millisecond):
			return ctx.Err()
		}
	}
}

// drained waits until the group's lag is 0.
func (s *stage) drained(ctx context.Context, w *commitWatch) error {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		ends, err := s.admin.ListEndOffsets(ctx, eventTopic)
		commits, commitErr := w.ask(ctx)
		left := int64(0)
		for partition, end := range ends[eventTopic] {
			left += end.Offset - commits[partition].At
		}
		if err == nil && commitErr == nil && left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("two minutes after the last fault the lag is %d: %w", left, errors.Join(err, commitErr))
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func (s *stage) settle(ctx context.Context, l *load, w *commitWatch, j *injector, r *run, out io.Writer) error {
	read, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	log, err := readLog(read, s.cluster.direct, s.admin)
	if err != nil {
		return err
	}
	letters, err := readTopic(read, s.cluster.direct, s.admin, letterTopic)
	if err != nil {
		return err
	}
	slices.SortFunc(j.done, func(a, b injected) int { return a.begun.Compare(b.begun) })
	meta, err := s.admin.BrokerMetadata(read)
	if err != nil {
		return err
	}
	a := settle(records{
		cluster: meta.Cluster, log: log, acked: l.acknowledged(), flows: s.ledger.flows, commits: w.seen,
		letters: len(letters), faults: j.done, rate: r.rate,
	})
	r.kafka, r.polls = s.cluster.version, w.polls
	for _, seen := range w.seen {
		r.commits += len(seen)
	}
	r.write(out, a)
	wrong := append(a.violations(), tooFew(a, r.length)...)
	if len(wrong) > 0 {
		err = errors.New(strings.Join(wrong, "; "))
	}
	err = errors.Join(append([]error{err, s.ended()}, j.failed...)...)
	if err == nil {
		fmt.Fprintf(out, "good: nothing lost, nothing committed ahead, every repeat explained\n\n")
	} else {
		fmt.Fprintf(out, "BAD: %v\n\n", err)
	}
	return err
}

// ended is an error when forwarders ended that nobody had killed.
func (s *stage) ended() error {
	var errs []error
	for _, f := range s.forwarders {
		for _, d := range f.ended() {
			errs = append(errs, errors.New(d))
		}
	}
	return errors.Join(errs...)
}

func (s *stage) close() {
	for _, f := range s.forwarders {
		f.kill()
	}
	s.net.close()
	if s.platform != nil {
		_ = s.platform.Close()
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.cluster != nil {
		s.cluster.close()
	}
}
