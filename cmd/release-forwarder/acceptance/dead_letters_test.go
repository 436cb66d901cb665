package acceptance

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// anything, wanted of a header, is any value or none.
const anything = "\x00anything"

// deadLetterTime is the form of times in a dead letter's headers.
const deadLetterTime = "2006-01-02T15:04:05.000Z"

// checkDeadLetter checks that the event has exactly one dead letter, that it holds
// the event byte for byte, and that its headers say where it stood and what
// else is wanted.
func (w *world) checkDeadLetter(t testing.TB, e *event, want map[string]string) *kgo.Record {
	t.Helper()
	deadLetters, err := w.deadLetters()
	if err != nil {
		t.Fatal(err)
	}
	of := deadLetters[e.origin()]
	if len(of) != 1 {
		t.Fatalf("the event at %+v has %d dead letters, want 1", e.origin(), len(of))
	}
	deadLetter := of[0]
	if !same(deadLetter.Key, e.record.Key) || !same(deadLetter.Value, e.record.Value) {
		t.Errorf("the dead letter's key or value differs: %.200q %.200q", deadLetter.Key, deadLetter.Value)
	}
	var headers []kgo.RecordHeader
	for _, h := range deadLetter.Headers {
		if !strings.HasPrefix(h.Key, deadLetterPrefix) {
			headers = append(headers, h)
		} else if len(h.Value) > 1024 {
			t.Errorf("header %s has %d bytes", h.Key, len(h.Value))
		}
	}
	brought := slices.DeleteFunc(slices.Clone(e.record.Headers), func(h kgo.RecordHeader) bool { return strings.HasPrefix(h.Key, deadLetterPrefix) })
	if !slices.EqualFunc(headers, brought, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && same(a.Value, b.Value) }) {
		t.Errorf("headers %q, want %q", headers, brought)
	}
	expect := map[string]string{
		"topic": w.topic, "partition": strconv.Itoa(int(e.record.Partition)), "offset": strconv.FormatInt(e.record.Offset, 10),
		"timestamp": e.record.Timestamp.UTC().Format(deadLetterTime), "group": w.group,
	}
	for name, value := range want {
		expect[name] = value
	}
	for name, value := range expect {
		if got := deadLetterHeader(deadLetter, name); got != value && value != anything {
			t.Errorf("header %s is %q, want %q", name, got, value)
		}
	}
	if age := time.Since(deadLetter.Timestamp); age < -time.Minute || age > 10*time.Minute {
		t.Errorf("the dead letter's own time is %v, want that of its writing", deadLetter.Timestamp)
	}
	return deadLetter
}

// same compares bytes and tells null from empty.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func deadLetterScenarios() []scenario {
	return []scenario{
		{name: "dead letters keep redrives and origin, replace the other headers, and go to their partition", run: deadLettersOfDeadLetters},
		{name: "dead-letter topic missing at the start", run: deadLetterTopicMissing},
		{name: "dead-letter topic deleted", run: deadLetterTopicDeleted},
		{name: "a dead letter larger than the dead-letter topic takes", run: deadLetterTooLarge},
		{name: "the dead letter of an old record outlives retention checks", run: deadLetterOutlivesRetention},
	}
}

func deadLettersOfDeadLetters(t *testing.T) {
	w := newWorld(t, plan{partitions: 3, dlqPartitions: 2})
	w.start()
	e := w.raw(2, []byte(planted))
	e.record.Headers = []kgo.RecordHeader{
		{Key: deadLetterPrefix + "reason", Value: []byte("refused")}, {Key: "own", Value: []byte("1")}, {Key: deadLetterPrefix + "redrives", Value: []byte("3")},
		{Key: deadLetterPrefix + "origin", Value: []byte("events/0/12")}, {Key: deadLetterPrefix + "seqno", Value: []byte("old")},
	}
	w.produce(e)
	w.drained()
	deadLetter := w.checkDeadLetter(t, e, map[string]string{"reason": "invalid-json", "redrives": "3", "origin": "events/0/12", "seqno": ""})
	if deadLetter.Partition != 0 {
		t.Errorf("the dead letter from partition 2 is in %d of 2, want 0", deadLetter.Partition)
	}
	for _, h := range deadLetter.Headers {
		if n := len(slices.DeleteFunc(slices.Clone(deadLetter.Headers), func(o kgo.RecordHeader) bool { return o.Key != h.Key })); n != 1 {
			t.Errorf("header %s stands there %d times", h.Key, n)
		}
	}
}

