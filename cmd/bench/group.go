package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type groupCommand struct {
	backend
	Partitions int      `default:"6" help:"Partitions of the topic."`
	Rate       int      `default:"2" help:"Events a second for each partition."`
	Protocols  []string `default:"classic,consumer" help:"Of KAFKA_GROUP_PROTOCOL; none: the setting is left out, for an older binary."`
	Events     []string `help:"What happens: all unless named (control, join, leave, crash loop, frozen, other topics)."`
	Binary     string   `help:"Another build of the forwarder to measure." type:"existingfile"`
}

// upheaval is something that happens to a group of two replicas, at answers that take so long.
type upheaval struct {
	name    string
	takes   time.Duration
	happens func(g *gathering) error
}

// settled is how long a group has for what an upheaval leads to: KAFKA_SESSION_TIMEOUT of one that
// died, or the broker's, and a round.
const settled = 20 * time.Second

func upheavals() []upheaval {
	const long, short = 3 * time.Second, 50 * time.Millisecond
	return []upheaval{
		{"control", long, func(*gathering) error { time.Sleep(settled); return nil }},
		{"join", long, func(g *gathering) error { _, err := g.third(); return err }},
		{"leave", long, func(g *gathering) error {
			g.members[1].stop()
			g.members = slices.Delete(g.members, 1, 2)
			time.Sleep(settled)
			return nil
		}},
		{"control, answers of 50 ms", short, func(*gathering) error { time.Sleep(settled); return nil }},
		{"crash loop", short, func(g *gathering) error {
			for range 5 {
				r, err := g.start()
				if err != nil {
					return err
				}
				if _, err := r.awaitJoined(); err != nil {
					return err
				}
				_ = r.cmd.Process.Kill()
				_ = r.cmd.Wait()
				g.members = g.members[:2]
				time.Sleep(settled / 4)
			}
			time.Sleep(3 * settled)
			return nil
		}},
		{"frozen", short, func(g *gathering) error {
			r, err := g.third()
			if err != nil {
				return err
			}
			_ = r.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(4 * settled)
			_ = r.cmd.Process.Signal(syscall.SIGCONT)
			time.Sleep(settled)
			return nil
		}},
		{"other topics", short, func(g *gathering) error { _, err := g.third("KAFKA_REPLAY_TOPIC=" + g.replays); return err }},
	}
}

// gathering is a group under load, and what its platform saw.
type gathering struct {
	l              *lab
	api            string
	topic, replays string
	env            []string
	members        []*replica

	mu    sync.Mutex
	sent  map[string]*passage // by flow_no
	owner map[int]int         // who of the first two owned each partition at the first look
	moved map[int]bool        // the partitions of which another one, or none, did at a later look
}

// passage is an event on its way.
type passage struct {
	partition int
	produced  time.Time
	arrived   time.Time
	accepted  int
}

// Run measures how long records wait while a group changes, and prints a table.
func (c groupCommand) Run() error {
	return shared{backend: c.backend, Partitions: int32(c.Partitions), Open: 512, Size: small}.with(func(l *lab) error {
		if c.Binary != "" {
			path, err := filepath.Abs(c.Binary)
			if err != nil {
				return err
			}
			built := filepath.Join(l.dir, "release-forwarder")
			if err := errors.Join(os.Remove(built), os.Symlink(path, built)); err != nil {
				return err
			}
		}
		fmt.Print("| what happens | protocol | partitions that stay | a record of theirs waited at most | of those that move | lost | sent again |\n| --- | --- | --- | --- | --- | --- | --- |\n")
		for _, protocol := range c.Protocols {
			for _, u := range upheavals() {
				if len(c.Events) > 0 && !slices.Contains(c.Events, u.name) {
					continue
				}
				if err := c.measure(l, u, protocol); err != nil {
					return fmt.Errorf("%s, %s: %w", u.name, protocol, err)
				}
			}
		}
		return nil
	})
}

func (c groupCommand) measure(l *lab, u upheaval, protocol string) error {
	g := &gathering{l: l, sent: map[string]*passage{}, moved: map[int]bool{}}
	defer g.end()
	if protocol != "none" {
		g.env = append(g.env, "KAFKA_GROUP_PROTOCOL="+protocol)
	}
	server, err := g.platform(u.takes)
	if err != nil {
		return err
	}
	defer server.Close()
	if g.topic, err = l.fill(0); err != nil {
		return err
	}
	g.replays = g.topic + replaySuffix
	if _, err := kadm.NewClient(l.client).CreateTopic(context.Background(), 2, 1, nil, g.replays); err != nil {
		return err
	}
	for range 2 {
		if _, err := g.start(); err != nil {
			return err
		}
	}
	stop, err := g.produce(c.Partitions, c.Rate)
	if err != nil {
		return err
	}
	err = g.awaitRest()
	begun := time.Now()
	endWatch := g.watch()
	if err == nil {
		err = u.happens(g)
	}
	ended := time.Now()
	endWatch()
	stop()
	if err != nil {
		return err
	}
	g.awaitAll()
	fmt.Println(g.row(u.name, protocol, begun, ended))
	return nil
}

