package acceptance

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

// movingScenarios: docs/how-to/moving.md, done as it says. On a real Kafka its commands
// are run as they stand there.
func movingScenarios() []scenario {
	return []scenario{
		{name: "moving: back to a time", run: movingBackToATime},
		{name: "moving: the group's offsets are gone", run: movingOffsetsGone},
		{name: "moving: sent to the wrong platform", run: movingWrongPlatform},
		{name: "moving: the topic is recreated", run: movingTopicRecreated},
		{name: "moving: the topic is recreated under running replicas", run: movingTopicRecreatedUnderReplicas},
		{name: "moving: Kafka dropped records and KAFKA_OFFSET_RESET is none", run: movingParked},
		{name: "moving: to a mirror and back", run: movingMirror},
	}
}

// twoTimes produces 40 events, and 60 of half an hour later, and gives a time
// between them.
func (w *world) twoTimes() (early, late []*event, between time.Time) {
	w.t.Helper()
	early, late = w.releases(40, 2), w.releases(60, 2)
	now := time.Now().Truncate(time.Millisecond)
	for i, e := range early {
		e.record.Timestamp = now.Add(-time.Hour + time.Duration(i)*time.Second)
	}
	for i, e := range late {
		e.record.Timestamp = now.Add(-30*time.Minute + time.Duration(i)*time.Second)
	}
	w.produce(early...)
	return early, late, now.Add(-45 * time.Minute)
}

// accepted checks how often the platform accepted each of the events.
func (w *world) acceptedTimes(want int, events ...*event) {
	w.t.Helper()
	for _, e := range events {
		if got := w.platform.accepted(e.flow); got != want {
			w.t.Errorf("the event at %+v was accepted %d times, want %d", e.origin(), got, want)
		}
	}
}

func movingBackToATime(t *testing.T) {
	w := newWorld(t, plan{partitions: 2})
	early, late, between := w.twoTimes()
	w.produce(late...)
	f := w.start()
	w.drained()
	f.stop()
	w.byThePage("Back to a time", map[string]string{"TIME": pageTime(between)}, func() { w.resetTo(between) })
	f = w.start()
	w.acceptedAgain(2, late)
	w.drained()
	f.stop()
	w.noDeadLetters()
	w.acceptedTimes(1, early...)
	w.acceptedTimes(2, late...)
}

// acceptedAgain waits until each of the events was accepted so often: the lag
// alone does not tell, before a replica has begun.
func (w *world) acceptedAgain(times int, events []*event) {
	w.t.Helper()
	eventually(w.t, "all are accepted again", func() error {
		for _, e := range events {
			if got := w.platform.accepted(e.flow); got < times {
				return fmt.Errorf("the event at %+v %d times", e.origin(), got)
			}
		}
		return nil
	})
}

// movingOffsetsGone deletes the group, as Kafka does after
// offsets.retention.minutes without a member.
func movingOffsetsGone(t *testing.T) {
	w := newWorld(t, plan{partitions: 2})
	early, late, between := w.twoTimes()
	w.produce(late...)
	f := w.start()
	w.drained()
	f.stop()
	expire := func() {
		t.Helper()
		if answer, err := w.admin.DeleteGroups(w.ctx(), w.group); err != nil || answer.Error() != nil {
			t.Fatal(err, answer.Error())
		}
	}
	expire()
	f = w.start() // nobody noticed: the whole topic again
	w.acceptedAgain(2, w.produced())
	w.drained()
	f.stop()
	w.acceptedTimes(2, w.produced()...)

	expire()
	w.byThePage("The group's offsets are gone", map[string]string{"TIME": pageTime(between)}, func() { w.resetTo(between) })
	f = w.start()
	w.acceptedAgain(3, late)
	w.drained()
	f.stop()
	w.noDeadLetters()
	w.acceptedTimes(2, early...)
	w.acceptedTimes(3, late...)
}