func deadLetterTopicMissing(t *testing.T) {
	w := newWorld(t, plan{noDLQ: true})
	bad := w.raw(0, []byte(planted))
	w.produce(w.release(0), bad, w.release(0))
	f := w.start()
	f.answers("/livez", http.StatusOK)
	f.answers("/readyz", http.StatusServiceUnavailable)
	if at := w.committed(0); at > bad.record.Offset {
		t.Errorf("committed %d without a dead letter for the event at %d", at, bad.record.Offset)
	}
	w.createTopic(w.dlq, 1, nil)
	f.ready()
	w.drained()
	w.checkDeadLetter(t, bad, map[string]string{"reason": "invalid-json"})
}

func deadLetterTopicDeleted(t *testing.T) {
	w := newWorld(t, plan{})
	f := w.start().ready()
	w.produce(w.release(0))
	w.drained()
	w.deleteTopic(w.dlq)
	bad := w.raw(0, []byte(planted))
	after := w.releases(20, 1)
	w.produce(append([]*event{bad}, after...)...)
	w.acceptedAll(after...) // others do not wait for the dead letter
	f.stays()
	if at := w.committed(0); at > bad.record.Offset {
		t.Errorf("committed %d without a dead letter for the event at %d", at, bad.record.Offset)
	}
	w.createTopic(w.dlq, 1, nil)
	w.drained()
	w.checkDeadLetter(t, bad, map[string]string{"reason": "invalid-json"})
	w.acceptedOnce(after...)
	f.stays()
}

func deadLetterTooLarge(t *testing.T) {
	w := newWorld(t, plan{dlqConfig: map[string]string{"max.message.bytes": "20000"}})
	f := w.start().ready()
	noise := make([]byte, 100_000) // compression does not help
	_, _ = rand.Read(noise)
	bad := w.raw(0, []byte(planted+hex.EncodeToString(noise)))
	after := w.releases(20, 1)
	w.produce(append([]*event{bad}, after...)...)
	w.acceptedAll(after...)
	f.stays()
	if at := w.committed(0); at > bad.record.Offset {
		t.Errorf("committed %d without a dead letter for the event at %d", at, bad.record.Offset)
	}
	large := "1000000"
	if _, err := w.admin.AlterTopicConfigs(w.ctx(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &large}}, w.dlq); err != nil {
		t.Fatal(err)
	}
	w.drained()
	w.checkDeadLetter(t, bad, map[string]string{"reason": "invalid-json"})
	w.acceptedOnce(after...)
}

// deadLetterOutlivesRetention shows that the brokers have looked for old records,
// twice, by records of another topic that they deleted.
func deadLetterOutlivesRetention(t *testing.T) {
	hour := map[string]string{"retention.ms": "3600000"}
	w := newWorld(t, plan{dlqConfig: hour})
	w.start()
	bad := w.raw(0, []byte(planted))
	bad.record.Timestamp = time.Now().Add(-72 * time.Hour).Truncate(time.Millisecond)
	w.produce(bad)
	w.drained()
	for check := range 2 {
		canary := fmt.Sprintf("%s-canary-%d", w.topic, check)
		w.createTopic(canary, 1, hour)
		old := &kgo.Record{Topic: canary, Value: []byte("old"), Timestamp: bad.record.Timestamp}
		if err := w.client.ProduceSync(w.ctx(), old).FirstErr(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "Kafka deletes an old record of another topic", func() error {
			w.cluster.checkRetention()
			starts, err := w.admin.ListStartOffsets(w.ctx(), canary)
			if err == nil && starts[canary][0].Offset == 0 {
				err = fmt.Errorf("it is there")
			}
			return err
		})
	}
	w.checkDeadLetter(t, bad, map[string]string{"reason": "invalid-json"})
}
