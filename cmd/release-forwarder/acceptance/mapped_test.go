package acceptance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

// mappedScenarios: lanes that do not speak the built-in contract, and what is kept of each event for later.
func mappedScenarios() []scenario {
	return []scenario{
		{name: "two topics by one mapping file, and a lot that is not listed yet", run: twoTopicsMapped},
		{name: "a receipt for each finished event, found by its key", run: receiptForEach},
	}
}

// The events of two topics, each by a profile of its own, are accepted, ignored, dead-lettered or held; one that waits
// for its lot holds up no other, and goes when the file lists it.
func twoTopicsMapped(t *testing.T) {
	w := newWorld(t, plan{partitions: 2})
	second := w.topic + ".b"
	w.createTopic(second, 1, nil)
	dir := t.TempDir()
	file := filepath.Join(dir, "mapping.yaml")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "lots.csv"), "code,uuid\n1,lot-a\n")
	write(file, `
profiles:
  - name: entries
    when: {value: {op: 1}}
    ignore: true
  - name: vendor
    when: {topic: `+second+`}
    event: body
    fields:
      park_uuid:      {from: lot, lookup: lots.csv, digits: true}
      flow_no:        {join: [id, op], digits: true}
      parking_serial: {from: [ticket.no, id], digits: true}
      plate:          {from: cars.0.no}
      leave_time:     {from: out, time: unix-seconds}
      reason:         {from: why, codes: {1: 设备异常}}
  - name: flat
    when: {topic: `+w.topic+`}
    fields:
      park_uuid:      {from: park_uuid}
      flow_no:        {from: flow_no}
      parking_serial: {from: parking_serial}
      plate:          {from: plate}
`)
	maps.Copy(w.settings, map[string]string{"KAFKA_TOPIC": w.topic + ", " + second, "DLQ_TOPIC": w.dlq, "MAPPING_FILE": file})
	f := w.start().ready()
	w.produce(w.releases(10, 2)...)
	// The body is a text that holds the object, as some vendors write it.
	body := func(lot, id, why int) []byte {
		inner := fmt.Sprintf(`{"lot":%d,"id":%d,"op":2,"ticket":{"no":null},"cars":[{"no":"%s1"}],"out":1772328600,"why":%d}`, lot, id, plantedPlate, why)
		return fmt.Appendf(nil, `{"op":2,"body":%q}`, inner)
	}
	at := map[string]int64{}
	for _, r := range []struct {
		name  string
		value []byte
	}{
		{"accepted", body(1, 9007199254740993, 1)}, {"an entry", []byte(`{"op":1,"body":"` + planted + `"}`)}, {"not listed", body(9, 12, 1)},
		{"unknown code", body(1, 13, 7)}, {"after them", body(1, 14, 1)},
	} {
		record := &kgo.Record{Topic: second, Value: r.value}
		if err := w.client.ProduceSync(w.ctx(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		at[r.name] = record.Offset
	}
	of := func(lot string, id int) platform.Flow { return platform.Flow{Lot: lot, No: fmt.Sprint(id, "-2")} }
	arrived := func(flows ...platform.Flow) {
		t.Helper()
		eventually(t, "they are accepted", func() error {
			for _, flow := range flows {
				if w.platform.accepted(flow) != 1 {
					return fmt.Errorf("%v: %d times", flow, w.platform.accepted(flow))
				}
			}
			return nil
		})
	}
	arrived(of("lot-a", 9007199254740993), of("lot-a", 14))
	w.drained() // the first topic does not wait for the second one
	eventually(t, "the entry is counted", func() error {
		return f.metric(`release_forwarder_records_ignored_total{profile="entries"}`, 1)
	})
	committed := func() int64 {
		offsets, err := w.admin.FetchOffsets(w.ctx(), w.group)
		if err != nil {
			t.Fatal(err)
		}
		o, _ := offsets.Lookup(second, 0)
		return o.At
	}
	if got := committed(); got > at["not listed"] {
		t.Errorf("committed %d although the event at %d is not finished", got, at["not listed"])
	}
	if out := w.ask("", "find", "--flow", "12-2", "--since", "1h"); !strings.Contains(out, "held: the lot's code is not in lots.csv") {
		t.Errorf("find does not say why 12-2 waits:\n%s", out)
	}
	write(filepath.Join(dir, "lots.csv"), "code,uuid\n1,lot-a\n9,lot-z\n")
	arrived(of("lot-z", 12))
	eventually(t, "all of the second topic is committed", func() error {
		if got, want := committed(), at["after them"]+1; got != want {
			return fmt.Errorf("%d of %d", got, want)
		}
		return nil
	})
	f.stop()
	for _, q := range w.platform.Accepted() {
		if q.Params["flow_no"] == "12-2" && (q.Params["reason"] != "设备异常" || q.Params["parking_serial"] != "12" || q.Params["leave_time"] != "2026-03-01T01:30:00Z") {
			t.Errorf("12-2 arrived as %v", q.Params)
		}
	}
	deadLetters, err := w.read(w.dlq)
	if err != nil || len(deadLetters) != 1 || deadLetterHeader(deadLetters[0], "topic") != second || deadLetterHeader(deadLetters[0], "offset") != fmt.Sprint(at["unknown code"]) ||
		deadLetterHeader(deadLetters[0], "reason") != "unknown-code" {
		t.Errorf("%v, the dead deadLetters are %v", err, deadLetters)
	}
}

// The key of receiptForEach's receipts.
const receiptsKey = planted + "-receipts-key-0123456789abcdef"

// Each finished event has a receipt at its place that says what the platform saw, and no other record has one. Its key
// is what docs/reference/receipts.md says, and lies where any Kafka client looks for it.
func receiptForEach(t *testing.T) {
	w := newWorld(t, plan{partitions: 2})
	receipts := w.topic + ".receipts"
	const partitions = 3
	w.createTopic(receipts, partitions, nil)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(receiptsKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good, refused, bad := w.releases(20, 2), w.release(1), w.raw(1, []byte(planted))
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if r.Flow() == refused.flow {
			return &platform.Reply{Body: body("400")}
		}
		return nil
	})
	w.produce(append(good, refused, bad)...)
	began := time.Now().Add(-time.Minute)
	f := w.start("RECEIPTS_TOPIC", receipts, "RECEIPTS_KEY_FILE", file, "RECEIPTS_REQUIRED", "true")
	w.drained() // the commits wait for the receipts
	f.stop()

	records, err := w.read(receipts)
	if err != nil {
		t.Fatal(err)
	}
	want := map[origin]*event{}
	for _, e := range w.produced() {
		want[e.origin()] = e
	}
	choose := kgo.StickyKeyPartitioner(nil).ForTopic(receipts)
	for _, r := range records {
		var value struct {
			Topic, Verdict, Code, Lot string
			Partition                 int32
			Offset                    int64
			Attempts                  int
			First                     time.Time `json:"first_attempt"`
		}
		if err := json.Unmarshal(r.Value, &value); err != nil {
			t.Fatalf("%v: %s", err, r.Value)
		}
		e := want[origin{value.Partition, value.Offset}]
		if e == nil || value.Topic != w.topic {
			t.Errorf("a receipt of no event, or a second one: %s", r.Value)
			continue
		}
		delete(want, e.origin())
		verdict, code, attempts := "accepted", "1001", 1
		switch e {
		case refused:
			verdict, code = "dead-letter", "400"
		case bad:
			verdict, code, attempts = "dead-letter", "", 0
		}
		if value.Verdict != verdict || value.Code != code || value.Attempts != attempts || attempts > 0 && (value.First.Before(began) || value.First.After(time.Now())) {
			t.Errorf("the receipt %s, want %s %q after %d attempts", r.Value, verdict, code, attempts)
		}
		var key []byte
		if e != bad {
			mac := hmac.New(sha256.New, []byte(receiptsKey))
			mac.Write([]byte(e.flow.Lot + "\x00" + e.flow.No))
			key = mac.Sum(nil)
			if p := choose.Partition(r, partitions); int(r.Partition) != p {
				t.Errorf("a receipt lies in partition %d, a client looks for it in %d", r.Partition, p)
			}
		}
		if !slices.Equal(r.Key, key) {
			t.Errorf("the key of %s is %x, want %x", r.Value, r.Key, key)
		}
		checkDiscreet(t, "a receipt", string(r.Value))
	}
	if len(want) > 0 {
		t.Errorf("%d finished events have no receipt", len(want))
	}
}
