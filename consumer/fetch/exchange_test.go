package fetch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// broker is a connection to a broker that sends what reply says, given the
// request's correlation ID, and keeps the request.
type broker struct {
	request bytes.Buffer
	reply   func(id int32) []byte
	out     *bytes.Reader
}

func (b *broker) Write(p []byte) (int, error) { return b.request.Write(p) }

func (b *broker) Read(p []byte) (int, error) {
	if b.out == nil {
		b.out = bytes.NewReader(b.reply(int32(binary.BigEndian.Uint32(b.request.Bytes()[8:]))))
	}
	return b.out.Read(p)
}

// framed puts size and correlation ID before an answer's body.
func framed(id int32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	return append(b, body...)
}

// exchangeWith sends r to a broker that gives the reply.
func exchangeWith(r *Request, reply func(id int32) []byte) (*Response, *broker, error) {
	b := &broker{reply: reply}
	x := &exchange{ctx: context.Background(), request: r}
	x.Required(map[protocol.ApiKey]int16{protocol.Fetch: version})
	m, err := x.RawExchange(b)
	if err != nil {
		return nil, b, err
	}
	return m.(*answered).response, b, nil
}

var someRequest = &Request{
	Broker: 3, ClientID: "forwarder", MaxWait: 1500 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20,
	Partitions: []Partition{
		{Topic: "events", Partition: 4, Offset: 1 << 40, MaxBytes: 1000},
		{Topic: "replay", Partition: 0, Offset: 0, MaxBytes: 2000},
		{Topic: "events", Partition: 5, Offset: 7, MaxBytes: 3000},
	},
}

func TestRequestOnTheWire(t *testing.T) {
	_, b, _ := exchangeWith(someRequest, func(int32) []byte { return nil })
	raw := b.request.Bytes()
	if got := int(binary.BigEndian.Uint32(raw)); got != len(raw)-4 {
		t.Errorf("size %d of %d", got, len(raw)-4)
	}
	if key, v := binary.BigEndian.Uint16(raw[4:]), binary.BigEndian.Uint16(raw[6:]); key != 1 || v != 11 {
		t.Errorf("API %d version %d", key, v)
	}
	if got := string(raw[14 : 14+len("forwarder")]); got != "forwarder" {
		t.Errorf("client ID %q", got)
	}
	req := kmsg.NewFetchRequest()
	req.Version = 11
	body := raw[14+len("forwarder"):]
	if err := req.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	if again := req.AppendTo(nil); !bytes.Equal(again, body) {
		t.Errorf("bytes too many or wrong:\n%x\n%x", body, again)
	}
	if req.ReplicaID != -1 || req.MaxWaitMillis != 1500 || req.MinBytes != 1 || req.MaxBytes != 1<<20 || req.IsolationLevel != 1 ||
		req.SessionID != 0 || req.SessionEpoch != -1 || len(req.ForgottenTopics) != 0 || req.Rack != "" {
		t.Errorf("%+v", req)
	}
	if len(req.Topics) != 2 || req.Topics[0].Topic != "events" || len(req.Topics[0].Partitions) != 2 || req.Topics[1].Topic != "replay" {
		t.Fatalf("topics %+v", req.Topics)
	}
	if p := req.Topics[0].Partitions[0]; p.Partition != 4 || p.FetchOffset != 1<<40 || p.PartitionMaxBytes != 1000 || p.CurrentLeaderEpoch != -1 || p.LogStartOffset != -1 {
		t.Errorf("partition %+v", p)
	}
}

// answerOf is a right answer to someRequest, changed by change.
func answerOf(change func(*kmsg.FetchResponse)) []byte {
	res := kmsg.NewFetchResponse()
	res.Version = 11
	res.ThrottleMillis = 250
	add := func(topic string, partitions ...int32) {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = topic
		for _, p := range partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.HighWatermark, rp.LastStableOffset, rp.LogStartOffset = p, 100, 90, 5
			rp.RecordBatches = batchAt(int64(p)*10, 0, 1)
			a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
			a.ProducerID, a.FirstOffset = 1, 60
			rp.AbortedTransactions = append(rp.AbortedTransactions, a)
			rt.Partitions = append(rt.Partitions, rp)
		}
		res.Topics = append(res.Topics, rt)
	}
	add("events", 4, 5)
	add("replay", 0)
	if change != nil {
		change(&res)
	}
	return res.AppendTo(nil)
}

