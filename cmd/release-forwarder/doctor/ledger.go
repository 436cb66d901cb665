package doctor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
	"release-forwarder/dlq/ledger"
)

// ledger examines the topic of what was decided about dead letters. The service does not need it; without it dlq
// replay and dlq close refuse to work.
func (p *doctor) ledger(ctx context.Context, m *kmsg.MetadataResponse, seen []*topic) Report {
	last := seen[len(seen)-1]
	if last.err != nil {
		return nil // its own finding comes first
	}
	t := &topic{name: ledger.Topic(last.name)}
	f := &findings{area: Topics, subject: t.name + " (ledger)"}
	const check = "cleanup.policy"
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(metadataVersion)
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: &t.name}}
	answer, err := ask[*kmsg.MetadataResponse](ctx, p.cluster, wire.Any, req)
	if err != nil {
		f.unknown(check, say(err), "try again")
		return f.list
	}
	t.see(answer)
	switch {
	case errors.Is(t.err, kafka.UnknownTopicOrPartition):
		p.canCompact(ctx, f, m.ControllerID, t.name, last)
		return f.list
	case errors.Is(t.err, kafka.TopicAuthorizationFailed):
		f.unknown(check, "this user may not describe it", "only the replayer and the viewer need it: run doctor as one of them")
		return f.list
	}
	t.configure(ctx, p.cluster)
	switch policy := t.configs[check]; {
	case t.err != nil:
		f.unknown(check, say(t.err), "try again")
	case t.configsErr != nil:
		f.unknown(check, say(t.configsErr), "grant this user DescribeConfigs on the topic")
	case policy == "":
		f.unknown(check, "the broker does not report it", "")
	case !strings.Contains(policy, "compact") || strings.Contains(policy, "delete"):
		f.warn(check, policy+": it would forget what was decided, so dlq replay and dlq close refuse to work; events flow", t.set(check, "compact"))
	default:
		f.ok(check, "%s", policy)
	}
	return f.list
}

// canCompact asks, without creating anything, whether the brokers would take a compacted topic: some services keep
// none.
func (p *doctor) canCompact(ctx context.Context, f *findings, controller int32, name string, like *topic) {
	const check = "cleanup.policy"
	replicas := math.MaxInt16
	for _, q := range like.partitions {
		replicas = min(replicas, len(q.Replicas))
	}
	compact := "compact"
	of := kmsg.NewCreateTopicsRequestTopic()
	of.Topic, of.NumPartitions, of.ReplicationFactor = name, 1, int16(replicas)
	of.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: check, Value: &compact}}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(createVersion)
	req.ValidateOnly, req.TimeoutMillis, req.Topics = true, 5000, []kmsg.CreateTopicsRequestTopic{of}
	answer, err := ask[*kmsg.CreateTopicsResponse](ctx, p.cluster, controller, req)
	if err == nil && len(answer.Topics) == 1 {
		err = refusal(answer.Topics[0].ErrorCode)
	}
	switch {
	case err == nil:
		f.ok(check, "not there yet; the brokers take a compacted topic: dlq replay and dlq close create it")
	case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
		f.unknown(check, "not there yet, and this user may not create it", "before dead letters are worked off: create it, or grant Create on it to the replayer (docs/reference/rights.md)")
	case errors.Is(err, kafka.PolicyViolation), errors.Is(err, kafka.InvalidConfiguration), errors.Is(err, kafka.InvalidRequest), errors.Is(err, kafka.UnsupportedVersion):
		f.warn(check, fmt.Sprintf("not there yet, and the brokers refuse a client that creates a compacted topic, %s: dlq replay and dlq close refuse to work; events flow", say(err)),
			"create "+name+" by the service's console with cleanup.policy=compact, on storage that compacts (docs/how-to/kafka-services.md)")
	default:
		f.unknown(check, "not there yet, and the brokers do not say whether it can be created: "+say(err), "try again")
	}
}