// platform answers each release after some time.
func (g *gathering) platform(takes time.Duration) (*http.Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g.api = listener.Addr().String()
	accepted := []byte(`{"code":"1001","message":"OK","seqno":"abc6c253b93cc940"}`)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		flow := r.FormValue("flow_no")
		g.mu.Lock()
		if p := g.sent[flow]; p != nil && p.arrived.IsZero() {
			p.arrived = now
		}
		g.mu.Unlock()
		time.Sleep(takes)
		if _, err := w.Write(accepted); err == nil {
			g.mu.Lock()
			if p := g.sent[flow]; p != nil {
				p.accepted++
			}
			g.mu.Unlock()
		}
	})}
	go func() { _ = server.Serve(listener) }()
	return server, nil
}

// start starts a replica of the group.
func (g *gathering) start(env ...string) (*replica, error) {
	r, err := g.l.startReplica(g.topic, g.topic, g.api, g.l.Open, slices.Concat(g.env, env)...)
	if err == nil {
		g.members = append(g.members, r)
	}
	return r, err
}

// third starts one more and lets the group settle.
func (g *gathering) third(env ...string) (*replica, error) {
	r, err := g.start(env...)
	if err == nil {
		time.Sleep(settled)
	}
	return r, err
}

func (g *gathering) end() {
	for _, r := range g.members {
		r.stop()
	}
	g.l.drop(g.topic)
	g.l.drop(g.replays)
}

// watch looks, until the function that it returns is called, who of the first two owns which partition.
func (g *gathering) watch() (end func()) {
	first := slices.Clone(g.members)
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			now := map[int]int{}
			for i, r := range first {
				for _, p := range r.owns() {
					now[p] = i + 1
				}
			}
			g.mu.Lock()
			if g.owner == nil {
				g.owner = now
			}
			for p := range int(g.l.Partitions) {
				if now[p] != g.owner[p] {
					g.moved[p] = true
				}
			}
			g.mu.Unlock()
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); watching.Wait() }
}

// owns are the partitions of the events that the replica says it has; none where it does not answer.
func (r *replica) owns() (partitions []int) {
	resp, err := http.Get("http://" + r.admin + "/status.json")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var status struct {
		Partitions []struct {
			Topic     string
			Partition int
		}
	}
	if json.NewDecoder(resp.Body).Decode(&status) != nil {
		return nil
	}
	for _, p := range status.Partitions {
		if !strings.HasSuffix(p.Topic, replaySuffix) {
			partitions = append(partitions, p.Partition)
		}
	}
	return partitions
}

const replaySuffix = ".replays"

// backlog is how many events each partition begins with: they raise the limit of requests in flight until that
// is no reason to wait.
const backlog = 150

// produce writes the backlog, then so many events a second to each partition until it is told to stop.
func (g *gathering) produce(partitions, rate int) (stop func(), err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(g.l.Brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var producing sync.WaitGroup
	producing.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for n := 0; ; n++ {
			if n >= backlog {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
			for p := range partitions {
				i := n*partitions + p
				flow := fmt.Sprintf("FLOW-%d", i)
				g.mu.Lock()
				g.sent[flow] = &passage{partition: p, produced: time.Now()}
				g.mu.Unlock()
				client.Produce(context.Background(), &kgo.Record{Topic: g.topic, Partition: int32(p), Value: event(i, small)}, nil)
			}
		}
	})
	return func() {
		cancel()
		producing.Wait()
		_ = client.Flush(context.Background())
		client.Close()
	}, nil
}

// awaitRest waits until the group is at rest and the limit of requests in flight has risen: nothing has
// waited for a while.
func (g *gathering) awaitRest() error {
	const rest, quick = 10 * time.Second, 250 * time.Millisecond
	for range 30 {
		time.Sleep(rest)
		late := false
		g.mu.Lock()
		for _, p := range g.sent {
			age := time.Since(p.produced)
			late = late || age < rest && age > quick && (p.arrived.IsZero() || p.arrived.Sub(p.produced) > quick)
		}
		g.mu.Unlock()
		if !late {
			return nil
		}
	}
	return errors.New("records wait though nothing happens")
}

// awaitAll waits until every event was accepted, or nothing more comes.
func (g *gathering) awaitAll() {
	for waited := time.Duration(0); waited < stalled; waited += lookAgain {
		g.mu.Lock()
		missing := 0
		for _, p := range g.sent {
			if p.accepted == 0 {
				missing++
			}
		}
		g.mu.Unlock()
		if missing == 0 {
			return
		}
		time.Sleep(lookAgain)
	}
}

// row is what happened to the records that were produced between two times.
func (g *gathering) row(name, protocol string, begun, ended time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	longest := map[int]time.Duration{}
	lost, again := 0, 0
	for _, p := range g.sent {
		switch {
		case p.accepted == 0:
			lost++
		case p.accepted > 1:
			again++
		}
		if p.produced.Before(begun) || p.produced.After(ended) || p.arrived.IsZero() {
			continue
		}
		longest[p.partition] = max(longest[p.partition], p.arrived.Sub(p.produced))
	}
	var waited, moved time.Duration
	for p, took := range longest {
		if g.moved[p] {
			moved = max(moved, took)
		} else {
			waited = max(waited, took)
		}
	}
	return fmt.Sprintf("| %s | %s | %d of %d | %d ms | %d ms | %d of %d | %d |", name, protocol, len(longest)-len(g.moved), len(longest), waited.Milliseconds(), moved.Milliseconds(),
		lost, len(g.sent), again)
}