func TestAnswerOffTheWire(t *testing.T) {
	body := answerOf(func(r *kmsg.FetchResponse) {
		p := &r.Topics[0].Partitions[1]
		p.ErrorCode, p.RecordBatches, p.AbortedTransactions = int16(kafka.NotLeaderForPartition), nil, nil
		r.Topics[1].Partitions[0].PreferredReadReplica = 9
	})
	res, _, err := exchangeWith(someRequest, func(id int32) []byte { return framed(id, body) })
	if err != nil {
		t.Fatal(err)
	}
	if res.Throttle != 250*time.Millisecond || len(res.Partitions) != 3 {
		t.Fatalf("%+v", res)
	}
	a := &res.Partitions[0]
	if a.Topic != "events" || a.Partition != 4 || a.Err != nil || a.HighWatermark != 100 || a.LastStableOffset != 90 || a.LogStartOffset != 5 {
		t.Errorf("%+v", a)
	}
	if want := len(batchAt(40, 0, 1)) + abortedSize; a.Len() != want {
		t.Errorf("Len %d, want %d", a.Len(), want)
	}
	if got, position, err := drain(t, a, 0, roomy); len(got) != 2 || position != 42 || err != nil {
		t.Errorf("%d records to %d, %v", len(got), position, err)
	}
	if b := &res.Partitions[1]; !errors.Is(b.Err, kafka.NotLeaderForPartition) || b.Len() != 0 {
		t.Errorf("%+v", b)
	}
	if c := &res.Partitions[2]; !errors.Is(c.Err, ErrOtherReplica) {
		t.Errorf("%+v", c)
	}
}

// A broker whose answer is full may leave the other partitions out.
func TestAnswerWithAPartitionLeftOut(t *testing.T) {
	res, _, err := exchangeWith(someRequest, func(id int32) []byte {
		return framed(id, answerOf(func(r *kmsg.FetchResponse) { r.Topics = r.Topics[:1] }))
	})
	if err != nil || len(res.Partitions) != 2 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestAnswersRefused(t *testing.T) {
	good := answerOf(nil)
	for _, c := range []struct {
		name  string
		reply func(id int32) []byte
		want  error
	}{
		{"correlation ID of another request", func(id int32) []byte { return framed(id+1, good) }, ErrMalformed},
		{"larger than allowed", func(id int32) []byte { return binary.BigEndian.AppendUint32(nil, 1<<20+64<<20+1) }, ErrAnswerTooLarge},
		{"negative size", func(id int32) []byte { return binary.BigEndian.AppendUint32(nil, math.MaxUint32) }, ErrMalformed},
		{"no bytes", func(id int32) []byte { return nil }, io.EOF},
		{"cut off", func(id int32) []byte { return framed(id, good)[:50] }, io.ErrUnexpectedEOF},
		{"a byte too many", func(id int32) []byte { return framed(id, append(good[:len(good):len(good)], 0)) }, ErrMalformed},
		{"a byte too few", func(id int32) []byte { return framed(id, good[:len(good)-1]) }, ErrMalformed},
		{"refused as a whole", func(id int32) []byte {
			return framed(id, answerOf(func(r *kmsg.FetchResponse) { r.ErrorCode = int16(kafka.ClusterAuthorizationFailed) }))
		}, kafka.ClusterAuthorizationFailed},
		{"partition not asked for", func(id int32) []byte {
			return framed(id, answerOf(func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[0].Partition = 77 }))
		}, ErrMalformed},
		{"topic not asked for", func(id int32) []byte {
			return framed(id, answerOf(func(r *kmsg.FetchResponse) { r.Topics[1].Topic = "other" }))
		}, ErrMalformed},
		{"partition twice", func(id int32) []byte {
			return framed(id, answerOf(func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[1].Partition = 4 }))
		}, ErrMalformed},
		{"too many topics", func(id int32) []byte { return framed(id, field(good, 10, math.MaxInt32)) }, ErrMalformed},
		{"too many partitions", func(id int32) []byte { return framed(id, field(good, 22, math.MaxInt32)) }, ErrMalformed},
		{"too many aborted transactions", func(id int32) []byte { return framed(id, field(good, 56, math.MaxInt32)) }, ErrMalformed},
		{"records longer than the answer", func(id int32) []byte { return framed(id, field(good, 80, math.MaxInt32)) }, ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := exchangeWith(someRequest, c.reply); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	t.Run("limit of the caller", func(t *testing.T) {
		r := *someRequest
		r.MaxAnswer = int64(len(good))
		if _, _, err := exchangeWith(&r, func(id int32) []byte { return framed(id, good) }); !errors.Is(err, ErrAnswerTooLarge) {
			t.Errorf("%v, want %v", err, ErrAnswerTooLarge)
		}
		r.MaxAnswer += 4 // the correlation ID counts
		if _, _, err := exchangeWith(&r, func(id int32) []byte { return framed(id, good) }); err != nil {
			t.Error(err)
		}
	})
	// Cut anywhere, an answer is an error and never a panic.
	for n := range len(good) {
		if _, _, err := exchangeWith(someRequest, func(id int32) []byte { return framed(id, good[:n]) }); err == nil {
			t.Fatalf("cut to %d of %d bytes: no error", n, len(good))
		}
	}
}

// field returns a copy of an answer's body with other 32 bits at i.
func field(body []byte, i int, v uint32) []byte {
	b := bytes.Clone(body)
	binary.BigEndian.PutUint32(b[i:], v)
	return b
}

func TestBrokerTooOld(t *testing.T) {
	x := &exchange{ctx: t.Context(), request: someRequest}
	x.Required(map[protocol.ApiKey]int16{protocol.Fetch: 10})
	if _, err := x.RawExchange(&broker{}); !errors.Is(err, kafka.UnsupportedVersion) {
		t.Errorf("%v, want %v", err, kafka.UnsupportedVersion)
	}
}

func TestNamesTooLong(t *testing.T) {
	long := strings.Repeat("x", math.MaxInt16+1)
	for _, r := range []*Request{{ClientID: long}, {Partitions: []Partition{{Topic: long}}}} {
		if _, _, err := exchangeWith(r, nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("%v, want %v", err, ErrMalformed)
		}
	}
}

func TestRouting(t *testing.T) {
	x := &exchange{request: &Request{Broker: 3}}
	cluster := protocol.Cluster{Brokers: map[int32]protocol.Broker{3: {ID: 3, Host: "c"}}}
	if b, err := x.Broker(cluster); err != nil || b.ID != 3 {
		t.Errorf("%v, %v", b, err)
	}
	x.request = &Request{Broker: -1}
	if _, err := x.Broker(cluster); !errors.Is(err, kafka.LeaderNotAvailable) {
		t.Errorf("%v", err)
	}
}

// An exchange nobody waits for any more ends at once: the connection is not held
// until the broker answers.
func TestCancelledExchangeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		ctx, cancel := context.WithCancel(t.Context())
		x := &exchange{ctx: ctx, request: someRequest, spoken: version}
		done := make(chan error)
		go func() {
			_, err := x.RawExchange(protocol.NewConn(ours, ""))
			done <- err
		}()
		synctest.Wait() // the request is out, the answer awaited
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
		_ = ours.Close()
		_ = theirs.Close()

		x = &exchange{ctx: ctx, request: someRequest, spoken: version}
		if _, err := x.RawExchange(&broker{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before it began: %v", err)
		}
	})
}

