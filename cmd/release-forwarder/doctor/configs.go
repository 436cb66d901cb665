package doctor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
)

// topicSettings are the settings by which a topic loses records, or refuses them.
var topicSettings = []string{"cleanup.policy", "max.message.bytes", "min.insync.replicas", "retention.bytes", "retention.ms"}

// brokerSettings are the brokers' settings that the service depends on.
var brokerSettings = []string{
	"auto.create.topics.enable", "connections.max.idle.ms", "connections.max.reauth.ms", "group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms",
	"group.max.session.timeout.ms", "group.min.session.timeout.ms",
	"offset.metadata.max.bytes", "offsets.retention.minutes",
}

// configs reads settings of a topic or broker. Settings that the broker leaves out are not in the map.
func configs(ctx context.Context, c *cluster, node int32, kind kmsg.ConfigResourceType, name string, wanted []string) (map[string]string, error) {
	of := kmsg.NewDescribeConfigsRequestResource()
	of.ResourceType, of.ResourceName, of.ConfigNames = kind, name, wanted
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.SetVersion(configsVersion)
	req.Resources = append(req.Resources, of)
	answer, err := ask[*kmsg.DescribeConfigsResponse](ctx, c, node, req)
	if err != nil {
		return nil, err
	}
	if len(answer.Resources) != 1 {
		return nil, errors.New("the broker's answer leaves them out")
	}
	r := answer.Resources[0]
	switch kafka.Error(r.ErrorCode) {
	case 0:
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.GroupAuthorizationFailed:
		return nil, errors.New("this user may not see them")
	default:
		return nil, errors.New(say(kafka.Error(r.ErrorCode)))
	}
	found := map[string]string{}
	for _, e := range r.Configs {
		if e.Value != nil {
			found[e.Name] = *e.Value
		}
	}
	return found, nil
}

func (t *topic) configure(ctx context.Context, c *cluster) {
	if t.err != nil {
		return
	}
	t.configs, t.configsErr = configs(ctx, c, wire.Any, kmsg.ConfigResourceTypeTopic, t.name, topicSettings)
}

// general is what the brokers' own settings say, or why they are not known.
type general struct {
	configs map[string]string
	err     error
}

// brokerConfigs reads the settings of one broker: those of all brokers should be alike.
func brokerConfigs(ctx context.Context, c *cluster, node int32) general {
	found, err := configs(ctx, c, node, kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(node)), brokerSettings)
	return general{found, err}
}

// number reads a setting of the topic; if that fails the finding is unknown.
func (t *topic) number(f *findings, name string) (int64, bool) {
	return readNumber(f, t.configs, name)
}

func readNumber(f *findings, configs map[string]string, name string) (int64, bool) {
	n, err := strconv.ParseInt(configs[name], 10, 64)
	if err != nil {
		f.unknown(name, "the broker does not report it", "")
		return 0, false
	}
	return n, true
}

func (t *topic) judgeCleanup(f *findings) {
	const check = "cleanup.policy"
	policy, set := t.configs[check]
	switch {
	case !set:
		f.unknown(check, "the broker does not report it", "")
	case !strings.Contains(policy, "compact"):
		f.ok(check, "%s", policy)
	case t.role == deadLetters:
		f.wrong(check, policy+": of dead letters with one key only the last stays, and those without a key are refused", t.set(check, "delete"))
	case t.role == receipts:
		f.wrong(check, policy+": of the receipts of one event only the last stays, and the first is the valid one", t.set(check, "delete"))
	default:
		f.wrong(check, policy+": of events with one key only the last stays; what has not been read by then is lost", t.set(check, "delete"))
	}
}

// A shorter retention is a finding. Kafka's own default is a week.
const (
	eventsRetention      = 3 * 24 * time.Hour   // a weekend's outage of the platform
	deadLettersRetention = 7 * 24 * time.Hour   // time for a person to look, and to fix
	receiptsRetention    = 400 * 24 * time.Hour // docs/reference/receipts.md: a dispute may come a year later
)

func (t *topic) judgeRetention(f *findings) {
	least, why := eventsRetention, "events that wait longer, as in an outage of the platform, are lost"
	switch t.role {
	case events, replay:
	case receipts:
		least, why = receiptsRetention, "what became of older events can no longer be shown. Leave it if you chose it"
	case deadLetters:
		least, why = deadLettersRetention, "dead letters that no one has looked at by then are lost"
	}
	if ms, ok := t.number(f, "retention.ms"); ok {
		switch kept := age(ms); {
		case ms < 0:
			f.ok("retention.ms", "unlimited")
		case ms < least.Milliseconds():
			f.warn("retention.ms", kept+": "+why, t.set("retention.ms", strconv.FormatInt(least.Milliseconds(), 10)))
		default:
			f.ok("retention.ms", "%s", kept)
		}
	}
	if n, ok := t.number(f, "retention.bytes"); ok {
		if n < 0 {
			f.ok("retention.bytes", "no limit")
		} else {
			f.warn("retention.bytes", fmt.Sprintf("%d for each partition: the oldest are deleted when there are more, however young", n), t.set("retention.bytes", "-1"))
		}
	}
}

// deadLetterHeaders is room for what a dead letter carries beside its record: some twenty headers, few of them
// near their bound of 1,024 bytes.
const deadLetterHeaders = 16 << 10

// batchOverhead is what a batch of one record may have beside it.
const batchOverhead = 64 << 10

// judgeSize compares the largest dead letter with the largest event, and that with KAFKA_MAX_RECORD_BYTES.
func (t *topic) judgeSize(f *findings, all []*topic, handled int64) {
	const check = "max.message.bytes"
	size, ok := t.number(f, check)
	if !ok {
		return
	}
	if t.role == receipts {
		f.ok(check, "%d", size)
		return
	}
	if t.role != deadLetters && size > handled+batchOverhead {
		f.warn(check, fmt.Sprintf("%d, above KAFKA_MAX_RECORD_BYTES (%d): events between them are sent one at a time, each with a log line", size, handled),
			fmt.Sprintf("set KAFKA_MAX_RECORD_BYTES=%d, if such events are usual, and mind the memory (docs/how-to/sizing.md)", size))
		return
	}
	if t.role != deadLetters {
		f.ok(check, "%d", size)
		return
	}
	largest, name := int64(0), ""
	for _, other := range all {
		if other.written() {
			continue
		}
		if n, err := strconv.ParseInt(other.configs[check], 10, 64); err == nil && n > largest {
			largest, name = n, other.name
		}
	}
	remedy := t.set(check, strconv.FormatInt(largest+deadLetterHeaders, 10))
	switch {
	case largest == 0:
		f.ok(check, "%d; that of the events is unknown", size)
	case size < largest:
		f.wrong(check, fmt.Sprintf("%d, but %s takes %d: a large event cannot become a dead letter and would hold its partition's commit", size, name, largest), remedy)
	case size < largest+deadLetterHeaders:
		f.warn(check, fmt.Sprintf("%d leaves no room for headers above the %d of %s: the largest events could not become dead letters", size, largest, name), remedy)
	default:
		f.ok(check, "%d, enough for the %d of %s and headers", size, largest, name)
	}
}

func age(ms int64) string {
	d := time.Duration(min(ms, int64(100*365*24*time.Hour/time.Millisecond))) * time.Millisecond
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Minute:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	default:
		return d.Truncate(time.Second).String()
	}
}
