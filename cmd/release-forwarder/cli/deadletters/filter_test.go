package deadletters

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli"
	"release-forwarder/cmd/release-forwarder/cli/find"
	"release-forwarder/dlq"
)

// filtered are the commands that choose dead letters by a filter.
func filtered(f filterFlags) map[string]apptest.Command {
	retention := retentionFlags{RetentionShare: 0.8}
	return map[string]apptest.Command{
		"list": &ListCommand{filterFlags: f, retentionFlags: retention}, "list --json": &ListCommand{filterFlags: f, retentionFlags: retention, JSON: true, All: true},
		"stats": &StatsCommand{filterFlags: f, retentionFlags: retention}, "stats --json": &StatsCommand{filterFlags: f, retentionFlags: retention, JSON: true},
		"export": &ExportCommand{filterFlags: f, All: true},
		"replay": &ReplayCommand{filterFlags: f, MaxRedrives: -1}, "replay --dry-run": &ReplayCommand{filterFlags: f, MaxRedrives: -1, DryRun: true},
	}
}

// A filter that no dead letter can pass is a mistake, not "0 open".
func TestAFilterThatCannotMatchIsAnError(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		for _, c := range []struct {
			flags filterFlags
			says  string
		}{
			{filterFlags{Reason: []string{"refussed"}}, `--reason: no dead letter here has "refussed", nor does this version know it; it knows empty, invalid-json, `},
			{filterFlags{Reason: []string{"refused", "Bad-Time"}}, `"Bad-Time"`},
			{filterFlags{Stage: []string{"mappin"}}, `--stage: no dead letter here has "mappin", nor does this version know it; it knows mapping, upstream`},
			{filterFlags{Partition: "7"}, "--partition: events.dlq has partitions 0 to 1 only"},
			{filterFlags{Since: "2020-01-02", Until: "2020-01-02"}, "--since must lie before --until"},
		} {
			for name, command := range filtered(c.flags) {
				if out, _, err := w.Command(command); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(out, "0 open") {
					t.Errorf("%s with %+v: %v, want %s\n%s", name, c.flags, err, c.says, out)
				}
			}
		}
		for name, command := range map[string]apptest.Command{"list": &ListCommand{Limit: -1}, "export": &ExportCommand{Limit: -1}} {
			if _, _, err := w.Command(command); err == nil || !strings.Contains(err.Error(), "--limit") {
				t.Errorf("%s --limit -1: %v", name, err)
			}
		}
		for name, command := range filtered(filterFlags{Reason: []string{"bad-time"}, Partition: "1-7"}) {
			if _, _, err := w.Command(command); err != nil {
				t.Errorf("%s: none has it, but one may: %v", name, err)
			}
		}
	})
}

// A later version, or another program, gives reasons and stages of its own.
func TestAReasonOfALaterVersionCanBeChosen(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		later := &kgo.Record{Topic: apptest.DeadLetterTopic, Partition: 1, Value: []byte(apptest.PlantedEvent)}
		for name, value := range map[string]string{"topic": apptest.EventTopic, "partition": "0", "offset": "1", "group": apptest.Group, "stage": "receipt", "reason": "receipt-lost", "redrives": "0"} {
			later.Headers = append(later.Headers, kgo.RecordHeader{Key: dlq.HeaderPrefix + name, Value: []byte(value)})
		}
		if err := w.Kafka.ProduceSync(context.Background(), later).FirstErr(); err != nil {
			t.Fatal(err)
		}
		for name, command := range filtered(filterFlags{Reason: []string{"receipt-lost"}, Stage: []string{"receipt"}}) {
			if out, _, err := w.Command(command); err != nil || out == "" {
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
		for name, command := range filtered(filterFlags{}) {
			if out, beside, err := w.Command(command); err != nil || !strings.Contains(out+beside, "2 dead letters of other groups fit: "+apptest.Group+" 2; --all-groups") {
				t.Errorf("%s: %v\n%s%s", name, err, out, beside)
			}
		}
		for name, command := range filtered(filterFlags{Reason: []string{"refused"}}) {
			if out, beside, err := w.Command(command); err != nil || !strings.Contains(out+beside, "1 dead letter of another group fits: "+apptest.Group+" 1; --all-groups") {
				t.Errorf("%s --reason refused: %v\n%s%s", name, err, out, beside)
			}
		}
		for name, command := range map[string]apptest.Command{"show": &ShowCommand{ID: "0/0"}, "close": &CloseCommand{IDs: []string{"0/0"}, Why: "x"}, "replay": &ReplayCommand{ID: []string{"0/0"}, MaxRedrives: -1}} {
			if _, _, err := w.Command(command); err == nil || !strings.Contains(err.Error(), "--all-groups") {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, command := range filtered(filterFlags{AllGroups: true}) {
			if out, beside, err := w.Command(command); err != nil || strings.Contains(out+beside, "--all-groups") {
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
		_, _, err := w.Command(&ReplayCommand{To: "nosuch", MaxRedrives: -1})
		once("replay --to", err, "cannot write to topic nosuch: it does not exist, or this user may not describe it; check --to")
		t.Setenv("DLQ_TOPIC", "nosuch.dlq")
		for name, command := range filtered(filterFlags{}) {
			_, _, err := w.Command(command)
			once(name, err, "cannot read topic nosuch.dlq: it does not exist, or this user may not describe it; check DLQ_TOPIC and KAFKA_TOPIC")
		}
		for name, command := range map[string]apptest.Command{"show": &ShowCommand{ID: "0/0"}, "close": &CloseCommand{IDs: []string{"0/0"}, Why: "x"}} {
			_, _, err := w.Command(command)
			once(name, err, "cannot read topic nosuch.dlq: it does not exist, or this user may not describe it; check DLQ_TOPIC and KAFKA_TOPIC")
		}
		t.Setenv("KAFKA_TOPIC", "nosuch")
		_, _, err = w.Command(&cli.OffsetsCommand{Timeout: time.Minute})
		once("offsets", err, "topic nosuch: it does not exist, or this user may not describe it; check KAFKA_TOPIC, or --topic")
		_, _, err = w.Command(&find.Command{Since: "24h", Flow: []string{"F1"}, Limit: 5})
		once("find", err, "cannot read topic nosuch: it does not exist, or this user may not describe it; check KAFKA_TOPIC")
	})
}
