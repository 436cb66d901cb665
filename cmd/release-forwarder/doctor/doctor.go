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

// Why a broker is looked at.
const (
	named      = "KAFKA_BROKERS"
	advertised = "named by the cluster"
)

// doctor is one look at a cluster.
type doctor struct {
	settings *settings.Settings
	dial     connect.DialFunc
	cluster  *cluster
	report   Report
}

// Kafka looks at everything that the settings say of Kafka; of s it uses the
// Kafka and the dead letters' part. A nil dial is the network. It always returns
// a report; where ctx ended first, what was not reached is unknown in it.
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

// dialTimeout bounds one TCP connection: a report is worth having soon.
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

// brokers looks at several at once and returns those that can be used.
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

// blind says that nothing more could be seen.
func (p *doctor) blind(why string) {
	for _, t := range p.topics() {
		p.report = append(p.report, Finding{Area: Topics, Subject: t.subject(), Check: Exists, Verdict: Unknown, Text: why})
	}
	p.report = append(p.report, Finding{Area: Group, Subject: p.settings.Kafka.GroupID, Check: "state", Verdict: Unknown, Text: why})
}

// ask looks at what the brokers say of the cluster.
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
		p.report = append(p.report, t.judge(seen)...)
	}
	p.report = append(p.report, p.general(general, seen)...)
	for _, t := range seen {
		p.report = append(p.report, p.topicRights(t)...)
	}
	p.group(ctx, seen, general)
}

// forgive makes a warning of a broker that cannot be reached and that the cluster
// does not count among its own: down, but others have taken over. One that the
// cluster names leads partitions that this host cannot get at.
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

// others returns the addresses by which the cluster names its brokers, those left
// out that were looked at already.
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

// topics are those the service uses, in the order of a report.
func (p *doctor) topics() []*topic {
	all := []*topic{}
	for i, name := range p.settings.Topics() {
		role := events
		if i > 0 {
			role = replay
		}
		all = append(all, &topic{name: name, role: role})
	}
	return append(all, &topic{name: p.settings.DeadLetters.Topic, role: deadLetters})
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

// say puts an error in few words: a refusal by its title, with its number for a
// search, and anything else as it is.
func say(err error) string {
	if code, is := errors.AsType[kafka.Error](err); is {
		return fmt.Sprintf("%s (%d)", code.Title(), int(code))
	}
	return err.Error()
}
