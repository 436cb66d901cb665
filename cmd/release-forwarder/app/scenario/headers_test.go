package scenario

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/deadletters"
	"release-forwarder/cmd/release-forwarder/cli/find"
)

// produceHeaders produces events with so many headers each. What a client may pack into a
// batch is the producer's choice; on the wire these are some KiB.
func (w *world) produceHeaders(topic string, partition int32, headers []kgo.RecordHeader, values ...string) {
	w.T.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.ProducerBatchMaxBytes(64<<20), kgo.BrokerMaxWriteBytes(256<<20), kgo.DisableIdempotentWrite())
	if err != nil {
		w.T.Fatal(err)
	}
	defer c.Close()
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v), Headers: headers}
		if err := c.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			w.T.Fatal(err)
		}
	}
}

// Held records of half a million headers keep to CONSUMER_MAX_PENDING_BYTES, and the others are sent.
//
// A header takes two bytes in the log.
func TestHeldRecordsOfManyHeadersKeepToTheBytes(t *testing.T) {
	inVirtualTime(t, 3, func(w *world) {
		refuses := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.DeadLetterTopic, Err: kerr.NotEnoughReplicas, Count: -1})
		w.RefuseLot("refused")
		var bombs []string
		for i := range 30 {
			bombs = append(bombs, strings.Replace(apptest.Event(1000+i, 0), fmt.Sprintf("lot-%d", (1000+i)%7), "refused", 1))
		}
		w.produceHeaders(apptest.EventTopic, 0, make([]kgo.RecordHeader, 500_000), bombs...)
		w.Backlog(3, 20)
		before := apptest.HeapInUse()
		r := w.Start()
		w.Until("the others", func() bool { return w.Platform.Stats().Accepted >= 40 })
		time.Sleep(5 * time.Minute)
		if grown := apptest.HeapInUse() - before; grown > 16<<20 {
			t.Errorf("%d MiB more in memory, where CONSUMER_MAX_PENDING_BYTES is 16MiB", grown>>20)
		}
		refuses.Remove()
		w.Until("all", func() bool { return w.Committed(0) == 50 }, 10*time.Minute)
		if n := w.Platform.Stats().Accepted; n != 60 {
			t.Errorf("%d were accepted, want the 60 others", n)
		}
		w.End(r)
	})
}

// A record of more than 4096 headers is not sent: it becomes a dead letter in its turn.
//
// The dead letter holds the first 4096, says so, and is replayed as any other.
func TestARecordOfTooManyHeadersIsADeadLetter(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		refuses := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.DeadLetterTopic, Err: kerr.NotEnoughReplicas, Count: -1})
		headers := make([]kgo.RecordHeader, 1_000_000)
		for i := range headers {
			headers[i].Key = fmt.Sprint(i % 10)
		}
		headers[len(headers)-1] = kgo.RecordHeader{Key: "__forwarder.errors.redrives", Value: []byte("3")}
		w.Produce(0, apptest.Event(1, 0))
		w.produceHeaders(apptest.EventTopic, 0, headers, apptest.Event(1, 1))
		w.produceHeaders(apptest.EventTopic, 0, headers[:4096], apptest.Event(2, 0))
		w.Produce(0, apptest.Event(1, 2))
		r := w.Start()
		w.Until("what is before it, and another order key's", func() bool { return w.Platform.Stats().Accepted == 2 })
		time.Sleep(time.Minute)
		if n := w.Platform.Stats().Accepted; n != 2 {
			t.Errorf("%d were accepted, with one of the order key that is behind the dead letter", n)
		}
		refuses.Remove()
		w.Until("all", w.AllCommitted(1, 4), 5*time.Minute)
		w.End(r)
		if n := w.Platform.Stats().Accepted; n != 3 {
			t.Errorf("%d were accepted, want all but the one", n)
		}
		deadLetters := w.DeadLetters()
		if len(deadLetters) != 1 {
			t.Fatalf("%d dead letters", len(deadLetters))
		}
		l := deadLetters[0]
		if string(l.Value) != apptest.Event(1, 1) || apptest.DeadLetterHeader(l, "reason") != "too-long" || apptest.DeadLetterHeader(l, "stage") != "mapping" || apptest.DeadLetterHeader(l, "field") != "headers" ||
			apptest.DeadLetterHeader(l, "message") != "headers: 1000000, at most 4096; the dead letter keeps the first 4096" || apptest.DeadLetterHeader(l, "redrives") != "3" {
			t.Errorf("the dead letter says %q, %q, %q, %q", apptest.DeadLetterHeader(l, "reason"), apptest.DeadLetterHeader(l, "field"), apptest.DeadLetterHeader(l, "message"), apptest.DeadLetterHeader(l, "redrives"))
		}
		if n := len(l.Headers); n < 4096 || n > 4096+20 || l.Headers[4095].Key != "5" {
			t.Errorf("%d headers", n)
		}
	})
}

