package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/testkit/repo"
)

// live is check --from-topic with a number of records.
func live(last int64, more func(*Command)) *Command {
	c := &Command{Lang: english, liveFlags: liveFlags{FromTopic: true, Last: last}}
	if more != nil {
		more(c)
	}
	return c
}

// inLiveWorld runs a test with the records of several in partition 0, and a replayed one of lanes-a in partition 1.
func inLiveWorld(t *testing.T, test func(w *apptest.World)) {
	t.Helper()
	apptest.InVirtualTime(t, 2, func(w *apptest.World) {
		w.T.Setenv("MAPPING_FILE", repo.Path(t, "mapping/testdata/files/nested.yaml"))
		w.T.Setenv("EVENT_REQUIRED_FIELDS", "")
		w.Produce(0, strings.Split(strings.TrimSpace(strings.ReplaceAll(several, "\n\n", "\n")), "\n")...)
		replayed := &kgo.Record{Topic: apptest.EventTopic, Partition: 1, Value: []byte(`{"x":1}`), Headers: []kgo.RecordHeader{{Key: "__forwarder.errors.origin", Value: []byte("lanes-a/0/2")}}}
		if err := w.Kafka.ProduceSync(context.Background(), replayed).FirstErr(); err != nil {
			t.Fatal(err)
		}
		test(w)
	})
}

// The live topic is read without a group, and nothing is written.
func TestCheckFromTopicChangesNothing(t *testing.T) {
	inLiveWorld(t, func(w *apptest.World) {
		asked := map[kmsg.Key]int{}
		w.Cluster.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster.KeepControl()
			asked[kmsg.Key(r.Key())]++
			return nil, nil, false
		})
		out, said, err := w.Command(live(1000, nil))
		if !errors.Is(err, console.ErrSomeFailed) || said != "" || !strings.Contains(out, "summary of 7 events") {
			t.Errorf("%v %s\n%s", err, said, out)
		}
		for _, key := range []kmsg.Key{kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.ConsumerGroupHeartbeat, kmsg.OffsetFetch, kmsg.OffsetCommit, kmsg.Produce, kmsg.CreateTopics, kmsg.DeleteRecords} {
			if asked[key] > 0 {
				t.Errorf("%s is asked", key.Name())
			}
		}
		if asked[kmsg.Fetch] != 2 {
			t.Errorf("%d fetches", asked[kmsg.Fetch])
		}
	})
}

// Without --reveal mapped fields alone are shown, redacted, and no name or value besides.
func TestCheckFromTopicRedacts(t *testing.T) {
	inLiveWorld(t, func(w *apptest.World) {
		for _, asJSON := range []bool{false, true} {
			out, _, _ := w.Command(live(1000, func(c *Command) { c.Verbose, c.JSON = true, asJSON }))
			for _, secret := range []string{"粤B1234", "vin", "L1", "slot-", "hello", "gate", "0755-99", "app_secret"} {
				if strings.Contains(out, secret) {
					t.Errorf("%q is shown:\n%s", secret, out)
				}
			}
			for _, shown := range []string{"events/0/0", "2211-2", "粤… (7)", "after the record's timestamp", "car.no", "(length 4)", "unknown-code: park_uuid"} {
				if !strings.Contains(out, shown) {
					t.Errorf("JSON %t: %q is not shown:\n%s", asJSON, shown, out)
				}
			}
			if revealed, _, _ := w.Command(live(1000, func(c *Command) { c.Verbose, c.JSON, c.Reveal = true, asJSON, true })); !strings.Contains(revealed, "粤B12345") || !strings.Contains(revealed, "body.car.vin") {
				t.Errorf("JSON %t: --reveal hides:\n%s", asJSON, revealed)
			}
		}
	})
}

// Errors of what is no event, and keys that nothing reads, say no more by the built-in contract.
func TestCheckFromTopicRedactsWhatIsNoEvent(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.Produce(0, `{"plate":"粤B12345",,`, `{"粤B12346":1,"plate":17,"leave_time":1630575499}`, "{\"plate\":\"\xd4\xc1B12347\"}")
		out, _, _ := w.Command(live(1000, func(c *Command) { c.Verbose = true }))
		if strings.Contains(out, "B1234") || strings.Contains(out, "1630575499") || !strings.Contains(out, "1, named with --reveal") || !strings.Contains(out, "looks like GBK") {
			t.Errorf("%s", out)
		}
	})
}

