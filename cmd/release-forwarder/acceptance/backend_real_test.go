package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// realBackend is Apache Kafka, started for this run: one cluster for all
// scenarios, which have topics and groups of their own.
type realBackend struct {
	run       string            // KAFKA_RUN
	n         int               // brokers
	from      int               // the first port that it may take
	listeners map[string]string // what the script prints
	env       []string          // of the script, beside the usual
}

// script is where the cluster comes from, seen from this package.
var script = filepath.Join("..", "..", "..", ".ci", "kafka", "kafka.sh")

// tidy makes brokers look every second for what they may delete or compact,
// and soon after their start (Kafka before 3.6 always waits 30s for the first
// look).
const tidy = "log.retention.check.interval.ms=1000\nlog.initial.task.delay.ms=1000\nlog.cleaner.backoff.ms=1000"

func startReal(dir string) (*realBackend, error) {
	n, err := strconv.Atoi(or(os.Getenv("ACCEPTANCE_BROKERS"), "1"))
	if err != nil || n < 1 {
		return nil, fmt.Errorf("ACCEPTANCE_BROKERS is %q; give 1 or 3", os.Getenv("ACCEPTANCE_BROKERS"))
	}
	b := &realBackend{run: filepath.Join(dir, "kafka"), n: n, from: 19100, listeners: map[string]string{}}
	if err := b.up(); err != nil {
		b.close()
		return nil, err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		b.close()
		os.Exit(1)
	}()
	return b, nil
}

func (b *realBackend) up() error {
	out, err := b.script("up", strconv.Itoa(b.n))
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			b.listeners[name] = value
		}
	}
	return err
}

func (b *realBackend) name() string {
	return fmt.Sprintf("kafka-%s-x%d", b.listeners["KAFKA_VERSION"], b.n)
}
func (b *realBackend) brokers() int          { return b.n }
func (*realBackend) shared() bool            { return true }
func (*realBackend) patience() time.Duration { return 90 * time.Second }
func (b *realBackend) close()                { _, _ = b.script("down") } // nothing more can be done about it

// script runs one command of the script on this run's cluster.
func (b *realBackend) script(args ...string) (string, error) {
	cmd := exec.Command(script, args...)
	cmd.Env = append(os.Environ(), "KAFKA_RUN="+b.run, "KAFKA_OWNER="+strconv.Itoa(os.Getpid()), "KAFKA_EXTRA="+tidy, "KAFKA_PORTS_FROM="+strconv.Itoa(b.from))
	cmd.Env = append(cmd.Env, b.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kafka.sh %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out), nil
}

func (b *realBackend) open(t testing.TB, n need) *cluster {
	t.Helper()
	c, err := newCluster(strings.Split(b.listeners[or(n.listener, "PLAINTEXT")], ","), n, certificates{
		ca: b.listeners["CA_FILE"], clientCert: b.listeners["CLIENT_CERT_FILE"], clientKey: b.listeners["CLIENT_KEY_FILE"],
	})
	if err != nil {
		t.Fatal(err)
	}
	c.checkRetention, c.compact = func() {}, func() {}
	c.tool = b.tool
	if n.durable {
		c.bounce = func(topic string) { b.bounce(t, c, topic) }
		c.roll = func() { b.roll(t) }
	}
	return c
}

func (*realBackend) another(t testing.TB) *cluster {
	t.Helper()
	return startAnother(t).open(t, need{})
}

// starting lets one cluster start at a time. Each takes its ports above those of the
// others that ran: the ports of a broker that is stopped are free, until it starts again.
var starting struct {
	sync.Mutex
	next int // guarded by it
}

// startAnother starts a cluster of one broker that lives as long as the test, with further variables of the script.
func startAnother(t testing.TB, env ...string) *realBackend {
	t.Helper()
	dir, err := os.MkdirTemp("", "acceptance-*")
	if err != nil {
		t.Fatal(err)
	}
	b := &realBackend{run: filepath.Join(dir, "kafka"), n: 1, listeners: map[string]string{}, env: env}
	t.Cleanup(func() {
		b.close()
		_ = os.RemoveAll(dir) // nothing in it is needed
	})
	starting.Lock() // the script looks for free ports, and takes them later
	defer starting.Unlock()
	b.from = max(starting.next, kafka.(*realBackend).above())
	if err := b.up(); err != nil {
		t.Fatal(err)
	}
	starting.next = b.above()
	return b
}

// above is the first port above those of the cluster.
func (b *realBackend) above() int {
	first, _, _ := strings.Cut(b.listeners["PLAINTEXT"], ",")
	_, port, _ := strings.Cut(first, ":")
	n, _ := strconv.Atoi(port) // 0: from the first block on
	return n + 100
}

// tools are the classes behind the command-line tools; Kafka 3.8 moved them.
var tools = map[string][]string{
	"kafka-topics.sh":          {"org.apache.kafka.tools.TopicCommand", "kafka.admin.TopicCommand"},
	"kafka-consumer-groups.sh": {"org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "kafka.admin.ConsumerGroupCommand"},
}

// tool runs a command as a person would; the script adds --bootstrap-server.
func (b *realBackend) tool(command []string) (out string, err error) {
	name, args := command[0], slices.Clone(command[1:])
	if i := slices.Index(args, "--bootstrap-server"); i >= 0 {
		args = slices.Delete(args, i, i+2)
	}
	for _, class := range tools[name] {
		out, err = b.script(append([]string{"tool", class}, args...)...)
		if err == nil || !strings.Contains(err.Error(), "Could not find or load main class") {
			break
		}
	}
	// The tools say what went wrong and end with 0.
	if err == nil && strings.Contains(out, "Error: ") {
		err = errors.New(out)
	}
	return out, err
}

// bounce kills the leader of the topic's first partition and starts it again.
func (b *realBackend) bounce(t testing.TB, c *cluster, topic string) {
	t.Helper()
	client, err := kgo.NewClient(c.client...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(context.Background(), topic)
	if err != nil {
		t.Fatal(err)
	}
	leader := strconv.Itoa(int(topics[topic].Partitions[0].Leader))
	for _, command := range []string{"kill", "start"} {
		if _, err := b.script(command, leader); err != nil {
			t.Fatal(err)
		}
	}
}

// roll stops and starts the brokers one by one, as an upgrade does.
func (b *realBackend) roll(t testing.TB) {
	t.Helper()
	for i := 1; i <= b.n; i++ {
		for _, command := range []string{"stop", "start"} {
			if _, err := b.script(command, strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
