package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli"
	"release-forwarder/cmd/release-forwarder/cli/deadletters"
	"release-forwarder/cmd/release-forwarder/cli/find"
)

// more is the second event topic of these tests.
const more = apptest.MoreEventsTopic

// both is what a replica of both topics is started with, beside its protocol.
var both = []string{"KAFKA_TOPIC", apptest.EventTopic + ", " + more, "DLQ_TOPIC", apptest.DeadLetterTopic}

// onBoth runs a test under both group protocols, in a world of the event topic and perhaps more topics.
func onBoth(t *testing.T, partitions int32, test func(w *world)) {
	t.Helper()
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			t.Setenv("KAFKA_GROUP_PROTOCOL", string(protocol))
			inVirtualTime(t, partitions, test)
		})
	}
}

func (w *world) create(topic string, partitions int32) {
	w.T.Helper()
	if _, err := kadm.NewClient(w.Kafka).CreateTopic(context.Background(), partitions, 1, nil, topic); err != nil {
		w.T.Fatal(err)
	}
}

// produceTo writes events to a partition of a topic as soon as there is one.
func (w *world) produceTo(topic string, partition int32, values ...string) {
	w.T.Helper()
	for _, v := range values {
		w.Until("the topic", func() bool {
			return w.Kafka.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}).FirstErr() == nil
		})
	}
	w.Acknowledge(values...)
}

// series are n events of an order key.
func series(orderKey, n int) (values []string) {
	for i := range n {
		values = append(values, apptest.Event(orderKey, i))
	}
	return values
}

// accepted waits until so many events are accepted, each once, in the order of its key.
func (w *world) accepted(n int, limit ...time.Duration) {
	w.T.Helper()
	w.Until(fmt.Sprintf("%d events", n), func() bool { return w.Platform.Stats().Accepted >= n }, limit...)
	next := map[string]int{}
	for _, q := range w.Platform.Accepted() {
		var orderKey, number int
		if _, err := fmt.Sscanf(q.Params["flow_no"], "F-%d-%d", &orderKey, &number); err != nil {
			w.T.Fatal(err)
		}
		serial := q.Params["parking_serial"]
		if number != next[serial] {
			w.T.Errorf("%s came as number %d of its order key", q.Params["flow_no"], next[serial])
		}
		next[serial]++
	}
	if s := w.Platform.Stats(); s.Received != n {
		w.T.Errorf("%d requests for %d events", s.Received, n)
	}
}

