package acceptance

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupScenarios: what is told of the group, and of who else is in it.
func groupScenarios() []scenario {
	return []scenario{
		{name: "doctor tells a classic group's protocol, members and owners", run: classicGroup},
		{name: "doctor tells a group of type consumer, and its session time-out", run: consumerGroup, notOn: beforeConsumerGroups},
		{name: "partitions that the group's leader leaves to nobody are said", run: leftToNobody},
	}
}

// beforeConsumerGroups: groups of type consumer are there from Kafka 4.0 on.
func beforeConsumerGroups(b backend) string {
	if r, real := b.(*realBackend); real && number(r.listeners["KAFKA_VERSION"]) < number("4.0.0") {
		return "Kafka has no groups of type consumer before 4.0"
	}
	return ""
}

// member joins a group as another program does.
func (w *world) member(id string, opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	c, err := kgo.NewClient(slices.Concat(w.cluster.client, []kgo.Opt{kgo.ConsumerGroup(w.group), kgo.ConsumeTopics(w.topic), kgo.ClientID(id), kgo.DisableAutoCommit()}, opts)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// doctorSays waits until the doctor prints each of the lines, given by their parts.
func (w *world) doctorSays(what string, lines ...[]string) {
	w.t.Helper()
	eventually(w.t, what, func() error {
		text, _ := w.doctor(nil)
		for _, parts := range lines {
			if !hasLine(text, parts...) {
				return errors.New("no line has " + strings.Join(parts, ", ") + ":\n" + text)
			}
		}
		return nil
	})
}

// roomy are settings of the dead-letter topic that leave the doctor nothing to say.
var roomy = map[string]string{"max.message.bytes": "2000000"}

func classicGroup(t *testing.T) {
	w := newWorld(t, plan{partitions: 4, dlqConfig: roomy})
	w.start().ready()
	w.start().ready()
	w.doctorSays("two replicas", []string{"ok", "state", "Stable, type classic, protocol cooperative-sticky"},
		[]string{"ok", "members", "2: ", "release-forwarder at ", "with 2 partitions"}, []string{"ok", "owners", "each of 4 partitions has one"})
	billing := w.member("billing", kgo.Balancers(kgo.RangeBalancer()))
	w.doctorSays("a member that knows only range", []string{"ok", "state", "protocol range"},
		[]string{"warning", "members", "3: billing at ", "since billing at ", "know only range"}, []string{"ok", "owners"})
	billing.Close()
	w.doctorSays("two replicas again", []string{"ok", "state", "protocol cooperative-sticky"}, []string{"ok", "members", "2: "})
}

func consumerGroup(t *testing.T) {
	w := newWorld(t, plan{partitions: 4, dlqConfig: roomy, settings: map[string]string{"KAFKA_CLIENT_ID": "next"}})
	next := w.member("next", kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	w.doctorSays("a member of the new protocol", []string{"ok", "state", "Stable, type consumer, protocol uniform"},
		[]string{"ok", "members", "1: next at ", "with 4 partitions"}, []string{"ok", "owners", "each of 4 partitions has one"},
		[]string{"ok", "consumer.session.timeout.ms", "45s, heartbeats each 5s: the broker's, not below KAFKA_SESSION_TIMEOUT (6s)"})
	w.settings["KAFKA_SESSION_TIMEOUT"] = "50s"
	w.doctorSays("a session that is shorter", []string{"warning", "consumer.session.timeout.ms", "45s", "below KAFKA_SESSION_TIMEOUT (50s)"})
	next.Close()
}

// nobodys is a balancer that gives nobody anything.
type nobodys struct{ kgo.GroupBalancer }

// MemberBalancer implements kgo.GroupBalancer.
func (n nobodys) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	_, topics, err := n.GroupBalancer.MemberBalancer(members)
	return n, topics, err
}

// Balance implements kgo.GroupMemberBalancer.
func (nobodys) Balance(map[string]int32) kgo.IntoSyncAssignment { return nothing{} }

type nothing struct{}

// IntoSyncAssignment implements kgo.IntoSyncAssignment.
func (nothing) IntoSyncAssignment() []kmsg.SyncGroupRequestGroupAssignment { return nil }

// leftToNobody has another program lead the group: it joins first.
func leftToNobody(t *testing.T) {
	w := newWorld(t, plan{partitions: 2, dlqConfig: roomy})
	billing := w.member("billing", kgo.Balancers(nobodys{kgo.RangeBalancer()}))
	w.doctorSays("the other program leads", []string{"warning", "owners", "no one reads 2 of 2 partitions"})
	f := w.start().ready()
	status := func(part string) func() error {
		return func() error {
			_, text, err := f.get("/status.json")
			if err == nil && !strings.Contains(text, part) {
				err = errors.New("no " + part + " in:\n" + text)
			}
			return err
		}
	}
	eventually(t, "no standby", status(`"condition": "unassigned"`))
	within(t, 2*kafka.patience(), "no one reads them", status(`"condition": "partitions-unowned"`))
	if err := f.metric(`release_forwarder_unowned_partitions{topic="`+w.topic+`"}`, 2); err != nil {
		t.Error(err)
	}
	if s := f.out.String(); !hasLine(s, `"event":"partitions-unowned"`, "billing at ", `"remedy"`) {
		t.Error("no line says who is in the group")
	}
	billing.Close()
	eventually(t, "all is well", status(`"condition": "well"`))
	w.produce(w.releases(5, 1)...)
	w.drained()
}
