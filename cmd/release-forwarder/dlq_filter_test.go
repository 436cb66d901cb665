package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/dlq"
)

// filtered are the commands that choose dead letters by a filter.
func filtered(f dlqFilterFlags) map[string]command {
	retention := dlqRetentionFlags{RetentionShare: 0.8}
	return map[string]command{
		"list": &dlqListCommand{dlqFilterFlags: f, dlqRetentionFlags: retention}, "list --json": &dlqListCommand{dlqFilterFlags: f, dlqRetentionFlags: retention, JSON: true, All: true},
		"stats": &dlqStatsCommand{dlqFilterFlags: f, dlqRetentionFlags: retention}, "stats --json": &dlqStatsCommand{dlqFilterFlags: f, dlqRetentionFlags: retention, JSON: true},
		"export": &dlqExportCommand{dlqFilterFlags: f, All: true},
		"replay": &dlqReplayCommand{dlqFilterFlags: f, MaxRedrives: -1}, "replay --dry-run": &dlqReplayCommand{dlqFilterFlags: f, MaxRedrives: -1, DryRun: true},
	}
}

// A filter that no dead letter can pass is a mistake, not "0 open".
func TestAFilterThatCannotMatchIsAnError(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		for _, c := range []struct {
			flags dlqFilterFlags
			says  string
		}{
			{dlqFilterFlags{Reason: []string{"refussed"}}, `--reason: no dead letter here has "refussed", nor does this version know it; it knows empty, invalid-json, `},
			{dlqFilterFlags{Reason: []string{"refused", "Bad-Time"}}, `"Bad-Time"`},
			{dlqFilterFlags{Stage: []string{"mappin"}}, `--stage: no dead letter here has "mappin", nor does this version know it; it knows mapping, upstream`},
			{dlqFilterFlags{Partition: "7"}, "--partition: events.dlq has partitions 0 to 1 only"},
			{dlqFilterFlags{Since: "2020-01-02", Until: "2020-01-02"}, "--since must lie before --until"},
		} {
			for name, command := range filtered(c.flags) {
				if out, _, err := w.command(command); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(out, "0 open") {
					t.Errorf("%s with %+v: %v, want %s\n%s", name, c.flags, err, c.says, out)
				}
			}
		}
		for name, command := range map[string]command{"list": &dlqListCommand{Limit: -1}, "export": &dlqExportCommand{Limit: -1}} {
			if _, _, err := w.command(command); err == nil || !strings.Contains(err.Error(), "--limit") {
				t.Errorf("%s --limit -1: %v", name, err)
			}
		}
		for name, command := range filtered(dlqFilterFlags{Reason: []string{"bad-time"}, Partition: "1-7"}) {
			if _, _, err := w.command(command); err != nil {
				t.Errorf("%s: none has it, but one may: %v", name, err)
			}
		}
	})
}

// A later version, or another program, gives reasons and stages of its own.
func TestAReasonOfALaterVersionCanBeChosen(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		later := &kgo.Record{Topic: deadLetterTopic, Partition: 1, Value: []byte(plantedEvent)}
		for name, value := range map[string]string{"topic": eventTopic, "partition": "0", "offset": "1", "group": group, "stage": "receipt", "reason": "receipt-lost", "redrives": "0"} {
			later.Headers = append(later.Headers, kgo.RecordHeader{Key: dlq.HeaderPrefix + name, Value: []byte(value)})
		}
		if err := w.kafka.ProduceSync(context.Background(), later).FirstErr(); err != nil {
			t.Fatal(err)
		}
		for name, command := range filtered(dlqFilterFlags{Reason: []string{"receipt-lost"}, Stage: []string{"receipt"}}) {
			if out, _, err := w.command(command); err != nil || out == "" {
				t.Errorf("%s: %v %q", name, err, out)
			}
		}
	})
}