// transport answers every request with what it is.
type transport func(context.Context, kafka.Request) (kafka.Response, error)

func (f transport) RoundTrip(ctx context.Context, _ net.Addr, r kafka.Request) (kafka.Response, error) {
	return f(ctx, r)
}

func TestDeadlineOfAnExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := transport(func(ctx context.Context, _ kafka.Request) (kafka.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		begun := time.Now()
		_, err := Do(t.Context(), never, nil, someRequest)
		if got := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || got != someRequest.MaxWait+answerSlack {
			t.Errorf("without a deadline: %v after %v", err, got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun = time.Now()
		_, err = Do(ctx, never, nil, someRequest)
		if got := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || got != time.Minute {
			t.Errorf("with one: %v after %v", err, got)
		}
	})
	odd := transport(func(context.Context, kafka.Request) (kafka.Response, error) { return new(exchange), nil })
	if _, err := Do(t.Context(), odd, nil, someRequest); !errors.Is(err, ErrMalformed) {
		t.Errorf("another's answer: %v", err)
	}
}

// header is a record batch's: 61 bytes, the format's number at 16, the records' at 57.
func header(magic byte, records int32) []byte {
	h := make([]byte, 61)
	binary.BigEndian.PutUint32(h[8:], 61-12)
	h[16] = magic
	binary.BigEndian.PutUint32(h[57:], uint32(records))
	return h
}

func TestFirstBatchIsTheFirstBatchsSizeInTheLog(t *testing.T) {
	for _, c := range []struct {
		name           string
		records        []byte
		bytes, holding int
	}{
		{"nothing", nil, 0, 0},
		{"less than a head", make([]byte, 11), 0, 0},
		{"cut off", []byte{0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 0, 0, 1}, 12 + 1<<16, 0},
		{"another behind it", append([]byte{0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 1, 1}, make([]byte, 50)...), 14, 0},
		{"a negative length", []byte{0, 0, 0, 0, 0, 0, 0, 7, 255, 255, 255, 255}, 12, 0},
		{"a batch's header", header(2, 1000), 61, 1000},
		{"a batch's header that is cut", header(2, 1000)[:60], 61, 0},
		{"a message of an older format", header(1, 1000), 61, 0},
		{"a negative count", header(2, -1), 61, 0},
	} {
		if bytes, records := (&Answer{records: c.records}).FirstBatch(); bytes != c.bytes || records != c.holding {
			t.Errorf("%s: %d bytes and %d records, want %d and %d", c.name, bytes, records, c.bytes, c.holding)
		}
	}
}
