package apptest

import (
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/cmd/testkit/platform"
)

// Names that each world has.
const (
	// EventTopic is the topic of the events, with as many partitions as the test asks for.
	EventTopic = "events"
	// MoreEventsTopic is the second event topic, where a test has one.
	MoreEventsTopic = "events-b"
	// DeadLetterTopic is the topic of the dead letters, with two partitions.
	DeadLetterTopic = "events.dlq"
	// Group is the consumer group of all replicas.
	Group = "forwarders"
	// Secret is what requests are signed with. No output may hold it: Command fails where one does.
	Secret = "a-secret-nobody-may-see"
	// ClusterID is the ID of the embedded Kafka.
	ClusterID = "kfake"
)

// World is one bubble of virtual time: three brokers, the platform, and replicas of the whole service, unmodified.
type World struct {
	T        *testing.T
	Net      *memnet.Net      // connects all of them; no byte leaves the process
	Cluster  *kfake.Cluster   // the brokers
	Platform *platform.Double // answers at 127.0.0.1:80
	Kafka    *kgo.Client      // the test's own client; records go to the partition that they name
	Log      *LogBuffer       // standard error of all replicas
	Replicas []*Replica       // those that are running
	Started  []*Replica       // all that were ever started, in that order
	Epochs   *LeaderEpochs    // of EventTopic and MoreEventsTopic
	// LogFolder is where the brokers keep their logs; "" in memory. A test that passes kfake.DataDir sets it.
	LogFolder string
	// Acknowledged are the flow numbers of all events that Kafka took from Produce.
	Acknowledged map[string]bool
	// Mistakes are deliberate ones: they change the parts of the replicas that are started from now on.
	Mistakes []app.Double
	// OnAnswer, where set, is called with each request before its answer is written.
	OnAnswer atomic.Pointer[func(platform.Request)]

	options []kfake.Opt // of the brokers, also when they start again
}

// InVirtualTime runs a test in a world whose event topic has so many partitions. When the test returns, replicas that
// still run are ended; where it failed, their log is printed.
func InVirtualTime(t *testing.T, partitions int32, test func(w *World)) {
	t.Helper()
	InVirtualTimeWith(t, partitions, platform.Config{}, test)
}

// InVirtualTimeWith is InVirtualTime with a configuration of the platform's double (its secret is set here), and with
// more options of the brokers.
func InVirtualTimeWith(t *testing.T, partitions int32, config platform.Config, test func(w *World), more ...kfake.Opt) {
	t.Helper()
	for name, value := range map[string]string{
		"KAFKA_BROKERS": "localhost:1", "KAFKA_TOPIC": EventTopic, "KAFKA_GROUP_ID": Group,
		"UPSTREAM_URL": "http://127.0.0.1:80/gate", "UPSTREAM_APP_SECRET": Secret, "ADMIN_ADDR": "none", "OTEL_SDK_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &World{T: t, Net: &memnet.Net{}, Log: &LogBuffer{}, Epochs: NewLeaderEpochs(EventTopic, MoreEventsTopic), Acknowledged: map[string]bool{}}
		w.options = append([]kfake.Opt{kfake.NumBrokers(3), kfake.ListenFn(w.Net.Listen), kfake.SeedTopics(partitions, EventTopic), kfake.SeedTopics(2, DeadLetterTopic)}, more...)
		w.StartBrokers()
		config.Secret, config.OnAnswer = Secret, func(q platform.Request) {
			if called := w.OnAnswer.Load(); called != nil {
				(*called)(q)
			}
		}
		w.Platform = platform.New(config)
		l, err := w.Net.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: w.Platform}
		go func() { _ = server.Serve(l) }() // until server.Close
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

// StartBrokers starts the cluster, also again after w.Cluster.Close: then at the same addresses and with the same logs,
// where the options say so (kfake.Ports, kfake.DataDir).
func (w *World) StartBrokers() {
	w.T.Helper()
	var err error
	if w.Cluster, err = kfake.NewCluster(w.options...); err != nil {
		w.T.Fatal(err)
	}
	w.Epochs.Install(w.Cluster)
}

// ConnectObserver connects the test's own client.
func (w *World) ConnectObserver() {
	w.T.Helper()
	var err error
	w.Kafka, err = kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.T.Fatal(err)
	}
}

// ReconnectObserver connects the test's own client again: the old one knows a recreated topic by its old ID.
func (w *World) ReconnectObserver() {
	w.T.Helper()
	w.Kafka.Close()
	w.ConnectObserver()
}

// Until waits in virtual time until cond holds, and looks ten times a second. It fails the test after a minute, or
// after limit where one is given. It looks when all that happens in that instant has happened: what a test counts
// from then on does not hold the end of what it waited for, as the line that says so.
func (w *World) Until(what string, cond func() bool, limit ...time.Duration) {
	w.T.Helper()
	most := append(limit, time.Minute)[0]
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		synctest.Wait()
		if cond() {
			return
		}
		if time.Since(begun) > most {
			w.T.Fatalf("%s has not come in %s", what, most)
		}
	}
}

// EndLongPolls waits 10 s, in which the last long polls of crafted logs end: the bubble would report them.
func EndLongPolls() { time.Sleep(10 * time.Second) }

// HeapInUse gives the bytes of memory in use, once all that can be freed is.
func HeapInUse() int64 {
	runtime.GC()
	runtime.GC() // what has a finalizer, or lies in a pool, takes two
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
