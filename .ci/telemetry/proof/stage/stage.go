// Package stage is where what the forwarder tells of itself is proved: an embedded Kafka, a double of the platform, and
// the forwarder's binary as processes, told what to do by their environment alone.
//
// It only arranges and looks. Whatever is started ends with [Stage.Close].
package stage

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

// Names on the stage.
const (
	Topic       = "events"
	DeadLetters = Topic + ".dlq"
	Group       = "proof"
	Partitions  = 3
	Namespace   = "proof"
	Job         = Namespace + "/release-forwarder"
)

// Stage is Kafka and the platform, and the forwarders between them.
type Stage struct {
	Kafka    *kfake.Cluster
	Client   *kgo.Client
	Platform *platform.Double
	// URL is the platform's endpoint, Secret what requests to it are signed with.
	URL, Secret string

	binary, dir string
	broker      *broker
	server      *httptest.Server

	mu         sync.Mutex
	sent       [Partitions]int64 // guarded by mu: where Topic's partitions end at the least, by what Send wrote
	headers    map[string]int    // guarded by mu: the headers the platform got, by name
	forwarders []*Forwarder      // guarded by mu
}

// Open sets the stage up. Binary is the forwarder; logs go to dir.
func Open(binary, dir, secret string) (*Stage, error) {
	s := &Stage{Secret: secret, binary: binary, dir: dir, broker: &broker{}, headers: map[string]int{}}
	var err error
	s.Kafka, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("proof"), kfake.ListenFn(s.broker.listen),
		kfake.SeedTopics(Partitions, Topic, DeadLetters), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		return nil, fmt.Errorf("stage: embedded Kafka: %w", err)
	}
	s.Client, err = kgo.NewClient(kgo.SeedBrokers(s.Kafka.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DisableIdempotentWrite(), kgo.RecordRetries(3)) // a record is given up while the broker is gone
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	s.Platform = platform.New(platform.Config{Secret: secret, KeepFlows: 100_000, KeepRequests: -1})
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		for name := range r.Header {
			s.headers[strings.ToLower(name)]++
		}
		s.mu.Unlock()
		s.Platform.ServeHTTP(w, r)
	}))
	s.server.Config.ErrorLog = quiet()
	s.server.Start()
	s.URL = s.server.URL + "/gate/1.0/parking/internal/update"
	return s, nil
}

// Close ends everything, the forwarders first.
func (s *Stage) Close() {
	s.mu.Lock()
	forwarders := s.forwarders
	s.mu.Unlock()
	for _, f := range forwarders {
		f.Kill()
	}
	s.server.CloseClientConnections()
	s.server.Close()
	s.Client.Close()
	s.Kafka.Close()
}

// Send puts records into their partitions and waits until Kafka has them.
func (s *Stage) Send(ctx context.Context, records ...*kgo.Record) error {
	results := s.Client.ProduceSync(ctx, records...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range results {
		if r.Err == nil && r.Record.Topic == Topic {
			end := &s.sent[r.Record.Partition]
			*end = max(*end, r.Record.Offset+1)
		}
	}
	return results.FirstErr()
}

// Settled is nil where the forwarder holds all partitions and has committed all that Send wrote, and all that it knows of
// beside: what a partition got a moment ago, it may not have heard of.
func (s *Stage) Settled(ctx context.Context, f *Forwarder) error {
	status, err := f.Status(ctx)
	if err != nil {
		return err
	}
	if len(status.Partitions) != Partitions {
		return fmt.Errorf("%s holds %d partitions", f.Name, len(status.Partitions))
	}
	s.mu.Lock()
	sent := s.sent
	s.mu.Unlock()
	for _, p := range status.Partitions {
		if p.Committed < sent[p.Partition] || p.Lag != 0 {
			return fmt.Errorf("%s: partition %d is committed to %d of %d, lags by %d, %d pending", f.Name, p.Partition, p.Committed, sent[p.Partition], p.Lag, status.Pending)
		}
	}
	return nil
}

// HeadersAtThePlatform counts the requests that brought a header, by its name in lower case.
func (s *Stage) HeadersAtThePlatform() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]int{}
	for name, n := range s.headers {
		all[name] = n
	}
	return all
}

// BrokerGone cuts every connection to Kafka and takes no other until it is undone.
func (s *Stage) BrokerGone() (undo func()) { return s.broker.close() }

// broker is Kafka's listener, which can go away and come back under the same address.
type broker struct {
	mu   sync.Mutex
	gone bool       // guarded by mu
	open []net.Conn // guarded by mu
}

type listener struct {
	net.Listener
	broker *broker
}

func (b *broker) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return listener{l, b}, err
}

// Accept implements net.Listener. While the broker is gone, whoever comes is closed at once.
func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.broker.mu.Lock()
		gone := l.broker.gone
		if !gone {
			l.broker.open = append(l.broker.open, conn)
		}
		l.broker.mu.Unlock()
		if !gone {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func (b *broker) close() (undo func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = true
	for _, conn := range b.open {
		_ = conn.Close()
	}
	b.open = nil
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.gone = false
	}
}

// Built is the path of a program that was built for the run; the environment names it.
func Built(variable, name string) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		return "", fmt.Errorf("%s must name the %s that is to be used; run.sh builds it", variable, name)
	}
	return filepath.Abs(path)
}
