package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

// kafkaScenarios: what can happen on Kafka's side.
func kafkaScenarios() []scenario {
	return []scenario{
		{name: "transactions: committed are sent, aborted never, lag reaches 0", run: transactions},
		{name: "partitions are added", run: partitionsAdded},
		{name: "a broker is killed and comes back under load", run: brokerRestart, disturbs: true},
		{name: "all brokers are restarted one by one under load", run: brokersRolled, disturbs: true, notOn: func(b backend) string {
			if b.brokers() < 3 {
				return "needs three brokers"
			}
			return ""
		}},
		{name: "gaps left by compaction are passed", run: compacted},
		{name: "records that Kafka dropped are passed, and counted", run: droppedByKafka},
	}
}

func transactions(t *testing.T) {
	w := newWorld(t, plan{})
	w.watchCommits()
	f := w.start()
	producer := w.producer(kgo.TransactionalID(w.topic))
	transaction := func(end kgo.TransactionEndTry, events []*event, before func()) {
		t.Helper()
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if err := producer.ProduceSync(w.ctx(), e.record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		before()
		if err := producer.EndTransaction(w.ctx(), end); err != nil {
			t.Fatal(err)
		}
	}
	nothing := func() {}
	first, aborted, last, open := w.releases(5, 1), w.releases(5, 1), w.releases(5, 1), w.releases(5, 1)
	transaction(kgo.TryCommit, first, nothing)
	transaction(kgo.TryAbort, aborted, nothing)
	w.produce(w.releases(5, 1)...)
	transaction(kgo.TryCommit, last, nothing)
	w.acceptedAll(append(first, last...)...)
	w.caughtUp() // past the markers too

	behind := w.releases(5, 1)
	transaction(kgo.TryAbort, open, func() {
		w.produce(behind...)
		eventually(t, "the open transaction hides what is behind it", func() error {
			stable, err := w.admin.ListCommittedOffsets(w.ctx(), w.topic)
			if err == nil && stable[w.topic][0].Offset != open[0].record.Offset {
				err = fmt.Errorf("the last stable offset is %d", stable[w.topic][0].Offset)
			}
			return err
		})
		eventually(t, "the status page counts what cannot be read", func() error {
			_, text, err := f.get("/status.json")
			var page struct {
				Unread       int
				OldestUnread string `json:"oldest_unread"`
			}
			if err == nil {
				err = json.Unmarshal([]byte(text), &page)
			}
			if err == nil && (page.Unread != 10 || page.OldestUnread == "") {
				err = fmt.Errorf("%d, the oldest from %q", page.Unread, page.OldestUnread)
			}
			return err
		})
		if at := w.committed(0); at > open[0].record.Offset {
			t.Errorf("committed %d, into the open transaction", at)
		}
	})
	w.drained()
	w.noDeadLetters()
	for _, e := range append(aborted, open...) {
		if got := w.platform.Tally(e.flow); got.Received > 0 {
			t.Errorf("the aborted record at %d was sent", e.record.Offset)
		}
	}
	w.acceptedOnce(append(append(first, last...), behind...)...)
}

func partitionsAdded(t *testing.T) {
	w := newWorld(t, plan{})
	w.watchCommits()
	w.start()
	w.produce(w.releases(10, 1)...)
	w.drained()
	if answer, err := w.admin.UpdatePartitions(w.ctx(), 4, w.topic); err != nil || answer.Error() != nil {
		t.Fatal(err, answer.Error())
	}
	eventually(t, "the new partitions have their leaders", func() error {
		ends, err := w.ends()
		if err == nil && len(ends) != 4 {
			err = fmt.Errorf("%d partitions", len(ends))
		}
		return err
	})
	// A producer sees them before the forwarder does: these records count.
	producer := w.producer()
	w.produceBy(producer, w.releases(40, 4)...)
	w.drained()
	w.noDeadLetters()
	if n := w.platform.repeated(); n > 0 {
		t.Errorf("%d repeats, want none", n)
	}
}

func brokerRestart(t *testing.T) {
	w := newWorld(t, plan{partitions: 2, need: need{durable: true}})
	w.watchCommits()
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 10 * time.Millisecond} })
	f := w.start()
	stop := w.load(2)
	for range 2 {
		w.total(w.platform.total() + 300)
		before := w.committed(1)
		eventually(t, "commits follow", func() error {
			if at := w.committed(1); at <= before {
				return fmt.Errorf("%d", at)
			}
			return nil
		})
		w.cluster.bounce(w.topic)
		w.produce(w.raw(0, []byte(planted)))
	}
	w.total(w.platform.total() + 300)
	stop()
	w.drained()
	f.stays()
	t.Log(w.summary())
}

