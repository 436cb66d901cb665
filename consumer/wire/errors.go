package wire

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Codes that kafka-go does not name. The exported ones are of the consumer group protocol (KIP-848).
const (
	FencedMemberEpoch        kafka.Error = 110
	unreleasedInstanceID     kafka.Error = 111
	unsupportedAssignor      kafka.Error = 112
	StaleMemberEpoch         kafka.Error = 113
	invalidRegularExpression kafka.Error = 128
)

// Cause says in a few words what an error is: its name in Kafka's table, or how the request failed.
func Cause(err error) string {
	var code kafka.Error
	var timeout net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, kafka.NotLeaderForPartition):
		return "NOT_LEADER_OR_FOLLOWER" // its name from Kafka 2.6 on
	case errors.As(err, &code):
		if known := kerr.TypedErrorForCode(int16(code)); known != nil && known.Code == int16(code) {
			return known.Message
		}
		return "error " + strconv.Itoa(int(code))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	}
	return err.Error()[:min(len(err.Error()), mostCause)]
}

// mostCause bounds a library's error text on a status page.
const mostCause = 200

// remedies say why Kafka answers each error to this service, and what a person should do. First errors of the
// group (JoinGroup, SyncGroup, Heartbeat, ConsumerGroupHeartbeat, FindCoordinator), then of topics, offsets
// and records.
var remedies = map[kafka.Error]string{
	kafka.InconsistentGroupProtocol: "the group has members that know no protocol this service offers (cooperative-sticky, range, roundrobin), or is of another kind or type, as found says: " +
		"stop them, or give one of both another KAFKA_GROUP_ID",
	kafka.GroupIdNotFound: "the group is of another type, as found says: a classic one whose members cannot be taken over (another kind, or brokers whose group.consumer.migration.policy forbids it), or one of type share or streams: " +
		"stop its members, set KAFKA_GROUP_PROTOCOL to the group's type, or choose another KAFKA_GROUP_ID",
	kafka.InvalidGroupId: "the brokers do not take this name of a group: choose another KAFKA_GROUP_ID",
	kafka.InvalidSessionTimeout: "set KAFKA_SESSION_TIMEOUT to what the brokers allow: from group.min.session.timeout.ms (6s unless set) to group.max.session.timeout.ms (30m unless set), which release-forwarder doctor shows; " +
		"KAFKA_HEARTBEAT_INTERVAL is at most a third of it",
	kafka.GroupMaxSizeReached: "the group has as many members as the brokers' group.max.size, or group.consumer.max.size, allows: run fewer replicas, or raise it",
	kafka.UnknownMemberId:     "once: nothing, it joins as a new member; often: the coordinator forgets it, raise KAFKA_SESSION_TIMEOUT and look for CPU throttling and network loss",
	kafka.IllegalGeneration:   "once: nothing, it joins again; often: look for replicas that come and go",
	kafka.RebalanceInProgress: "nothing, a rebalance is under way; if it stays, look for replicas that come and go, and at KAFKA_REBALANCE_TIMEOUT",
	kafka.MemberIDRequired:    "the coordinator names no member ID although it asks for one (KIP-394): look for a proxy before the brokers that changes answers",
	kafka.FencedInstanceID:    "this service sets no group.instance.id (KIP-345): look for a proxy before the brokers that adds one",
	unreleasedInstanceID:      "this service sets no group.instance.id (KIP-345): look for a proxy before the brokers that adds one",
	FencedMemberEpoch:         "once: nothing, it joins again; often: the coordinator gives its partitions away, look for CPU throttling and network loss, and raise the group's consumer.session.timeout.ms",
	StaleMemberEpoch:          "once: nothing, it is sent again with the next epoch; often: look at the coordinator's log",
	unsupportedAssignor:       "the brokers' group.consumer.assignors lacks what this service asks for: add it (uniform is Kafka's default), or set KAFKA_GROUP_PROTOCOL=classic",
	invalidRegularExpression:  "this service subscribes by names alone (KIP-848): look for a proxy before the brokers that changes requests",

	kafka.GroupAuthorizationFailed:   "grant this user Read on the group KAFKA_GROUP_ID",
	kafka.TopicAuthorizationFailed:   "grant this user Describe and Read on KAFKA_TOPIC and KAFKA_REPLAY_TOPIC",
	kafka.ClusterAuthorizationFailed: "grant this user the right on the cluster that the broker asks for; Kafka itself asks for none to join a group",
	kafka.SASLAuthenticationFailed:   "check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD; with OAUTHBEARER the token: its issuer, audience, scope and end, the broker's keys, and the clocks",
	kafka.UnsupportedSASLMechanism:   "set KAFKA_SASL_MECHANISM to one that the listener takes",
	kafka.IllegalSASLState:           "the listener does not take SASL as it is set: check KAFKA_SASL_MECHANISM and the port in KAFKA_BROKERS",
	kafka.UnknownTopicOrPartition:    "an event topic is gone: check KAFKA_TOPIC, create it, or grant this user Describe on it",

	kafka.UnsupportedVersion: "the brokers do not take the requests sent: Kafka 2.3 or later is needed, and for KAFKA_GROUP_PROTOCOL=consumer Kafka 4.0 or later with consumer in group.coordinator.rebalance.protocols; " +
		"look for a proxy before them",
	kafka.InvalidRequest:               "the brokers do not take the requests sent: look at the coordinator's log, and for a proxy before it",
	kafka.GroupLoadInProgress:          "wait: the coordinator reads the group's state; if it stays, look at the coordinator's log",
	kafka.GroupCoordinatorNotAvailable: "wait: the group has no coordinator yet; if it stays, look at the leaders and in-sync replicas of __consumer_offsets",
	kafka.NotCoordinatorForGroup:       "wait: the coordinator is moving; if it stays, look at the leaders of __consumer_offsets",
	kafka.RequestTimedOut:              "wait: the coordinator's replicas are slow; if it stays, look at the in-sync replicas of __consumer_offsets",
	kafka.ThrottlingQuotaExceeded:      "raise the quota of KAFKA_CLIENT_ID or of this user",
	kafka.Unknown: "the broker failed at the request: its log says at what; where found names a group of type consumer, it may be a classic member's subscription that cannot be read: " +
		"update what joins so (a version of this service from before it was cooperative) first",

	kafka.NotLeaderForPartition: "wait: the leader is moving; if it stays, look at the partition's leader and at the controller: they do not agree",
	kafka.LeaderNotAvailable:    "bring back the brokers that hold the partition",
	kafka.FencedLeaderEpoch:     "wait: the metadata is older than the leader; if it stays, look at the controller",
	kafka.UnknownLeaderEpoch:    "wait: the broker is behind the metadata; if it stays, look at the controller",
	kafka.UnknownTopicID:        "wait: the broker has not heard of the topic yet, or the topic was deleted",
	kafka.InconsistentTopicID:   "wait: the broker has not heard of the new topic yet; if it stays, look at its log",
	kafka.OffsetNotAvailable:    "wait: the new leader catches up (KIP-207); if it stays, look at the in-sync replicas",
	kafka.KafkaStorageError:     "look at the broker's disk and log",
}

// Remedy says why Kafka answers an error, or cannot be reached, and what to do about it. An error that is not
// Kafka's, of a log-in, may say so itself.
func Remedy(err error) string {
	var own interface{ Remedy() string }
	if errors.As(err, &own) {
		return own.Remedy()
	}
	code, is := errors.AsType[kafka.Error](err)
	if !is {
		return "look at KAFKA_BROKERS, the network and the brokers; release-forwarder doctor says at which step it fails"
	}
	if remedy := remedies[code]; remedy != "" {
		return remedy
	}
	return "look at the coordinator's log; release-forwarder doctor looks at rights, topics and the group"
}
