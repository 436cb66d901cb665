package doctor

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// role is what a topic is to the service.
type role string

// The roles, in the words of a report.
const (
	events      role = "events"
	replay      role = "replay"
	deadLetters role = "dead letters"
	receipts    role = "receipts"
)

// topic is what was seen of a topic.
type topic struct {
	name string
	role role

	err        error // why nothing else is known; nil: it is
	partitions []kmsg.MetadataResponseTopicPartition
	authorized int32 // KIP-430's bits; unsaid if the broker does not report them

	configs    map[string]string // the settings in force
	configsErr error             // why they are not known
}

// unsaid is what a broker sends for operations that it does not report (KIP-430).
const unsaid = math.MinInt32

// written reports whether the service writes to the topic; it reads the others.
func (t *topic) written() bool { return t.role == deadLetters || t.role == receipts }

func (t *topic) subject() string { return fmt.Sprintf("%s (%s)", t.name, t.role) }

// see applies what the brokers say of the topic.
func (t *topic) see(m *kmsg.MetadataResponse) {
	i := slices.IndexFunc(m.Topics, func(r kmsg.MetadataResponseTopic) bool { return r.Topic != nil && *r.Topic == t.name })
	if i < 0 {
		t.err = kafka.UnknownTopicOrPartition
		return
	}
	answer := m.Topics[i]
	t.err = refusal(answer.ErrorCode)
	t.partitions = answer.Partitions
	t.authorized = answer.AuthorizedOperations
}

// judge judges the topic; all are the service's topics, this one among them. handled is KAFKA_MAX_RECORD_BYTES.
func (t *topic) judge(all []*topic, handled int64) Report {
	f := &findings{area: Topics, subject: t.subject()}
	if t.err != nil {
		t.missing(f)
		return f.list
	}
	t.judgePartitions(f, all)
	t.judgeReplicas(f)
	if t.configsErr != nil {
		f.unknown("settings", "cleanup.policy, retention, min.insync.replicas and max.message.bytes: "+say(t.configsErr),
			fmt.Sprintf("grant this user DescribeConfigs on the topic, or look: kafka-configs.sh --describe --all --entity-type topics --entity-name %s", t.name))
		return f.list
	}
	t.judgeInsync(f)
	t.judgeCleanup(f)
	t.judgeRetention(f)
	t.judgeSize(f, all, handled)
	return f.list
}

// Exists is the check whether a topic exists.
const Exists = "exists"

// missing says why there is nothing to judge.
func (t *topic) missing(f *findings) {
	const check = Exists
	code, is := t.err.(kafka.Error) //nolint:errorlint // refusal returns it as it is
	switch {
	case is && code == kafka.TopicAuthorizationFailed:
		f.unknown(check, "this user may not describe it", "see the rights below")
	case is && code == kafka.UnknownTopicOrPartition && t.role == replay:
		f.warn(check, "there is no such topic, or this user may not know of it", "create it, or unset KAFKA_REPLAY_TOPIC; the events flow without it")
	case is && code == kafka.UnknownTopicOrPartition && t.role == deadLetters:
		f.wrong(check, "there is no such topic, or this user may not know of it", "create it before the service starts: a dead letter would hold its partition's commit")
	case is && code == kafka.UnknownTopicOrPartition && t.role == receipts:
		f.wrong(check, "there is no such topic, or this user may not know of it", "create it (docs/reference/receipts.md), or unset RECEIPTS_TOPIC: receipts are missing, or commits wait for them")
	case is && code == kafka.UnknownTopicOrPartition:
		f.wrong(check, "there is no such topic, or this user may not know of it", "create it, or check KAFKA_TOPIC; the service waits for it")
	default:
		f.unknown(check, say(t.err), "try again")
	}
}

func (t *topic) judgePartitions(f *findings, all []*topic) {
	const check = "partitions"
	var leaderless []string
	for _, p := range t.partitions {
		if p.Leader < 0 {
			leaderless = append(leaderless, strconv.Itoa(int(p.Partition)))
		}
	}
	if len(leaderless) > 0 {
		f.wrong(check, fmt.Sprintf("%d, of which %s have no leader", len(t.partitions), few(leaderless)), "bring back the brokers that hold them")
		return
	}
	text := strconv.Itoa(len(t.partitions))
	if t.role == events {
		most, of := 0, ""
		for _, other := range all {
			if other.role == events {
				most += len(other.partitions)
			}
		}
		if most > len(t.partitions) {
			of = fmt.Sprintf(" (the event topics have %d)", most)
		}
		text += fmt.Sprintf("%s; at most %d replicas of the service work at once", of, most)
	}
	f.ok(check, "%s", text)
}

func (t *topic) judgeReplicas(f *findings) {
	const check = "replicas"
	var behind []string
	least := math.MaxInt
	for _, p := range t.partitions {
		least = min(least, len(p.Replicas))
		if len(p.ISR) < len(p.Replicas) {
			behind = append(behind, strconv.Itoa(int(p.Partition)))
		}
	}
	switch {
	case len(t.partitions) == 0:
	case least < 2:
		f.warn(check, fmt.Sprintf("%d: a lost disk loses %s", least, t.role), "have 3 replicas (kafka-reassign-partitions.sh)")
	case len(behind) > 0:
		f.warn(check, fmt.Sprintf("%d, not all in sync in partitions %s", least, few(behind)), "look at the brokers that hold them")
	default:
		f.ok(check, "%d, all in sync", least)
	}
}

func (t *topic) judgeInsync(f *findings) {
	const check = "min.insync.replicas"
	need, ok := t.number(f, check)
	if !ok || len(t.partitions) == 0 {
		return
	}
	replicas, alive := math.MaxInt, math.MaxInt
	for _, p := range t.partitions {
		replicas, alive = min(replicas, len(p.Replicas)), min(alive, len(p.ISR))
	}
	switch {
	case need > int64(replicas):
		f.wrong(check, fmt.Sprintf("%d, but there are only %d replicas: nothing with acks=all can be written", need, replicas), t.set(check, strconv.Itoa(max(1, replicas-1)))+", or have more replicas")
	case need > int64(alive):
		v := Warning
		if t.written() {
			v = Wrong // the service itself writes there
		}
		f.add(check, v, fmt.Sprintf("%d, but a partition has only %d in sync: nothing with acks=all can be written to it now", need, alive), "bring back the brokers that hold it")
	case replicas < 2:
		f.ok(check, "%d of %d replica", need, replicas)
	case need < 2:
		f.warn(check, fmt.Sprintf("%d: what a single broker has acknowledged counts as written, and is lost with it", need), t.set(check, "2"))
	case need == int64(replicas):
		f.warn(check, fmt.Sprintf("%d, as many as there are replicas: with any broker down nothing can be written", need), "have one replica more, or "+t.set(check, strconv.FormatInt(need-1, 10)))
	default:
		f.ok(check, "%d of %d replicas", need, replicas)
	}
}

// set is the remedy that sets a topic's setting.
func (t *topic) set(name, value string) string {
	return fmt.Sprintf("set it: kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s=%s", t.name, name, value)
}

// few joins the first names of a long list.
func few(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
