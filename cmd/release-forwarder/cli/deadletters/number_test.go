package deadletters

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/consumer/topic"
)

// Whoever sends a changed event under a number that another event has is warned before: the platform would ignore it.
func TestAChangedEventWithANumberOfAnotherIsWarnedOf(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if r.Params["plate"] == "粤PLANTED1" {
				return &platform.Reply{Body: `{"code":"400","seqno":"1"}`}
			}
			return nil
		})
		r := w.Start()
		w.Produce(0, apptest.PlantedEvent, strings.Replace(apptest.PlantedEvent, "F1", "F2", 1))
		w.Until("the dead letters", func() bool { return w.DeadLetterCount() == 2 })
		set := func(pairs ...string) (said string) {
			t.Helper()
			_, said, err := w.Command(&ReplayCommand{Set: pairs, DryRun: true, MaxRedrives: -1})
			if err != nil || !strings.Contains(said, "looking for other events with the same flow_no in events since 1999-12-31T08:00:0") {
				t.Errorf("%v: %s", err, said)
			}
			return said
		}
		// Of the events of F1 and F2 there is nothing but what became the dead letters.
		if said := set("plate_color=2"); strings.Contains(said, "warning") || !strings.Contains(said, "2 records were looked at") {
			t.Errorf("no other event: %s", said)
		}
		if said := set("flow_no=F3", "plate=粤PLANTED2"); strings.Contains(said, "warning") {
			t.Errorf("two dead letters of equal content: %s", said)
		}
		accepted := strings.Replace(apptest.PlantedEvent, "粤PLANTED1", "粤PLANTED2", 1)
		w.Produce(1, accepted)
		w.Until("its acceptance", func() bool { return len(w.Platform.Accepted()) == 1 })
		const other = "warning: dead letter events.dlq/0/0 would have the flow_no of events/1/0, with other content: plate, plate_color\n"
		said := set("plate_color=2")
		if !strings.Contains(said, other+"the platform ignores a flow_no that it has accepted, and answers as if it took it: set flow_no too") ||
			strings.Count(said, "warning") != 1 || strings.Contains(said, "PLANTED") {
			t.Errorf("%s", said)
		}
		if said := set("plate=粤PLANTED2"); strings.Contains(said, "warning") {
			t.Errorf("what was accepted already is a plain repeat: %s", said)
		}
		if said := set("flow_no=F4"); strings.Contains(said, "of events/") {
			t.Errorf("a number of its own: %s", said)
		}
		// What a replay before has sent counts as well.
		if out, said, err := w.Command(&ReplayCommand{ID: []string{"0/1"}, Set: []string{"plate=粤PLANTED2"}, Yes: true, MaxRedrives: -1}); err != nil {
			t.Fatalf("%v: %s%s", err, out, said)
		}
		w.Until("its acceptance", func() bool { return len(w.Platform.Accepted()) == 2 })
		_, said, err := w.Command(&ReplayCommand{ID: []string{"0/1"}, Set: []string{"plate_color=2"}, Again: true, DryRun: true, MaxRedrives: -1})
		if err != nil || !strings.Contains(said, "dead letter events.dlq/0/1 would have the flow_no of events/0/2, with other content: plate, plate_color\n") {
			t.Errorf("%v: %s", err, said)
		}
		w.End(r)
	})
}

// Two dead letters that would get one number are told too.
func TestChangedEventsWithOneNumberAreWarnedOf(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Body: `{"code":"400","seqno":"1"}`} })
		r := w.Start()
		w.Produce(0, strings.Replace(apptest.PlantedEvent, "粤PLANTED1", "粤PLANTED2", 1))
		w.Until("the dead letter", func() bool { return w.DeadLetterCount() == 3 })
		w.End(r)
		_, said, err := w.Command(&ReplayCommand{Set: []string{"flow_no=F9"}, DryRun: true, MaxRedrives: -1})
		const want = "warning: dead letter events.dlq/0/2 would have the flow_no of dead letter events.dlq/0/0, with other content: plate\n"
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("%v: %s", err, said)
		}
		// That the topic cannot be read is said, and ends nothing.
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: apptest.EventTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		out, said, err := w.Command(&ReplayCommand{ID: []string{"0/0"}, Set: []string{"plate_color=2"}, DryRun: true, MaxRedrives: -1})
		if err != nil || !strings.Contains(said, "warning: whether other events have the same flow_no is not known: ") || !strings.Contains(out, "1 dead letter would be replayed") {
			t.Errorf("%v: %s%s", err, out, said)
		}
	})
}

// A long topic is looked at up to a bound.
func TestTheLookForOtherEventsIsBounded(t *testing.T) {
	for most, want := range map[int64]int64{5: 15, 10: 20, 11: 20} {
		if got := bound(topic.Span{First: 10, End: 20}, most); got != want {
			t.Errorf("%d offsets of 10 to 20: up to %d, want %d", most, got, want)
		}
	}
}
