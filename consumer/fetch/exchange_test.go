package fetch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// broker is a connection to a broker that sends what reply returns for the request's correlation ID, and keeps
// the request.
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

// lent is the connection to every broker; it takes versions up to version.
type lent struct {
	conn    io.ReadWriter
	version int16
}

func (l lent) Exchange(_ context.Context, _ int32, _ int16, exchange func(io.ReadWriter, int16) error) error {
	return exchange(l.conn, l.version)
}

// framed puts size and correlation ID before an answer's body.
func framed(id int32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	return append(b, body...)
}

// headed puts the header's tagged fields, none, before a flexible answer.
func headed(v int16, body []byte) []byte {
	if v < flexibleVersion {
		return body
	}
	return append([]byte{0}, body...)
}

// versions are the versions in use.
var versions = []int16{11, 12, 13}

// inEachVersion runs a test in each version.
func inEachVersion(t *testing.T, test func(t *testing.T, v int16)) {
	for _, v := range versions {
		t.Run(fmt.Sprint("version ", v), func(t *testing.T) { test(t, v) })
	}
}

// exchangeWith sends r to a broker of version 11 that gives the reply.
func exchangeWith(r *Request, reply func(id int32) []byte) (*Response, *broker, error) {
	return exchangeIn(oldestVersion, r, reply)
}

// exchangeIn sends r to a broker of a version that gives the reply.
func exchangeIn(v int16, r *Request, reply func(id int32) []byte) (*Response, *broker, error) {
	b := &broker{reply: reply}
	res, err := Do(context.Background(), lent{b, v}, r)
	return res, b, err
}

var (
	eventsID = [16]byte{1, 2, 3}
	replayID = [16]byte{15: 9}
)

var someRequest = &Request{
	Broker: 3, ClientID: "forwarder", MaxWait: 1500 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20,
	Partitions: []Partition{
		{Topic: "events", TopicID: eventsID, Partition: 4, LeaderEpoch: 6, LastEpoch: 5, Offset: 1 << 40, MaxBytes: 1000},
		{Topic: "replay", TopicID: replayID, Partition: 0, LeaderEpoch: -1, LastEpoch: -1, Offset: 0, MaxBytes: 2000},
		{Topic: "events", TopicID: eventsID, Partition: 5, LeaderEpoch: 0, LastEpoch: 0, Offset: 7, MaxBytes: 3000},
	},
}

// requestOf decodes what was sent with an independent decoder.
func requestOf(t interface{ Fatalf(string, ...any) }, raw []byte, clientID string) *kmsg.FetchRequest {
	v := int16(binary.BigEndian.Uint16(raw[6:]))
	req := kmsg.NewFetchRequest()
	req.Version = v
	body := raw[14+len(clientID):]
	if v >= flexibleVersion {
		if body[0] != 0 {
			t.Fatalf("%d tagged fields in the header", body[0])
		}
		body = body[1:]
	}
	if err := req.ReadFrom(body); err != nil {
		t.Fatalf("version %d: %v", v, err)
	}
	if again := req.AppendTo(nil); !bytes.Equal(again, body) {
		t.Fatalf("bytes too many or wrong:\n%x\n%x", body, again)
	}
	return &req
}

func TestRequestOnTheWire(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v int16) {
		_, b, _ := exchangeIn(v, someRequest, func(int32) []byte { return nil })
		raw := b.request.Bytes()
		if got := int(binary.BigEndian.Uint32(raw)); got != len(raw)-4 {
			t.Errorf("size %d of %d", got, len(raw)-4)
		}
		if key, got := binary.BigEndian.Uint16(raw[4:]), binary.BigEndian.Uint16(raw[6:]); key != 1 || got != uint16(v) {
			t.Errorf("API %d version %d", key, got)
		}
		if got := string(raw[14 : 14+len("forwarder")]); got != "forwarder" {
			t.Errorf("client ID %q", got)
		}
		req := requestOf(t, raw, "forwarder")
		if req.ReplicaID != -1 || req.MaxWaitMillis != 1500 || req.MinBytes != 1 || req.MaxBytes != 1<<20 || req.IsolationLevel != 1 ||
			req.SessionID != 0 || req.SessionEpoch != -1 || len(req.ForgottenTopics) != 0 || req.Rack != "" {
			t.Errorf("%+v", req)
		}
		if len(req.Topics) != 2 || len(req.Topics[0].Partitions) != 2 {
			t.Fatalf("topics %+v", req.Topics)
		}
		if p := req.Topics[0].Partitions[0]; p.Partition != 4 || p.FetchOffset != 1<<40 || p.PartitionMaxBytes != 1000 || p.CurrentLeaderEpoch != 6 || p.LogStartOffset != -1 {
			t.Errorf("partition %+v", p)
		}
	})
}

