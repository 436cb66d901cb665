package acceptance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

// rollingScenarios: replicas are replaced one by one under load, from one group protocol to the other, and a
// member of Kafka's own client joins them. The embedded Kafka cannot change a group's type while it has members.
func rollingScenarios() []scenario {
	return []scenario{
		{name: "group: replaced one by one, classic", run: oneByOne("classic", "classic"), notOn: notReal},
		{name: "group: replaced one by one, consumer", run: oneByOne("consumer", "consumer"), notOn: realKIP848},
		{name: "group: from classic to consumer and back, one by one", run: oneByOne("classic", "consumer", "classic"), notOn: realKIP848},
		{name: "group: from the version before to classic and back, one by one", run: oneByOne("before", "classic", "before"), notOn: withHistory(notReal)},
		{name: "group: from the version before to consumer, and back by classic", run: oneByOne("before", "classic", "consumer", "classic", "before"), notOn: withHistory(realKIP848)},
		{name: "group: a replica of the consumer protocol is refused beside the version before", run: refusedBeside, notOn: withHistory(realKIP848)},
		{name: "group: with a member of the Java client, classic", run: withJava("classic", "classic"), notOn: realKIP848},
		{name: "group: with a member of the Java client, consumer", run: withJava("consumer", "consumer"), notOn: realKIP848},
		{name: "group: classic, with a Java member of the consumer protocol", run: withJava("classic", "consumer"), notOn: realKIP848},
		{name: "group: consumer, with a Java member of the classic protocol", run: withJava("consumer", "classic"), notOn: realKIP848},
	}
}

// withHistory is for scenarios that need the version before: a clone without its history cannot build it.
func withHistory(notOn func(backend) string) func(backend) string {
	return func(b backend) string {
		if why := notOn(b); why != "" {
			return why
		}
		if exec.Command("git", "-C", root, "cat-file", "-e", before+"^{commit}").Run() != nil {
			return "this clone has no commit " + before + ", the version before"
		}
		return ""
	}
}

func realKIP848(b backend) string { return or(notReal(b), beforeConsumerGroups(b)) }

func notReal(b backend) string {
	if _, real := b.(*realBackend); !real {
		return "needs what only a real Kafka's coordinator does"
	}
	return ""
}

// Load: 48 events a second, answered in 3 s each.
const (
	groupPartitions = 8
	perTick         = groupPartitions
	ticks           = 6 // a second
	answersTake     = 3 * time.Second
)

// team is replicas under load.
type team struct {
	*world
	members []*forwarder
	stop    func() int // ends the load and tells how many events there were
}

func newTeam(t *testing.T) *team {
	w := newWorld(t, plan{partitions: groupPartitions, settings: map[string]string{
		"UPSTREAM_MAX_IN_FLIGHT": "256", "KAFKA_SESSION_TIMEOUT": "20s", "KAFKA_REBALANCE_TIMEOUT": "30s", // nobody dies here
	}})
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: answersTake} })
	return &team{world: w}
}

// join starts a replica by a protocol, or by the version before, and waits until it is ready.
func (m *team) join(protocol string) *forwarder {
	m.t.Helper()
	command, pairs := []string{binary}, []string{"KAFKA_GROUP_PROTOCOL", protocol}
	if protocol == "before" {
		command, pairs = []string{versionBefore(m.t)}, nil
	}
	return m.startAs(command, nil, pairs...).ready()
}

// load produces until it is stopped.
func (m *team) load() {
	ctx, cancel := context.WithCancel(m.ctx())
	var producing sync.WaitGroup
	n := 0
	producing.Go(func() {
		tick := time.NewTicker(time.Second / ticks)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.produce(m.releases(perTick, groupPartitions)...)
				n += perTick
			case <-ctx.Done():
				return
			}
		}
	})
	m.stop = func() int { cancel(); producing.Wait(); return n }
}

