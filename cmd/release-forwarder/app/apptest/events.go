package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// PlantedEvent is an event whose personal data no output may show: nothing that holds PLANTED may be seen, the first
// character of a value may.
const PlantedEvent = `{"park_uuid":"lot-1","flow_no":"F1","parking_serial":"S1","plate":"粤PLANTED1","operator":"张PLANTED",` +
	`"reason":"设PLANTED","car_desc":"临PLANTED","plate_color":"蓝","unknown":"PLANTED","other":{"PLANTED":1}}`

// Event is the n-th event of an order key, which is parking S-<orderKey> of lot-<orderKey modulo 7>. Its flow number
// is F-<orderKey>-<n>.
func Event(orderKey, n int) string {
	return fmt.Sprintf(`{"park_uuid":"lot-%d","flow_no":"F-%d-%d","parking_serial":"S-%d","plate":"粤B%05d"}`, orderKey%7, orderKey, n, orderKey, orderKey)
}

// EventOfLot is the event F-<n> of a lot. Two that follow one another, 2k and 2k+1, have one order key.
func EventOfLot(lot string, n int) string {
	return fmt.Sprintf(`{"park_uuid":%q,"flow_no":"F-%d","parking_serial":"S-%d","plate":"粤B%05d"}`, lot, n, n/2, n)
}

// FlowNo gives an event's flow number; "" where the value is no event.
func FlowNo(event string) string {
	var e struct {
		FlowNo string `json:"flow_no"`
	}
	_ = json.Unmarshal([]byte(event), &e) // what is no event has none
	return e.FlowNo
}

// Produce writes values to a partition of the event topic and returns when Kafka has acknowledged all of them.
func (w *World) Produce(partition int32, values ...string) {
	w.T.Helper()
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: EventTopic, Partition: partition, Value: []byte(v)})
	}
	if err := w.Kafka.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.T.Fatal(err)
	}
	w.Acknowledge(values...)
}

// ProduceAt writes one value whose record has this timestamp, to the millisecond. It does not count as acknowledged.
func (w *World) ProduceAt(partition int32, value string, timestamp time.Time) {
	w.T.Helper()
	err := w.Kafka.ProduceSync(context.Background(), &kgo.Record{Topic: EventTopic, Partition: partition, Value: []byte(value), Timestamp: timestamp}).FirstErr()
	if err != nil {
		w.T.Fatal(err)
	}
}

// Backlog writes n events to each of the first partitions, each of an order key of its own: those of partition p are
// the order keys p*n to p*n + n-1.
func (w *World) Backlog(partitions int32, n int) {
	w.T.Helper()
	for p := range partitions {
		var values []string
		for i := range n {
			values = append(values, Event(int(p)*n+i, 0))
		}
		w.Produce(p, values...)
	}
}

// Acknowledge notes events that Kafka has acknowledged to another producer than Produce.
//
// Three witnesses judge what Kafka did to a log, none of them the service's own word: what the log holds at the end,
// what the platform accepted, and what Kafka acknowledged. A record of the log that is neither accepted nor a dead
// letter was skipped. An acknowledged one that is in no log any more and was not accepted is gone: the service cannot
// help that, but must count and log it.
func (w *World) Acknowledge(values ...string) {
	for _, v := range values {
		if no := FlowNo(v); no != "" {
			w.Acknowledged[no] = true
		}
	}
}
