package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/testkit/platform"
)

// planted words of an event may not be seen; the first characters may.
const PlantedEvent = `{"park_uuid":"lot-1","flow_no":"F1","parking_serial":"S1","plate":"粤PLANTED1","operator":"张PLANTED",` +
	`"reason":"设PLANTED","car_desc":"临PLANTED","plate_color":"蓝","unknown":"PLANTED","other":{"PLANTED":1}}`

// Refuse makes the platform fail all requests of an order key.
func (w *World) FailOrderKey(orderKey string) {
	w.Platform.Script(func(r *platform.Request) *platform.Reply {
		if r.Params["parking_serial"] == orderKey {
			return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
		}
		return nil
	})
}

// CommitOf gives a partition's commit as Kafka holds it.
func (w *World) CommitOf(client *kgo.Client, partition int32) kadm.Offset {
	w.T.Helper()
	offsets, err := kadm.NewClient(client).FetchOffsets(context.Background(), Group)
	if err != nil {
		w.T.Fatal(err)
	}
	o, _ := offsets.Lookup(EventTopic, partition)
	return o.Offset
}

// HeldAtTheFront leaves 5 records, of which the first and the second last are
// held, and a commit that tells so.
func (w *World) StartWithHeldRecords() *Replica {
	w.T.Helper()
	w.FailOrderKey("S-1")
	r := w.Start()
	w.Until("the group", func() bool { return w.Committed(0) == 0 })
	w.Produce(0, Event(1, 0), Event(2, 0), Event(3, 0), Event(1, 1), Event(4, 0))
	w.Until("the acceptances", func() bool { return w.Platform.Stats().Accepted == 3 })
	w.Until("the commit", func() bool {
		c := w.CommitOf(w.Kafka, 0)
		tells, err := DecodeCommit(ClusterID, EventTopic, 0, c.At, c.Metadata)
		return err == nil && len(tells.Done) == 3
	})
	return r
}

// CommitAs commits for the group as a tool does: from outside, without a member.
func (w *World) CommitAsTool(client *kgo.Client, offset int64, metadata string) {
	w.T.Helper()
	w.CommitWithEpoch(client, offset, -1, metadata)
}

// CommitWith commits with the leader epoch of the last record below, as the service
// does.
func (w *World) CommitWithEpoch(client *kgo.Client, offset int64, epoch int32, metadata string) {
	w.T.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: EventTopic, Partition: 0, At: offset, LeaderEpoch: epoch, Metadata: metadata})
	answer, err := kadm.NewClient(client).CommitOffsets(context.Background(), Group, offsets)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		w.T.Fatal(err)
	}
}

// Configure sets a configuration of the event topic.
func (w *World) ConfigureTopic(name, value string) {
	w.T.Helper()
	if _, err := kadm.NewClient(w.Kafka).AlterTopicConfigs(context.Background(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, EventTopic); err != nil {
		w.T.Fatal(err)
	}
}

// ProduceDated writes a value whose record states a time.
func (w *World) ProduceAt(partition int32, value string, at time.Time) {
	w.T.Helper()
	err := w.Kafka.ProduceSync(context.Background(), &kgo.Record{Topic: EventTopic, Partition: partition, Value: []byte(value), Timestamp: at}).FirstErr()
	if err != nil {
		w.T.Fatal(err)
	}
}

// Sent tells how often a lot's requests were accepted and refused.
func (w *World) AnswersOf(lot string) (accepted, refused int) {
	for _, r := range w.Platform.Requests() {
		if r.Params["park_uuid"] != lot {
			continue
		}
		if r.Code == "1001" {
			accepted++
		} else {
			refused++
		}
	}
	return accepted, refused
}

// LinesOf gives the log lines of an event.
func (w *World) LogLines(event string) (lines []map[string]any) {
	w.T.Helper()
	for line := range strings.Lines(w.Log.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			w.T.Fatal(err)
		}
		if l["event"] == event {
			lines = append(lines, l)
		}
	}
	return lines
}

func EventOfLot(lot string, n int) string {
	return fmt.Sprintf(`{"park_uuid":%q,"flow_no":"F-%d","parking_serial":"S-%d","plate":"粤B%05d"}`, lot, n, n/2, n)
}

// DeadLetterCount counts the dead letters written so far.
func (w *World) DeadLetterCount() int64 {
	w.T.Helper()
	ends, err := kadm.NewClient(w.Kafka).ListEndOffsets(context.Background(), DeadLetterTopic)
	if err != nil {
		w.T.Fatal(err)
	}
	n := int64(0)
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// Rebalance makes the group assign anew, once.
func (w *World) Rebalance() {
	w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress, Count: 1})
}

// Loses has the group forget the member: it loses all and joins as a new one.
func (w *World) ForgetMember() {
	w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1})
}

// Backlog produces n events of different order keys to each partition.
func (w *World) Backlog(partitions int32, n int) {
	w.T.Helper()
	for p := range partitions {
		var values []string
		for i := range n {
			values = append(values, Event(int(p)*n+i, 0))
		}
		w.Produce(p, values...)
	}
}

func (w *World) AllCommitted(partitions int32, n int64) func() bool {
	return func() bool {
		for p := range partitions {
			if w.Committed(p) != n {
				return false
			}
		}
		return true
	}
}

// Failing makes the platform answer 500 for what match chooses.
func (w *World) FailFlows(match func(flow string) bool) {
	w.Platform.Script(func(r *platform.Request) *platform.Reply {
		if match(r.Params["flow_no"]) {
			return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
		}
		return nil
	})
}

const AnotherLogLine = "the log is another one than was read before"

// What Kafka did to a log is judged by three witnesses, none of them the service's
// own word: what stands in the log at the end, what the platform accepted, and what
// Kafka acknowledged to the producers. A record of the log that is neither accepted
// nor a dead letter was passed over. One that was acknowledged, is in no log any more
// and was not accepted is gone; the service cannot help that, but it must count and say
// it.

// Acknowledge notes events that Kafka took.
func (w *World) Acknowledge(values ...string) {
	for _, v := range values {
		if no := FlowNo(v); no != "" {
			w.Acknowledged[no] = true
		}
	}
}

func FlowNo(value string) string {
	var e struct {
		FlowNo string `json:"flow_no"`
	}
	_ = json.Unmarshal([]byte(value), &e) // what is no event has none
	return e.FlowNo
}
