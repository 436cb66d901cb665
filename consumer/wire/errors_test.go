package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

// The errors of Kafka's GroupCoordinator and KafkaApis for a member that joins by either protocol, and what
// the remedy must name.
func TestEachErrorHasItsRemedy(t *testing.T) {
	for _, c := range []struct {
		err   *kerr.Error
		names []string
	}{
		// Who else is in the group, and what it is.
		{kerr.InconsistentGroupProtocol, []string{"cooperative-sticky, range, roundrobin", "as found says", "KAFKA_GROUP_ID"}},
		{kerr.GroupIDNotFound, []string{"another type", "as found says", "group.consumer.migration.policy", "KAFKA_GROUP_PROTOCOL", "KAFKA_GROUP_ID"}},
		{kerr.GroupMaxSizeReached, []string{"as many members", "group.max.size", "group.consumer.max.size", "fewer replicas"}},
		{kerr.UnknownServerError, []string{"its log", "type consumer", "subscription that cannot be read", "update"}},
		{kerr.InvalidGroupID, []string{"name of a group", "KAFKA_GROUP_ID"}},
		{kerr.UnsupportedAssignor, []string{"group.consumer.assignors", "uniform", "KAFKA_GROUP_PROTOCOL=classic"}},

		// Times.
		{kerr.InvalidSessionTimeout, []string{"KAFKA_SESSION_TIMEOUT", "group.min.session.timeout.ms (6s", "group.max.session.timeout.ms (30m", "release-forwarder doctor"}},
		{kerr.UnknownMemberID, []string{"joins as a new member", "KAFKA_SESSION_TIMEOUT", "CPU throttling"}},
		{kerr.FencedMemberEpoch, []string{"joins again", "consumer.session.timeout.ms", "CPU throttling"}},
		{kerr.IllegalGeneration, []string{"joins again", "come and go"}},
		{kerr.StaleMemberEpoch, []string{"next epoch", "coordinator's log"}},
		{kerr.RebalanceInProgress, []string{"under way", "KAFKA_REBALANCE_TIMEOUT"}},

		// Rights and log-in.
		{kerr.GroupAuthorizationFailed, []string{"Read on the group KAFKA_GROUP_ID"}},
		{kerr.TopicAuthorizationFailed, []string{"Describe and Read on KAFKA_TOPIC"}},
		{kerr.ClusterAuthorizationFailed, []string{"right on the cluster"}},
		{kerr.SaslAuthenticationFailed, []string{"KAFKA_SASL_PASSWORD"}},
		{kerr.UnsupportedSaslMechanism, []string{"KAFKA_SASL_MECHANISM"}},
		{kerr.IllegalSaslState, []string{"KAFKA_SASL_MECHANISM"}},

		// What the brokers cannot do, or not yet.
		{kerr.UnsupportedVersion, []string{"Kafka 2.3", "KAFKA_GROUP_PROTOCOL=consumer Kafka 4.0", "group.coordinator.rebalance.protocols"}},
		{kerr.InvalidRequest, []string{"coordinator's log", "proxy"}},
		{kerr.CoordinatorLoadInProgress, []string{"wait", "reads the group's state"}},
		{kerr.CoordinatorNotAvailable, []string{"wait", "__consumer_offsets"}},
		{kerr.NotCoordinator, []string{"wait", "__consumer_offsets"}},
		{kerr.RequestTimedOut, []string{"wait", "__consumer_offsets"}},
		{kerr.ThrottlingQuotaExceeded, []string{"quota", "KAFKA_CLIENT_ID"}},
		{kerr.UnknownTopicOrPartition, []string{"topic is gone", "KAFKA_TOPIC"}},

		// What this service never provokes.
		{kerr.MemberIDRequired, []string{"names no member ID", "proxy"}},
		{kerr.FencedInstanceID, []string{"group.instance.id", "proxy"}},
		{kerr.UnreleasedInstanceID, []string{"group.instance.id", "proxy"}},
		{kerr.InvalidRegularExpression, []string{"subscribes by names", "proxy"}},

		// Of topics, offsets and records.
		{kerr.NotLeaderForPartition, []string{"controller"}},
		{kerr.KafkaStorageError, []string{"disk"}},
		{kerr.FencedLeaderEpoch, []string{"controller"}},
		{kerr.UnknownTopicID, []string{"deleted"}},
	} {
		got := Remedy(fmt.Errorf("wrapped: %w", kafka.Error(c.err.Code)))
		for _, name := range c.names {
			if !strings.Contains(got, name) {
				t.Errorf("%s: %q lacks %q", c.err.Message, got, name)
			}
		}
		if got, want := Cause(kafka.Error(c.err.Code)), c.err.Message; got != want && c.err != kerr.NotLeaderForPartition {
			t.Errorf("%s is called %s", want, got)
		}
	}
	if got := Remedy(kafka.Error(9999)); !strings.Contains(got, "release-forwarder doctor") {
		t.Error(got)
	}
	for _, err := range []error{context.DeadlineExceeded, errors.New("x")} {
		if got := Remedy(err); !strings.Contains(got, "KAFKA_BROKERS") {
			t.Errorf("%v: %q", err, got)
		}
	}
}