// Who looks with another group's name is told whose dead letters there are.
func TestDeadLettersOfOtherGroupsAreNotPassedOverInSilence(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		t.Setenv("KAFKA_GROUP_ID", "forwarder") // mistyped
		for name, command := range filtered(dlqFilterFlags{}) {
			if out, beside, err := w.command(command); err != nil || !strings.Contains(out+beside, "2 dead letters of other groups fit: "+group+" 2; --all-groups") {
				t.Errorf("%s: %v\n%s%s", name, err, out, beside)
			}
		}
		for name, command := range filtered(dlqFilterFlags{Reason: []string{"refused"}}) {
			if out, beside, err := w.command(command); err != nil || !strings.Contains(out+beside, "1 dead letter of another group fits: "+group+" 1; --all-groups") {
				t.Errorf("%s --reason refused: %v\n%s%s", name, err, out, beside)
			}
		}
		for name, command := range map[string]command{"show": &dlqShowCommand{ID: "0/0"}, "close": &dlqCloseCommand{IDs: []string{"0/0"}, Why: "x"}, "replay": &dlqReplayCommand{ID: []string{"0/0"}, MaxRedrives: -1}} {
			if _, _, err := w.command(command); err == nil || !strings.Contains(err.Error(), "--all-groups") {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, command := range filtered(dlqFilterFlags{AllGroups: true}) {
			if out, beside, err := w.command(command); err != nil || strings.Contains(out+beside, "--all-groups") {
				t.Errorf("%s --all-groups: %v\n%s%s", name, err, out, beside)
			}
		}
	})
}

// That a topic is missing is said once, with what to do.
func TestAMissingTopicIsToldOnce(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		once := func(name string, err error, want string) {
			t.Helper()
			if err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
		_, _, err := w.command(&dlqReplayCommand{To: "nosuch", MaxRedrives: -1})
		once("replay --to", err, "cannot write to topic nosuch: it does not exist, or this user may not describe it; check --to")
		t.Setenv("DLQ_TOPIC", "nosuch.dlq")
		for name, command := range filtered(dlqFilterFlags{}) {
			_, _, err := w.command(command)
			once(name, err, "cannot read topic nosuch.dlq: it does not exist, or this user may not describe it; check DLQ_TOPIC and KAFKA_TOPIC")
		}
		for name, command := range map[string]command{"show": &dlqShowCommand{ID: "0/0"}, "close": &dlqCloseCommand{IDs: []string{"0/0"}, Why: "x"}} {
			_, _, err := w.command(command)
			once(name, err, "cannot read topic nosuch.dlq: it does not exist, or this user may not describe it; check DLQ_TOPIC and KAFKA_TOPIC")
		}
		t.Setenv("KAFKA_TOPIC", "nosuch")
		_, _, err = w.command(&offsetsCommand{Timeout: time.Minute})
		once("offsets", err, "topic nosuch: it does not exist, or this user may not describe it; check KAFKA_TOPIC, or --topic")
		_, _, err = w.command(&findCommand{Since: "24h", Flow: []string{"F1"}, Limit: 5})
		once("find", err, "cannot read topic nosuch: it does not exist, or this user may not describe it; check KAFKA_TOPIC")
	})
}

// Of two dead letters of one record find shows the one that was written later,
// whichever of them it reads first.
func TestFindShowsTheLaterOfTwoDeadLetters(t *testing.T) {
	for _, order := range [][]int64{{1, 2}, {2, 1}} {
		f := &finder{c: &findCommand{}, wanted: &criteria{fields: map[string][]string{"flow_no": {"F1"}}}, print: &findPrinter{}, deadLetters: map[dlq.ID]*foundDeadLetter{}}
		for _, n := range order {
			s := &dlq.Stored{ID: dlq.ID{Topic: deadLetterTopic, Offset: n}, Written: n}
			s.Topic, s.Partition, s.Offset, s.Value = eventTopic, 0, 7, []byte(plantedEvent)
			if err := f.keep(s, nil); err != nil {
				t.Fatal(err)
			}
		}
		if l := f.deadLetters[dlq.ID{Topic: eventTopic, Offset: 7}]; l == nil || l.id != deadLetterTopic+"/0/2" {
			t.Errorf("read in the order %v: %+v", order, l)
		}
	}
}
