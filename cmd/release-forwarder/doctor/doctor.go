package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer/wire"
)

// Why a broker is examined.
const (
	named      = "KAFKA_BROKERS"
	advertised = "named by the cluster"
)

// doctor is one examination of a cluster.
type doctor struct {
	settings *settings.Settings
	dial     connect.DialFunc
	cluster  *cluster
	report   Report
}

// Kafka examines all that the settings say of Kafka; of s it uses the parts of Kafka and of the dead letters.
// A nil dial is the network. It always returns a report; if ctx ends first, what was not reached is unknown.
func Kafka(ctx context.Context, s *settings.Settings, dial connect.DialFunc) Report {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	p := &doctor{settings: s, dial: hangingUp(ctx, dial)}
	usable := p.brokers(ctx, s.Kafka.Brokers, named)
	p.report = append(p.report, p.clientCertificate()...)
	if len(usable) == 0 {
		p.blind("no broker can be asked")
		return p.report
	}
	cfg := s.Kafka
	cfg.Brokers = usable
	k, err := connect.New(ctx, connect.Config{Kafka: cfg, Topics: p.topicNames(), Dial: p.dial})
	if err != nil { // the same files were good for each broker
		p.blind(err.Error())
		return p.report
	}
	defer k.Wire.Close()
	p.cluster = &cluster{kafka: k, clientID: cfg.ClientID}
	p.ask(ctx)
	return p.report
}

// dialTimeout bounds one TCP connection, so that the report comes soon.
const dialTimeout = 5 * time.Second

// hangingUp makes connections end with ctx, whatever a library waits for on them.
func hangingUp(ctx context.Context, dial connect.DialFunc) connect.DialFunc {
	return func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(dialing, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}
}

// brokers examines several brokers at once and returns those that can be used.
func (p *doctor) brokers(ctx context.Context, addresses []string, role string) (usable []string) {
	reports, fit := make([]Report, len(addresses)), make([]bool, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() { reports[i], fit[i] = p.broker(ctx, address, role) })
	}
	all.Wait()
	for i, address := range addresses {
		p.report = append(p.report, reports[i]...)
		if fit[i] {
			usable = append(usable, address)
		}
	}
	return usable
}

// blind reports that nothing more could be seen.
func (p *doctor) blind(why string) {
	for _, t := range p.topics() {
		p.report = append(p.report, Finding{Area: Topics, Subject: t.subject(), Check: Exists, Verdict: Unknown, Text: why})
	}
	p.report = append(p.report, Finding{Area: Group, Subject: p.settings.Kafka.GroupID, Check: "state", Verdict: Unknown, Text: why})
}

// ask examines what the brokers say of the cluster.
func (p *doctor) ask(ctx context.Context) {
	m, err := ask[*kmsg.MetadataResponse](ctx, p.cluster, wire.Any, p.metadata())
	if err != nil {
		p.blind(say(err))
		return
	}
	p.brokers(ctx, p.others(m), advertised)
	p.forgive(m)

	seen := make([]*topic, 0, 3)
	for _, t := range p.topics() {
		t.see(m)
		t.configure(ctx, p.cluster)
		seen = append(seen, t)
	}
	general := brokerConfigs(ctx, p.cluster, m.ControllerID)
	for _, t := range seen {
		p.report = append(p.report, t.judge(seen, p.settings.Kafka.MaxRecordBytes)...)
	}
	p.report = append(p.report, p.ledger(ctx, m, seen)...)
	p.report = append(p.report, p.general(general, seen)...)
	p.report = append(p.report, p.quotas(ctx, general)...)
	for _, t := range seen {
		p.report = append(p.report, p.topicRights(t)...)
	}
	p.group(ctx, seen, general)
	p.report = append(p.report, p.throttled()...)
}

// forgive makes it a warning that a broker cannot be reached which the cluster does not name: it is down, but
// others have taken over. A broker that the cluster names leads partitions that this host cannot reach.
func (p *doctor) forgive(m *kmsg.MetadataResponse) {
	for i, f := range p.report {
		if f.Area == Brokers && f.Check == "reachable" && f.Verdict == Wrong && !slices.ContainsFunc(m.Brokers, func(b kmsg.MetadataResponseBroker) bool {
			return strings.HasPrefix(f.Subject, addressOf(b)+" ")
		}) {
			p.report[i].Verdict = Warning
		}
	}
}

func addressOf(b kmsg.MetadataResponseBroker) string {
	return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
}

// others returns the addresses of the cluster's brokers that were not examined yet.
func (p *doctor) others(m *kmsg.MetadataResponse) []string {
	var addresses []string
	for _, b := range m.Brokers {
		if address := addressOf(b); !slices.Contains(p.settings.Kafka.Brokers, address) {
			addresses = append(addresses, address)
		}
	}
	slices.Sort(addresses)
	return addresses
}

// topics returns the service's topics, in the order of a report.
func (p *doctor) topics() []*topic {
	all := []*topic{}
	for i, name := range p.settings.Topics() {
		role := events
		if i >= len(p.settings.Kafka.Topics) {
			role = replay
		}
		all = append(all, &topic{name: name, role: role})
	}
	all = append(all, &topic{name: p.settings.DeadLetters.Topic, role: deadLetters})
	if name := p.settings.Receipts.Topic; name != "" {
		all = append(all, &topic{name: name, role: receipts})
	}
	return all
}

func (p *doctor) topicNames() []string {
	var names []string
	for _, t := range p.topics() {
		names = append(names, t.name)
	}
	return names
}

// metadata asks for the topics, and what this user may do with them.
func (p *doctor) metadata() *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(metadataVersion)
	req.IncludeTopicAuthorizedOperations = true
	for _, name := range p.topicNames() {
		of := kmsg.NewMetadataRequestTopic()
		of.Topic = &name
		req.Topics = append(req.Topics, of)
	}
	return req
}

// say shortens an error: a refusal to its title and number, for a search; any other error stays as it is.
func say(err error) string {
	if code, is := errors.AsType[kafka.Error](err); is {
		return fmt.Sprintf("%s (%d)", code.Title(), int(code))
	}
	return err.Error()
}
