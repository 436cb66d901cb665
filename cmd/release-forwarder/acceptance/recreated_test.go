package acceptance

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"release-forwarder/cmd/testkit/platform"
)

// settles bounds the wait until a replica has gone on in another log: today's brokers
// tell at once, what one is too old to tell is believed after 30s.
const settles = 75 * time.Second

// recreatedScenarios: the topic is deleted and made again, and what it held before is
// not what it holds now.
func recreatedScenarios() []scenario {
	all := []scenario{
		{name: "recreated while paused: the new log is smaller", run: recreatedPaused(func(s *suspect) { s.put(s.releases(40, 1)...) })},
		{name: "recreated while paused: the new log ends at the position", run: recreatedPaused(func(s *suspect) { s.put(s.releases(70, 1)...) })},
		{name: "recreated while paused: the new log is larger", run: recreatedPaused(func(s *suspect) { s.put(s.releases(250, 1)...) })},
		{name: "recreated while paused: twice", run: recreatedPaused(func(s *suspect) {
			s.put(s.releases(90, 1)...)
			s.recreate()
			s.put(s.releases(250, 1)...)
		})},
		{name: "recreated while paused: by transactions, with an aborted tail", run: recreatedPaused(func(s *suspect) { s.marked(69) })},
		{name: "recreated while paused: KAFKA_OFFSET_RESET is none", run: recreatedParked},
		{name: "recreated while frozen: larger", run: recreatedFrozen(false, false)},
		{name: "recreated while frozen: larger, with a held record in front", run: recreatedFrozen(true, false)},
		{name: "recreated while frozen past its session: larger, with a held record in front", run: recreatedFrozen(true, true)},
		{name: "recreated while stopped: larger", run: recreatedStopped(false, func(s *suspect) { s.put(s.releases(250, 1)...) })},
		{name: "recreated while stopped: by transactions, with an aborted tail", run: recreatedStopped(false, func(s *suspect) { s.marked(69) })},
		{name: "recreated while stopped: larger, with a held record in front", run: recreatedStopped(true, func(s *suspect) { s.put(s.releases(250, 1)...) })},
		{name: "recreated while draining", run: recreatedDraining},
		{name: "recreated, and a late commit by name lands on the new topic", run: recreatedLateCommit},
	}
	for i := range all {
		all[i].notOn = threeBrokers
	}
	return all
}

// marked fills a new log by transactions, so that a marker lies at the offset, a
// hundred records lie behind it, and the tail is aborted.
func (s *suspect) marked(at int) {
	s.transactions(s.releases(at, 1), s.releases(100, 1), s.releases(20, 1))
}

// paused gives a replica that has finished 20 records, holds 50 and has 50 more
// before it that it does not read.
func (s *suspect) paused() *replica {
	s.t.Helper()
	f := s.run("the running replica")
	s.put(s.releases(20, 1)...)
	s.caughtUp()
	s.refuse()
	s.put(s.releases(100, 1)...)
	eventually(s.t, "reading is paused", func() error { return f.metric("release_forwarder_pending_records", room) })
	s.gone = append(s.gone, [2]int64{70, 120})
	return f
}

func recreatedPaused(fill func(s *suspect)) func(t *testing.T) {
	return func(t *testing.T) {
		s := newSuspect(t, suspectSettings())
		s.paused()
		s.recreate()
		fill(s)
		s.refuseNone()
		s.settled(settles)
		s.judge(t, t.Name())
	}
}

func (s *suspect) refuseNone() { s.platform.script(nil) }

// recreatedParked leaves to a person where reading goes on.
func recreatedParked(t *testing.T) {
	s := newSuspect(t, suspectSettings("KAFKA_OFFSET_RESET", "none"))
	f := s.paused()
	s.recreate()
	s.put(s.releases(250, 1)...)
	s.refuseNone()
	s.parks(f, 0)
	s.settled(settles)
	s.judge(t, t.Name())
}

// parks waits until the replica says that the partition waits for a person, looks
// whether the next one waits too where there is a commit left to be wrong, and does
// what the person does: what lies below both the commit and where the logs part is done.
func (s *suspect) parks(f *replica, at int64) {
	s.t.Helper()
	if !s.waits(f) {
		return
	}
	s.retire(f, f.stop)
	commits, err := s.commits()
	if err != nil {
		s.t.Fatal(err)
	}
	c, committed := commits[0]
	if committed && (c.At > at || c.Metadata != "") {
		f = s.run("the replica restarted before the person")
		if s.waits(f) {
			s.retire(f, f.stop)
		} else {
			s.retire(f, f.kill)
		}
	}
	if committed {
		at = min(at, c.At)
	}
	s.commit(kadm.Offset{Topic: s.topic, At: at, LeaderEpoch: -1})
	s.run("the replica after the person")
}

// waits reports whether the replica says that its partition waits for a person; it is
// an error if not.
func (s *suspect) waits(f *replica) bool {
	s.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(settles); time.Now().Before(deadline); <-tick.C {
		if len(f.drops(s.topic)) > 0 {
			f.answers("/livez", http.StatusOK)
			return true
		}
	}
	s.t.Errorf("%s does not say that the partition waits for a person", f.name)
	return false
}

