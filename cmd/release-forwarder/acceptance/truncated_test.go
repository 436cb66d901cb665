package acceptance

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// truncatedScenarios: a leader dies with records that its follower never had, the
// follower leads, and others are written over the same offsets.
func truncatedScenarios() []scenario {
	return []scenario{{name: "truncated by an unclean election", run: truncated, disturbs: true, notOn: threeBrokers}}
}

// The brokers of the topics that are truncated. The third keeps the controllers'
// majority and the group's coordinator.
const (
	leads   = 3
	follows = 2
)

// The log of each case: so many records are on both brokers, and the log ends there on
// the leader's alone.
const (
	common = 20
	tailed = 50
)

// life is what the replica does while the log is truncated.
type life uint8

const (
	runs     life = iota // it runs on
	restarts             // it is stopped before, and started when the new records are there
	notices              // it sees the shorter log, is stopped, and started when the new records are there
)

func (l life) String() string {
	return [...]string{"on a running replica", "on one restarted in between", "on one that had noticed and was restarted"}[l]
}

// truncation is a case: what lies where.
type truncation struct {
	name string
	life life
	// held is a record that is held in front, so that what is beyond it stands in
	// the commit's metadata.
	held bool
	// aborted makes the tail an aborted transaction: the remembered record lies below
	// the truncation, the position above it.
	aborted bool
	none    bool // KAFKA_OFFSET_RESET

	s     *suspect
	f     *replica
	front *event
}

func truncations() []*truncation {
	return []*truncation{
		{name: "below the position", life: runs},
		{name: "below the position", life: restarts},
		{name: "below the position", life: notices},
		{name: "below the runs beyond the commit", life: runs, held: true},
		{name: "below the runs beyond the commit", life: restarts, held: true},
		{name: "below the runs beyond the commit", life: notices, held: true},
		{name: "between the remembered record and the position", life: runs, aborted: true},
		{name: "between the remembered record and the position", life: restarts, aborted: true},
		{name: "between the remembered record and the position", life: notices, aborted: true},
		{name: "below the position, KAFKA_OFFSET_RESET none", life: runs, none: true},
		{name: "below the position, KAFKA_OFFSET_RESET none", life: restarts, none: true},
		{name: "below the runs beyond the commit, KAFKA_OFFSET_RESET none", life: runs, held: true, none: true},
		{name: "below the runs beyond the commit, KAFKA_OFFSET_RESET none", life: restarts, held: true, none: true},
	}
}

// truncated leads all cases through the same death of a broker: each has a topic, a
// group and a platform of its own.
func truncated(t *testing.T) {
	b := kafka.(*realBackend) // the only backend of three brokers
	all := truncations()
	script := func(command string, broker int) {
		t.Helper()
		if _, err := b.script(command, strconv.Itoa(broker)); err != nil {
			t.Fatal(err)
		}
		for _, c := range all { // an observer holds on to a coordinator that is gone
			c.s.connect()
		}
	}
	t.Cleanup(func() { // whatever became of the case, all brokers run after it
		for _, broker := range []int{follows, leads} {
			_, _ = b.script("start", strconv.Itoa(broker))
		}
	})
	for _, c := range all {
		c.begin(t)
	}
	for _, c := range all {
		c.replicated()
	}
	script("stop", follows)
	for _, c := range all {
		c.alone()
	}
	for _, c := range all {
		c.finished()
	}
	script("kill", leads)
	script("start", follows)
	for _, c := range all {
		c.elected()
	}
	for _, c := range all {
		c.rewritten()
	}
	script("start", leads)
	for _, c := range all {
		if c.none {
			c.person()
		}
	}
	deadline := time.Now().Add(settles)
	for _, c := range all {
		c.s.settled(time.Until(deadline))
	}
	for _, c := range all {
		name := c.name + ", " + c.life.String()
		t.Run(name, func(t *testing.T) { c.s.judge(t, "unclean election "+name) })
	}
}

func (c *truncation) begin(t *testing.T) {
	t.Helper()
	settings := suspectSettings("CONSUMER_MAX_PENDING", "200")
	if c.none {
		settings["KAFKA_OFFSET_RESET"] = "none"
	}
	c.s = &suspect{world: newWorld(t, plan{noTopic: true, settings: settings})}
	c.s.createOn(c.s.topic, weak, leads, follows)
	c.s.gone = [][2]int64{{common, tailed}}
	c.f = c.s.run("the running replica")
}

// replicated writes what both brokers have.
func (c *truncation) replicated() {
	events := c.s.releases(common, 1)
	c.front = events[common/2]
	if c.held {
		c.s.refuse(c.front)
	}
	c.s.put(events...)
	if c.held {
		c.s.acceptedAll(events[common/2+1:]...)
		return
	}
	c.s.acceptedAll(events...)
	c.s.caughtUp()
}

// alone writes what the leader alone has.
func (c *truncation) alone() {
	if c.aborted {
		c.s.transactions(c.s.releases(tailed-common, 1))
		return
	}
	events := c.s.releases(tailed-common, 1)
	c.s.put(events...)
	c.s.acceptedAll(events...)
}

// finished waits until Kafka knows that all is sent.
func (c *truncation) finished() {
	if c.held {
		c.s.allButOneDone()
	} else {
		c.s.caughtUp()
	}
	if c.life == restarts {
		c.f.name = "the replica before"
		c.s.retire(c.f, c.f.stop)
	}
}

// elected makes the follower lead.
func (c *truncation) elected() {
	c.s.t.Helper()
	eventually(c.s.t, "the follower leads", func() error {
		topics, err := c.s.admin.ListTopics(c.s.ctx(), c.s.topic)
		if err != nil {
			return err
		}
		if leader := topics[c.s.topic].Partitions[0].Leader; leader != follows {
			var set kadm.TopicsSet
			set.Add(c.s.topic, 0)
			_, err := c.s.admin.ElectLeaders(c.s.ctx(), kadm.ElectLiveReplica, set)
			return fmt.Errorf("broker %d leads; %w", leader, err)
		}
		return nil
	})
	c.s.ledBy(c.s.topic, follows)
	if ends, err := c.s.ends(); err != nil || ends[0] != common {
		c.s.t.Fatalf("the log ends at %d, want %d (%v)", ends[0], common, err)
	}
	if c.life == notices {
		within(c.s.t, settles, "the replica notices", func() error {
			if !c.f.noticed(c.s.topic) {
				return errNone
			}
			return nil
		})
		c.f.name = "the replica that noticed"
		c.s.retire(c.f, c.f.stop)
	}
}

// rewritten fills the log beyond where it ended.
func (c *truncation) rewritten() {
	c.s.put(c.s.releases(90, 1)...)
	if c.life != runs {
		c.f = c.s.run("the restarted replica")
	}
	c.s.refuseNone()
}

// person waits until the partition waits for a person, who lets it go on where the
// logs part.
func (c *truncation) person() { c.s.parks(c.f, common) }
