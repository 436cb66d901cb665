package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// served runs a test with a hand-made log in the place of the event topic's only
// partition.
func (c realLog) served(t *testing.T, test func(w *world, l *handLog)) {
	t.Helper()
	inVirtualTime(t, 1, func(w *world) {
		l := c.log()
		w.serve(l)
		test(w, l)
		settle()
	})
}

// watched is how long a log is watched: longer than an offset above its end must
// have stood to be believed.
const watched = time.Minute

func TestRealLogs(t *testing.T) {
	for _, c := range realLogs {
		t.Run(c.name, func(t *testing.T) {
			c.served(t, func(w *world, l *handLog) {
				if c.from > 0 {
					w.commitAs(w.kafka, c.from, "")
				}
				r := w.start()
				time.Sleep(watched)
				if at := w.committed(0); at != c.commit {
					t.Errorf("committed %d, want %d", at, c.commit)
				}
				w.end(r)
				tallies := w.platform.Tallies()
				for flow, n := range tallies {
					if n.Received != 1 || n.Accepted != 1 {
						t.Errorf("%v: received %d times, accepted %d times", flow, n.Received, n.Accepted)
					}
				}
				var sent []int64
				for o := range int64(100) {
					for flow := range tallies {
						if strings.Contains(string(eventAt(o)), `"`+flow.No+`"`) {
							sent = append(sent, o)
						}
					}
				}
				if got, want := offsetsText(sent), offsetsText(c.want); got != want || w.platform.Stats().Received != len(c.want) {
					t.Errorf("sent %s, want %s", got, want)
				}
				// Long polls of half a second at most, two at a time.
				if n := l.fetches(); n > 250 {
					t.Errorf("%d fetches in a minute", n)
				}
				said := w.log.String()
				if c.said != "" && !strings.Contains(said, c.said) {
					t.Errorf("the log does not say %q", c.said)
				}
				if c.said == "" && strings.Contains(said, `"level":"ERROR"`) {
					t.Error("an error was logged")
				}
				if n := w.log.lines(); n > 100 {
					t.Errorf("%d log lines in a minute", n)
				}
			})
		})
	}
}

func TestAThrottlingBrokerIsLeftAloneAsLongAsItAsks(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		slow, other := logOf(batch(2, 0, 1, 2)), logOf(batch(2, 0, 1, 2))
		slow.throttle = 7 * time.Second
		if err := w.cluster.MoveTopicPartition(eventTopic, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := w.cluster.MoveTopicPartition(eventTopic, 1, 1); err != nil {
			t.Fatal(err)
		}
		w.serve(slow, other)
		r := w.start()
		w.until("the other broker's partition", func() bool { return w.committed(1) == 3 }, 5*time.Second)
		time.Sleep(time.Minute)
		slow.mu.Lock()
		for i := 1; i < len(slow.asked); i++ {
			if d := slow.asked[i].Sub(slow.asked[i-1]); d < slow.throttle {
				t.Errorf("asked again after %s, the broker wanted to hear nothing for %s", d, slow.throttle)
			}
		}
		slow.throttle = 0
		slow.mu.Unlock()
		w.until("the throttled partition", func() bool { return w.committed(0) == 3 }, 10*time.Second)
		w.end(r)
		settle()
	})
}

// readerSees is what kafka-go's own Reader makes of the log in the same time.
func (c realLog) readerSees(t *testing.T) (saw readerSight) {
	t.Helper()
	c.served(t, func(w *world, l *handLog) {
		r := kafka.NewReader(kafka.ReaderConfig{
			Brokers: w.cluster.ListenAddrs(), Topic: eventTopic, Partition: 0, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 2 * time.Second,
			ReadLagInterval: -1, IsolationLevel: kafka.ReadCommitted, MaxAttempts: 3,
			Dialer: &kafka.Dialer{DialFunc: w.net.Dial, Timeout: 10 * time.Second},
		})
		if err := r.SetOffset(c.from); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), watched)
		defer cancel()
		for len(saw.offsets) < 1000 {
			m, err := r.ReadMessage(ctx)
			if err != nil {
				saw.err = err
				break
			}
			saw.offsets = append(saw.offsets, m.Offset)
		}
		saw.took, saw.errors = watched, r.Stats().Errors
		if deadline, _ := ctx.Deadline(); len(saw.offsets) == 1000 {
			saw.took = watched - time.Until(deadline)
		}
		l.mu.Lock()
		saw.fetches = len(l.asked)
		for i := 1; i < len(l.asked); i++ {
			if l.throttle > 0 && l.asked[i].Sub(l.asked[i-1]) < l.throttle {
				saw.impatient = true
			}
		}
		l.mu.Unlock()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return saw
}
