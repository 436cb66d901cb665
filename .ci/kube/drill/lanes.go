package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/cmd/testkit/process"
)

const (
	topic       = "abnormal-release"
	replays     = topic + ".replay"
	deadLetters = topic + ".dlq"
	group       = "release-forwarder"
	partitions  = 12
	lots        = 4
	rate        = 20 // events a second
)

// lanes send events, and remember which Kafka has taken. This is what every event is accounted from.
type lanes struct {
	client *kgo.Client
	stop   context.CancelFunc

	mu      sync.Mutex
	made    int                    // guarded by mu, as all below
	sent    map[platform.Flow]bool // true as soon as Kafka has it
	written map[platform.Flow]bool // those that became dead letters
	failed  error
	old     time.Duration              // how old the events are that come
	values  map[int32]map[int64][]byte // of what Kafka has, by partition and offset
	held    []byte                     // an event that is not sent yet
}

// run sends steadily, also while no broker answers: then they wait here.
func (l *lanes) run(ctx context.Context) {
	for tick := time.NewTicker(time.Second / rate); ctx.Err() == nil; <-tick.C {
		l.send(ctx, -1)
	}
}

// send sends the next event, to a partition of its own or the one given.
func (l *lanes) send(ctx context.Context, partition int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.made
	if partition < 0 {
		partition = n / lots % partitions
	}
	l.produce(ctx, &kgo.Record{Topic: topic, Partition: int32(partition), Value: l.event("粤B12345"), Timestamp: time.Now().Add(-l.old)})
}

// event makes the next one; l.mu is held.
func (l *lanes) event(plate any) []byte {
	n := strconv.Itoa(l.made)
	l.made++
	value, _ := json.Marshal(map[string]any{"park_uuid": "lot-" + strconv.Itoa((l.made-1)%lots), "flow_no": "flow-" + n, "parking_serial": "s-" + n, "plate": plate})
	return value
}

// produce sends a record and remembers its event; l.mu is held.
func (l *lanes) produce(ctx context.Context, record *kgo.Record) {
	flow := flowOf(record.Value)
	if !l.sent[flow] {
		l.sent[flow] = false // made, and not taken yet
	}
	l.client.Produce(context.WithoutCancel(ctx), record, func(_ *kgo.Record, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.failed = errors.Join(l.failed, fmt.Errorf("%v: %w", flow, err))
			return
		}
		l.sent[flow] = true
		if l.values[record.Partition] == nil {
			l.values[record.Partition] = map[int64][]byte{}
		}
		l.values[record.Partition][record.Offset] = record.Value
	})
}

// again sends what lay at these offsets.
func (l *lanes) again(ctx context.Context, partition int32, from, to int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for offset := from; offset < to; offset++ {
		l.produce(ctx, &kgo.Record{Topic: topic, Partition: partition, Value: l.values[partition][offset]})
	}
}

// burst sends so many into one partition at once.
func (l *lanes) burst(ctx context.Context, partition, events int) {
	for range events {
		l.send(ctx, partition)
	}
}

// spoil sends one event that cannot be mapped.
func (l *lanes) spoil(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.produce(ctx, &kgo.Record{Topic: topic, Value: l.event(nil)})
}

// outside makes an event that another client sends first.
func (l *lanes) outside() *kgo.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = l.event("粤B12345")
	return &kgo.Record{Topic: topic, Value: l.held}
}

// change changes what comes.
func (l *lanes) change(how func(l *lanes)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	how(l)
}

// flowOf is what the platform knows an event by.
func flowOf(value []byte) platform.Flow {
	var event struct {
		Lot  string `json:"park_uuid"`
		Flow string `json:"flow_no"`
	}
	_ = json.Unmarshal(value, &event)
	return platform.Flow{Lot: event.Lot, No: event.Flow}
}

// account says what became of every event.
type account struct{ produced, accepted, closed, lost, again int }

func (a account) String() string {
	return fmt.Sprintf("produced %d = accepted by the platform %d + dead letters that a person closed %d; lost %d; sent again after an acceptance %d",
		a.produced, a.accepted, a.closed, a.lost, a.again)
}

// settle ends the lanes and accounts for every event by Kafka's records and the double's, not by what the forwarder says.
func (w *world) settle(ctx context.Context) (a account, err error) {
	w.lanes.stop()
	if err := w.client.Flush(ctx); err != nil {
		return a, err
	}
	if err := process.Until(ctx, settled, func() error { return w.finished(ctx) }); err != nil {
		return a, err
	}
	if err := w.deadLettered(ctx); err != nil {
		return a, err
	}
	tallies := w.double.Tallies()
	w.lanes.change(func(l *lanes) {
		err = l.failed
		a.produced = len(l.sent)
		for flow := range l.sent {
			switch n := tallies[flow].Accepted; {
			case n > 0:
				a.accepted++
				a.again += n - 1
			case l.written[flow]:
				a.closed++
			default:
				a.lost++
			}
		}
	})
	if a.lost > 0 {
		err = errors.Join(err, fmt.Errorf("%d events were lost", a.lost))
	}
	if open, dlqErr := w.open(ctx); open > 0 || dlqErr != nil {
		err = errors.Join(err, dlqErr, fmt.Errorf("%d dead letters are open", open))
	}
	return a, err
}

// finished is nil where the group has committed all that is in its topics.
func (w *world) finished(ctx context.Context) error {
	ends, err := w.admin.ListEndOffsets(ctx, topic, replays)
	if err != nil {
		return err
	}
	commits, err := w.admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	behind := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		at, _ := commits.Lookup(end.Topic, end.Partition)
		behind += max(0, end.Offset-max(0, at.At))
	})
	if behind > 0 {
		return fmt.Errorf("%d records are not committed", behind)
	}
	return nil
}

// deadLettered notes which events have become dead letters. Who deletes the topic does this before.
func (w *world) deadLettered(ctx context.Context) error {
	begins, err := w.admin.ListStartOffsets(ctx, deadLetters)
	if err != nil {
		return err
	}
	ends, err := w.admin.ListEndOffsets(ctx, deadLetters)
	if err != nil {
		return err
	}
	left := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		begin, _ := begins.Lookup(deadLetters, end.Partition)
		left += end.Offset - begin.Offset
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(w.config.admin, ",")...), kgo.ConsumeTopics(deadLetters))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, settled)
	defer cancel()
	for left > 0 && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			w.lanes.change(func(l *lanes) { l.written[flowOf(r.Value)] = true })
			left--
		})
	}
	return ctx.Err()
}
