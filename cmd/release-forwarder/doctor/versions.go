package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/wire"
)

// Speech is an API that the service requires: it sends the newest version that the broker takes, from Least to
// Newest.
type Speech struct {
	Key           kmsg.Key
	Least, Newest int16
}

// Spoken returns what the service sends with a group protocol.
func Spoken(protocol membership.Protocol) []Speech {
	return append(slices.Clone(spoken), spokenInGroup[protocol]...)
}

var spoken = []Speech{
	{kmsg.Produce, 3, 8}, {kmsg.Fetch, 11, 13}, {kmsg.ListOffsets, 0, 5}, {kmsg.Metadata, 0, 12}, {kmsg.OffsetCommit, 0, 10},
	{kmsg.FindCoordinator, 0, 2}, {kmsg.OffsetForLeaderEpoch, 3, 3},
}

var spokenInGroup = map[membership.Protocol][]Speech{
	membership.ProtocolClassic: {
		{kmsg.OffsetFetch, 0, 5}, {kmsg.JoinGroup, 0, 9}, {kmsg.SyncGroup, 0, 5}, {kmsg.Heartbeat, 0, 3}, {kmsg.LeaveGroup, 0, 5},
	},
	membership.ProtocolConsumer: {{kmsg.OffsetFetch, 9, 9}, {kmsg.ConsumerGroupHeartbeat, 1, 1}},
}

// lacks says what a broker does not take of it; "": nothing.
func (s Speech) lacks(takes kafka.ApiVersion, known bool) string {
	switch {
	case !known:
		return s.Key.Name()
	case takes.MaxVersion < s.Least:
		return fmt.Sprintf("%s version %d", s.Key.Name(), s.Least)
	case takes.MinVersion > s.Newest:
		return fmt.Sprintf("%s version %d", s.Key.Name(), s.Newest)
	}
	return ""
}

func (f *findings) versions(conn *kafka.Conn, protocol membership.Protocol) {
	const check = "versions"
	ranges, err := conn.ApiVersions()
	if err != nil {
		f.unknown(check, "the broker does not report it: "+err.Error(), "")
		return
	}
	byKey := map[kmsg.Key]kafka.ApiVersion{}
	for _, r := range ranges {
		byKey[kmsg.Key(r.ApiKey)] = r
	}
	var lacks []string
	for _, s := range Spoken(protocol) {
		takes, known := byKey[s.Key]
		if lack := s.lacks(takes, known); lack != "" {
			lacks = append(lacks, lack)
		}
	}
	if len(lacks) > 0 {
		var older string
		switch protocol {
		case membership.ProtocolClassic:
			older = "use Apache Kafka 2.3 or later"
		case membership.ProtocolConsumer:
			older = "use Apache Kafka 4.0 or later, or KAFKA_GROUP_PROTOCOL=classic"
		}
		f.wrong(check, "the broker does not speak "+strings.Join(lacks, ", "), older+"; if the broker is newer than this program, a newer version of it")
		return
	}
	fetch, produce := byKey[kmsg.Fetch], byKey[kmsg.Produce]
	f.ok(check, "all that is needed (Fetch %d to %d, Produce %d to %d)", fetch.MinVersion, fetch.MaxVersion, produce.MinVersion, produce.MaxVersion)
	f.useful(byKey)
	f.logs(wire.TellsBy(func(key int16) int16 {
		if r, has := byKey[kmsg.Key(key)]; has {
			return r.MaxVersion
		}
		return -1
	}))
}

// useful are requests without which records flow, and what follows where a broker lacks one.
var useful = []struct {
	Speech
	verdict Verdict
	follows string
}{
	{Speech{kmsg.DescribeConfigs, 1, configsVersion}, Warning, "no alert comes before retention deletes what waits, and settings are unknown here"},
	{Speech{kmsg.DescribeGroups, 0, 5}, Warning, "partitions without an owner are not noticed"},
	{Speech{kmsg.CreateTopics, 0, 5}, OK, "the ledger of dead letters must be created by hand"},
	{Speech{kmsg.DescribeProducers, 0, 0}, OK, "the producer of an open transaction is not named"},
	{Speech{kmsg.DescribeClientQuotas, 0, 1}, OK, "quotas are unknown here"},
	{Speech{kmsg.ConsumerGroupHeartbeat, 1, 1}, OK, "KAFKA_GROUP_PROTOCOL=consumer does not work"},
}

// useful says what follows from requests that the broker does not take.
func (f *findings) useful(byKey map[kmsg.Key]kafka.ApiVersion) {
	var lacks []string
	worst := OK
	for _, u := range useful {
		takes, known := byKey[u.Key]
		lack := u.lacks(takes, known)
		if lack == "" {
			continue
		}
		lacks = append(lacks, lack+" ("+u.follows+")")
		if u.verdict == Warning {
			worst = Warning
		}
	}
	if len(lacks) == 0 {
		return
	}
	remedy := ""
	if worst == Warning {
		remedy = "use Apache Kafka 2.3 or later; on a managed service look at these by its console"
	}
	f.add("not offered", worst, strings.Join(lacks, "; "), remedy)
}

// logs says what the broker cannot report of its logs.
func (f *findings) logs(tells wire.Tells) {
	const check = "log identity"
	switch {
	case !tells.IDs:
		f.warn(check, "leader epochs, no topic IDs: a topic that is deleted and recreated is noticed only where its leader epochs or its end show it",
			"use Apache Kafka 3.1 or later; until then stop all replicas before a topic is recreated, and delete the group's offsets of it (docs/reference/kafka-versions.md)")
	case !tells.FetchByID:
		f.warn(check, "leader epochs and topic IDs, no fetch by ID: a topic that is recreated is noticed within two seconds",
			"use Apache Kafka 3.1 or later (docs/reference/kafka-versions.md)")
	case !tells.CommitByID:
		f.ok(check, "leader epochs and topic IDs; commits go by the topic's name, and carry its ID")
	default:
		f.ok(check, "leader epochs and topic IDs, commits by ID too")
	}
}
