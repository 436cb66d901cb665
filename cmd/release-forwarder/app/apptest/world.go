package apptest

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

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/cmd/testkit/platform"
)

const (
	EventTopic      = "events"
	DeadLetterTopic = "events.dlq"
	Group           = "forwarders"
	Secret          = "a-secret-nobody-may-see"
)

// World is a cluster of three brokers and a platform in one bubble of virtual
// time, with replicas of the whole service, unmodified.
type World struct {
	T         *testing.T
	Net       *memnet.Net
	Cluster   *kfake.Cluster
	Platform  *platform.Double
	Kafka     *kgo.Client // the observer's own client
	Log       *LogBuffer
	Replicas  []*Replica // Started and not yet ended
	Started   []*Replica // all there were
	options   []kfake.Opt
	Epochs    *LeaderEpochs
	LogFolder string // of the brokers' logs, where they are kept
	// Acknowledged are the flow numbers of all events that Kafka took.
	Acknowledged map[string]bool
	// Mistakes are deliberate, of the replicas that are started.
	Mistakes []app.Double
	// Answering is told of each request before its answer is written.
	OnAnswer atomic.Pointer[func(platform.Request)]
}

// InVirtualTime runs a test in a bubble.
func InVirtualTime(t *testing.T, partitions int32, test func(w *World)) {
	t.Helper()
	InVirtualTimeWith(t, partitions, platform.Config{}, test)
}

// InVirtualTimeWith runs one whose platform remembers as much as it is told to, on
// brokers that are more than usual.
func InVirtualTimeWith(t *testing.T, partitions int32, remembers platform.Config, test func(w *World), more ...kfake.Opt) {
	t.Helper()
	for name, value := range map[string]string{
		"KAFKA_BROKERS": "localhost:1", "KAFKA_TOPIC": EventTopic, "KAFKA_GROUP_ID": Group,
		"UPSTREAM_URL": "http://127.0.0.1:80/gate", "UPSTREAM_APP_SECRET": Secret, "ADMIN_ADDR": "none", "OTEL_SDK_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &World{T: t, Net: &memnet.Net{}, Log: &LogBuffer{}, Epochs: NewLeaderEpochs(EventTopic), Acknowledged: map[string]bool{}}
		w.options = append([]kfake.Opt{kfake.NumBrokers(3), kfake.ListenFn(w.Net.Listen), kfake.SeedTopics(partitions, EventTopic), kfake.SeedTopics(2, DeadLetterTopic)}, more...)
		w.StartBrokers()
		remembers.Secret, remembers.OnAnswer = Secret, func(q platform.Request) {
			if told := w.OnAnswer.Load(); told != nil {
				(*told)(q)
			}
		}
		w.Platform = platform.New(remembers)
		l, err := w.Net.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: w.Platform}
		go server.Serve(l)
		w.ConnectObserver()
		defer func() {
			// A test that gave up leaves its replicas: the bubble would
			// report them instead of what failed.
			for _, r := range slices.Clone(w.Replicas) {
				w.End(r)
			}
			w.Kafka.Close()
			server.Close()
			w.Cluster.Close()
			if t.Failed() {
				t.Log(w.Log.String())
			}
		}()
		test(w)
	})
}

// OpenBrokers starts the cluster.
func (w *World) StartBrokers() {
	w.T.Helper()
	var err error
	if w.Cluster, err = kfake.NewCluster(w.options...); err != nil {
		w.T.Fatal(err)
	}
	w.Epochs.Install(w.Cluster)
}

// Observe makes the observer's client.
func (w *World) ConnectObserver() {
	w.T.Helper()
	var err error
	w.Kafka, err = kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.T.Fatal(err)
	}
}

// Buffer is a log that may be written by several replicas.
type LogBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *LogBuffer) Lines() int { return strings.Count(b.String(), "\n") }

// Replica is one running service.
type Replica struct {
	*app.Service
	Stop context.CancelFunc
	done chan error
}

// Start starts a replica, with settings beside the usual ones.
func (w *World) Start(more ...string) *Replica {
	w.T.Helper()
	return w.StartOn(w.Net.Dial, more...)
}

// StartOn starts a replica that reaches the world by a dial function of its own.
func (w *World) StartOn(dial connect.DialFunc, more ...string) *Replica {
	w.T.Helper()
	for i := 0; i < len(more); i += 2 {
		w.T.Setenv(more[i], more[i+1])
	}
	w.T.Setenv("KAFKA_BROKERS", strings.Join(w.Cluster.ListenAddrs(), ","))
	s, _, err := settings.Load()
	if err != nil {
		w.T.Fatal(err)
	}
	v, err := app.New(app.Config{Settings: s, Dial: dial, Stderr: w.Log, Doubles: w.Mistakes})
	if err != nil {
		w.T.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Replica{v, stop, make(chan error, 1)}
	w.Replicas, w.Started = append(w.Replicas, r), append(w.Started, r)
	go func() { r.done <- v.Run(ctx) }()
	return r
}

// End stops a replica and waits for it.
func (w *World) End(r *Replica) {
	w.T.Helper()
	r.Stop()
	w.Replicas = slices.DeleteFunc(w.Replicas, func(other *Replica) bool { return other == r })
	if err := <-r.done; err != nil {
		w.T.Errorf("the service ended with %v", err)
	}
}

func Event(orderKey, n int) string {
	return fmt.Sprintf(`{"park_uuid":"lot-%d","flow_no":"F-%d-%d","parking_serial":"S-%d","plate":"粤B%05d"}`, orderKey%7, orderKey, n, orderKey, orderKey)
}

// Produce writes values to a partition and returns when they are there.
func (w *World) Produce(partition int32, values ...string) {
	w.T.Helper()
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: EventTopic, Partition: partition, Value: []byte(v)})
	}
	if err := w.Kafka.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.T.Fatal(err)
	}
	w.Acknowledge(values...)
}

// Committed gives a partition's committed offset, -1 if there is none.
func (w *World) Committed(partition int32) int64 {
	w.T.Helper()
	offsets, err := kadm.NewClient(w.Kafka).FetchOffsets(context.Background(), Group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1 // nobody has joined yet
	}
	if err != nil {
		w.T.Fatal(err)
	}
	o, ok := offsets.Lookup(EventTopic, partition)
	if !ok {
		return -1
	}
	return o.At
}

// DeadLetters reads the whole dead-letter topic.
func (w *World) DeadLetters() []*kgo.Record {
	w.T.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.ConsumeTopics(DeadLetterTopic))
	if err != nil {
		w.T.Fatal(err)
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

// Until waits in virtual time until cond holds, a minute at most unless told
// otherwise.
func (w *World) Until(what string, cond func() bool, limit ...time.Duration) {
	w.T.Helper()
	most := append(limit, time.Minute)[0]
	for begun := time.Now(); !cond(); time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > most {
			w.T.Fatalf("%s has not come in %s", what, most)
		}
	}
}

func DeadLetterHeader(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == "__forwarder.errors."+name {
			return string(h.Value)
		}
	}
	return ""
}
