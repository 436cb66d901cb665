package acceptance

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

// event is a record of the event topic; once produced, record holds its offset.
type event struct {
	record *kgo.Record
	// flow is the flow number it should be accepted under; zero for a value
	// that cannot be mapped.
	flow platform.Flow
	// orderKey is its parking_serial.
	orderKey string
}

// release makes an event that can be mapped, of an order key of its own; pairs
// of a field's name and its value change it, nil takes a field out.
func (w *world) release(partition int32, pairs ...any) *event {
	w.t.Helper()
	w.mu.Lock()
	w.flows++
	n := w.flows
	w.mu.Unlock()
	fields := map[string]any{
		"park_uuid": "lot-a", "flow_no": fmt.Sprintf("%s-flow-%06d", planted, n), "parking_serial": fmt.Sprintf("%s-serial-%06d", planted, n),
		"plate": fmt.Sprintf("%s%04d", plantedPlate, n), "plate_color": "蓝", "car_type": 1, "car_desc": plantedDesc,
		"enter_time": "2026-03-01 08:00:00", "leave_time": "2026-03-01T09:30:00+08:00", "operate_time": "20260301093001",
		"operator": plantedOperator, "reason": plantedReason,
	}
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(fields, pairs[i].(string))
		}
	}
	value, err := json.Marshal(fields)
	if err != nil {
		w.t.Fatal(err)
	}
	e := w.raw(partition, value)
	e.orderKey = fmt.Sprint(fields["parking_serial"])
	e.flow = platform.Flow{Lot: fmt.Sprint(fields["park_uuid"]), No: fmt.Sprint(fields["flow_no"])}
	e.record.Key = []byte(planted + "-key-" + e.orderKey)
	e.record.Headers = []kgo.RecordHeader{{Key: "source", Value: []byte(planted + "-header")}}
	return e
}

// raw makes an event of any value.
func (w *world) raw(partition int32, value []byte) *event {
	return &event{record: &kgo.Record{Topic: w.topic, Partition: partition, Value: value, Timestamp: time.Now().Truncate(time.Millisecond)}}
}

// releases makes n events, spread over the partitions.
func (w *world) releases(n, partitions int) []*event {
	w.t.Helper()
	events := make([]*event, n)
	for i := range events {
		events[i] = w.release(int32(i % partitions))
	}
	return events
}

// produce writes events and waits for Kafka's acknowledgement.
func (w *world) produce(events ...*event) {
	w.t.Helper()
	w.produceBy(w.client, events...)
}

// produceBy is produce by a client of the scenario's own.
func (w *world) produceBy(client *kgo.Client, events ...*event) {
	w.t.Helper()
	records := make([]*kgo.Record, len(events))
	for i, e := range events {
		records[i] = e.record
	}
	if err := client.ProduceSync(w.ctx(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.events = append(w.events, events...)
	w.mu.Unlock()
}

// produced is what was acknowledged so far.
func (w *world) produced() []*event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*event(nil), w.events...)
}

// producer is a client for producing in another way than the world's.
func (w *world) producer(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	client, err := kgo.NewClient(slices.Concat(w.cluster.client, []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}
