package account_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/sandbox/account"
)

// newKafka starts a Kafka with an event topic of two partitions and a
// dead-letter topic of one.
func newKafka(t *testing.T) (*account.Kafka, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topic), kfake.SeedTopics(1, "letters"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &account.Kafka{
		Brokers: cluster.ListenAddrs(), Topic: topic, DeadLetters: "letters", Group: "group", Admin: kadm.NewClient(client),
	}, client
}

func produce(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, k *account.Kafka, partition int32, at int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1})
	if err := k.Admin.CommitAllOffsets(context.Background(), k.Group, offsets); err != nil {
		t.Fatal(err)
	}
}

func TestEvidenceIsAllThatKafkaHolds(t *testing.T) {
	k, client := newKafka(t)
	own := []kgo.RecordHeader{{Key: "traceparent", Value: []byte("00-…")}, {Key: "empty"}}
	for i := range 500 {
		produce(t, client, &kgo.Record{
			Topic: topic, Partition: int32(i % 2), Headers: own,
			Value: fmt.Appendf(nil, `{"park_uuid":" lot ","flow_no":"%d","parking_serial":"s"}`, i),
		})
	}
	produce(t, client, &kgo.Record{Topic: topic, Partition: 1, Value: []byte("not JSON")})
	produce(t, client, &kgo.Record{
		Topic: "letters", Value: []byte("not JSON"),
		Headers: []kgo.RecordHeader{
			{Key: "topic", Value: []byte("the record's own, not the dead letter's")},
			{Key: "__forwarder.errors.topic", Value: []byte(topic)}, {Key: "__forwarder.errors.partition", Value: []byte("1")},
			{Key: "__forwarder.errors.offset", Value: []byte("250")}, {Key: "__forwarder.errors.stage", Value: []byte("mapping")},
			{Key: "__forwarder.errors.reason", Value: []byte("invalid-json")},
		},
	})
	commit(t, k, 1, 251)

	e, err := k.Evidence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Records) != 501 || len(e.DeadLetters) != 1 || e.End[0] != 250 || e.End[1] != 251 {
		t.Fatalf("%d records, %d dead letters, ends %v", len(e.Records), len(e.DeadLetters), e.End)
	}
	if at, any := e.Committed[1]; at != 251 || !any {
		t.Errorf("committed %v", e.Committed)
	}
	if _, any := e.Committed[0]; any {
		t.Errorf("partition 0 has no commit, yet: %v", e.Committed)
	}
	l := e.DeadLetters[0]
	if want := (account.Place{Partition: 1, Offset: 250}); l.Of != want || l.Topic != topic || l.Stage != "mapping" || l.Reason != "invalid-json" {
		t.Errorf("dead letter %+v", l)
	}
	for _, r := range e.Records {
		if r.Place.Offset < 250 && (r.Flow.Lot != "lot" || r.OrderKey == "") {
			t.Fatalf("record %+v", r)
		}
	}

	p, err := k.Progress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (account.Progress{Produced: 501, DeadLetters: 1, Lag: 250}); p != want {
		t.Errorf("progress %+v, want %+v", p, want)
	}
}

func TestEvidenceOfEmptyTopics(t *testing.T) {
	k, _ := newKafka(t)
	e, err := k.Evidence(t.Context())
	if err != nil || len(e.Records)+len(e.DeadLetters) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestADeadLettersPrintIsItsRecordsAndNoOther(t *testing.T) {
	k, client := newKafka(t)
	added := kgo.RecordHeader{Key: "__forwarder.errors.stage", Value: []byte("mapping")}
	records := []*kgo.Record{
		{Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}},
		{Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, added}},
		{Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("2")}}},
		{Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h"}}},
		{Key: []byte("kv"), Value: []byte{}, Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}},
		{Value: []byte("v")},
		{Key: []byte{}, Value: []byte("v")},
		{Key: []byte("k")},
	}
	for _, r := range records {
		r.Topic = topic
	}
	produce(t, client, records...)
	e, err := k.Evidence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e.Records[0].Print != e.Records[1].Print {
		t.Error("a header that a dead letter adds changes the print")
	}
	seen := map[account.Print]int{}
	for i, r := range e.Records[1:] {
		if was, twice := seen[r.Print]; twice {
			t.Errorf("records %d and %d differ and have one print", was, i+1)
		}
		seen[r.Print] = i + 1
	}
}