func droppedByKafka(t *testing.T) {
	w := newWorld(t, plan{})
	f := w.start()
	w.produce(w.releases(10, 1)...)
	w.drained()
	f.stop()
	dropped, kept := w.releases(10, 1), w.releases(10, 1)
	w.produce(append(dropped, kept...)...)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: w.topic, Partition: 0, At: kept[0].record.Offset, LeaderEpoch: -1})
	if answer, err := w.admin.DeleteRecords(w.ctx(), offsets); err != nil || answer.Error() != nil {
		t.Fatal(err, answer.Error())
	}
	f = w.start()
	w.caughtUp()
	w.acceptedOnce(kept...)
	eventually(t, "the dropped records are counted", func() error {
		return f.metric(fmt.Sprintf(`release_forwarder_records_dropped_by_kafka_total{partition="0",topic="%s"}`, w.topic), 10)
	})
	f.answers("/livez", http.StatusOK)
}

func brokersRolled(t *testing.T) {
	w := newWorld(t, plan{partitions: 3, need: need{durable: true}})
	w.watchCommits()
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 10 * time.Millisecond} })
	f := w.start().ready()
	stop := w.load(3)
	w.total(300)
	w.cluster.roll()
	w.total(w.platform.total() + 300)
	stop()
	w.drained()
	w.noDeadLetters()
	f.stays()
	t.Log(w.summary())
}

// compacted removes most of the log while nobody reads it: what is left begins
// and ends amid batches.
func compacted(t *testing.T) {
	w := newWorld(t, plan{topicConfig: map[string]string{
		"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "500",
	}})
	var unique []*event
	replaced := map[string]*event{} // by flow number
	// again makes records of one key: all but the last may be removed.
	again := func(n int) []*event {
		events := w.releases(n, 1)
		for _, e := range events {
			e.record.Key = []byte(planted + "-same")
			replaced[e.flow.No] = e
		}
		return events
	}
	for range 3 {
		alone := w.release(0)
		unique = append(unique, alone)
		w.write(append(append(again(20), alone), again(20)...)...)
	}
	var left []*kgo.Record
	next := time.Now()
	eventually(t, "Kafka compacts the log", func() (err error) {
		if time.Now().After(next) { // the segment that is written to is left alone: roll it
			next = time.Now().Add(500 * time.Millisecond)
			w.write(again(1)...)
		}
		w.cluster.compact()
		if left, err = w.read(w.topic); err == nil && len(left) > 40 {
			err = fmt.Errorf("%d records are left", len(left))
		}
		return err
	})
	for _, r := range left {
		for flow := range replaced {
			if bytes.Contains(r.Value, []byte(flow)) {
				delete(replaced, flow)
			}
		}
	}
	w.start()
	w.caughtUp()
	w.noDeadLetters()
	w.acceptedOnce(unique...)
	for _, e := range replaced {
		if w.platform.Tally(e.flow).Received > 0 {
			t.Errorf("the record at %d was removed, and sent", e.record.Offset)
		}
	}
}

// write produces records that Kafka may drop, so that they do not count as
// lost.
func (w *world) write(events ...*event) {
	w.t.Helper()
	for _, e := range events {
		if err := w.client.ProduceSync(w.ctx(), e.record).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}