// A request goes by ID if each topic has one and the broker takes that version; otherwise in the newest
// version that both know.
func TestTheVersionSpoken(t *testing.T) {
	unknown := *someRequest
	unknown.Partitions = slices.Clone(someRequest.Partitions)
	unknown.Partitions[1].TopicID = noID
	for _, c := range []struct {
		name   string
		r      *Request
		broker int16
		want   uint16
	}{
		{"an old broker", someRequest, 11, 11},
		{"a broker without IDs", someRequest, 12, 12},
		{"a broker with IDs", someRequest, 13, 13},
		{"a newer broker", someRequest, 18, 13},
		{"one topic without an ID", &unknown, 18, 12},
		{"one topic without an ID, an old broker", &unknown, 11, 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, b, _ := exchangeIn(c.broker, c.r, func(int32) []byte { return nil })
			if got := binary.BigEndian.Uint16(b.request.Bytes()[6:]); got != c.want {
				t.Errorf("version %d, want %d", got, c.want)
			}
		})
	}
}

// A topic that was recreated between two metadata requests is two topics.
func TestTwoIDsOfOneName(t *testing.T) {
	r := &Request{MaxBytes: 1 << 20, Partitions: []Partition{{Topic: "events", TopicID: eventsID}, {Topic: "events", TopicID: replayID, Partition: 1}}}
	res, b, err := exchangeIn(13, r, func(id int32) []byte {
		return framed(id, headed(13, answerIn(13, func(r *kmsg.FetchResponse) {
			r.Topics[0].Partitions = r.Topics[0].Partitions[:1]
			r.Topics[0].Partitions[0].Partition, r.Topics[1].Partitions[0].Partition = 0, 1
		})))
	})
	if req := requestOf(t, b.request.Bytes(), ""); len(req.Topics) != 2 || req.Topics[0].TopicID != eventsID || req.Topics[1].TopicID != replayID {
		t.Errorf("asked for %+v", req.Topics)
	}
	if err != nil || len(res.Partitions) != 2 || res.Partitions[0].Topic != "events" || res.Partitions[1].Topic != "events" {
		t.Errorf("%+v, %v", res, err)
	}
}

// answerOf is a right answer to someRequest in version 11, changed by change.
func answerOf(change func(*kmsg.FetchResponse)) []byte { return answerIn(oldestVersion, change) }

