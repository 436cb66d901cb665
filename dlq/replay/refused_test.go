package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/dlq/dlqtest"
)

// Errors name cause and remedy.
func TestWhatKafkaRefusesIsExplained(t *testing.T) {
	refuse := func(h *hall, key kmsg.Key, topic string, code *kerr.Error) {
		h.Cluster.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			h.Cluster.KeepControl()
			return refused(req, topic, code.Code)
		})
	}
	for _, c := range []struct {
		name  string
		spoil func(h *hall)
		want  []string
	}{
		{"no dead-letter topic", func(h *hall) {
			if _, err := kadm.NewClient(h.Observer).DeleteTopic(h.Ctx, dlqtest.Letters); err != nil {
				t.Fatal(err)
			}
		}, []string{"cannot read topic events.dlq", "it does not exist, or this user may not describe it"}},
		{"no right to read dead letters", func(h *hall) {
			h.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: dlqtest.Letters, Err: kerr.TopicAuthorizationFailed, Count: -1})
		},
			[]string{"cannot read topic events.dlq", "grant this user Read on the topic"}},
		{"no right to write events", func(h *hall) { refuse(h, kmsg.Produce, dlqtest.Events, kerr.TopicAuthorizationFailed) },
			[]string{"cannot write to topic events", "grant this user Write on the topic"}},
		{"no right to write to the ledger", func(h *hall) {
			h.ledger()
			refuse(h, kmsg.Produce, dlqtest.Ledger, kerr.TopicAuthorizationFailed)
		}, []string{"cannot write to topic events.dlq.ledger", "grant this user Write on the topic"}},
		{"no ledger, no right to make one", func(h *hall) { refuse(h, kmsg.CreateTopics, dlqtest.Ledger, kerr.TopicAuthorizationFailed) },
			[]string{"the ledger, topic events.dlq.ledger, does not exist and cannot be made", "kafka-topics.sh --bootstrap-server BROKERS ", "--create --topic events.dlq.ledger --partitions 1", "--config cleanup.policy=compact"}},
		{"a ledger that is not kept", func(h *hall) {
			policy := "delete"
			if _, err := kadm.NewClient(h.Observer).CreateTopic(h.Ctx, 1, 1, map[string]*string{"cleanup.policy": &policy}, dlqtest.Ledger); err != nil {
				t.Fatal(err)
			}
		}, []string{"is not kept: its cleanup.policy is delete", "kafka-configs.sh --bootstrap-server BROKERS ", "--add-config cleanup.policy=compact"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHall(t, func(h *hall) {
				h.Post(dlqtest.Many(3)...)
				c.spoil(h)
				time.Sleep(time.Minute) // so that the cached metadata becomes outdated
				err := h.person("alice").Run(h.Ctx, all())
				for _, want := range c.want {
					want = strings.ReplaceAll(want, "BROKERS", strings.Join(h.Cluster.ListenAddrs(), ","))
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%v, want %q", err, want)
					}
				}
			})
		})
	}
}

// refused answers a request with an error for one topic; false if the request is not about it.
func refused(req kmsg.Request, topic string, code int16) (kmsg.Response, error, bool) {
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			if t.Topic != topic {
				return nil, nil, false
			}
			answer := kmsg.ProduceResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				answer.Partitions = append(answer.Partitions, kmsg.ProduceResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
			}
			res.Topics = append(res.Topics, answer)
		}
		return res, nil, true
	case *kmsg.CreateTopicsRequest:
		res := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, t := range req.Topics {
			res.Topics = append(res.Topics, kmsg.CreateTopicsResponseTopic{Topic: t.Topic, ErrorCode: code})
		}
		return res, nil, true
	}
	return nil, nil, false
}
