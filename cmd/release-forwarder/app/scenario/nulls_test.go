package scenario

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// The default is a tenth of what docs/explanation/security.md and docs/reference/answers.md state; -nulls 20000 is the whole, with the default
// bounds.
var nulls = flag.Int("nulls", 2000, "null records; the bound on records follows, at 20000 it is the default")

// Null records without end delay events of their own partition alone, as long as docs/explanation/security.md says.
//
// Each is a dead letter, and they are a storm of that partition.
func TestAStormOfNullsDelaysItsPartitionAlone(t *testing.T) {
	bound := *nulls * 4096 / 20000
	const limit = 100 // DLQ_STORM_LIMIT's default
	for name, c := range map[string]struct {
		partitions  int32
		every       time.Duration // between two events in each partition
		limit       int
		least, most time.Duration // that the first event behind the nulls may wait
	}{
		// Each time something is accepted about half of the bound passes.
		"events in the others each second":  {6, time.Second, limit, 0, time.Duration(*nulls/(bound/6)+5) * time.Second},
		"events in the others now and then": {6, 10 * time.Second, limit, 0, time.Duration(*nulls/(bound/2)+2) * 10 * time.Second},
		// Nothing is: a storm of all, in which one dead letter passes each second.
		"nothing else on this replica": {1, time.Second, limit, time.Duration(*nulls-limit-bound-30) * time.Second, time.Duration(*nulls-limit) * time.Second},
		"without a limit":              {1, time.Second, 0, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, c.partitions, func(w *world) {
				w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 20 * time.Millisecond} })
				r := w.Start("CONSUMER_MAX_PENDING", strconv.Itoa(bound), "DLQ_STORM_LIMIT", strconv.Itoa(c.limit), "LOG_LEVEL", "error")
				w.Until("the start", func() bool { return w.Committed(0) == 0 })
				w.produceNulls(0, *nulls)
				produced, where := map[string]time.Time{}, map[string]int32{}
				const rounds = 60
				for n := range rounds * int(c.partitions) {
					flow, p := fmt.Sprintf("F-%d-0", n), int32(n)%c.partitions
					produced[flow], where[flow] = time.Now(), p
					w.Produce(p, apptest.Event(n, 0))
					if p == c.partitions-1 {
						time.Sleep(c.every)
					}
				}
				w.Until("the dead letters", func() bool { return w.Committed(0) == int64(*nulls+rounds) }, 2*c.most+time.Duration(bound)*time.Second)
				w.End(r)
				behind, others := time.Duration(0), time.Duration(0)
				for _, q := range w.Platform.Accepted() {
					flow := q.Params["flow_no"]
					if waited := q.At.Sub(produced[flow]); where[flow] == 0 {
						behind = max(behind, waited)
					} else {
						others = max(others, waited)
					}
				}
				t.Logf("%d nulls: events behind them wait %s at the longest, those of the other partitions %s", *nulls, behind, others)
				if behind < c.least || behind > c.most {
					t.Errorf("behind the nulls: %s, want %s to %s", behind, c.least, c.most)
				}
				if others > 100*time.Millisecond {
					t.Errorf("in the other partitions: %s", others)
				}
				if n, deadLetters := w.Platform.Stats().Accepted, w.DeadLetterCount(); n != len(produced) || deadLetters != int64(*nulls) {
					t.Errorf("%d accepted of %d, %d dead letters", n, len(produced), deadLetters)
				}
			})
		})
	}
}

// produceNulls writes records with neither key nor value.
func (w *world) produceNulls(partition int32, n int) {
	w.T.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: apptest.EventTopic, Partition: partition}
	}
	if err := w.Kafka.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.T.Fatal(err)
	}
}
