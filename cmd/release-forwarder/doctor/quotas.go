package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
)

// quotas reports what bounds this client at the brokers. The same right shows them as the brokers' settings.
func (p *doctor) quotas(ctx context.Context, g general) Report {
	if g.err != nil {
		return nil
	}
	f := &findings{area: Brokers, subject: allBrokers}
	const check = "quotas"
	answer, err := ask[*kmsg.DescribeClientQuotasResponse](ctx, p.cluster, wire.Any, kmsg.NewPtrDescribeClientQuotasRequest())
	if err == nil {
		err = refusal(answer.ErrorCode)
	}
	switch {
	case errors.Is(err, kafka.UnsupportedVersion):
		return nil // said among what is not offered
	case err != nil:
		f.unknown(check, say(err), "look: kafka-configs.sh --describe --entity-type users --entity-type clients; or grant this user DescribeConfigs on the cluster")
		return f.list
	}
	var bounds []string
	for _, e := range answer.Entries {
		if !p.concerns(e.Entity) {
			continue
		}
		for _, v := range e.Values {
			bounds = append(bounds, fmt.Sprintf("%s %g", v.Key, v.Value))
		}
	}
	slices.Sort(bounds)
	if len(bounds) == 0 {
		f.ok(check, "none for this user or client ID")
	} else {
		f.ok(check, "%s, of which the most specific counts: above it answers are held back", few(slices.Compact(bounds)))
	}
	return f.list
}

// concerns reports whether a quota may be this client's: by its user and client ID, or as a default.
func (p *doctor) concerns(entity []kmsg.DescribeClientQuotasResponseEntryEntity) bool {
	for _, e := range entity {
		ours := map[string]string{"user": p.settings.Kafka.SASL.Username, "client-id": p.settings.Kafka.ClientID}[e.Type]
		if ours == "" || e.Name != nil && *e.Name != ours {
			return false
		}
	}
	return true
}

// throttled warns where the brokers hold answers back now.
func (p *doctor) throttled() Report {
	if p.cluster.throttle == 0 {
		return nil
	}
	f := &findings{area: Brokers, subject: allBrokers}
	f.warn("throttling", fmt.Sprintf("an answer was held back for %s: this client is above its quota", p.cluster.throttle),
		"raise the quota of KAFKA_CLIENT_ID or of this user; events wait meanwhile")
	return f.list
}
