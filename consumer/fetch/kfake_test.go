package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/wire"
)

// kafkaOf starts an in-process Kafka with one topic and returns its bootstrap address and a client.
func kafkaOf(t *testing.T, partitions int32, topic string) (net.Addr, *wire.Client) {
	t.Helper()
	return connect(t, cluster(t, partitions, topic), topic, nil)
}

func cluster(t *testing.T, partitions int32, topic string) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func connect(t *testing.T, c *kfake.Cluster, topic string, dial wire.DialFunc) (net.Addr, *wire.Client) {
	t.Helper()
	return kafka.TCP(c.ListenAddrs()...), wire.New(t.Context(), wire.Config{Brokers: c.ListenAddrs(), Topics: []string{topic}, Dial: dial})
}

func producer(t *testing.T, addr net.Addr, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(addr.String(), ",")...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(100_000),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// leaderOf returns the leader of the topic's partition 0 in the metadata.
func leaderOf(t *testing.T, w *wire.Client, topic string) int32 {
	t.Helper()
	m, err := w.MetadataOf(t.Context(), []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	return m.Topics[topic].Partitions[0].Leader
}

// readLog fetches the partition from offset until the position reaches the last stable offset.
func readLog(t *testing.T, w *wire.Client, r *fetch.Request, offset int64) ([]fetch.Record, int64) {
	t.Helper()
	var all []fetch.Record
	for {
		r.Partitions[0].Offset = offset
		res, err := fetch.Do(t.Context(), w, r)
		if err != nil {
			t.Fatal(err)
		}
		a := &res.Partitions[0]
		if a.Err != nil {
			t.Fatal(a.Err)
		}
		records, position, err := readAll(a, offset)
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		all = append(all, records...)
		if position == offset && position < a.LastStableOffset {
			t.Fatalf("stuck at %d of %d", position, a.LastStableOffset)
		}
		offset = position
		if offset >= a.LastStableOffset {
			return all, offset
		}
	}
}

// readAll reads an answer to its end and returns the error that ended it.
func readAll(a *fetch.Answer, from int64) ([]fetch.Record, int64, error) {
	r := a.Records(from, fetch.Limits{MaxRecordBytes: 4 << 20})
	defer r.Close()
	var all []fetch.Record
	for {
		rec, err := r.Next()
		if err != nil {
			return all, r.Position(), err
		}
		all = append(all, rec)
	}
}

func TestEachCodecThroughABroker(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			addr, w := kafkaOf(t, 1, "events")
			p := producer(t, addr, kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(5*time.Millisecond))
			var sent []*kgo.Record
			for i := range 500 {
				r := &kgo.Record{
					Topic: "events", Value: bytes.Repeat(fmt.Appendf(nil, "value %d ", i), 1+i%60),
					Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)),
				}
				switch i % 3 {
				case 1:
					r.Key = []byte{}
				case 2:
					r.Key, r.Headers = fmt.Append(nil, i), []kgo.RecordHeader{{Key: "a", Value: nil}, {Key: "a", Value: []byte{}}, {Key: "\xff", Value: []byte("v")}}
				}
				sent = append(sent, r)
			}
			if err := p.ProduceSync(t.Context(), sent...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			req := &fetch.Request{
				Broker: leaderOf(t, w, "events"), ClientID: "test", MaxWait: 100 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20,
				Partitions: []fetch.Partition{{Topic: "events", LeaderEpoch: -1, LastEpoch: -1, MaxBytes: 16 << 10}},
			}
			got, position := readLog(t, w, req, 0)
			if len(got) != len(sent) || position != int64(len(sent)) {
				t.Fatalf("%d records, position %d; sent %d", len(got), position, len(sent))
			}
			for i, r := range got {
				s := sent[i]
				if r.Offset != int64(i) || r.Timestamp != s.Timestamp.UnixMilli() || !same(r.Key, s.Key) || !same(r.Value, s.Value) ||
					!sameHeaders(r.Headers, s.Headers) {
					t.Fatalf("record %d: %+v, sent %+v", i, r, s)
				}
			}
		})
	}
}