// Topics of different numbers of partitions are read in one group: each event is sent once, in the order of its key in
// its partition, each partition has one owner, and all is committed.
func TestEventTopicsAreReadInOneGroup(t *testing.T) {
	onBoth(t, 3, func(w *world) {
		w.create(more, 1)
		first, second := w.Start(both...), w.Start()
		for p := range int32(3) {
			w.produceTo(apptest.EventTopic, p, series(int(p), 10)...)
		}
		w.produceTo(more, 0, series(100, 10)...)
		w.accepted(40)
		w.Until("the group", func() bool {
			return len(first.Snapshot().Engine.Partitions) == 2 && len(second.Snapshot().Engine.Partitions) == 2
		}, time.Minute)
		w.Until("the commits", func() bool {
			at, err := kadm.NewClient(w.Kafka).FetchOffsets(context.Background(), apptest.Group)
			o, _ := at.Lookup(more, 0)
			return err == nil && o.At == 10 && w.AllCommitted(3, 10)()
		})
		out, err := w.offsets(cli.OffsetsCommand{})
		if err != nil || strings.Count(out, "\n"+apptest.EventTopic+" ") != 3 || !strings.Contains(out, "\n"+more+"  0          10         10") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A topic that is not there holds up no other. It is named once, and read from its first record once it exists; a
// deleted one leaves the others as they are.
func TestAMissingEventTopicHoldsUpNoOther(t *testing.T) {
	onBoth(t, 2, func(w *world) {
		r := w.Start(both...)
		w.produceTo(apptest.EventTopic, 0, series(1, 5)...)
		w.accepted(5)
		time.Sleep(time.Minute)
		if ok, why := r.Ready(); !ok {
			t.Errorf("not ready: %s", why)
		}
		lines := w.LogLines("topic-missing")
		if len(lines) != 1 || fmt.Sprint(lines[0]["topics"]) != "["+more+"]" {
			t.Errorf("%v", lines)
		}
		if out, err := w.offsets(cli.OffsetsCommand{}); err != nil || !strings.Contains(out, more+": does not exist") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, _, err := w.find(find.Command{Serial: []string{"S-1"}}); err != nil || !strings.Contains(out, "events       "+more+": does not exist") || !strings.Contains(out, "5 done") {
			t.Errorf("%v\n%s", err, out)
		}

		w.create(more, 3)
		for p := range int32(3) {
			w.produceTo(more, p, series(100+int(p), 5)...)
		}
		w.accepted(20, time.Minute)
		if err := w.Cluster.DeleteTopic(more); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.produceTo(apptest.EventTopic, 1, series(2, 5)...)
		w.accepted(25)
		if lines := w.LogLines("topic-missing"); len(lines) != 2 {
			t.Errorf("the deletion was not said: %v", lines)
		}
		w.create(more, 1)
		w.ReconnectObserver() // the test's client knows the new topic
		w.produceTo(more, 0, series(200, 5)...)
		w.accepted(30, time.Minute)
	})
}

// A topic that is missing, of events or of replays, or that may not be described, is in the metric, on the page and in
// /status.json, until it can be read.
func TestAMissingTopicIsReported(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.create("events-c", 1)
		lost := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "events-c", Err: kerr.TopicAuthorizationFailed, Count: -1})
		r := w.Start("KAFKA_TOPIC", apptest.EventTopic+",events-c,"+more, "DLQ_TOPIC", apptest.DeadLetterTopic, "KAFKA_REPLAY_TOPIC", "replays")
		reported := func(topics ...string) {
			t.Helper()
			w.Until(fmt.Sprint("what is missing: ", topics), func() bool {
				return len(r.Snapshot().Engine.Missing) == len(topics) && r.Snapshot().Engine.Joined
			}, time.Minute)
			for _, topic := range []string{apptest.EventTopic, "events-c", more, "replays"} {
				want := map[bool]float64{true: 1}[slices.Contains(topics, topic)]
				if got := r.Seconds(`topic_missing{topic="` + topic + `"}`); got != want {
					t.Errorf("the metric says of %s %v, want %v", topic, got, want)
				}
			}
			c := r.Status().Condition
			page, status := r.Page("zh")
			if len(status["missing_topics"].([]any)) != len(topics) {
				t.Errorf("/status.json: %v", status["missing_topics"])
			}
			for _, topic := range topics {
				name := topic + ": UNKNOWN_TOPIC_OR_PARTITION"
				if topic == "events-c" {
					name = topic + ": TOPIC_AUTHORIZATION_FAILED"
				}
				if c.Kind != admin.TopicsMissing || !strings.Contains(c.String(), name) || !strings.Contains(page, name) {
					t.Errorf("the page says: %s", c)
				}
			}
			if len(topics) == 0 && c.Kind != admin.Well {
				t.Errorf("the page says: %s", c)
			}
		}
		reported("events-c", more, "replays")
		lost.Remove()
		reported(more, "replays")
		w.create(more, 1)
		reported("replays")
		w.create("replays", 1)
		reported()
		w.produceTo(more, 0, series(1, 2)...)
		w.accepted(2)
	})
}

