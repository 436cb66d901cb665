package fetch

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// anyRequest makes up a request: some topics, some of their partitions, with IDs or not.
func anyRequest(t *rapid.T) *Request {
	r := &Request{
		ClientID: rapid.SampledFrom([]string{"", "forwarder", "放行"}).Draw(t, "client"),
		Rack:     rapid.SampledFrom([]string{"", "east"}).Draw(t, "rack"),
		MaxWait:  time.Duration(rapid.Int32Min(0).Draw(t, "wait")) * time.Millisecond,
		MinBytes: rapid.Int32().Draw(t, "least"), MaxBytes: rapid.Int32().Draw(t, "most"),
		Peek: rapid.Bool().Draw(t, "peek"),
	}
	for _, topic := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z.]{1,200}`), 0, 4, rapid.ID[string]).Draw(t, "topics") {
		id := noID
		if rapid.IntRange(0, 9).Draw(t, "known") > 0 {
			copy(id[:], topic)
			id[15] = byte(len(topic))
		}
		for _, p := range rapid.SliceOfNDistinct(rapid.Int32Min(0), 0, 5, rapid.ID[int32]).Draw(t, "partitions") {
			r.Partitions = append(r.Partitions, Partition{
				Topic: topic, TopicID: id, Partition: p, MaxBytes: rapid.Int32().Draw(t, "bytes"), Offset: rapid.Int64().Draw(t, "offset"),
				LeaderEpoch: rapid.Int32Min(-1).Draw(t, "leader epoch"), LastEpoch: rapid.Int32Min(-1).Draw(t, "last epoch"),
			})
		}
	}
	return r
}

// anyTags are tagged fields of a later version of the protocol.
func anyTags(t *rapid.T) (tags kmsg.Tags) {
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "tags") {
		value := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "tag's value")
		tags.Set(rapid.Uint32Min(3).Draw(t, "tag"), value)
	}
	return tags
}

// anyAnswer makes up an answer to some of what was asked for, in any order.
func anyAnswer(t *rapid.T, r *Request, v int16) *kmsg.FetchResponse {
	res := kmsg.NewFetchResponse()
	res.Version = v
	res.ThrottleMillis, res.SessionID = rapid.Int32().Draw(t, "throttle"), rapid.Int32().Draw(t, "session")
	res.UnknownTags = anyTags(t)
	if rapid.IntRange(0, 19).Draw(t, "refused") == 0 {
		res.ErrorCode = rapid.Int16().Draw(t, "code")
	}
	if rapid.Bool().Draw(t, "endpoints") {
		res.Brokers = append(res.Brokers, kmsg.FetchResponseBroker{NodeID: 4, Host: "kafka-4", Port: 9092})
	}
	for _, asked := range grouped(r.Partitions, func(p Partition) topicKey { return keyOf(&p, v) }) {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID, topic.UnknownTags = asked[0].Topic, asked[0].TopicID, anyTags(t)
		for _, i := range rapid.Permutation(slices.Collect(indices(len(asked)))).Draw(t, "order") {
			if rapid.IntRange(0, 4).Draw(t, "left out") == 0 {
				continue
			}
			topic.Partitions = append(topic.Partitions, anyPartition(t, asked[i].Partition))
		}
		res.Topics = append(res.Topics, topic)
	}
	return &res
}

func indices(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func anyPartition(t *rapid.T, partition int32) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.UnknownTags = partition, anyTags(t)
	p.ErrorCode = rapid.SampledFrom([]int16{0, 0, 0, -1, 1, 6, 74, 75, 100, 103}).Draw(t, "error")
	p.HighWatermark, p.LastStableOffset, p.LogStartOffset = rapid.Int64().Draw(t, "end"), rapid.Int64().Draw(t, "stable"), rapid.Int64().Draw(t, "start")
	p.PreferredReadReplica = rapid.SampledFrom([]int32{-1, -1, 0, 7}).Draw(t, "replica")
	p.RecordBatches = rapid.SampledFrom([][]byte{nil, {}, batchAt(3, 0), batchAt(3, 0, 1, 2, 3, 4, 5, 6, 7)}).Draw(t, "records")
	for range rapid.SampledFrom([]int{0, 0, 1, 200}).Draw(t, "aborted") {
		a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		a.ProducerID, a.FirstOffset, a.UnknownTags = rapid.Int64().Draw(t, "producer"), rapid.Int64().Draw(t, "first"), anyTags(t)
		p.AbortedTransactions = append(p.AbortedTransactions, a)
	}
	if rapid.IntRange(0, 3).Draw(t, "diverges") == 0 {
		p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = rapid.Int32Min(-1).Draw(t, "epoch"), rapid.Int64Min(-1).Draw(t, "its end")
		p.DivergingEpoch.UnknownTags = anyTags(t)
	}
	if rapid.Bool().Draw(t, "successor") {
		p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = 5, 6
	}
	if rapid.Bool().Draw(t, "snapshot") {
		p.SnapshotID.Epoch, p.SnapshotID.EndOffset = 5, 6
	}
	return p
}

// In each version that a broker may take the request asks for what is meant, and another library's answer is
// read, whatever tagged fields later versions add.
func TestEachVersionAgainstAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest(t)
		broker := rapid.Int16Range(oldestVersion, 18).Draw(t, "broker's version")
		v := speak(r, broker)
		if named := slices.ContainsFunc(r.Partitions, func(p Partition) bool { return p.TopicID == noID }); v > broker || v > 13 || v == 13 && named || v < 12 && broker >= 12 {
			t.Fatalf("version %d at a broker of %d, IDs missing: %v", v, broker, named)
		}
		body := anyAnswer(t, r, v).AppendTo(nil)
		want, readable := judged(v, body) // without what this version cannot say
		if !readable {
			t.Fatalf("the judge does not read what it wrote")
		}
		res, b, err := exchangeIn(broker, r, func(id int32) []byte { return framed(id, headed(v, body)) })
		compareRequests(t, r, v, requestOf(t, b.request.Bytes(), r.ClientID))
		judge(t, r, v, res, err, want)
	})
}

func compareRequests(t *rapid.T, r *Request, v int16, got *kmsg.FetchRequest) {
	level := int8(readCommitted)
	if r.Peek {
		level = 0
	}
	if got.Version != v || got.ReplicaID != -1 || int64(got.MaxWaitMillis) != r.MaxWait.Milliseconds() || got.MinBytes != r.MinBytes || got.MaxBytes != r.MaxBytes ||
		got.IsolationLevel != level || got.SessionID != 0 || got.SessionEpoch != -1 || len(got.ForgottenTopics) != 0 || got.Rack != r.Rack {
		t.Fatalf("asked %+v, want %+v in version %d", got, r, v)
	}
	var all []Partition
	for _, topic := range got.Topics {
		for _, p := range topic.Partitions {
			if p.LogStartOffset != -1 || p.UnknownTags.Len() != 0 {
				t.Fatalf("%+v", p)
			}
			all = append(all, Partition{topic.Topic, topic.TopicID, p.Partition, p.CurrentLeaderEpoch, p.LastFetchedEpoch, p.FetchOffset, p.PartitionMaxBytes})
		}
	}
	want := slices.Clone(r.Partitions) // they come topic by topic
	for i := range want {
		if v >= 13 {
			want[i].Topic = ""
		} else {
			want[i].TopicID = noID
		}
		if v < 12 {
			want[i].LastEpoch = -1
		}
	}
	if !slices.Equal(all, want) {
		t.Fatalf("asked for %+v, want %+v in version %d", all, want, v)
	}
}
