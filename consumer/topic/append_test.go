package topic_test

import (
	"errors"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/topic/topictest"
)

// Kafka gives some answers only before the append, others after it too.
func TestWhatAFailedAppendProves(t *testing.T) {
	answers := map[kafka.Error]bool{}
	for _, code := range []kafka.Error{
		kafka.TopicAuthorizationFailed, kafka.UnsupportedCompressionType, kafka.InvalidRequiredAcks, kafka.InvalidTopic, kafka.NotEnoughReplicas,
		kafka.MessageSizeTooLarge, kafka.InvalidMessage, kafka.RecordListTooLarge, kafka.InvalidRecord, kafka.InvalidTimestamp,
		kafka.UnsupportedForMessageFormat,
	} {
		answers[code] = true
	}
	for _, code := range []kafka.Error{
		kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.RequestTimedOut, kafka.NotEnoughReplicasAfterAppend, kafka.KafkaStorageError,
		kafka.NetworkException, kafka.Unknown, kafka.UnknownTopicOrPartition, kafka.PolicyViolation,
	} {
		answers[code] = false
	}
	for code, unwritten := range answers {
		inHall(t, func(h *topictest.Hall) {
			answer, is := errors.AsType[*kerr.Error](kerr.ErrorForCode(int16(code)))
			if !is {
				t.Fatalf("no error has the code %d", code)
			}
			h.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: name, Err: answer, Count: 1})
			record := func() []kafka.Record { return []kafka.Record{{Value: protocol.NewBytes([]byte("x"))}} }
			log := logOf(h)
			if _, err := log.Append(h.Ctx, 1, record()); !errors.Is(err, code) || topic.Unwritten(err) != unwritten {
				t.Errorf("%v: unwritten %t: %v", code, topic.Unwritten(err), err)
			}
			if base, err := log.Append(h.Ctx, 1, record()); err != nil || unwritten && base != 0 {
				t.Errorf("%v: then at %d: %v", code, base, err)
			}
		})
	}
}