// The last records are an equal share of each partition, and an empty topic is said.
func TestCheckFromTopicTakesTheLast(t *testing.T) {
	inLiveWorld(t, func(w *apptest.World) {
		out, _, _ := w.Command(live(3, func(c *Command) { c.Verbose, c.JSON = true, true }))
		var places []string
		for line := range strings.Lines(out) {
			if rest, found := strings.CutPrefix(line, `{"place":"`); found {
				place, _, _ := strings.Cut(rest, `"`)
				places = append(places, place)
			}
		}
		if want := []string{"events/0/4", "events/0/5", "events/1/0"}; !slices.Equal(places, want) {
			t.Errorf("%q, want %q", places, want)
		}
	})
	apptest.InVirtualTime(t, 2, func(w *apptest.World) {
		if out, _, err := w.Command(live(3, nil)); !errors.Is(err, console.ErrSomeFailed) || out != "events: holds no event\n" {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A replayed record is judged by the topic in which its event was first.
func TestCheckFromTopicGoesByTheOrigin(t *testing.T) {
	inLiveWorld(t, func(w *apptest.World) {
		file := w.T.TempDir() + "/by-topic.yaml"
		writeFile(t, file, `profiles: [{name: first, when: {topic: lanes-a}, ignore: true}, {name: others, fields: {park_uuid: {from: a}, flow_no: {from: b}, parking_serial: {from: c}, plate: {from: d}}}]`)
		w.T.Setenv("MAPPING_FILE", file)
		if out, _, _ := w.Command(live(1000, nil)); !strings.Contains(out, "  ignored         1: first 1\n") {
			t.Errorf("%s", out)
		}
	})
}

// --against works on the live topic, with places as examples, and its exit code.
func TestCheckFromTopicCompares(t *testing.T) {
	inLiveWorld(t, func(w *apptest.World) {
		out, _, err := w.Command(live(1000, func(c *Command) { c.Against = oldFile(t) }))
		if !errors.Is(err, console.ErrSomeFailed) || !strings.Contains(out, "  example         events/0/0  plate_color: 5 → -1\n") || strings.Contains(out, "粤B1234") || strings.Contains(out, "events/0/4: dead letter") {
			t.Errorf("%v\n%s", err, out)
		}
		out, _, err = w.Command(live(1000, func(c *Command) { c.Against = repo.Path(t, "mapping/testdata/files/nested.yaml") }))
		if err != nil || !strings.Contains(out, "  same            7\n") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A right that is missing is named.
func TestCheckFromTopicNamesTheRight(t *testing.T) {
	inLiveWorld(t, func(w *apptest.World) {
		fault := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		defer fault.Remove()
		if _, _, err := w.Command(live(1000, nil)); err == nil || !strings.Contains(fmt.Sprint(err), "grant this user Read on the topic") {
			t.Errorf("%v", err)
		}
	})
}

// A lot that the lookup file does not have is counted as held, its code is not shown, and --against reads the lookup
// files beside the other file.
func TestCheckFromTopicHidesTheCodeOfAHeldLot(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		file := w.T.TempDir() + "/lookup.yaml"
		writeFile(t, file, `profiles: [{name: a, fields: {park_uuid: {from: lot, lookup: lots.csv}, flow_no: {from: flow}, parking_serial: {from: serial}, plate: {from: plate}}}]`)
		writeFile(t, file[:len(file)-len("lookup.yaml")]+"lots.csv", "code,uuid\n7,40e06b24-7320-4a61-8d97-7ebccb364a87\n")
		w.T.Setenv("MAPPING_FILE", file)
		w.T.Setenv("EVENT_REQUIRED_FIELDS", "")
		w.Produce(0, `{"lot":"secret-lot","flow":"F1","serial":"S1","plate":"粤B12345"}`, `{"lot":"7","flow":"F2","serial":"S2","plate":"粤B12346"}`)
		out, _, err := w.Command(live(1000, func(c *Command) { c.Verbose = true }))
		if !errors.Is(err, console.ErrSomeFailed) || strings.Contains(out, "secret-lot") || !strings.Contains(out, "lots.csv does not have the code (length 10)") || !strings.Contains(out, "\n  held            1\n") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, _, err = w.Command(live(1000, func(c *Command) { c.Against = file })); err != nil || !strings.Contains(out, "\n  same            2\n") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// Of several topics each gives an equal share.
func TestCheckFromTopicReadsEachTopic(t *testing.T) {
	inLiveWorld(t, func(w *apptest.World) {
		if _, err := kadm.NewClient(w.Kafka).CreateTopic(context.Background(), 1, 1, nil, "lanes-b"); err != nil {
			t.Fatal(err)
		}
		if err := w.Kafka.ProduceSync(context.Background(), &kgo.Record{Topic: "lanes-b", Value: []byte("{}")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		w.T.Setenv("KAFKA_TOPIC", "events,lanes-b")
		w.T.Setenv("DLQ_TOPIC", apptest.DeadLetterTopic)
		if out, _, _ := w.Command(live(4, nil)); !strings.Contains(out, "lanes-b/0/0: dead letter") || !strings.Contains(out, "events/1/0: dead letter") || !strings.Contains(out, "summary of 3 events") {
			t.Errorf("%s", out)
		}
	})
}