// recreatedFrozen freezes the replica, so that it sees nothing of the change; past its
// session it is no member any more when it goes on.
func recreatedFrozen(held, past bool) func(t *testing.T) {
	return func(t *testing.T) {
		settings := suspectSettings()
		if !past {
			settings["KAFKA_SESSION_TIMEOUT"] = "45s"
		}
		s := newSuspect(t, settings)
		f := s.run("the running replica")
		s.put(s.releases(20, 1)...)
		s.caughtUp()
		before := s.releases(50, 1)
		if held {
			s.refuse(before[0])
		}
		s.put(before...)
		s.holdsOnly(f, before, held)
		f.signal(syscall.SIGSTOP)
		s.recreate()
		s.put(s.releases(250, 1)...)
		if past {
			eventually(t, "the group has no member", s.nobody)
		}
		f.signal(syscall.SIGCONT)
		s.refuseNone()
		s.settled(settles)
		s.judge(t, t.Name())
	}
}

// nobody is nil when the group has no member.
func (s *suspect) nobody() error {
	groups, err := s.admin.DescribeGroups(s.ctx(), s.group)
	if err == nil && len(groups[s.group].Members) > 0 {
		err = fmt.Errorf("%d members", len(groups[s.group].Members))
	}
	return err
}

// holdsOnly waits until all the events are accepted, but for the first where it is
// held, and until Kafka knows.
func (s *suspect) holdsOnly(f *replica, events []*event, held bool) {
	s.t.Helper()
	if !held {
		s.acceptedAll(events...)
		s.caughtUp()
		return
	}
	s.acceptedAll(events[1:]...)
	eventually(s.t, "one record is held", func() error { return f.metric("release_forwarder_pending_records", 1) })
	s.allButOneDone()
}

func recreatedStopped(held bool, fill func(s *suspect)) func(t *testing.T) {
	return func(t *testing.T) {
		s := newSuspect(t, suspectSettings())
		f := s.run("the replica before")
		s.put(s.releases(20, 1)...)
		s.caughtUp()
		before := s.releases(50, 1)
		if held {
			s.refuse(before[0])
		}
		s.put(before...)
		s.holdsOnly(f, before, held)
		s.retire(f, f.stop)
		s.recreate()
		fill(s)
		s.refuseNone()
		// Kafka deletes a topic's commits with it: then nothing is left that could
		// tell of another log, and nothing that could be wrong in it.
		s.judgedBy(t, "the restarted replica")
	}
}

// judgedBy lets another replica read the new log, which cannot know of the old one where the
// group has no commit.
func (s *suspect) judgedBy(t *testing.T, replica string) {
	t.Helper()
	commits, err := s.commits()
	if err != nil {
		t.Fatal(err)
	}
	s.silent = len(commits) == 0
	s.run(replica)
	s.settled(settles)
	s.judge(t, t.Name())
}

// recreatedDraining makes the topic again between SIGTERM and the drain's last commit.
func recreatedDraining(t *testing.T) {
	s := newSuspect(t, suspectSettings("UPSTREAM_TIMEOUT", "18s"))
	f := s.run("the draining replica")
	s.put(s.releases(20, 1)...)
	s.caughtUp()
	answer := make(chan struct{})
	s.platform.script(func(*platform.Request) *platform.Reply { <-answer; return nil })
	before := s.releases(10, 1)
	s.put(before...)
	eventually(t, "all are sent", func() error { return f.metric("release_forwarder_in_flight", float64(len(before))) })
	s.retire(f, func() { f.signal(syscall.SIGTERM) })
	f.answers("/readyz", http.StatusServiceUnavailable)
	s.recreate()
	s.marked(29)
	s.platform.script(nil)
	close(answer)
	if code := f.exit(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	s.judgedBy(t, "the next replica")
}

// recreatedLateCommit writes the old log's commit beside the new topic, as an old
// member's request does that comes late.
func recreatedLateCommit(t *testing.T) {
	s := newSuspect(t, suspectSettings())
	f := s.run("the replica before")
	s.put(s.releases(20, 1)...)
	s.caughtUp()
	before := s.releases(50, 1)
	s.refuse(before[0])
	s.put(before...)
	s.holdsOnly(f, before, true)
	s.retire(f, f.kill)
	commits, err := s.commits()
	if err != nil || commits[0].At != 20 || commits[0].Metadata == "" {
		t.Fatalf("the commit is %+v (%v)", commits[0], err)
	}
	s.recreate()
	s.marked(19)
	s.refuseNone()
	eventually(t, "the dead member is gone and the old commit is written", func() error {
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: s.topic, At: commits[0].At, LeaderEpoch: commits[0].LeaderEpoch, Metadata: commits[0].Metadata})
		answer, err := s.admin.CommitOffsets(s.ctx(), s.group, offsets)
		if err == nil {
			err = answer.Error()
		}
		return err
	})
	s.run("the next replica")
	s.settled(settles)
	s.judge(t, t.Name())
}
