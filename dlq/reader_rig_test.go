package dlq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/wire"
)

// hall is a cluster in virtual time with dead letters, people who work on them, and an
// observer with another client.
type hall struct {
	t        *testing.T
	net      *memnet.Net
	cluster  *kfake.Cluster
	observer *kgo.Client
	ctx      context.Context
}

const (
	letterTopic = "events.dlq"
	eventTopic  = "events"
)

// inHall runs a test with 2 partitions of dead letters and 3 of events.
func inHall(t *testing.T, test func(h *hall), more ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &hall{t: t, net: &memnet.Net{}}
		options := []kfake.Opt{kfake.NumBrokers(1), kfake.ListenFn(h.net.Listen), kfake.SeedTopics(3, eventTopic), kfake.SeedTopics(2, letterTopic)}
		cluster, err := kfake.NewCluster(append(options, more...)...)
		if err != nil {
			t.Fatal(err)
		}
		h.cluster = cluster
		h.observer, err = kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.Dialer(h.net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		var end context.CancelFunc
		h.ctx, end = context.WithCancel(context.Background())
		defer func() {
			end()
			h.observer.Close()
			cluster.Close()
		}()
		test(h)
	})
}

// errCut ends a person's connection to Kafka: see power.
var errCut = errors.New("the power is cut")

// power passes requests until it is cut: before a request is sent, or before its answer is
// read. From then on nothing passes.
type power struct {
	topic.Wire
	at    int64 // the request at which it is cut; 0: never
	late  bool  // its answer is lost, not the request
	count atomic.Int64
	// before, unless nil, sees each request and may refuse it; dead is for its use.
	before func(req any) error
	dead   bool
}

// pass sends one request, or refuses it.
func (p *power) pass(req any, send func() error) error {
	n := p.count.Add(1)
	if p.before != nil {
		if err := p.before(req); err != nil {
			return err
		}
	}
	if p.at > 0 && n >= p.at {
		if n == p.at && p.late {
			_ = send()
		}
		return errCut
	}
	return send()
}

func (p *power) RoundTrip(ctx context.Context, addr netAddr, req kafka.Request) (res kafka.Response, err error) {
	err = p.pass(req, func() (err error) { res, err = p.Wire.RoundTrip(ctx, addr, req); return err })
	return res, err
}

func (p *power) Send(ctx context.Context, broker int32, req kmsg.Request) (res kmsg.Response, err error) {
	err = p.pass(req, func() (err error) { res, err = p.Wire.Send(ctx, broker, req); return err })
	return res, err
}

func (p *power) Exchange(ctx context.Context, broker int32, key int16, exchange func(io.ReadWriter, int16) error) error {
	return p.pass(kmsg.Key(key), func() error { return p.Wire.Exchange(ctx, broker, key, exchange) })
}

func (p *power) MetadataOf(ctx context.Context, topics []string) (m *wire.Metadata, err error) {
	err = p.pass(kmsg.Metadata, func() (err error) { m, err = p.Wire.MetadataOf(ctx, topics); return err })
	return m, err
}

// wire is a client of the cluster until the end of the test.
func (h *hall) wire() *wire.Client {
	return wire.New(h.ctx, wire.Config{Brokers: h.cluster.ListenAddrs(), Topics: []string{eventTopic, letterTopic, LedgerTopic(letterTopic), "replay"}, Dial: h.net.Dial})
}

// reader opens a person's reader.
func (h *hall) reader(by string) *Reader { return h.readerOver(by, &power{}) }

func (h *hall) readerOver(by string, p *power) *Reader {
	p.Wire = h.wire()
	return NewReader(ReaderConfig{
		Wire: p, Brokers: h.cluster.ListenAddrs(),
		Topic: letterTopic, Group: "group", By: by,
		OrderKey: func(value []byte) string { s, _, _ := strings.Cut(string(value), ":"); return s },
		Lot:      func(value []byte) string { s, _, _ := strings.Cut(string(value), "-"); return s },
	})
}

// post writes letters like the service. The order key is the beginning of the value.
func (h *hall) post(letters ...Letter) { h.t.Helper(); h.postOf("group", letters...) }

// postOf writes letters of another group.
func (h *hall) postOf(group string, letters ...Letter) {
	h.t.Helper()
	p := NewPublisher(Config{Wire: h.wire(), Timeout: 10 * time.Second, Topic: letterTopic, Group: group})
	defer p.Close()
	done := make(chan error, len(letters))
	for i := range letters {
		p.Publish(h.ctx, &letters[i], func(err error) { done <- err })
	}
	for range letters {
		if err := <-done; err != nil {
			h.t.Fatal(err)
		}
	}
}

// letter is the n-th of order key s, from a partition of the events.
func letter(partition int32, s string, n int) Letter {
	return Letter{
		Topic: eventTopic, Partition: partition, Offset: int64(n), Timestamp: 1700000000000, Key: []byte("k"), Value: fmt.Appendf(nil, "%s:%d", s, n),
		Stage: StageUpstream, Reason: ReasonRefused, Code: "400",
	}
}

// letters are n letters, of seven order keys in turn, each order key in one partition.
func letters(n int) []Letter {
	var all []Letter
	for i := range n {
		orderKey := i % 7
		all = append(all, letter(int32(orderKey%3), "s-"+strconv.Itoa(orderKey), i))
	}
	return all
}

// read returns all current records of a topic, partition by partition.
func (h *hall) read(topic string) []*kgo.Record {
	h.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(h.cluster.ListenAddrs()...), kgo.Dialer(h.net.Dial), kgo.ConsumeTopics(topic))
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	left := map[int32]int64{} // the ends of partitions that are not read yet
	for _, p := range h.cluster.PartitionInfos(topic) {
		if p.HighWatermark > p.LogStartOffset {
			left[p.Partition] = p.HighWatermark
		}
	}
	ctx, cancel := context.WithTimeout(h.ctx, time.Minute)
	defer cancel()
	var all []*kgo.Record
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			h.t.Fatalf("%s: partitions are not read to their ends: %v", topic, left)
		}
		for _, r := range fetches.Records() {
			all = append(all, r)
			if end, is := left[r.Partition]; is && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *kgo.Record) int { return int(a.Partition - b.Partition) })
	return all
}

// all replays all open letters.
func all() *Replay { return &Replay{To: eventTopic, MaxRedrives: -1} }

// account counts how often each value of n letters arrived, and checks that the
// first arrivals of each order key came in order.
func (h *hall) account(n int) (missing, repeated int) {
	h.t.Helper()
	times := map[string]int{}
	last := map[string]int{}
	for _, r := range h.read(eventTopic) {
		value := string(r.Value)
		orderKey, number, _ := strings.Cut(value, ":")
		i, _ := strconv.Atoi(number)
		if times[value]++; times[value] == 1 {
			if i < last[orderKey] {
				h.t.Errorf("%s came after %d of its order key", value, last[orderKey])
			}
			last[orderKey] = i
		}
	}
	for i := range n {
		if got := times[fmt.Sprintf("s-%d:%d", i%7, i)]; got == 0 {
			missing++
		} else {
			repeated += got - 1
		}
	}
	return missing, repeated
}
