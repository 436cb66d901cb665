package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// contender is one of those that a comparison runs in turn.
type contender struct {
	name, what string
	// one says that it has one request in flight, whatever may be.
	one   bool
	start func(l *lab, j job) (subject, error)
}

// job is what a contender has to do: n events, from a topic or made by itself.
type job struct {
	topic, group, api string
	n, open           int
}

// subject is a contender at work.
type subject interface {
	// proc is the process that is measured.
	proc() *process
	// done is called once all records were accepted: it gives the allocations of a
	// record, NaN where they cannot be told, and the commit requests a second.
	done(records int64) (allocs, commits float64, err error)
	// end ends it and tells how many spans the collector got, of all its run.
	end() (spans int64, err error)
}

// The names stand in docs/development/benchmarks.md.
const (
	nameBare     = "bare loop"
	nameFloor    = "floor"
	namePlain    = "plain kafka-go"
	nameShipped  = "forwarder"
	nameSampled  = "forwarder, sampled"
	nameReceipts = "forwarder, receipts"
)

func contenders() []contender {
	return []contender{
		{nameBare, "a loop over net/http, without Kafka: a map, url.Values, as many connections as requests", false,
			func(_ *lab, j job) (subject, error) {
				return startLoop("bare", "--url=http://"+j.api+"/", fmt.Sprintf("--n=%d", j.n), fmt.Sprintf("--open=%d", j.open))
			}},
		{nameFloor, "the same loop over the forwarder's own client: signer, encoder, retries, verdicts", false,
			func(_ *lab, j job) (subject, error) {
				return startLoop("floor", "--url=http://"+j.api+"/", fmt.Sprintf("--n=%d", j.n), fmt.Sprintf("--open=%d", j.open))
			}},
		{namePlain, "what most would write: FetchMessage, encoding/json, POST, CommitMessages, one after the other", true,
			func(l *lab, j job) (subject, error) {
				return startLoop("plain", "--url=http://"+j.api+"/", fmt.Sprintf("--n=%d", j.n),
					"--brokers="+l.Brokers, "--topic="+j.topic, "--group="+j.group)
			}},
		{nameShipped, "as shipped, no collector configured", false,
			func(l *lab, j job) (subject, error) {
				r, err := l.startReplica(j.topic, j.group, j.api, j.open)
				return &shipped{replica: r}, err
			}},
		{nameSampled, "every delivery and attempt traced, metrics and logs exported, to a collector that takes all", false,
			func(l *lab, j job) (subject, error) {
				sink, err := l.start(os.Args[0], []string{"sink"})
				if err != nil {
					return nil, err
				}
				r, err := l.startReplica(j.topic, j.group, j.api, j.open,
					"OTEL_EXPORTER_OTLP_ENDPOINT=http://"+sink.address, "OTEL_TRACES_SAMPLER=always_on")
				return &shipped{replica: r, sink: sink}, err
			}},
		{nameReceipts, "as shipped, with a receipt of each event in a topic of as many partitions", false,
			func(l *lab, j job) (subject, error) {
				topic, key, err := l.receipts(j.group)
				if err != nil {
					return nil, err
				}
				r, err := l.startReplica(j.topic, j.group, j.api, j.open, "RECEIPTS_TOPIC="+topic, "RECEIPTS_KEY_FILE="+key)
				return &shipped{replica: r}, err
			}},
	}
}

// receipts makes a topic for the receipts of a group, and their key.
func (l *lab) receipts(group string) (topic, keyFile string, err error) {
	topic, keyFile = group+".receipts", filepath.Join(l.dir, "receipts-key")
	if _, err := kadm.NewClient(l.client).CreateTopic(context.Background(), l.Partitions, 1, nil, topic); err != nil {
		return "", "", err
	}
	return topic, keyFile, os.WriteFile(keyFile, []byte(rand.Text()+rand.Text()), 0o600)
}

// looping is a loop of the bench's own.
type looping struct {
	*process
	out *bufio.Reader
}

func startLoop(args ...string) (*looping, error) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &looping{&process{cmd: cmd, stdin: stdin}, bufio.NewReader(out)}, cmd.Start()
}

func (s *looping) proc() *process { return s.process }

func (s *looping) done(int64) (allocs, commits float64, err error) {
	var t told
	err = json.NewDecoder(s.out).Decode(&t)
	return t.Mallocs, t.Commits, err
}

func (s *looping) end() (int64, error) {
	_ = s.stdin.Close()
	return 0, s.cmd.Wait()
}

// shipped is the forwarder, and the collector where it has one.
type shipped struct {
	*replica
	sink *process
}

func (s *shipped) proc() *process { return s.process }

// enough is how many records make what the start allocates (about 40,000) small.
const enough = 10_000

// done reads the forwarder's metrics once: the runtime's own are no younger than
// 15s, so that a second look would see the first.
func (s *shipped) done(records int64) (allocs, commits float64, err error) {
	m, err := s.metrics()
	if err != nil {
		return 0, 0, err
	}
	if allocs = m[metricMallocs] / float64(records); records < enough {
		allocs = math.NaN()
	}
	joined, err := s.awaitJoined()
	return allocs, m[metricCommits] / time.Since(joined).Seconds(), err
}

func (s *shipped) end() (spans int64, err error) {
	s.stop()
	if s.sink == nil {
		return 0, nil
	}
	defer s.sink.end()
	return spansOf(s.sink.address)
}