// Without any event topic nothing is read, also where there are replays.
func TestWithoutAnyEventTopicTheServiceWaits(t *testing.T) {
	onBoth(t, 1, func(w *world) {
		w.create("replays", 1)
		r := w.Start("KAFKA_TOPIC", "events-c,"+more, "DLQ_TOPIC", apptest.DeadLetterTopic, "KAFKA_REPLAY_TOPIC", "replays")
		time.Sleep(time.Minute)
		if ok, _ := r.Ready(); ok {
			t.Error("ready")
		}
		if _, err := w.offsets(cli.OffsetsCommand{}); err == nil || !strings.Contains(err.Error(), "check KAFKA_TOPIC") {
			t.Errorf("%v", err)
		}
		if _, _, err := w.find(find.Command{Lot: []string{"lot-1"}}); err == nil || !strings.Contains(err.Error(), "check KAFKA_TOPIC") {
			t.Errorf("%v", err)
		}
		w.create(more, 1)
		w.produceTo(more, 0, series(1, 2)...)
		w.accepted(2, time.Minute)
	})
}

// A topic that grows, one that is recreated, and one that may not be read leave the other as it is.
func TestOneEventTopicsTroubleIsNotTheOthers(t *testing.T) {
	for name, trouble := range map[string]func(w *world){
		"grows": func(w *world) {
			if _, err := kadm.NewClient(w.Kafka).CreatePartitions(context.Background(), 2, more); err != nil {
				w.T.Fatal(err)
			}
			w.ReconnectObserver()
			w.produceTo(more, 2, series(300, 5)...)
			w.accepted(20, time.Minute)
		},
		"recreated": func(w *world) {
			if err := w.Cluster.DeleteTopic(more); err != nil {
				w.T.Fatal(err)
			}
			w.create(more, 1)
			w.ReconnectObserver()
			w.produceTo(more, 0, series(300, 5)...)
			w.accepted(20, 5*time.Minute)
		},
		"no right to read": func(w *world) {
			lost := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: more, Err: kerr.TopicAuthorizationFailed, Count: -1})
			w.produceTo(more, 0, series(300, 5)...)
			time.Sleep(time.Minute)
			if s := w.Replicas[0].Status().Condition.String(); !strings.Contains(s, more+"/0: TOPIC_AUTHORIZATION_FAILED") {
				w.T.Errorf("the page says: %s", s)
			}
			w.produceTo(apptest.EventTopic, 0, series(400, 5)...)
			w.accepted(20)
			lost.Remove()
			w.accepted(25, time.Minute)
		},
		"no right to describe": func(w *world) {
			lost := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: more, Err: kerr.TopicAuthorizationFailed, Count: -1})
			time.Sleep(time.Minute)
			w.produceTo(apptest.EventTopic, 0, series(400, 5)...)
			w.accepted(20)
			if out, said, err := w.Command(&cli.OffsetsCommand{Timeout: 20 * time.Second}); err == nil || !strings.Contains(said, "grant this user Describe on the topic") || !strings.Contains(out, apptest.EventTopic+"  0 ") {
				w.T.Errorf("%v\n%s%s", err, out, said)
			}
			lost.Remove()
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, 2, func(w *world) {
				w.create(more, 1)
				w.Start(both...)
				w.produceTo(more, 0, series(1, 5)...)
				w.produceTo(apptest.EventTopic, 0, series(2, 5)...)
				w.produceTo(apptest.EventTopic, 1, series(3, 5)...)
				w.accepted(15)
				trouble(w)
				before := w.Platform.Stats().Accepted
				w.produceTo(apptest.EventTopic, 1, series(500, 5)...)
				w.accepted(before + 5)
			})
		})
	}
}

// A rollout that adds a topic, and one that takes it away: while replicas of both lists run, each topic is read by those
// that name it, and nothing is sent twice.
func TestARolloutChangesTheEventTopics(t *testing.T) {
	one := []string{"KAFKA_TOPIC", apptest.EventTopic, "DLQ_TOPIC", apptest.DeadLetterTopic}
	for name, c := range map[string]struct{ from, to []string }{"adds": {one, both}, "takes away": {both, one}} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, 2, func(w *world) {
				w.create(more, 2)
				former := []*apptest.Replica{w.Start(c.from...), w.Start()}
				n, orderKey := 0, 0
				produce := func(topics ...string) {
					for _, topic := range topics {
						for p := range int32(2) {
							orderKey++
							w.produceTo(topic, p, series(orderKey, 5)...)
							n += 5
						}
					}
					w.accepted(n, 2*time.Minute)
				}
				produce(apptest.EventTopic)
				w.Start(c.to...)
				produce(apptest.EventTopic, more) // at least one replica reads it
				for _, r := range former {
					w.End(r)
				}
				produce(apptest.EventTopic)
				if name == "adds" {
					produce(more)
				}
			})
		})
	}
}