// answerIn is a right answer to someRequest in a version, without its header.
func answerIn(v int16, change func(*kmsg.FetchResponse)) []byte {
	res := kmsg.NewFetchResponse()
	res.Version = v
	res.ThrottleMillis = 250
	add := func(topic string, id [16]byte, partitions ...int32) {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = topic, id
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
	add("events", eventsID, 4, 5)
	add("replay", replayID, 0)
	if change != nil {
		change(&res)
	}
	return res.AppendTo(nil)
}

func TestAnswerOffTheWire(t *testing.T) {
	inEachVersion(t, testAnswerOffTheWire)
}

func testAnswerOffTheWire(t *testing.T, v int16) {
	body := answerIn(v, func(r *kmsg.FetchResponse) {
		p := &r.Topics[0].Partitions[1]
		p.ErrorCode, p.RecordBatches, p.AbortedTransactions = int16(kafka.NotLeaderForPartition), nil, nil
		r.Topics[1].Partitions[0].PreferredReadReplica = 9
	})
	res, _, err := exchangeIn(v, someRequest, func(id int32) []byte { return framed(id, headed(v, body)) })
	if err != nil {
		t.Fatal(err)
	}
	if res.Throttle != 250*time.Millisecond || len(res.Partitions) != 3 {
		t.Fatalf("%+v", res)
	}
	a := &res.Partitions[0]
	if a.Topic != "events" || a.Partition != 4 || a.Err != nil || a.HighWatermark != 100 || a.LastStableOffset != 90 || a.LogStartOffset != 5 || a.Preferred != -1 || a.Diverges != nil {
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
	if c := &res.Partitions[2]; !errors.Is(c.Err, ErrOtherReplica) || c.Preferred != 9 {
		t.Errorf("%+v", c)
	}
}

// A reader that names its rack is told of a nearer replica; one that does not must get records.
func TestANearerReplica(t *testing.T) {
	r := *someRequest
	r.Rack = "east"
	inEachVersion(t, func(t *testing.T, v int16) {
		res, b, err := exchangeIn(v, &r, func(id int32) []byte {
			return framed(id, headed(v, answerIn(v, func(r *kmsg.FetchResponse) {
				r.Topics[0].Partitions[0].PreferredReadReplica = 0
				r.Topics[0].Partitions[1].PreferredReadReplica, r.Topics[0].Partitions[1].ErrorCode = 9, int16(kafka.NotLeaderForPartition)
			})))
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := requestOf(t, b.request.Bytes(), "forwarder").Rack; got != "east" {
			t.Errorf("rack %q", got)
		}
		if a := &res.Partitions[0]; a.Err != nil || a.Preferred != 0 {
			t.Errorf("%+v", a)
		}
		if a := &res.Partitions[1]; !errors.Is(a.Err, kafka.NotLeaderForPartition) || a.Preferred != 9 {
			t.Errorf("%+v", a)
		}
		if a := &res.Partitions[2]; a.Err != nil || a.Preferred != -1 {
			t.Errorf("%+v", a)
		}
	})
}

// A divergence comes without records, whatever the answer holds beside it. It is none if the field has the
// value that means absence.
func TestADivergence(t *testing.T) {
	for _, v := range versions[1:] {
		res, _, err := exchangeIn(v, someRequest, func(id int32) []byte {
			return framed(id, headed(v, answerIn(v, func(r *kmsg.FetchResponse) {
				p := r.Topics[0].Partitions
				p[0].DivergingEpoch.Epoch, p[0].DivergingEpoch.EndOffset = 4, 33
				p[0].DivergingEpoch.UnknownTags.Set(1, []byte("later"))
				p[1].DivergingEpoch.Epoch, p[1].DivergingEpoch.EndOffset = -1, 0
				p[1].CurrentLeader.LeaderID, p[1].SnapshotID.Epoch = 3, 4
				r.Topics[1].Partitions[0].DivergingEpoch.UnknownTags.Set(1, nil) // otherwise it would not be written
			})))
		})
		if err != nil {
			t.Fatal(err)
		}
		if a := &res.Partitions[0]; a.Err != nil || a.Diverges == nil || *a.Diverges != (EpochEnd{4, 33}) || a.Len() != 0 {
			t.Errorf("version %d: %+v", v, a)
		}
		if a := &res.Partitions[1]; a.Diverges == nil || *a.Diverges != (EpochEnd{-1, 0}) || a.Len() != 0 {
			t.Errorf("version %d: %+v", v, a)
		}
		if a := &res.Partitions[2]; a.Diverges != nil || a.Len() == 0 {
			t.Errorf("version %d: %+v", v, a)
		}
	}
}

// An answer that is an error as a whole costs no connection.
func TestARefusalKeepsTheConnection(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v int16) {
		b := &broker{reply: func(id int32) []byte {
			return append(framed(id, headed(v, answerIn(v, func(r *kmsg.FetchResponse) { r.ErrorCode = int16(kafka.ClusterAuthorizationFailed) }))), "next"...)
		}}
		var err error
		_, refused := Do(t.Context(), exchanger(func(_ context.Context, exchange func(io.ReadWriter, int16) error) error {
			err = exchange(b, v)
			return err
		}), someRequest)
		if rest, _ := io.ReadAll(b); err != nil || !errors.Is(refused, kafka.ClusterAuthorizationFailed) || string(rest) != "next" {
			t.Errorf("the exchange: %v, the request: %v, left: %q", err, refused, rest)
		}
	})
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
	inEachVersion(t, testAnswersRefused)
}

func testAnswersRefused(t *testing.T, v int16) {
	answerOf := func(change func(*kmsg.FetchResponse)) []byte { return headed(v, answerIn(v, change)) }
	good := answerOf(nil)
	for _, c := range []struct {
		name  string
		reply func(id int32) []byte
		want  error
	}{
		{"correlation ID of another request", func(id int32) []byte { return framed(id+1, good) }, ErrMalformed},
		{"larger than allowed", func(id int32) []byte { return binary.BigEndian.AppendUint32(nil, 1<<20+64<<20+1) }, ErrAnswerTooLarge},
		{"as large as allowed, and cut off", func(id int32) []byte { return binary.BigEndian.AppendUint32(nil, 1<<20+64<<20) }, io.ErrUnexpectedEOF},
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
			return framed(id, answerOf(func(r *kmsg.FetchResponse) { r.Topics[1].Topic, r.Topics[1].TopicID = "other", [16]byte{5} }))
		}, ErrMalformed},
		{"topic not asked for, empty", func(id int32) []byte {
			return framed(id, answerOf(func(r *kmsg.FetchResponse) {
				r.Topics[1].Topic, r.Topics[1].TopicID, r.Topics[1].Partitions = "other", [16]byte{5}, nil
			}))
		}, ErrMalformed},
		{"partition twice", func(id int32) []byte {
			return framed(id, answerOf(func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[1].Partition = 4 }))
		}, ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := exchangeIn(v, someRequest, c.reply); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	// Cut anywhere, an answer is an error and never a panic.
	for n := range len(good) {
		if _, _, err := exchangeIn(v, someRequest, func(id int32) []byte { return framed(id, good[:n]) }); err == nil {
			t.Fatalf("cut to %d of %d bytes: no error", n, len(good))
		}
	}
}

// False lengths, wherever each version has lengths.
func TestLengthsThatLie(t *testing.T) {
	batch := len(batchAt(40, 0, 1))
	for _, c := range []struct {
		name string
		at   map[int16]int // the field's position in the body
	}{
		{"topics", map[int16]int{11: 10, 12: 10, 13: 10}},
		{"a topic's name", map[int16]int{12: 11}},
		{"partitions", map[int16]int{11: 22, 12: 18, 13: 27}},
		{"aborted transactions", map[int16]int{11: 56, 12: 49, 13: 58}},
		{"records", map[int16]int{11: 80, 12: 71, 13: 80}},
		{"tagged fields", map[int16]int{12: 72 + batch, 13: 81 + batch}},
	} {
		for v, at := range c.at {
			good := answerIn(v, func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[0].UnknownTags.Set(77, []byte("later")) })
			if c.name == "tagged fields" && !bytes.Equal(good[at:at+3], []byte{1, 77, 5}) {
				t.Fatalf("version %d: no tagged fields at %d: %v", v, at, good[at:at+3])
			}
			for _, lie := range []uint64{1 << 14, 1<<31 - 2, 1<<32 - 1, 1 << 34, 1<<63 - 1} {
				body := headed(v, lying(v, good, at, lie))
				if _, _, err := exchangeIn(v, someRequest, func(id int32) []byte { return framed(id, body) }); !errors.Is(err, ErrMalformed) {
					t.Errorf("version %d: %d %s: %v", v, lie, c.name, err)
				}
			}
		}
	}
}

