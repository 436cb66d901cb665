package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// load produces events at a steady rate. What became of each is Kafka's to say:
// the log is read whole at the end.
type load struct {
	client     *kgo.Client
	partitions int

	mu    sync.Mutex
	acked map[string]bool // guarded by mu: flow numbers that Kafka acknowledged
}

// orderKeys is how many parkings are under way at a time; each has a handful of
// events and is then followed by another.
const orderKeys, orderKeyEvents = 60, 5

// run produces until ctx ends, and returns when Kafka has acknowledged all.
func (l *load) run(ctx context.Context, rate int) error {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			flush, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return l.client.Flush(flush)
		}
		flow, record := l.event(n)
		// In the background, whatever becomes of ctx: an event is produced or not
		// produced, and the log tells.
		l.client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				return
			}
			l.mu.Lock()
			l.acked[flow] = true
			l.mu.Unlock()
		})
	}
}

// event makes the n-th event. An order key's stand in one partition.
func (l *load) event(n int) (flow string, record *kgo.Record) {
	slot := n % orderKeys
	orderKey := fmt.Sprintf("S-%d-%d", slot, n/orderKeys/orderKeyEvents)
	flow = fmt.Sprintf("F-%07d", n)
	value := fmt.Sprintf(`{"park_uuid":"lot-%d","flow_no":%q,"parking_serial":%q,"plate":"粤B%05d","car_type":1}`, slot%7, flow, orderKey, slot)
	return flow, &kgo.Record{
		Topic: eventTopic, Partition: int32(slot % l.partitions), Key: []byte(orderKey), Value: []byte(value), Timestamp: time.Now(),
	}
}

func (l *load) acknowledged() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}