func TestTransactionsThroughABroker(t *testing.T) {
	addr, w := kafkaOf(t, 1, "events")
	plain := producer(t, addr)
	var want []string
	send := func(p *kgo.Client, value string) {
		t.Helper()
		if err := p.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		a := producer(t, addr, kgo.TransactionalID(fmt.Sprint("a", i%2)))
		b := producer(t, addr, kgo.TransactionalID(fmt.Sprint("b", i%2)))
		for _, p := range []*kgo.Client{a, b} {
			if err := p.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
		}
		// Three writers interleaved; one of the transactions is aborted.
		for j := range 3 {
			send(a, fmt.Sprint("aborted ", i, j))
			v := fmt.Sprint("committed ", i, j)
			send(b, v)
			want = append(want, v)
			v = fmt.Sprint("plain ", i, j)
			send(plain, v)
			want = append(want, v)
		}
		if err := a.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
		if err := b.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	req := &fetch.Request{
		Broker: leaderOf(t, w, "events"), MaxWait: 100 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20,
		Partitions: []fetch.Partition{{Topic: "events", LeaderEpoch: -1, LastEpoch: -1, MaxBytes: 1 << 10}},
	}
	got, position := readLog(t, w, req, 0)
	var values []string
	for _, r := range got {
		values = append(values, string(r.Value))
	}
	if !slices.Equal(values, want) {
		t.Errorf("got %q\nwant %q", values, want)
	}
	// Nine records and two markers each time: the last markers are skipped too.
	if position != 12*11 {
		t.Errorf("position %d, want %d", position, 12*11)
	}
}

func TestSeveralPartitionsInOneRequest(t *testing.T) {
	addr, w := kafkaOf(t, 3, "events")
	p := producer(t, addr)
	for i := range 9 {
		if err := p.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Partition: int32(i % 3), Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	res, err := fetch.Do(t.Context(), w, &fetch.Request{
		Broker: leaderOf(t, w, "events"), MaxWait: 100 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20,
		Partitions: []fetch.Partition{
			{Topic: "events", Partition: 0, LeaderEpoch: -1, LastEpoch: -1, MaxBytes: 1 << 20},
			{Topic: "none", Partition: 0, LeaderEpoch: -1, LastEpoch: -1, MaxBytes: 1 << 20},
			{Topic: "events", Partition: 1, LeaderEpoch: -1, LastEpoch: -1, Offset: 2, MaxBytes: 1 << 20},
			{Topic: "events", Partition: 2, LeaderEpoch: -1, LastEpoch: -1, Offset: 100, MaxBytes: 1 << 20},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Partitions) != 4 {
		t.Fatalf("%d answers", len(res.Partitions))
	}
	for i := range res.Partitions {
		a := &res.Partitions[i]
		records, position, err := readAll(a, 0)
		switch {
		case a.Topic == "none":
			if !errors.Is(a.Err, kafka.UnknownTopicOrPartition) {
				t.Errorf("unknown topic: %v", a.Err)
			}
		case a.Partition == 0:
			if len(records) != 3 || position != 3 || a.HighWatermark != 3 || a.LastStableOffset != 3 || a.LogStartOffset != 0 || a.Len() == 0 {
				t.Errorf("partition 0: %d records to %d, %v; %+v", len(records), position, err, a)
			}
		case a.Partition == 1:
			if len(records) != 1 || records[0].Offset != 2 {
				t.Errorf("partition 1: %v", records)
			}
		case a.Partition == 2:
			if !errors.Is(a.Err, kafka.OffsetOutOfRange) {
				t.Errorf("beyond the end: %v", a.Err)
			}
		}
	}
}

func TestUnknownBroker(t *testing.T) {
	_, w := kafkaOf(t, 1, "events")
	_, err := fetch.Do(t.Context(), w, &fetch.Request{Broker: 77, Partitions: []fetch.Partition{{Topic: "events", LeaderEpoch: -1, LastEpoch: -1}}})
	if !errors.Is(err, kafka.BrokerNotAvailable) {
		t.Errorf("%v, want %v", err, kafka.BrokerNotAvailable)
	}
}

func TestCancelledWhileTheBrokerWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := cluster(t, 1, "events")
	c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel() // the request has arrived
		return nil, nil, false
	})
	closed := make(chan struct{}, 16)
	_, w := connect(t, c, "events", func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return watchedConn{Conn: conn, closed: closed}, err
	})
	_, err := fetch.Do(ctx, w, &fetch.Request{
		Broker: leaderOf(t, w, "events"), MaxWait: time.Hour, MinBytes: 1, MaxBytes: 1 << 20,
		Partitions: []fetch.Partition{{Topic: "events", LeaderEpoch: -1, LastEpoch: -1, MaxBytes: 1 << 20}},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	<-closed // the connection is closed, an hour before its answer
}

// watchedConn reports when it is closed.
type watchedConn struct {
	net.Conn
	closed chan<- struct{}
}

func (c watchedConn) Close() error {
	c.closed <- struct{}{}
	return c.Conn.Close()
}

func sameHeaders(got fetch.Headers, want []kgo.RecordHeader) bool {
	for key, value := range got.All() {
		if len(want) == 0 || string(key) != want[0].Key || !same(value, want[0].Value) {
			return false
		}
		want = want[1:]
	}
	return len(want) == 0
}
