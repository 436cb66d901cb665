package acceptance

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// world is what a scenario has to itself: topics and a group on a cluster, a
// platform, and the clients that produce and observe.
type world struct {
	t                 testing.TB
	cluster           *cluster
	platform          *station
	topic, dlq, group string
	settings          map[string]string // of every forwarder started
	client            *kgo.Client
	admin             *kadm.Client

	mu     sync.Mutex
	events []*event // guarded by mu: produced and acknowledged
	flows  int      // guarded by mu: flow numbers given out
}

// plan says how a world differs from the usual: one partition, both topics
// there, quick settings.
type plan struct {
	need          need
	partitions    int // of the event topic; default 1
	dlqPartitions int // default 1
	noTopic       bool
	noDLQ         bool
	topicConfig   map[string]string
	dlqConfig     map[string]string
	settings      map[string]string
}

func newWorld(t testing.TB, p plan) *world {
	t.Helper()
	return newWorldOn(t, kafka.open(t, p.need), p)
}

// newWorldOn is newWorld on a cluster of the scenario's own.
func newWorldOn(t testing.TB, c *cluster, p plan) *world {
	t.Helper()
	name := topicName(t)
	w := &world{t: t, cluster: c, platform: openStation(t), topic: name, dlq: name + ".dlq", group: name + "-group"}
	w.connect()
	w.settings = map[string]string{
		"KAFKA_TOPIC": w.topic, "KAFKA_GROUP_ID": w.group, "KAFKA_SESSION_TIMEOUT": "6s", "KAFKA_HEARTBEAT_INTERVAL": "500ms",
		"KAFKA_REBALANCE_TIMEOUT": "10s", "UPSTREAM_URL": w.platform.url(), "UPSTREAM_APP_ID": appID, "UPSTREAM_APP_SECRET": plantedSecret,
		"UPSTREAM_RETRY_WAIT_MIN": "20ms", "UPSTREAM_RETRY_WAIT_MAX": "50ms", "RETRY_BACKOFF_MIN": "200ms", "RETRY_BACKOFF_MAX": "1s",
		"CONSUMER_COMMIT_INTERVAL": "200ms",
	}
	maps.Copy(w.settings, w.cluster.settings)
	maps.Copy(w.settings, p.settings)
	if !p.noTopic {
		w.createTopic(w.topic, max(1, p.partitions), p.topicConfig)
	}
	if !p.noDLQ {
		w.createTopic(w.dlq, max(1, p.dlqPartitions), p.dlqConfig)
	}
	return w
}

// connect makes the clients that produce and observe.
func (w *world) connect() {
	w.t.Helper()
	client, err := kgo.NewClient(slices.Concat(w.cluster.client, []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(8 << 20),
		kgo.MetadataMinAge(100 * time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()),
	})...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	w.client, w.admin = client, kadm.NewClient(client)
}

// topicName is the scenario's name as a topic's, and unique: the real backend's
// scenarios share a cluster.
func topicName(t testing.TB) string {
	scenario := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]
	safe := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') {
			return r
		}
		return '-'
	}, scenario)
	return safe[:min(len(safe), 80)] + "-" + strings.ToLower(rand.Text()[:6])
}

// createTopic makes a topic and waits until it can be written to.
func (w *world) createTopic(topic string, partitions int, config map[string]string) {
	w.t.Helper()
	values := map[string]*string{}
	for name, value := range config {
		values[name] = &value
	}
	eventually(w.t, "topic "+topic+" is made", func() error {
		_, err := w.admin.CreateTopic(w.ctx(), int32(partitions), -1, values, topic)
		return err
	})
	eventually(w.t, "topic "+topic+" has its leaders", func() error {
		ends, err := w.admin.ListEndOffsets(w.ctx(), topic)
		if err != nil {
			return err
		}
		return ends.Error()
	})
}

// deleteTopic deletes a topic, and returns when no broker has its partitions any more: the answer to DeleteTopics
// comes earlier, and until then a leader takes records and acknowledges them.
func (w *world) deleteTopic(topic string) {
	w.t.Helper()
	if _, err := w.admin.DeleteTopic(w.ctx(), topic); err != nil {
		w.t.Fatal(err)
	}
	brokers, err := w.admin.ListBrokers(w.ctx())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range brokers {
		eventually(w.t, "broker "+strconv.Itoa(int(b.NodeID))+" has deleted "+topic, func() error {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Timestamp = -1
			req := kmsg.NewPtrListOffsetsRequest()
			req.ReplicaID, req.Topics = -1, []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
			res, err := w.client.Broker(int(b.NodeID)).Request(w.ctx(), req)
			if err != nil {
				return err
			}
			for _, t := range res.(*kmsg.ListOffsetsResponse).Topics {
				for _, p := range t.Partitions {
					if p.ErrorCode == 0 {
						return errors.New("its log is still there")
					}
				}
			}
			return nil
		})
	}
}

func (w *world) ctx() context.Context { return w.t.Context() }

// start runs a forwarder; pairs are settings that differ from the world's.
func (w *world) start(pairs ...string) *forwarder {
	w.t.Helper()
	return w.startAs([]string{binary}, nil, pairs...)
}

// startOn runs one with its standard output and error to the file.
func (w *world) startOn(out *os.File, pairs ...string) *forwarder {
	w.t.Helper()
	return w.startAs([]string{binary}, out, pairs...)
}

// startAs runs one by another command, which becomes it.
func (w *world) startAs(command []string, out *os.File, pairs ...string) *forwarder {
	w.t.Helper()
	settings := maps.Clone(w.settings)
	settings["ADMIN_ADDR"] = freeAddress(w.t)
	for i := 0; i < len(pairs); i += 2 {
		settings[pairs[i]] = pairs[i+1]
	}
	return launchAs(w.t, settings, command, out)
}
