package fetch_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
)

// plain sends to brokers, by their IDs, each time over a new connection. It says that each broker takes
// version.
type plain struct {
	addrs   map[int32]string
	version int16
}

func (p plain) dial(ctx context.Context, broker int32) (io.ReadWriteCloser, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", p.addrs[broker])
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.WriteCloser
	}{bufio.NewReader(c), c}, nil
}

func (p plain) Exchange(ctx context.Context, broker int32, _ int16, exchange func(io.ReadWriter, int16) error) error {
	c, err := p.dial(ctx, broker)
	if err != nil {
		return err
	}
	defer c.Close()
	return exchange(c, p.version)
}

func (p plain) Send(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error) {
	c, err := p.dial(ctx, broker)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if req.GetVersion() == 0 {
		req.SetVersion(req.MaxVersion())
	}
	if _, err := c.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 9)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	b = b[4:]
	if req.IsFlexible() {
		b = b[1:]
	}
	res := req.ResponseKind()
	return res, res.ReadFrom(b)
}

// epochs is a topic whose partition 0 was led by one broker after the other: each has written two records,
// under its own epoch.
type epochs struct {
	*kfake.Cluster
	plain
	leader, epoch int32
	id            [16]byte
}

func epochsOf(t *testing.T) *epochs {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "events"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	e := &epochs{Cluster: c, plain: plain{addrs: map[int32]string{}, version: 18}, id: c.TopicInfo("events").TopicID}
	p := producer(t, kafka.TCP(c.ListenAddrs()...), kgo.MetadataMinAge(10*time.Millisecond))
	m, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range m.Brokers {
		e.addrs[b.NodeID] = fmt.Sprintf("%s:%d", b.Host, b.Port)
	}
	first := c.LeaderFor("events", 0)
	for i := range 2 {
		for range 2 {
			if err := p.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte("event")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 {
			for broker := range e.addrs {
				if broker != first {
					if err := c.MoveTopicPartition("events", 0, broker); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	now := c.PartitionInfo("events", 0)
	e.leader, e.epoch = now.Leader, now.Epoch
	return e
}

func (e *epochs) ask(t *testing.T, p fetch.Partition) *fetch.Answer {
	t.Helper()
	p.Topic, p.MaxBytes = "events", 1<<20
	res, err := fetch.Do(t.Context(), e, &fetch.Request{
		Broker: e.leader, ClientID: "test", MaxWait: 10 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20, Partitions: []fetch.Partition{p},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Partitions) != 1 || res.Partitions[0].Topic != "events" {
		t.Fatalf("%+v", res)
	}
	return &res.Partitions[0]
}

func TestReadingByTopicIDAndEpoch(t *testing.T) {
	e := epochsOf(t)
	var asked []int16
	e.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		e.KeepControl()
		asked = append(asked, r.GetVersion())
		return nil, nil, false
	})
	for _, c := range []struct {
		version int16
		id      [16]byte
		want    int16
	}{{18, e.id, 13}, {13, e.id, 13}, {12, e.id, 12}, {18, [16]byte{}, 12}, {11, e.id, 11}} {
		e.version = c.version
		a := e.ask(t, fetch.Partition{TopicID: c.id, LeaderEpoch: e.epoch, LastEpoch: e.epoch - 1})
		if a.Err != nil || a.Diverges != nil || a.Preferred != -1 {
			t.Fatalf("version %d: %+v", c.version, a)
		}
		r := a.Records(0, fetch.Limits{MaxRecordBytes: 1 << 20})
		for offset := range int64(4) {
			want := e.epoch - 1 + int32(offset/2)
			if rec, err := r.Next(); err != nil || rec.Offset != offset || rec.Epoch != want || r.Epoch() != want {
				t.Errorf("version %d: %+v, %v; epoch %d, want %d", c.version, rec, err, r.Epoch(), want)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) || r.Epoch() != e.epoch {
			t.Errorf("version %d: %v at the end, epoch %d", c.version, err, r.Epoch())
		}
		r.Close()
		if got := asked[len(asked)-1]; got != c.want {
			t.Errorf("asked in version %d of a broker with %d, want %d", got, c.version, c.want)
		}
	}
}

func TestALeaderOfAnotherEpochRefuses(t *testing.T) {
	e := epochsOf(t)
	for _, version := range []int16{11, 12, 13} {
		e.version = version
		for epoch, want := range map[int32]error{e.epoch - 1: kafka.FencedLeaderEpoch, e.epoch: nil, e.epoch + 1: kafka.UnknownLeaderEpoch, -1: nil} {
			if a := e.ask(t, fetch.Partition{TopicID: e.id, LeaderEpoch: epoch, LastEpoch: -1}); !errors.Is(a.Err, want) {
				t.Errorf("version %d, epoch %d: %v, want %v", version, epoch, a.Err, want)
			}
		}
	}
	for epoch, want := range map[int32]error{e.epoch - 1: kafka.FencedLeaderEpoch, e.epoch + 1: kafka.UnknownLeaderEpoch} {
		bounds, err := fetch.AskBounds(t.Context(), e, e.leader, true, fetch.OffsetAsk{Topic: "events", LeaderEpoch: epoch})
		if !errors.Is(err, want) {
			t.Errorf("bounds, epoch %d: %+v, %v", epoch, bounds, err)
		}
		ends, err := fetch.EpochEnds(t.Context(), e, e.leader, []fetch.EpochAsk{{Topic: "events", LeaderEpoch: epoch, Epoch: 0}})
		if err != nil || len(ends) != 1 || !errors.Is(ends[0].Err, want) {
			t.Errorf("ends, epoch %d: %+v, %v", epoch, ends, err)
		}
	}
}

// A topic recreated by the same name is another one, and a larger log does not hide that.
func TestATopicThatIsNoMoreIsNotRead(t *testing.T) {
	e := epochsOf(t)
	if err := e.DeleteTopic("events"); err != nil {
		t.Fatal(err)
	}
	if a := e.ask(t, fetch.Partition{TopicID: e.id, LeaderEpoch: -1, LastEpoch: -1}); !errors.Is(a.Err, kafka.UnknownTopicID) {
		t.Errorf("deleted: %v", a.Err)
	}
	if err := e.CreateTopic("events", 1, nil); err != nil {
		t.Fatal(err)
	}
	e.leader = e.LeaderFor("events", 0)
	if a := e.ask(t, fetch.Partition{TopicID: e.id, LeaderEpoch: -1, LastEpoch: -1}); !errors.Is(a.Err, kafka.UnknownTopicID) {
		t.Errorf("recreated, by the old ID: %v", a.Err)
	}
	if a := e.ask(t, fetch.Partition{TopicID: e.TopicInfo("events").TopicID, LeaderEpoch: -1, LastEpoch: -1}); a.Err != nil {
		t.Errorf("recreated, by the new ID: %v", a.Err)
	}
}

func TestBoundsAndEpochEndsThroughABroker(t *testing.T) {
	e := epochsOf(t)
	for _, committed := range []bool{false, true} {
		bounds, err := fetch.AskBounds(t.Context(), e, e.leader, committed, fetch.OffsetAsk{Topic: "events", LeaderEpoch: e.epoch})
		if err != nil || bounds != (fetch.Bounds{First: 0, End: 4}) {
			t.Errorf("%+v, %v", bounds, err)
		}
		if _, err := fetch.AskBounds(t.Context(), e, e.leader, committed, fetch.OffsetAsk{Topic: "events", Partition: 8, LeaderEpoch: -1}); !errors.Is(err, kafka.UnknownTopicOrPartition) {
			t.Errorf("of a partition that is not there: %v", err)
		}
	}
	for _, c := range []struct{ epoch, want int32 }{{e.epoch - 1, e.epoch - 1}, {e.epoch, e.epoch}, {e.epoch + 1, -1}} {
		ends, err := fetch.EpochEnds(t.Context(), e, e.leader, []fetch.EpochAsk{
			{Topic: "events", LeaderEpoch: e.epoch, Epoch: c.epoch}, {Topic: "none", LeaderEpoch: -1, Epoch: c.epoch},
		})
		want := fetch.EpochEnd{Epoch: c.want, End: map[int32]int64{e.epoch - 1: 2, e.epoch: 4, -1: -1}[c.want]}
		if err != nil || !slices.Equal(ends, []fetch.EpochTold{{EpochEnd: want}, {EpochEnd: fetch.EpochEnd{Epoch: -1, End: -1}, Err: kafka.UnknownTopicOrPartition}}) {
			t.Errorf("epoch %d: %+v, %v; want %+v", c.epoch, ends, err, want)
		}
	}
}
