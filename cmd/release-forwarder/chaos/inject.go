package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// injected is a fault that was carried out.
type injected struct {
	planned
	begun, healed time.Time
}

// injector carries out a plan. Faults of one forwarder do not overlap, nor do
// faults of brokers: with two of three away Kafka rightly takes no records.
type injector struct {
	net        *network
	cluster    *cluster
	forwarders []*forwarder // by number, from 0
	admin      *kadm.Client
	out        io.Writer

	brokers sync.Mutex           // held while a broker's fault lasts
	each    [replicas]sync.Mutex // the same for each forwarder

	mu     sync.Mutex
	done   []injected // guarded by mu, in order of beginning
	failed []error    // guarded by mu: what could not be done or undone
}

// run carries out the plan and returns when every fault is undone.
func (j *injector) run(ctx context.Context, plan []planned) {
	start := time.Now()
	var under sync.WaitGroup
	defer under.Wait()
	for _, p := range plan {
		if !sleep(ctx, time.Until(start.Add(p.At))) {
			return
		}
		under.Go(func() { j.one(ctx, p, start) })
	}
}

// one waits for its time, begins the fault, waits, and undoes it, unless the run was
// interrupted: then everything ends anyway.
func (j *injector) one(ctx context.Context, p planned, start time.Time) {
	turn := &j.each[p.On-1]
	if p.ofBroker() {
		turn = &j.brokers
	}
	turn.Lock()
	defer turn.Unlock()
	if ctx.Err() != nil {
		return
	}
	f := injected{planned: p, begun: time.Now()}
	fmt.Fprintf(j.out, "%6.1fs  %s\n", f.begun.Sub(start).Seconds(), p)
	undo, err := j.inject(p)
	if err == nil {
		if !sleep(ctx, p.Lasts) {
			return
		}
		err = undo()
	}
	f.healed = time.Now()
	j.mu.Lock()
	j.done = append(j.done, f)
	if err != nil {
		j.failed = append(j.failed, fmt.Errorf("%s: %w", p, err))
	}
	j.mu.Unlock()
	if p.ofBroker() {
		j.awaitReplicas(ctx)
	}
}

// String is the fault in words.
func (p planned) String() string {
	how := ""
	switch p.Kind {
	case cutForwarder, cutLink, cutBroker, cutPlatform:
		if how = ", refused"; p.Silent {
			how = ", silent"
		}
	case killForwarder, killBroker, pauseForwarder, pauseBroker, assigning:
	}
	if p.Kind == cutLink {
		how = fmt.Sprintf(" (%d)%s", p.Other, how)
	}
	return fmt.Sprintf("%s: number %d%s, for %s", p.Kind, p.On, how, p.Lasts)
}

// inject begins a fault and returns how it is undone.
func (j *injector) inject(p planned) (undo func() error, err error) {
	f, broker := j.forwarders[p.On-1], strconv.Itoa(p.On)
	script := func(command string) func() error {
		return func() error { _, err := j.cluster.do(command, broker); return err }
	}
	between := func(c cut) (func() error, error) {
		c.Silent = p.Silent
		end := j.net.begin(c)
		return func() error { end(); return nil }, nil
	}
	switch p.Kind {
	case killForwarder:
		err := f.count() // its process's last: it ends with it
		f.kill()
		return f.start, err
	case pauseForwarder:
		f.signal(syscall.SIGSTOP)
		return func() error { f.signal(syscall.SIGCONT); return nil }, nil
	case killBroker:
		return script("start"), script("kill")()
	case pauseBroker:
		return script("resume"), script("pause")()
	case cutForwarder:
		return between(cut{Forwarder: p.On})
	case cutLink:
		return between(cut{Forwarder: p.On, Broker: p.Other})
	case cutBroker:
		return between(cut{Broker: p.On})
	case cutPlatform:
		return between(cut{Forwarder: p.On, Broker: platformSide})
	case assigning: // the group's own
	}
	return nil, fmt.Errorf("chaos: %s cannot be injected", p.Kind)
}

// awaitReplicas waits until all replicas of all topics are in sync again, a while
// at most, so that the next broker's fault does not stop Kafka altogether.
func (j *injector) awaitReplicas(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !j.inSync(ctx) && sleep(ctx, 200*time.Millisecond) {
	}
}

func (j *injector) inSync(ctx context.Context) bool {
	topics, err := j.admin.ListTopicsWithInternal(ctx)
	if err != nil || len(topics) == 0 {
		return false
	}
	for _, t := range topics {
		for _, p := range t.Partitions {
			if len(p.ISR) < replicas {
				return false
			}
		}
	}
	return true
}