func movingWrongPlatform(t *testing.T) {
	w := newWorld(t, plan{partitions: 2})
	wrong := openStation(t)
	early, late, between := w.twoTimes()
	f := w.start()
	w.drained()
	f.stop()
	refused := late[7]
	wrong.script(func(r *platform.Request) *platform.Reply {
		if r.Flow() == refused.flow {
			return &platform.Reply{Body: body("400")}
		}
		return nil
	})
	w.produce(late...)
	f = w.start("UPSTREAM_URL", wrong.url())
	w.caughtUp()
	f.stop()
	w.checkDeadLetter(t, refused, map[string]string{"reason": "refused"})
	if n := wrong.total(); n != len(late)-1 {
		t.Errorf("the wrong platform accepted %d, want %d", n, len(late)-1)
	}
	w.byThePage("Sent to the wrong platform", map[string]string{"TIME": pageTime(between)}, func() { w.resetTo(between) })
	f = w.start()
	w.acceptedAll(late...)
	w.drained()
	f.stop()
	w.acceptedOnce(w.produced()...)
	w.acceptedOnce(early...)
}

// movingTopicRecreated fills the new log beyond the old one's end, where the old
// commit would pass over records.
func movingTopicRecreated(t *testing.T) {
	w := newWorld(t, plan{partitions: 2})
	w.produce(w.releases(50, 2)...)
	f := w.start()
	w.drained()
	f.stop()
	w.byThePage("The topic is recreated", map[string]string{"PARTITIONS": "2", "REPLICAS": fmt.Sprint(kafka.brokers()), "RETENTION_MS": "1209600000", "MIN_INSYNC": "1"}, func() {
		var set kadm.TopicsSet
		set.Add(w.topic, 0, 1)
		if answer, err := w.admin.DeleteOffsets(w.ctx(), w.group, set); err != nil || answer.Error() != nil {
			t.Fatal(err, answer.Error())
		}
		w.deleteTopic(w.topic)
		w.createTopic(w.topic, 2, nil)
	})
	producer := w.producer() // the old one may still know the old topic
	w.produceBy(producer, w.releases(160, 2)...)
	f = w.start()
	w.acceptedAll(w.produced()...)
	w.drained()
	f.stop()
	w.noDeadLetters()
	w.acceptedOnce(w.produced()...)
}

// movingTopicRecreatedUnderReplicas does what the page says not to do: nobody stops,
// and the new log is beyond the old one's end at once.
func movingTopicRecreatedUnderReplicas(t *testing.T) {
	w := newWorld(t, plan{partitions: 2})
	w.produce(w.releases(50, 2)...)
	f := w.start()
	w.drained()
	w.deleteTopic(w.topic)
	w.createTopic(w.topic, 2, nil)
	w.produceBy(w.producer(), w.releases(160, 2)...)
	w.acceptedAll(w.produced()...)
	w.drained()
	f.stop()
	w.noDeadLetters()
}

func movingParked(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{"KAFKA_OFFSET_RESET": "none"}})
	w.produce(w.releases(10, 1)...)
	f := w.start()
	w.drained()
	f.stop()
	dropped, kept := w.releases(15, 1), w.releases(5, 1)
	w.write(dropped...)
	w.produce(kept...)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: w.topic, Partition: 0, At: kept[0].record.Offset, LeaderEpoch: -1})
	if answer, err := w.admin.DeleteRecords(w.ctx(), offsets); err != nil || answer.Error() != nil {
		t.Fatal(err, answer.Error())
	}
	f = w.start()
	eventually(t, "the dropped records are counted", func() error {
		return f.metric(fmt.Sprintf(`release_forwarder_records_dropped_by_kafka_total{partition="0",topic="%s"}`, w.topic), 15)
	})
	f.answers("/livez", http.StatusOK)
	f.stop()
	if at := w.committed(0); at != 10 {
		t.Errorf("committed %d, want 10: a person decides", at)
	}
	w.byThePage("Kafka dropped records and the partition waits", map[string]string{"PARTITION": "0"}, func() {
		w.commit(kadm.Offset{Topic: w.topic, At: kept[0].record.Offset, LeaderEpoch: -1})
	})
	f = w.start()
	w.drained()
	f.stop()
	w.acceptedOnce(w.produced()...)
}

