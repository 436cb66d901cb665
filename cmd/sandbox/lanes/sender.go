package lanes

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Sender puts a street's events into a topic.
type Sender struct {
	// Street makes the events.
	Street *Street
	// Topic is where they go.
	Topic string
	// Rate is how many events go out a second, above 0.
	Rate float64
	// OnSend, when set, is called for each event before it is sent; OnAck, when
	// set, for each one that Kafka acknowledged, with its place. OnAck may be
	// called concurrently with OnSend.
	OnSend func(Event)
	OnAck  func(e Event, partition int32, offset int64)

	acked, failed atomic.Int64
}

// tick is how often the sender looks at the clock. At a rate above its inverse
// several events go out together.
const tick = 20 * time.Millisecond

// Dial connects to the brokers, in plain text and without a login.
func Dial(brokers []string) (*kgo.Client, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.ClientID("sandbox-lanes"),
		kgo.ProducerLinger(2*time.Millisecond),
		kgo.RecordDeliveryTimeout(30*time.Second),
	)
	if err != nil {
		return nil, fmt.Errorf("lanes: %w", err)
	}
	return client, nil
}

// Run sends until ctx ends, then waits at most flush for what is on its way.
// It returns nil when every event sent was acknowledged.
func (s *Sender) Run(ctx context.Context, client *kgo.Client, flush time.Duration) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	// What is due is counted from the last tick, not from the start: after a
	// pause of the machine the rate goes on, it does not catch up in a burst.
	last, due := time.Now(), 1.0
	for {
		for ; due >= 1; due-- {
			s.send(client, s.Street.Next(time.Now()))
		}
		select {
		case <-ctx.Done():
			return s.flush(ctx, client, flush)
		case now := <-ticker.C:
			due += s.Rate * min(now.Sub(last), 10*tick).Seconds()
			last = now
		}
	}
}

func (s *Sender) send(client *kgo.Client, e Event) {
	if s.OnSend != nil {
		s.OnSend(e)
	}
	r := &kgo.Record{Topic: s.Topic, Key: e.Key, Value: e.Value}
	for _, h := range e.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	// Never by ctx: an event that is cut off on its way may or may not be in
	// the log, and then no account can be settled.
	client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
		if err != nil {
			s.failed.Add(1)
			return
		}
		s.acked.Add(1)
		if s.OnAck != nil {
			s.OnAck(e, r.Partition, r.Offset)
		}
	})
}

func (s *Sender) flush(ctx context.Context, client *kgo.Client, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if err := client.Flush(ctx); err != nil {
		return fmt.Errorf("lanes: events not acknowledged: %w", err)
	}
	if n := s.failed.Load(); n > 0 {
		return fmt.Errorf("lanes: %d events were not taken by Kafka", n)
	}
	return nil
}

// Counts returns how many events Kafka acknowledged and how many it refused.
func (s *Sender) Counts() (acked, failed int64) { return s.acked.Load(), s.failed.Load() }
