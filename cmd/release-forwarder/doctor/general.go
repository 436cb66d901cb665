package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"release-forwarder/consumer/membership"
)

// progressBytes is how much metadata a commit of the service may carry.
const progressBytes = 4096

// allBrokers is the subject of what holds for the cluster.
const allBrokers = "all brokers' settings"

func (p *doctor) general(g general, seen []*topic) Report {
	f := &findings{area: Brokers, subject: allBrokers}
	if g.err != nil {
		f.unknown("settings", "auto.create.topics.enable, connections.max.*.ms, group.*.session.timeout.ms, offset.metadata.max.bytes, offsets.retention.minutes, quotas: "+say(g.err),
			"look: kafka-configs.sh --describe --all --entity-type brokers; or grant this user DescribeConfigs on the cluster")
		return f.list
	}
	judgeAutoCreate(f, g.configs, seen)
	p.judgeSession(f, g.configs)
	if n, ok := readNumber(f, g.configs, "offset.metadata.max.bytes"); ok {
		if n < progressBytes {
			f.warn("offset.metadata.max.bytes", fmt.Sprintf("%d: commits cannot record what is finished beyond them, so a restart repeats more", n), "set it to "+strconv.Itoa(progressBytes)+" on the brokers")
		} else {
			f.ok("offset.metadata.max.bytes", "%d", n)
		}
	}
	if n, ok := readNumber(f, g.configs, "connections.max.reauth.ms"); ok {
		if n > 0 {
			f.ok("connections.max.reauth.ms", "%s: connections are reopened for it, which causes no rebalance", age(n))
		} else {
			f.ok("connections.max.reauth.ms", "off")
		}
	}
	p.judgeIdle(f, g.configs)
	return f.list
}

// keptIdle is how long the service keeps a connection that it does not use (consumer/wire).
const keptIdle = 30 * time.Second

// judgeIdle warns if the brokers close connections that the service still counts on: one that it keeps for the next
// request, or on which a join waits for the other members.
func (p *doctor) judgeIdle(f *findings, configs map[string]string) {
	const check = "connections.max.idle.ms"
	n, err := strconv.ParseInt(configs[check], 10, 64)
	if err != nil {
		return // few services report it, and Kafka's own default is 10 minutes
	}
	idle, needs := time.Duration(n)*time.Millisecond, max(keptIdle, p.settings.Kafka.RebalanceTimeout)
	switch {
	case n < 0:
		f.ok(check, "off")
	case idle < needs:
		f.warn(check, fmt.Sprintf("%s: the brokers close connections that this service still uses; a request on one fails and is sent again, and a join may be cut", idle),
			fmt.Sprintf("set it to %d or more on the brokers, or lower KAFKA_REBALANCE_TIMEOUT (%s)", needs.Milliseconds(), p.settings.Kafka.RebalanceTimeout))
	default:
		f.ok(check, "%s", age(n))
	}
}

// judgeAutoCreate warns if asking for a missing topic would create it.
func judgeAutoCreate(f *findings, configs map[string]string, seen []*topic) {
	const check = "auto.create.topics.enable"
	may := slices.ContainsFunc(seen, func(t *topic) bool {
		return t.err == nil && (t.authorized == unsaid || t.authorized&bit(operationCreate) != 0)
	})
	switch on := configs[check]; {
	case on == "":
		f.unknown(check, "the broker does not report it", "")
	case on == "true" && may:
		f.warn(check, "true, and this user may create topics: a missing topic is created with the brokers' defaults when the group asks for it", "set it to false, or take Create from this user")
	case on == "true":
		f.ok(check, "true, but this user may not create topics")
	default:
		f.ok(check, "%s", on)
	}
}

// judgeSession compares KAFKA_SESSION_TIMEOUT with the brokers' bounds.
func (p *doctor) judgeSession(f *findings, configs map[string]string) {
	const check = "group.*.session.timeout.ms"
	switch p.settings.Kafka.GroupProtocol {
	case membership.ProtocolClassic:
	case membership.ProtocolConsumer:
		return // the group has its own there
	}
	least, err := strconv.ParseInt(configs["group.min.session.timeout.ms"], 10, 64)
	if err != nil {
		f.unknown(check, "the broker does not report it", "")
		return
	}
	most, err := strconv.ParseInt(configs["group.max.session.timeout.ms"], 10, 64)
	if err != nil {
		f.unknown(check, "the broker does not report it", "")
		return
	}
	ours := p.settings.Kafka.SessionTimeout
	text := fmt.Sprintf("KAFKA_SESSION_TIMEOUT is %s, the brokers take %s to %s", ours, time.Duration(least)*time.Millisecond, time.Duration(most)*time.Millisecond)
	if ours.Milliseconds() < least || ours.Milliseconds() > most {
		f.wrong(check, text+": no replica can join the group", "set KAFKA_SESSION_TIMEOUT within them")
		return
	}
	f.ok(check, "%s", text)
}
