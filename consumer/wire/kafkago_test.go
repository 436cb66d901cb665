package wire

import (
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// Each message takes a connection of its own: a hundred partitions may not take hundreds.
func TestAQuestionForOffsetsGoesOnceToEachLeaderForEachTime(t *testing.T) {
	cluster := protocol.Cluster{
		Brokers: map[int32]protocol.Broker{0: {ID: 0}, 1: {ID: 1}, 2: {ID: 2}},
		Topics:  map[string]protocol.Topic{"events": {Name: "events", Partitions: map[int32]protocol.Partition{}}},
	}
	req := &listoffsets.Request{ReplicaID: -1, IsolationLevel: 1, Topics: []listoffsets.RequestTopic{{Topic: "events"}}}
	for n := range int32(101) {
		if n < 100 { // the last one is not known
			cluster.Topics["events"].Partitions[n] = protocol.Partition{ID: n, Leader: n % 3}
		}
		for _, at := range []int64{kafka.FirstOffset, kafka.LastOffset} {
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, listoffsets.RequestPartition{Partition: n, CurrentLeaderEpoch: -1, Timestamp: at})
		}
	}
	parts, merger, err := split(req, cluster)
	if err != nil || merger == nil || len(parts) != 2*(3+1) {
		t.Fatalf("%d messages to three leaders, and for a partition without one, want 8: %v", len(parts), err)
	}
	asked := map[listoffsets.RequestPartition]int{}
	for _, part := range parts {
		m := part.(*listoffsets.Request)
		to, err := m.Broker(cluster)
		if err != nil || m.ReplicaID != -1 || m.IsolationLevel != 1 || len(m.Topics) != 1 || m.Topics[0].Topic != "events" {
			t.Fatalf("%+v, %v", m, err)
		}
		here := map[int32]bool{}
		for _, p := range m.Topics[0].Partitions {
			if here[p.Partition] {
				t.Errorf("partition %d twice in one message: brokers refuse that", p.Partition)
			}
			here[p.Partition] = true
			asked[p]++
			if led, known := cluster.Topics["events"].Partitions[p.Partition]; known && led.Leader != to.ID {
				t.Errorf("partition %d of leader %d is asked of %d", p.Partition, led.Leader, to.ID)
			}
		}
	}
	for _, p := range req.Topics[0].Partitions {
		if asked[p] != 1 {
			t.Errorf("partition %d at %d is asked for %d times", p.Partition, p.Timestamp, asked[p])
		}
	}
}
