package forward

import (
	"testing"
	"time"

	"release-forwarder/consumer"
	"release-forwarder/consumer/fetch"
	"release-forwarder/mapping"
)

// The built-in contract looks at the value alone, and what it is told costs no memory. A file that looks
// at the topic is told, of a replayed record, that in which its event was first.
func TestWhatTheMappingIsTold(t *testing.T) {
	mapper := func(text string) *mapping.Mapper {
		f, err := mapping.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		m, err := mapping.New(mapping.Config{Location: time.UTC, File: f})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	value := []byte(`{"park_uuid":"P1","flow_no":"F1","parking_serial":"S1","plate":"粤B12345"}`)
	r := &consumer.Record{Topic: "replays", Record: fetch.Record{Value: value, Key: []byte("k"), Headers: fetch.HeadersOf(
		fetch.Header{Key: "traceparent", Value: []byte("00-x")}, fetch.Header{Key: "__forwarder.errors.origin", Value: []byte("lanes-a/3/17")})}}
	plain := mapper(mapping.BuiltInFile())
	if told := Mapped(plain, r); told.Topic != "" || told.Key != nil || told.Headers != nil || string(told.Value) != string(value) {
		t.Errorf("%+v", told)
	}
	told := testing.AllocsPerRun(100, func() { OrderKey(plain, r) })
	if bare := testing.AllocsPerRun(100, func() { plain.OrderKey(&mapping.Record{Value: value}) }); told > bare {
		t.Errorf("%v allocations, of the value alone %v", told, bare)
	}

	byTopic := mapper(`profiles: [{name: a, when: {topic: lanes-a}, fields: {park_uuid: {from: park_uuid}, flow_no: {from: flow_no}, parking_serial: {from: parking_serial}, plate: {from: plate}}}]`)
	if m := Mapped(byTopic, r); m.Topic != "lanes-a" || string(m.Key) != "k" || string(m.Value) != string(value) {
		t.Errorf("%+v", m)
	}
	if key := OrderKey(byTopic, r); key != "P1\x00S1" {
		t.Errorf("the order key is %q", key)
	}
	r.Headers = fetch.HeadersOf(fetch.Header{Key: "__forwarder.errors.origin", Value: []byte("no place")})
	if m := Mapped(byTopic, r); m.Topic != "replays" {
		t.Errorf("the topic is %s", m.Topic)
	}
	if key := OrderKey(byTopic, r); key != "" {
		t.Errorf("the order key is %q", key)
	}
}
