package scenario

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// epochEnd asks partition 0's leader where an epoch ended.
func (w *world) epochEnd(current, epoch int32) (answer kmsg.OffsetForLeaderEpochResponseTopicPartition) {
	w.T.Helper()
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	part := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	part.CurrentLeaderEpoch, part.LeaderEpoch = current, epoch
	topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
	topic.Topic, topic.Partitions = apptest.EventTopic, append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	leader := w.Cluster.LeaderFor(apptest.EventTopic, 0)
	resp, err := w.Kafka.Broker(int(leader)).Request(context.Background(), req)
	if err != nil {
		w.T.Fatal(err)
	}
	return resp.(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]
}

// diverges asks partition 0's leader by a fetch, as KIP-595 has it; false: it does not.
func (w *world) diverges(at int64, last int32) (epoch int32, end int64, told bool) {
	w.T.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MaxWaitMillis = 1<<20, 10
	part := kmsg.NewFetchRequestTopicPartition()
	part.FetchOffset, part.LastFetchedEpoch, part.PartitionMaxBytes = at, last, 1<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = apptest.EventTopic, w.Cluster.TopicInfo(apptest.EventTopic).TopicID, append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	leader := w.Cluster.LeaderFor(apptest.EventTopic, 0)
	resp, err := w.Kafka.Broker(int(leader)).Request(context.Background(), req)
	if err != nil {
		w.T.Fatal(err)
	}
	d := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].DivergingEpoch
	return d.Epoch, d.EndOffset, d.EndOffset >= 0
}

// The embedded brokers answer for leader epochs as Kafka's do: the other tests rest on it.
func TestTheBrokersReportWhereAnEpochEnded(t *testing.T) {
	onDisk(t, func(w *world) {
		w.Epochs.ReportDivergence = true
		ends := func(asked, epoch int32, end int64) {
			t.Helper()
			if a := w.epochEnd(-1, asked); a.ErrorCode != 0 || a.LeaderEpoch != epoch || a.EndOffset != end {
				t.Errorf("epoch %d ended in %d at %d (code %d), want %d at %d", asked, a.LeaderEpoch, a.EndOffset, a.ErrorCode, epoch, end)
			}
		}
		w.singly(0, 10)
		ends(0, 0, 10)
		w.RaiseEpoch(1)
		ends(0, 0, 10) // nothing was written in 1
		ends(1, 1, 10)
		w.RaiseEpoch(3)
		ends(0, 0, 10)
		ends(1, 0, 10) // nor in 1 and 2, of which Kafka keeps nothing
		w.singly(10, 15)
		ends(0, 0, 10)
		ends(2, 0, 10)
		ends(3, 3, 15)
		ends(9, -1, -1)
		for current, code := range map[int32]int16{2: kerr.FencedLeaderEpoch.Code, 4: kerr.UnknownLeaderEpoch.Code, 3: 0} {
			if a := w.epochEnd(current, 0); a.ErrorCode != code {
				t.Errorf("current epoch %d: code %d, want %d", current, a.ErrorCode, code)
			}
		}
		w.truncate(12)
		w.singly(20, 30) // in epoch 4, over 12 to 14
		ends(3, 3, 12)
		ends(4, 4, 22)
		if epoch, end, told := w.diverges(15, 3); !told || epoch != 3 || end != 12 {
			t.Errorf("a fetch at 15 that read in epoch 3: diverges %t in %d at %d, want in 3 at 12", told, epoch, end)
		}
		if _, _, told := w.diverges(12, 3); told {
			t.Error("a fetch at 12 that read in epoch 3 does not diverge")
		}
		w.RecreateTopic(nil)
		w.singly(30, 40)
		ends(0, 0, 10)
		ends(4, -1, -1)
	})
}