// movingMirror copies records and commits as MirrorMaker 2 does: other offsets,
// commits beside translated offsets with the metadata as it was.
func movingMirror(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{"RETRY_BUDGET": "0"}})
	before := w.releases(20, 1)
	w.produce(before...)
	f := w.start()
	w.drained()
	held := w.release(0)
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if r.Flow() == held.flow {
			return &platform.Reply{Body: body("500")}
		}
		return nil
	})
	beyond := w.releases(30, 1)
	w.produce(append([]*event{held}, beyond...)...)
	w.acceptedAll(beyond...)
	f.stop()
	commits, err := w.commits()
	if err != nil || commits[0].At != held.record.Offset || commits[0].Metadata == "" {
		t.Fatalf("the commit to be copied is %+v (%v)", commits[0], err)
	}

	const older = 7 // records that the mirror had before: offsets differ by as many
	m := w.mirror()
	m.write(m.releases(older, 1)...)
	copies := m.copy(w.produced())
	m.commit(kadm.Offset{Topic: m.topic, At: held.record.Offset + older, LeaderEpoch: -1, Metadata: commits[0].Metadata})
	w.platform.script(nil)
	there := m.start()
	m.caughtUp()
	w.acceptedTimes(1, append(before, held)...)
	w.acceptedTimes(2, beyond...) // the metadata does not count there
	switched := time.Now().Add(time.Minute).Truncate(time.Millisecond)
	meanwhile := m.releases(25, 1)
	for _, e := range meanwhile {
		e.record.Timestamp = switched.Add(time.Minute)
	}
	m.produce(meanwhile...)
	m.drained()
	there.stop()

	w.copy(meanwhile)
	w.byThePage("And back", map[string]string{"TIME": pageTime(switched)}, func() { w.resetTo(switched) })
	f = w.start()
	w.acceptedAgain(2, meanwhile)
	w.drained()
	f.stop()
	w.noDeadLetters()
	m.noDeadLetters()
	w.acceptedTimes(1, append(before, held)...)
	w.acceptedTimes(2, append(meanwhile, beyond...)...)
	if len(copies) != len(before)+1+len(beyond) {
		t.Errorf("%d records were copied", len(copies))
	}
}

// mirror is the same topics and group on another cluster, before the same
// platform.
func (w *world) mirror() *world {
	w.t.Helper()
	m := &world{t: w.t, cluster: kafka.another(w.t), platform: w.platform, topic: w.topic, dlq: w.dlq, group: w.group, flows: 1000}
	m.connect()
	m.settings = maps.Clone(w.settings)
	maps.Copy(m.settings, m.cluster.settings)
	m.createTopic(m.topic, 1, nil)
	m.createTopic(m.dlq, 1, nil)
	return m
}

// copy writes events of another cluster behind what is there; what becomes of
// them is this world's to account for.
func (w *world) copy(events []*event) (copies []*event) {
	w.t.Helper()
	for _, e := range events {
		r := e.record
		copies = append(copies, &event{flow: e.flow, orderKey: e.orderKey, record: &kgo.Record{
			Topic: w.topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp,
		}})
	}
	w.produce(copies...)
	return copies
}

// commit sets an offset of the stopped group, as a tool does.
func (w *world) commit(at ...kadm.Offset) {
	w.t.Helper()
	offsets := kadm.Offsets{}
	for _, o := range at {
		offsets.Add(o)
	}
	if answer, err := w.admin.CommitOffsets(w.ctx(), w.group, offsets); err != nil || answer.Error() != nil {
		w.t.Fatal(err, answer.Error())
	}
}

// resetTo does what --reset-offsets --to-datetime does.
func (w *world) resetTo(at time.Time) {
	w.t.Helper()
	listed, err := w.admin.ListOffsetsAfterMilli(context.WithoutCancel(w.ctx()), at.UnixMilli(), w.topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	var all []kadm.Offset
	for partition, l := range listed[w.topic] {
		all = append(all, kadm.Offset{Topic: w.topic, Partition: partition, At: l.Offset, LeaderEpoch: -1})
	}
	w.commit(all...)
}