// settled waits until the load is keeping up: as many events were accepted as there were some seconds ago.
func (m *team) settled() {
	m.t.Helper()
	m.mu.Lock()
	n := len(m.events)
	m.mu.Unlock()
	eventually(m.t, "what was produced is accepted", func() error {
		if accepted := m.platform.total(); accepted < n {
			return fmt.Errorf("%d of %d", accepted, n)
		}
		return nil
	})
}

// account ends the load: nothing is lost, nothing was sent twice, nothing is a dead letter.
func (m *team) account() {
	m.t.Helper()
	n := m.stop()
	m.drained()
	m.noDeadLetters()
	received := m.platform.Stats().Received
	evidence.add(m.t.Name(), "-", fmt.Sprintf("%d events, %d requests", n, received), "-")
	if received != n {
		m.t.Errorf("%d requests for %d events", received, n)
	}
	for _, f := range m.members {
		f.stop()
		if strings.Contains(f.out.String(), "fenced: ") {
			m.t.Error("a replica was fenced")
		}
	}
}

// oneByOne replaces four replicas of the first protocol by such of the next ones, one by one, under load.
func oneByOne(protocols ...string) func(t *testing.T) {
	return func(t *testing.T) {
		m := newTeam(t)
		for range 4 {
			m.members = append(m.members, m.join(protocols[0]))
		}
		m.load()
		m.settled()
		for _, next := range protocols[1:] {
			for i, old := range m.members {
				old.stop()
				m.members[i] = m.join(next)
			}
			m.settled()
		}
		m.account()
	}
}

// withJava has a member of Kafka's own client read some records beside two replicas. It commits nothing: what
// it read is sent when its partitions come back.
func withJava(ours, javas string) func(t *testing.T) {
	return func(t *testing.T) {
		m := newTeam(t)
		m.members = append(m.members, m.join(ours), m.join(ours))
		m.load()
		m.settled()
		out, err := kafka.(*realBackend).script("tool", "org.apache.kafka.tools.consumer.ConsoleConsumer",
			"--topic", m.topic, "--group", m.group, "--max-messages", "20", "--timeout-ms", "60000",
			"--command-property", "group.protocol="+javas, "--command-property", "enable.auto.commit=false")
		if err != nil || strings.Count(out, planted+"-flow-") != 20 {
			t.Errorf("the Java member: %v\n%s", err, tail(out, 2000))
		}
		m.settled()
		m.account()
	}
}

// refusedBeside starts a replica of the consumer protocol beside one that Kafka cannot take over: it says why it
// waits, and nobody stands still.
func refusedBeside(t *testing.T) {
	m := newTeam(t)
	m.members = append(m.members, m.join("before"))
	m.load()
	m.settled()
	refused := m.start("KAFKA_GROUP_PROTOCOL", "consumer")
	eventually(t, "it says that it cannot join, and why", func() error {
		for line := range strings.Lines(refused.out.String()) {
			if strings.Contains(line, "joining the group failed") && strings.Contains(line, "GROUP_ID_NOT_FOUND") {
				return nil
			}
		}
		return fmt.Errorf("it said:\n%s", tail(refused.out.String(), 2000))
	})
	eventually(t, "the other one goes on meanwhile", func() error {
		if n := m.platform.total(); n < 20*perTick {
			return fmt.Errorf("%d accepted", n)
		}
		return nil
	})
	refused.signal(syscall.SIGTERM)
	if code := refused.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	m.account()
}

// before is the last commit whose membership was kafka-go's: what ran before this group was cooperative.
const before = "0b12f4c"

var buildBefore = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "before-*")
	if err != nil {
		return "", err
	}
	tree := filepath.Join(dir, "tree")
	for _, command := range [][]string{
		{"git", "-C", root, "worktree", "add", "--detach", tree, before},
		{"go", "-C", tree, "build", "-o", filepath.Join(dir, "release-forwarder"), "./cmd/release-forwarder"},
		{"git", "-C", root, "worktree", "remove", "--force", tree},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, out)
		}
	}
	return filepath.Join(dir, "release-forwarder"), nil
})

// versionBefore is the binary of it, built from the history.
func versionBefore(t testing.TB) string {
	t.Helper()
	path, err := buildBefore()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
