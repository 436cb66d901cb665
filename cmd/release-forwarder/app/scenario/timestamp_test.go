package scenario

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/deadletters"
	"release-forwarder/cmd/release-forwarder/cli/find"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/cmd/testkit/platform"
)

// Producers write anything as a record's time.
var strangeTimestamps = []int64{1_795_493_203_806_000, 1_795_493_203, 0, -1, math.MaxInt64, math.MinInt64, 4_102_444_800_000}

// A record's timestamp may be any number: it is shown as it came, and no age overflows.
//
// DLQ_HELD_BEFORE includes records without a believable timestamp.
func TestStrangeTimestampsDoNoHarm(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(q *platform.Request) *platform.Reply {
			if q.Params["park_uuid"] == "bad" {
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
			}
			return nil
		})
		time.Sleep(24 * time.Hour)
		for i, timestamp := range strangeTimestamps {
			w.produceStamped(apptest.EventTopic, apptest.EventOfLot("bad", 2*i), timestamp)
			w.produceStamped(apptest.EventTopic, apptest.EventOfLot("good", 100+2*i), timestamp)
		}
		w.ProduceAt(0, apptest.EventOfLot("bad", 200), time.Now()) // after the person's time: it stays
		r := w.Start("DLQ_HELD_BEFORE", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
		w.Until("the dead letters", func() bool { return w.DeadLetterCount() == int64(len(strangeTimestamps)) }, 20*time.Second)
		if age := r.Snapshot().OldestUnfinished().Seconds(); age < 0 || age > 60 {
			t.Errorf("the oldest unfinished record is %v s old", age)
		}
		for _, p := range r.Snapshot().Partitions {
			if p.RetentionLeft != telemetry.Unknown {
				t.Errorf("retention leaves %d s in %d", p.RetentionLeft, p.Partition)
			}
		}
		w.End(r)
		shown := map[string]apptest.Command{}
		var want []string
		deadLetters := w.DeadLetters()
		slices.SortFunc(deadLetters, func(a, b *kgo.Record) int { return int(a.Partition - b.Partition) })
		for _, l := range deadLetters {
			if apptest.DeadLetterHeader(l, "reason") != "by-operator" {
				t.Errorf("reason %s", apptest.DeadLetterHeader(l, "reason"))
			}
			want = append(want, apptest.DeadLetterHeader(l, "timestamp"))
			id := fmt.Sprintf("%d/%d", l.Partition, l.Offset)
			shown["show "+id] = &deadletters.ShowCommand{ID: id}
			out, _, err := w.Command(shown["show "+id])
			if line := "dated           " + apptest.DeadLetterHeader(l, "timestamp") + "\n"; err != nil || !strings.Contains(out, line) {
				t.Errorf("show %s lacks %q: %v %s", id, line, err, out)
			}
		}
		for _, timestamp := range strangeTimestamps {
			if !slices.Contains(want, fmt.Sprint(timestamp)) {
				t.Errorf("no dead letter shows %d: %v", timestamp, want)
			}
		}
		listJSON := listed
		listJSON.JSON = true
		find := find.Command{Lot: []string{"bad", "good"}, Since: "240h", Limit: 1000}
		for name, c := range map[string]apptest.Command{"list --json": &listJSON, "export": &deadletters.ExportCommand{}, "find": &find} {
			out, beside, err := w.Command(c)
			if err != nil {
				t.Errorf("%s: %v %s", name, err, beside)
			}
			for _, text := range want {
				if !strings.Contains(out, text) {
					t.Errorf("%s does not tell of %s: %s", name, text, out)
				}
			}
		}
	})
}

// Dead letters of any timestamp are listed as they are, and do not change the age of the oldest.
//
// Another program copied them, with times of its own.
func TestDeadLettersOfStrangeTimesAreListed(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		time.Sleep(24 * time.Hour)
		var headers []kmsg.Header
		for name, value := range map[string]string{"topic": apptest.EventTopic, "partition": "0", "offset": "0", "group": apptest.Group, "stage": "upstream", "reason": "refused"} {
			headers = append(headers, kmsg.Header{Key: "__forwarder.errors." + name, Value: []byte(value)})
		}
		for _, timestamp := range append(strangeTimestamps, time.Now().UnixMilli()) {
			w.produceStamped(apptest.DeadLetterTopic, apptest.EventOfLot("bad", 0), timestamp, headers...)
		}
		time.Sleep(time.Hour)
		counted, listed := counted, listed
		out, beside, err := w.Command(&counted)
		if err != nil || !strings.Contains(out, "(1h0m ago)") {
			t.Errorf("stats: %v %s %s", err, out, beside)
		}
		out, beside, err = w.Command(&listed)
		for _, timestamp := range strangeTimestamps {
			if timestamp != -1 && !strings.Contains(out, fmt.Sprint(timestamp)) {
				t.Errorf("list does not tell of %d: %v %s %s", timestamp, err, out, beside)
			}
		}
	})
}

// produceStamped writes a record whose timestamp is any number: clients bound it.
func (w *world) produceStamped(topic, value string, timestamp int64, headers ...kmsg.Header) {
	w.T.Helper()
	record := kmsg.Record{Value: []byte(value), Headers: headers}
	record.Length = int32(len(record.AppendTo(nil)) - 1) // the length itself, 0, takes one byte
	batch := kmsg.RecordBatch{
		Magic: 2, PartitionLeaderEpoch: -1, FirstTimestamp: timestamp, MaxTimestamp: timestamp,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 1, Records: record.AppendTo(nil),
	}
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	topics, err := kadm.NewClient(w.Kafka).ListTopics(context.Background(), topic)
	if err != nil {
		w.T.Fatal(err)
	}
	q := kmsg.NewPtrProduceRequest()
	q.Acks, q.TimeoutMillis = -1, 5000
	q.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, TopicID: topics[topic].ID, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: raw}}}}
	leader := w.Cluster.LeaderFor(topic, 0)
	res, err := w.Kafka.Broker(int(leader)).Request(context.Background(), q)
	if err == nil {
		err = kerr.ErrorForCode(res.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		w.T.Fatal(err)
	}
}
