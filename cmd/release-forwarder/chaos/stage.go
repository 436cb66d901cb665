package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/process"
)

// partitions of the event topic: each forwarder has two while all are there.
const partitions = 6

// stage is everything a run needs, started.
type stage struct {
	dir        string
	net        *network
	cluster    *cluster
	ledger     *ledger
	platform   *http.Server
	forwarders []*forwarder
	client     *kgo.Client
	kafka      *kafkaLog
}

func (s *stage) build(ctx context.Context, o options) error {
	fmt.Println("starting three brokers and three forwarders…")
	var err error
	if s.cluster, err = startCluster(ctx, o.script, s.dir, s.net); err != nil {
		return err
	}
	binary := filepath.Join(s.dir, "release-forwarder")
	if err := process.Build(ctx, binary); err != nil {
		return err
	}
	s.client, err = kgo.NewClient(kgo.SeedBrokers(s.cluster.direct...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.MaxBufferedRecords(1<<20), kgo.MetadataMinAge(250*time.Millisecond))
	if err != nil {
		return err
	}
	s.kafka = &kafkaLog{seeds: s.cluster.direct, admin: kadm.NewClient(s.client)}
	if err := s.topics(ctx); err != nil {
		return err
	}
	origin, err := s.net.listen() // the platform itself
	if err != nil {
		return err
	}
	s.platform = &http.Server{Handler: newPlatform(s.ledger)}
	go func() { _ = s.platform.Serve(origin) }() // it ends by Close
	receipts, err := receiptSettings(s.dir, o.receipts)
	if err != nil {
		return err
	}
	for n := 1; n <= replicas; n++ {
		front, err := s.net.listen()
		if err != nil {
			return err
		}
		go s.net.serve(front, always(n), platformSide, origin.Addr().String())
		f, err := newForwarder(n, binary, s.dir, s.cluster.proxy, platformURL(front, n), o.protocol, receipts)
		if err != nil {
			return err
		}
		if err := f.start(); err != nil {
			return err
		}
		s.forwarders = append(s.forwarders, f)
	}
	return nil
}

func (s *stage) topics(ctx context.Context) error {
	// The brokers have just been restarted: they may not lead yet.
	appended := "LogAppendTime" // the broker's clock, beside that of commits
	for deadline := time.Now().Add(time.Minute); ; {
		_, err := s.kafka.admin.CreateTopic(ctx, partitions, replicas, nil, eventTopic)
		if err == nil {
			_, err = s.kafka.admin.CreateTopic(ctx, 1, replicas, nil, deadLetterTopic)
		}
		if err == nil {
			_, err = s.kafka.admin.CreateTopic(ctx, partitions/2, replicas, map[string]*string{"message.timestamp.type": &appended}, receiptsTopic)
		}
		if err == nil || time.Now().After(deadline) || !sleep(ctx, time.Second) {
			return err
		}
	}
}

// play produces and breaks for the run's length, waits for the end, and settles.
func (s *stage) play(ctx context.Context, r *run, out io.Writer) error {
	l := &load{client: s.client, partitions: partitions, acked: map[string]bool{}}
	j := &injector{net: s.net, cluster: s.cluster, forwarders: s.forwarders, admin: s.kafka.admin, out: os.Stdout}
	producing, stopLoad := context.WithCancel(ctx)
	loaded := make(chan error, 1)
	go func() { loaded <- l.run(producing, r.rate) }()
	watching, stopWatch := context.WithCancel(ctx)
	watched := make(chan []injected, 1)
	go func() { watched <- s.kafka.assigning(watching) }()
	err := s.flowing(ctx)
	if err == nil {
		begun := time.Now()
		j.run(ctx, draw(r.seed, r.length, r.every))
		sleep(ctx, r.length-time.Since(begun))
		sleep(ctx, warmUp) // the recovery from the last fault is measured too
	}
	defer stopWatch()
	stopLoad()
	if ctx.Err() != nil {
		s.client.Close() // what is not written yet need not be
	}
	if lateErr := <-loaded; err == nil && lateErr != nil {
		err = fmt.Errorf("the events cannot be produced: %w", lateErr)
	}
	if err == nil {
		undone := time.Now()
		err = s.drained(ctx)
		r.settled = time.Since(undone)
	}
	if err != nil {
		return errors.Join(err, s.ended())
	}
	stopWatch()
	j.done = append(j.done, <-watched...)
	for _, f := range s.forwarders {
		if err := f.count(); err != nil {
			j.failed = append(j.failed, err)
		}
		if err := f.stop(); err != nil {
			j.failed = append(j.failed, fmt.Errorf("forwarder %d did not stop as asked: %w", f.number, err))
		}
	}
	return s.settle(ctx, l, j, r, out)
}

// flowing waits until much was accepted: faults before that would test the
// start.
func (s *stage) flowing(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); s.ledger.known() <= 3*orderKeys; {
		if time.Now().After(deadline) {
			return errors.New("the forwarders do not forward")
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// drained waits until the group's lag is 0.
func (s *stage) drained(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		left, err := s.kafka.lag(ctx)
		if err == nil && left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("two minutes after the last fault the lag is %d", left), err)
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func (s *stage) settle(ctx context.Context, l *load, j *injector, r *run, out io.Writer) error {
	read, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	log, err := s.kafka.events(read)
	if err != nil {
		return err
	}
	commits, err := s.kafka.commits(read)
	if err != nil {
		return err
	}
	deadLetters, err := s.kafka.read(read, deadLetterTopic)
	if err != nil {
		return err
	}
	receipts, err := s.kafka.receipts(read)
	if err != nil {
		return err
	}
	slices.SortFunc(j.done, func(a, b injected) int { return a.begun.Compare(b.begun) })
	meta, err := s.kafka.admin.BrokerMetadata(read)
	if err != nil {
		return err
	}
	a := settle(records{
		cluster: meta.Cluster, log: log, acked: l.acknowledged(), flows: s.ledger.flows, commits: commits, deadLetters: len(deadLetters), faults: j.done,
		asked: r.receipts, receipts: receipts, missing: s.missing(),
	})
	r.kafka = s.cluster.version
	r.write(out, a)
	var errs []error
	if wrong := append(a.violations(), tooFew(a, r.length)...); len(wrong) > 0 {
		errs = append(errs, errors.New(strings.Join(wrong, "; ")))
	}
	if r.receipts != receiptsNone {
		errs = append(errs, s.forwarders[0].verified(read, a))
	}
	err = errors.Join(slices.Concat(errs, []error{s.ended()}, j.failed)...)
	if err == nil {
		fmt.Fprintf(out, "good: nothing lost, nothing committed ahead, every repeat explained\n\n")
	} else {
		fmt.Fprintf(out, "BAD: %v\n\n", err)
	}
	return err
}

// missing is how many receipts the forwarders counted as missing.
func (s *stage) missing() (n int) {
	for _, f := range s.forwarders {
		n += f.countedMissing()
	}
	return n
}

// ended is an error if forwarders ended that were not killed.
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
		_ = s.platform.Close() // there is nothing left to close it for
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.cluster != nil {
		s.cluster.close()
	}
}
