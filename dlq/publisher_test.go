package dlq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/wire"
)

const letterTopic = "events.dlq"

// office is a broker and a publisher that writes to it.
type office struct {
	*Publisher
	t       *testing.T
	cluster *kfake.Cluster
	wire    *wire.Client
}

func open(t *testing.T, options ...kfake.Opt) *office {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w := wire.New(t.Context(), wire.Config{Brokers: cluster.ListenAddrs(), Topics: []string{letterTopic}})
	o := &office{t: t, cluster: cluster, wire: w, Publisher: NewPublisher(Config{
		Wire: w, Timeout: 10 * time.Second, Topic: letterTopic, Group: "group",
	})}
	return o
}

// post writes letters and waits for the result of each.
func (o *office) post(ctx context.Context, letters ...*Letter) []error {
	o.t.Helper()
	type outcome struct {
		letter int
		err    error
	}
	done := make(chan outcome, 2*len(letters))
	for i, l := range letters {
		o.Publish(ctx, l, func(err error) { done <- outcome{i, err} })
	}
	errs := make([]error, len(letters))
	for range letters {
		r := <-done
		errs[r.letter] = r.err
	}
	o.t.Cleanup(func() { // after Close no result can come
		if len(done) != 0 {
			o.t.Error("a dead letter's outcome was told twice")
		}
	})
	o.t.Cleanup(o.Close)
	return errs
}

// read returns n letters of the letterTopic.
func (o *office) read(n int) []*kgo.Record {
	o.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(o.cluster.ListenAddrs()...), kgo.ConsumeTopics(letterTopic))
	if err != nil {
		o.t.Fatal(err)
	}
	defer c.Close()
	var all []*kgo.Record
	for len(all) < n {
		fetches := c.PollFetches(o.t.Context())
		if err := fetches.Err(); err != nil {
			o.t.Fatal(err)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

func TestARecordIsWrittenByteForByteAndDatedNow(t *testing.T) {
	for _, c := range []struct {
		name       string
		key, value []byte
	}{
		{"key and value", []byte("k\x00\xff"), []byte("{}")},
		{"null key and null value", nil, nil},
		{"empty key and empty value", []byte{}, []byte{}},
		{"empty key and null value", []byte{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t, kfake.SeedTopics(3, letterTopic))
			before := time.Now().Add(-time.Second)
			own := []fetch.Header{{Key: "null"}, {Key: "empty", Value: []byte{}}, {Key: "b", Value: []byte{0, 0xff}}}
			l := &Letter{
				Topic: "events", Partition: 7, Offset: 1, Timestamp: 1000, Key: c.key, Value: c.value, Stage: StageMapping, Reason: "empty",
				Headers: fetch.HeadersOf(own...),
			}
			if err := o.post(t.Context(), l)[0]; err != nil {
				t.Fatal(err)
			}
			r := o.read(1)[0]
			if r.Partition != 1 {
				t.Errorf("partition %d, want 7 modulo 3", r.Partition)
			}
			same := func(a, b []byte) bool { return (a == nil) == (b == nil) && string(a) == string(b) }
			if !same(r.Key, c.key) || !same(r.Value, c.value) {
				t.Errorf("key %#v value %#v, want %#v and %#v", r.Key, r.Value, c.key, c.value)
			}
			for i, h := range own {
				if r.Headers[i].Key != h.Key || !same(r.Headers[i].Value, h.Value) {
					t.Errorf("header %#v, want %#v", r.Headers[i], h)
				}
			}
			if r.Timestamp.Before(before) {
				t.Errorf("dated %s: retention would take it at once", r.Timestamp)
			}
		})
	}
}

func TestALetterIsAcknowledgedByAllReplicasAndCompressed(t *testing.T) {
	o := open(t, kfake.SeedTopics(1, letterTopic))
	var acks atomic.Int32
	acks.Store(99)
	o.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		acks.Store(int32(req.(*kmsg.ProduceRequest).Acks))
		return nil, nil, false
	})
	if err := o.post(t.Context(), &Letter{Topic: "events", Value: []byte(strings.Repeat("x", 1<<20))})[0]; err != nil {
		t.Fatal(err)
	}
	if n := acks.Load(); n != -1 {
		t.Errorf("acks %d on the wire, want -1: all", n)
	}
	if r := o.read(1)[0]; r.Attrs.CompressionType() == 0 {
		t.Error("not compressed")
	}
}

