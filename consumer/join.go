package consumer

import (
	"errors"

	"github.com/segmentio/kafka-go"
)

// joinRemedies are what a person should do about each error that Kafka gives to a
// member that joins: to its FindCoordinator, JoinGroup and SyncGroup, and to the
// requests for topics and offsets before it runs.
var joinRemedies = map[kafka.Error]string{
	kafka.InconsistentGroupProtocol: "the group has members of another program, or of another group protocol: give one of them another KAFKA_GROUP_ID, or wait until those are gone",
	kafka.InvalidGroupId:            "the brokers do not take this name of a group: choose another KAFKA_GROUP_ID",
	kafka.InvalidSessionTimeout: "set KAFKA_SESSION_TIMEOUT to what the brokers allow: from group.min.session.timeout.ms (6s unless set) to group.max.session.timeout.ms (30m unless set); " +
		"KAFKA_HEARTBEAT_INTERVAL is at most a third of it",
	kafka.GroupMaxSizeReached: "the group has as many members as the brokers' group.max.size allows: run fewer replicas, or raise it",
	kafka.UnknownMemberId:     "once: nothing, it joins as a new member; often: the coordinator forgets it, raise KAFKA_SESSION_TIMEOUT and look for CPU throttling and network loss",
	kafka.IllegalGeneration:   "once: nothing, it joins again; often: look for replicas that come and go",
	kafka.RebalanceInProgress: "nothing, a rebalance is under way; if it stands, look for replicas that come and go, and at KAFKA_REBALANCE_TIMEOUT",
	kafka.MemberIDRequired:    "the requests sent need no such ID (KIP-394): look for a proxy before the brokers that changes them",
	kafka.FencedInstanceID:    "this service sets no group.instance.id (KIP-345): look for a proxy before the brokers that adds one",

	kafka.GroupAuthorizationFailed:   "grant this user Read on the group KAFKA_GROUP_ID",
	kafka.TopicAuthorizationFailed:   "grant this user Describe and Read on KAFKA_TOPIC and KAFKA_REPLAY_TOPIC",
	kafka.ClusterAuthorizationFailed: "grant this user the right on the cluster that the broker asks for; Kafka itself asks for none to join a group",
	kafka.SASLAuthenticationFailed:   "check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
	kafka.UnsupportedSASLMechanism:   "set KAFKA_SASL_MECHANISM to one that the listener takes",
	kafka.IllegalSASLState:           "the listener does not take SASL as it is set: check KAFKA_SASL_MECHANISM and the port in KAFKA_BROKERS",
	kafka.UnknownTopicOrPartition:    "an event topic is gone: check KAFKA_TOPIC, create it, or grant this user Describe on it",

	kafka.UnsupportedVersion:           "the brokers do not take the requests sent: Kafka 2.3 or later is needed, with the classic group protocol; look for a proxy before them",
	kafka.InvalidRequest:               "the brokers do not take the requests sent: look at the coordinator's log, and for a proxy before it",
	kafka.GroupLoadInProgress:          "wait: the coordinator reads the group's state; if it stands, look at the coordinator's log",
	kafka.GroupCoordinatorNotAvailable: "wait: the group has no coordinator yet; if it stands, look at the leaders and in-sync replicas of __consumer_offsets",
	kafka.NotCoordinatorForGroup:       "wait: the coordinator is moving; if it stands, look at the leaders of __consumer_offsets",
	kafka.RequestTimedOut:              "wait: the coordinator's replicas are slow; if it stands, look at the in-sync replicas of __consumer_offsets",
	kafka.ThrottlingQuotaExceeded:      "raise the quota of KAFKA_CLIENT_ID or of this user",
	kafka.Unknown:                      "the coordinator failed: look at its log",
}

// joinRemedy is what to do about an error of joining.
func joinRemedy(err error) string {
	code, is := errors.AsType[kafka.Error](err)
	if !is {
		return "look at KAFKA_BROKERS, the network and the brokers; release-forwarder probe says at which step it fails"
	}
	if remedy := joinRemedies[code]; remedy != "" {
		return remedy
	}
	return "look at the coordinator's log; release-forwarder probe looks at rights, topics and the group"
}