// Each command reads a dead letter of a million headers in 128 MiB.
//
// Any writer may have left it; it takes 8 MB in the log.
func TestTheCommandsReadDeadLettersOfManyHeaders(t *testing.T) {
	for name, command := range map[string]func(w *world) error{
		"list": func(w *world) error { _, _, err := w.Command(&listed); return err },
		"show": func(w *world) error {
			_, _, err := w.Command(&deadletters.ShowCommand{ID: "0/0", JSON: true})
			return err
		},
		"stats":  func(w *world) error { _, _, err := w.Command(&counted); return err },
		"export": func(w *world) error { _, _, err := w.Command(&deadletters.ExportCommand{Reveal: true}); return err },
		"close": func(w *world) error {
			_, _, err := w.Command(&deadletters.CloseCommand{IDs: []string{"0/0"}, Why: "a test"})
			return err
		},
		"replay": func(w *world) error {
			_, beside, err := w.Command(&deadletters.ReplayCommand{MaxRedrives: -1})
			if !strings.Contains(beside, "headers: 1000008, at most 4096") {
				w.T.Errorf("it is replayed: %s", beside)
			}
			return err
		},
		"find": func(w *world) error { _, _, err := w.find(find.Command{Flow: []string{"F-1-0"}}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				var headers []kgo.RecordHeader
				for name, value := range map[string]string{
					"topic": apptest.EventTopic, "partition": "0", "offset": "0", "group": apptest.Group, "stage": "upstream", "reason": "refused", "attempts": "1", "redrives": "0",
				} {
					headers = append(headers, kgo.RecordHeader{Key: "__forwarder.errors." + name, Value: []byte(value)})
				}
				for i := range 250_000 {
					headers = append(headers, kgo.RecordHeader{Key: "__forwarder.errors." + fmt.Sprint(i)}, kgo.RecordHeader{}, kgo.RecordHeader{}, kgo.RecordHeader{})
				}
				w.produceHeaders(apptest.DeadLetterTopic, 0, headers, apptest.Event(1, 0))
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				if err := command(w); err != nil {
					t.Error(err)
				}
				runtime.ReadMemStats(&after)
				if taken := (after.TotalAlloc - before.TotalAlloc) >> 20; taken > 128 {
					t.Errorf("%d MiB were allocated", taken)
				}
			})
		})
	}
}

// A record that is too large to read stops its partition alone, until KAFKA_MAX_RECORD_BYTES is raised.
//
// Then the record is handled as any other, and nothing is skipped.
func TestARecordTooLargeToReadStopsItsPartition(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.Produce(0, apptest.Event(1, 0))
		w.produceHeaders(apptest.EventTopic, 0, nil, strings.Repeat("\x00", 40_000_000))
		w.Produce(0, apptest.Event(2, 0))
		r := w.Start()
		w.Backlog(2, 10)
		w.Until("the other partition", func() bool { return w.Committed(1) == 10 && w.Committed(0) == 1 })
		time.Sleep(10 * time.Minute)
		if at := w.Committed(0); at != 1 {
			t.Errorf("committed %d, past what cannot be read", at)
		}
		if len(w.LogLines("log-unreadable")) == 0 {
			t.Error("nothing says why it stands")
		}
		w.End(r)
		r = w.Start("KAFKA_MAX_RECORD_BYTES", "10MiB")
		w.Until("the rest", func() bool { return w.Committed(0) == 13 }, 5*time.Minute)
		w.End(r)
		if l := w.DeadLetters(); len(l) != 1 || len(l[0].Value) != 40_000_000 || apptest.DeadLetterHeader(l[0], "reason") != "invalid-json" {
			t.Errorf("%d dead letters", len(l))
		}
	})
}