func TestOneLetterThatIsTooLargeKeepsNoOtherFromBeingWritten(t *testing.T) {
	o := open(t, kfake.SeedTopics(1, letterTopic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000"}))
	noise := make([]byte, 100<<10) // does not compress
	state := uint64(1)
	for i := range noise {
		state = state*6364136223846793005 + 1442695040888963407
		noise[i] = byte(state >> 56)
	}
	var letters []*Letter
	for i := range 20 {
		l := &Letter{Topic: "events", Offset: int64(i), Value: []byte("small")}
		if i == 7 {
			l.Value = noise
		}
		letters = append(letters, l)
	}
	for i, err := range o.post(t.Context(), letters...) {
		if i == 7 && !errors.Is(err, kafka.MessageSizeTooLarge) {
			t.Errorf("the large dead letter: %v", err)
		}
		if i != 7 && err != nil {
			t.Errorf("dead letter %d: %v", i, err)
		}
	}
	if n := len(o.read(19)); n != 19 {
		t.Errorf("%d dead letters lie there, want 19", n)
	}
}

// Letters that may be in the letterTopic are reported, and not written again one by one.
func TestLettersInDoubtAreWrittenOnceATry(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.UnknownServerError, kerr.PolicyViolation, kerr.NotLeaderForPartition} {
		o := open(t, kfake.SeedTopics(1, letterTopic))
		var mu sync.Mutex
		written := 0
		o.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: letterTopic, Err: code, Count: -1, When: func(req kmsg.Request) bool {
			var batch kmsg.RecordBatch
			if err := batch.ReadFrom(req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			written += int(batch.NumRecords)
			return true
		}})
		letters := make([]*Letter, 50)
		for i := range letters {
			letters[i] = &Letter{Topic: "events", Offset: int64(i), Value: []byte("x")}
		}
		for _, err := range o.post(t.Context(), letters...) {
			if err == nil {
				t.Errorf("%s: a dead letter counts as written", code.Message)
			}
		}
		mu.Lock()
		if written != 50 {
			t.Errorf("%s: 50 dead letters were written %d times", code.Message, written)
		}
		mu.Unlock()
	}
}

func TestAMissingTopicIsAnErrorUntilItIsThere(t *testing.T) {
	o := open(t)
	if err := o.post(t.Context(), &Letter{Topic: "events"})[0]; !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Fatalf("%v", err)
	}
	if o.RefusingSince().IsZero() {
		t.Error("no dead letter could be written, and nothing is said to refuse them")
	}
	if err := o.cluster.CreateTopic(letterTopic, 1, nil); err != nil {
		t.Fatal(err)
	}
	for o.post(t.Context(), &Letter{Topic: "events"})[0] != nil { // until the wire knows it
		o.wire.Refresh()
	}
	if !o.RefusingSince().IsZero() {
		t.Error("a dead letter was written, and yet they are said to be refused")
	}
	if o.cluster.TopicInfo(letterTopic) == nil || o.Exists(t.Context()) != nil {
		t.Error("the letterTopic is there and not found")
	}
}

func TestRefusingSinceKeepsItsBeginning(t *testing.T) {
	o := open(t, kfake.SeedTopics(1, letterTopic))
	fault := o.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: letterTopic, Err: kerr.PolicyViolation, Count: -1})
	if err := o.post(t.Context(), &Letter{Topic: "events"})[0]; !errors.Is(err, kafka.PolicyViolation) {
		t.Fatal(err)
	}
	since := o.RefusingSince()
	_ = o.post(t.Context(), &Letter{Topic: "events"})
	if again := o.RefusingSince(); !again.Equal(since) {
		t.Errorf("refusing since %s, then since %s", since, again)
	}
	fault.Remove()
	if err := o.post(t.Context(), &Letter{Topic: "events"})[0]; err != nil || !o.RefusingSince().IsZero() {
		t.Errorf("%v, refusing since %s", err, o.RefusingSince())
	}
}

func TestALetterWhoseContextEndedIsNotWritten(t *testing.T) {
	o := open(t, kfake.SeedTopics(1, letterTopic))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.post(ended, &Letter{Topic: "events", Value: []byte("cut")})[0]; !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if err := o.post(t.Context(), &Letter{Topic: "events", Value: []byte("next")})[0]; err != nil {
		t.Fatal(err)
	}
	if r := o.read(1); string(r[0].Value) != "next" {
		t.Errorf("%q was written", r[0].Value)
	}
}

func TestManyLettersShareRequestsAndEachIsWrittenOnce(t *testing.T) {
	o := open(t, kfake.SeedTopics(2, letterTopic))
	var requests atomic.Int64
	o.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		o.cluster.KeepControl()
		requests.Add(1)
		return nil, nil, false
	})
	var letters []*Letter
	for i := range 3000 {
		letters = append(letters, &Letter{Topic: "events", Partition: int32(i % 5), Offset: int64(i), Value: []byte("x")})
	}
	for _, err := range o.post(t.Context(), letters...) {
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for _, r := range o.read(3000) {
		for _, h := range r.Headers {
			if h.Key == HeaderPrefix+"offset" {
				seen[string(h.Value)]++
			}
		}
	}
	for i := range 3000 {
		if n := seen[fmt.Sprint(i)]; n != 1 {
			t.Errorf("dead letter %d was written %d times", i, n)
		}
	}
	if n := requests.Load(); n > 600 {
		t.Errorf("%d requests for 3000 dead letters", n)
	}
}

func TestCloseCutsALetterThatHangsAndTellsIt(t *testing.T) {
	o := open(t, kfake.SeedTopics(1, letterTopic))
	hang, sent := make(chan struct{}), make(chan struct{})
	defer close(hang)
	o.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(sent)
		o.cluster.SleepControl(func() { <-hang })
		return nil, nil, false
	})
	outcome := make(chan error, 1)
	o.Publish(t.Context(), &Letter{Topic: "events"}, func(err error) { outcome <- err })
	<-sent
	o.Close()
	select {
	case err := <-outcome:
		if err == nil {
			t.Error("a dead letter that was not acknowledged counts as written")
		}
	default:
		t.Error("closed, and a dead letter's outcome was never told")
	}
}