// Memory is not allocated for a name by the length that the frame claims.
func TestANameThatIsNotThere(t *testing.T) {
	head := answerIn(12, nil)[:10] // up to the topics
	b := binary.AppendUvarint(append(head, 2), 32<<20)
	_, _, err := exchangeIn(12, someRequest, func(id int32) []byte {
		frame := framed(id, headed(12, b))
		binary.BigEndian.PutUint32(frame, 40<<20)
		return frame
	})
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("%v, want %v", err, ErrMalformed)
	}
}

// A divergence that is shorter or longer than its field says is none.
func TestADivergenceOfAnotherLength(t *testing.T) {
	good := answerIn(12, func(r *kmsg.FetchResponse) {
		r.Topics[1].Partitions[0].DivergingEpoch.Epoch, r.Topics[1].Partitions[0].DivergingEpoch.EndOffset = 4, 33
	})
	at := bytes.Index(good, []byte{0, 13, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 33, 0})
	for size := range byte(20) {
		body := bytes.Clone(good)
		body[at+1] = size
		_, _, err := exchangeIn(12, someRequest, func(id int32) []byte { return framed(id, headed(12, body)) })
		if want := size == 13; want != (err == nil) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// lying returns a copy of a body with another length at i.
func lying(v int16, body []byte, i int, lie uint64) []byte {
	if v < flexibleVersion {
		return field(body, i, uint32(min(lie, math.MaxInt32)))
	}
	_, n := binary.Uvarint(body[i:])
	return slices.Concat(body[:i], binary.AppendUvarint(nil, lie), body[i+n:])
}

// field returns a copy of an answer's body with other 32 bits at i.
func field(body []byte, i int, v uint32) []byte {
	b := bytes.Clone(body)
	binary.BigEndian.PutUint32(b[i:], v)
	return b
}

func TestBrokerTooOld(t *testing.T) {
	b := &broker{}
	if _, err := Do(t.Context(), lent{b, 10}, someRequest); !errors.Is(err, kafka.UnsupportedVersion) || b.request.Len() != 0 {
		t.Errorf("%v, want %v; %d bytes sent", err, kafka.UnsupportedVersion, b.request.Len())
	}
}

type exchanger func(context.Context, func(io.ReadWriter, int16) error) error

func (f exchanger) Exchange(ctx context.Context, _ int32, _ int16, exchange func(io.ReadWriter, int16) error) error {
	return f(ctx, exchange)
}

func TestDeadlineOfAnExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := exchanger(func(ctx context.Context, _ func(io.ReadWriter, int16) error) error {
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		_, err := Do(ctx, never, someRequest)
		if got := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || got != time.Minute {
			t.Errorf("%v after %v", err, got)
		}
	})
	odd := exchanger(func(context.Context, func(io.ReadWriter, int16) error) error { return nil })
	if _, err := Do(t.Context(), odd, someRequest); !errors.Is(err, ErrMalformed) {
		t.Errorf("no exchange and no error: %v", err)
	}
}

// header is a record batch's header: 61 bytes, the magic at 16, the number of records at 57.
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
