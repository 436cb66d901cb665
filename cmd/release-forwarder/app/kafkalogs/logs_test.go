package kafkalogs

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// served runs a test with a hand-made log in the place of the event topic's only
// partition.
func (c realLog) served(t *testing.T, test func(w *apptest.World, l *apptest.CraftedLog)) {
	t.Helper()
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		l := c.log()
		w.ServeLogs(l)
		test(w, l)
		apptest.EndLongPolls()
	})
}

// watched is how long a log is watched: longer than an offset above its end must
// have stood to be believed.
const watched = time.Minute

// Each log that a broker may hold is read as the table of docs/development/kafka-logs.md says.
func TestRealLogs(t *testing.T) {
	for _, c := range realLogs {
		t.Run(c.name, func(t *testing.T) {
			c.served(t, func(w *apptest.World, l *apptest.CraftedLog) {
				if c.from > 0 {
					w.CommitAsTool(w.Kafka, c.from, "")
				}
				r := w.Start()
				time.Sleep(watched)
				if at := w.Committed(0); at != c.commit {
					t.Errorf("committed %d, want %d", at, c.commit)
				}
				w.End(r)
				tallies := w.Platform.Tallies()
				for flow, n := range tallies {
					if n.Received != 1 || n.Accepted != 1 {
						t.Errorf("%v: received %d times, accepted %d times", flow, n.Received, n.Accepted)
					}
				}
				var sent []int64
				for o := range int64(100) {
					for flow := range tallies {
						if strings.Contains(string(apptest.EventAt(o)), `"`+flow.No+`"`) {
							sent = append(sent, o)
						}
					}
				}
				if got, want := apptest.FormatOffsets(sent), apptest.FormatOffsets(c.want); got != want || w.Platform.Stats().Received != len(c.want) {
					t.Errorf("sent %s, want %s", got, want)
				}
				// Long polls of half a second at most, two at a time.
				if n := l.Fetches(); n > 250 {
					t.Errorf("%d fetches in a minute", n)
				}
				said := w.Log.String()
				if c.said != "" && !strings.Contains(said, c.said) {
					t.Errorf("the log does not say %q", c.said)
				}
				if c.said == "" && strings.Contains(said, `"level":"ERROR"`) {
					t.Error("an error was logged")
				}
				if n := w.Log.Lines(); n > 100 {
					t.Errorf("%d log lines in a minute", n)
				}
			})
		})
	}
}

// A broker that throttles is left alone as long as it asks; the partitions of other brokers are read.
func TestAThrottlingBrokerIsLeftAlone(t *testing.T) {
	apptest.InVirtualTime(t, 2, func(w *apptest.World) {
		slow, other := apptest.NewCraftedLog(apptest.EventBatch(2, 0, 1, 2)), apptest.NewCraftedLog(apptest.EventBatch(2, 0, 1, 2))
		slow.Throttle = 7 * time.Second
		if err := w.Cluster.MoveTopicPartition(apptest.EventTopic, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := w.Cluster.MoveTopicPartition(apptest.EventTopic, 1, 1); err != nil {
			t.Fatal(err)
		}
		w.ServeLogs(slow, other)
		r := w.Start()
		w.Until("the other broker's partition", func() bool { return w.Committed(1) == 3 }, 5*time.Second)
		time.Sleep(time.Minute)
		slow.Mu.Lock()
		for i := 1; i < len(slow.FetchTimes); i++ {
			if d := slow.FetchTimes[i].Sub(slow.FetchTimes[i-1]); d < slow.Throttle {
				t.Errorf("asked again after %s, the broker wanted to hear nothing for %s", d, slow.Throttle)
			}
		}
		slow.Throttle = 0
		slow.Mu.Unlock()
		w.Until("the throttled partition", func() bool { return w.Committed(0) == 3 }, 10*time.Second)
		w.End(r)
		apptest.EndLongPolls()
	})
}

// readerSees is what kafka-go's own Reader makes of the log in the same time.
func (c realLog) readerSees(t *testing.T) (saw readerSight) {
	t.Helper()
	c.served(t, func(w *apptest.World, l *apptest.CraftedLog) {
		r := kafka.NewReader(kafka.ReaderConfig{
			Brokers: w.Cluster.ListenAddrs(), Topic: apptest.EventTopic, Partition: 0, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 2 * time.Second,
			ReadLagInterval: -1, IsolationLevel: kafka.ReadCommitted, MaxAttempts: 3,
			Dialer: &kafka.Dialer{DialFunc: w.Net.Dial, Timeout: 10 * time.Second},
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
		l.Mu.Lock()
		saw.fetches = len(l.FetchTimes)
		for i := 1; i < len(l.FetchTimes); i++ {
			if l.Throttle > 0 && l.FetchTimes[i].Sub(l.FetchTimes[i-1]) < l.Throttle {
				saw.impatient = true
			}
		}
		l.Mu.Unlock()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return saw
}