// An event is replayed to the topic where it began, also for the second time; one that began elsewhere is left out, and
// said. What became of each is found.
func TestEventsAreReplayedToTheirOwnTopics(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.create(more, 1)
		r := w.Start(both...)
		broken := func(n int) string { return strings.Replace(apptest.Event(n, 0), `"plate"`, `"no-plate"`, 1) }
		w.produceTo(apptest.EventTopic, 1, broken(1))
		w.produceTo(more, 0, broken(2))
		w.Until("the dead letters", func() bool { return w.DeadLetterCount() == 2 })
		out, said, err := w.Command(&deadletters.ReplayCommand{MaxRedrives: -1, DryRun: true})
		if err != nil || !strings.Contains(out, " to events/1  missing-field") || !strings.Contains(out, " to events-b/0  missing-field") ||
			!strings.Contains(out, "2 dead letters would be replayed to events, events-b") {
			t.Errorf("%v\n%s%s", err, out, said)
		}
		for round := range 2 {
			out, said, err := w.Command(&deadletters.ReplayCommand{MaxRedrives: -1, Wait: true})
			if err == nil || !strings.Contains(out, "0 accepted, 2 dead-lettered again, 0 not ended") {
				t.Errorf("round %d: %v\n%s%s", round, err, out, said)
			}
		}
		places := map[string]string{}
		asJSON := listed
		asJSON.JSON = true
		if out, _, err = w.Command(&asJSON); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			var l struct{ ID, Source, Origin string }
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			places[l.Source] = l.Origin
		}
		if want := map[string]string{"events/1/2": "events/1/0", "events-b/0/2": "events-b/0/0"}; fmt.Sprint(places) != fmt.Sprint(want) {
			t.Errorf("open: %v, want %v", places, want)
		}
		outcomes := w.outcomes(find.Command{Serial: []string{"S-1", "S-2"}})
		if len(outcomes) != 6 || outcomes["events-b/0/1"] != "dead-lettered missing-field replayed" {
			t.Errorf("found: %v", outcomes)
		}

		w.End(r)
		t.Setenv("KAFKA_TOPIC", apptest.EventTopic+",events-c")
		w.create("events-c", 1)
		out, said, err = w.Command(&deadletters.ReplayCommand{MaxRedrives: -1})
		if err == nil || !strings.Contains(out, "1 sent to events, events-c, 1 left out") || strings.Count(said, `its event began in topic "events-b", which is not one of the event topics`) != 1 || !strings.Contains(said, "--to") {
			t.Errorf("%v\n%s%s", err, out, said)
		}
		ids := slices.DeleteFunc(strings.Fields(said), func(word string) bool { return !strings.HasPrefix(word, apptest.DeadLetterTopic+"/") })
		if len(ids) == 0 {
			t.Fatalf("no ID in: %s", said)
		}
		id := strings.TrimSuffix(ids[0], ":")
		if out, _, err := w.Command(&deadletters.ShowCommand{ID: id}); err != nil || !strings.Contains(out, `refuses: dead letter `+id+`: its event began in topic "events-b"`) {
			t.Errorf("%v\n%s", err, out)
		}
		out, said, err = w.Command(&deadletters.ReplayCommand{MaxRedrives: -1, To: more})
		if err != nil || !strings.Contains(out, "1 sent to events-b") {
			t.Errorf("%v\n%s%s", err, out, said)
		}
	})
}
