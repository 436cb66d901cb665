package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/cmd/testkit/platform"
)

const (
	eventTopic      = "events"
	deadLetterTopic = "events.dlq"
	group           = "forwarders"
	secret          = "a-secret-nobody-may-see"
)

// world is a cluster of three brokers and a platform in one bubble of virtual
// time, with replicas of the whole service, unmodified.
type world struct {
	t        *testing.T
	net      *memnet.Net
	cluster  *kfake.Cluster
	platform *platform.Double
	kafka    *kgo.Client // the observer's own client
	log      *buffer
	replicas []*replica // started and not yet ended
	started  []*replica // all there were
	options  []kfake.Opt
	epochs   *epochs
	folder   string // of the brokers' logs, where they are kept
	// acknowledged are the flow numbers of all events that Kafka took.
	acknowledged map[string]bool
	// mistakes are deliberate, of the replicas that are started.
	mistakes []Double
	// answering is told of each request before its answer is written.
	answering atomic.Pointer[func(platform.Request)]
}

// inVirtualTime runs a test in a bubble.
func inVirtualTime(t *testing.T, partitions int32, test func(w *world)) {
	t.Helper()
	inVirtualTimeWith(t, partitions, platform.Config{}, test)
}

// inVirtualTimeWith runs one whose platform remembers as much as it is told to, on
// brokers that are more than usual.
func inVirtualTimeWith(t *testing.T, partitions int32, remembers platform.Config, test func(w *world), more ...kfake.Opt) {
	t.Helper()
	for name, value := range map[string]string{
		"KAFKA_BROKERS": "localhost:1", "KAFKA_TOPIC": eventTopic, "KAFKA_GROUP_ID": group,
		"UPSTREAM_URL": "http://127.0.0.1:80/gate", "UPSTREAM_APP_SECRET": secret, "ADMIN_ADDR": "none", "OTEL_SDK_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: &memnet.Net{}, log: &buffer{}, epochs: newEpochs(eventTopic), acknowledged: map[string]bool{}}
		w.options = append([]kfake.Opt{kfake.NumBrokers(3), kfake.ListenFn(w.net.Listen), kfake.SeedTopics(partitions, eventTopic), kfake.SeedTopics(2, deadLetterTopic)}, more...)
		w.openBrokers()
		remembers.Secret, remembers.OnAnswer = secret, func(q platform.Request) {
			if told := w.answering.Load(); told != nil {
				(*told)(q)
			}
		}
		w.platform = platform.New(remembers)
		l, err := w.net.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: w.platform}
		go server.Serve(l)
		w.observe()
		defer func() {
			// A test that gave up leaves its replicas: the bubble would
			// report them instead of what failed.
			for _, r := range slices.Clone(w.replicas) {
				w.end(r)
			}
			w.kafka.Close()
			server.Close()
			w.cluster.Close()
			if t.Failed() {
				t.Log(w.log.String())
			}
		}()
		test(w)
	})
}

// openBrokers starts the cluster.
func (w *world) openBrokers() {
	w.t.Helper()
	var err error
	if w.cluster, err = kfake.NewCluster(w.options...); err != nil {
		w.t.Fatal(err)
	}
	w.epochs.mend(w.cluster)
}

// observe makes the observer's client.
func (w *world) observe() {
	w.t.Helper()
	var err error
	w.kafka, err = kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.Dialer(w.net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.t.Fatal(err)
	}
}

// buffer is a log that may be written by several replicas.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) lines() int { return strings.Count(b.String(), "\n") }

// replica is one running service.
type replica struct {
	*service
	stop context.CancelFunc
	done chan error
}

// start starts a replica, with settings beside the usual ones.
func (w *world) start(more ...string) *replica {
	w.t.Helper()
	return w.startOn(w.net.Dial, more...)
}

// startOn starts a replica that reaches the world by a dial function of its own.
func (w *world) startOn(dial connect.DialFunc, more ...string) *replica {
	w.t.Helper()
	for i := 0; i < len(more); i += 2 {
		w.t.Setenv(more[i], more[i+1])
	}
	w.t.Setenv("KAFKA_BROKERS", strings.Join(w.cluster.ListenAddrs(), ","))
	s, _, err := settings.Load()
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := New(Config{Settings: s, Dial: dial, Stderr: w.log, Doubles: w.mistakes})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &replica{v, stop, make(chan error, 1)}
	w.replicas, w.started = append(w.replicas, r), append(w.started, r)
	go func() { r.done <- v.Run(ctx) }()
	return r
}

// end stops a replica and waits for it.
func (w *world) end(r *replica) {
	w.t.Helper()
	r.stop()
	w.replicas = slices.DeleteFunc(w.replicas, func(other *replica) bool { return other == r })
	if err := <-r.done; err != nil {
		w.t.Errorf("the service ended with %v", err)
	}
}

func event(orderKey, n int) string {
	return fmt.Sprintf(`{"park_uuid":"lot-%d","flow_no":"F-%d-%d","parking_serial":"S-%d","plate":"粤B%05d"}`, orderKey%7, orderKey, n, orderKey, orderKey)
}

// produce writes values to a partition and returns when they are there.
func (w *world) produce(partition int32, values ...string) {
	w.t.Helper()
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: eventTopic, Partition: partition, Value: []byte(v)})
	}
	if err := w.kafka.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	w.acknowledge(values...)
}

// committed gives a partition's committed offset, -1 if there is none.
func (w *world) committed(partition int32) int64 {
	w.t.Helper()
	offsets, err := kadm.NewClient(w.kafka).FetchOffsets(context.Background(), group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1 // nobody has joined yet
	}
	if err != nil {
		w.t.Fatal(err)
	}
	o, ok := offsets.Lookup(eventTopic, partition)
	if !ok {
		return -1
	}
	return o.At
}

// deadLetters reads the whole dead-letter topic.
func (w *world) deadLetters() []*kgo.Record {
	w.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.Dialer(w.net.Dial), kgo.ConsumeTopics(deadLetterTopic))
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	var all []*kgo.Record
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		fetches := c.PollFetches(ctx)
		ended := ctx.Err() != nil
		cancel()
		all = append(all, fetches.Records()...)
		if ended {
			return all
		}
	}
}

// until waits in virtual time until cond holds, a minute at most unless told
// otherwise.
func (w *world) until(what string, cond func() bool, limit ...time.Duration) {
	w.t.Helper()
	most := append(limit, time.Minute)[0]
	for begun := time.Now(); !cond(); time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > most {
			w.t.Fatalf("%s has not come in %s", what, most)
		}
	}
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == "__forwarder.errors."+name {
			return string(h.Value)
		}
	}
	return ""
}
