package scenario

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// recreate recreates the event topic and writes events of these order keys to it.
func (w *world) recreate(from, to int) {
	w.T.Helper()
	w.RecreateTopic(nil)
	w.orderKeys(from, to)
}

// orderKeys writes an event of each order key to partition 0.
func (w *world) orderKeys(from, to int) {
	w.T.Helper()
	var values []string
	for i := from; i < to; i++ {
		values = append(values, apptest.Event(i, 0))
	}
	w.Produce(0, values...)
}

// A recreated topic that is larger than the old one is read from its first record, and the loss is reported.
func TestALargerRecreatedTopicIsReadFromItsStart(t *testing.T) {
	for name, stopped := range map[string]bool{"while the service runs": false, "while it is stopped and the group keeps its commit": true} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start()
				w.orderKeys(0, 100)
				w.Until("the commit", w.AllCommitted(1, 100))
				if stopped {
					w.End(r)
					c := w.CommitOf(w.Kafka, 0)
					w.recreate(1000, 1250)
					w.CommitAsTool(w.Kafka, c.At, c.Metadata)
					r = w.Start()
				} else {
					w.recreate(1000, 1250)
				}
				w.Until("every new event", w.AllCommitted(1, 250))
				w.End(r)
				if s := w.Platform.Stats(); s.Accepted != 350 || s.Repeated != 0 {
					t.Errorf("%d accepted, %d repeated, want 100 of the old log and 250 of the new", s.Accepted, s.Repeated)
				}
				if !strings.Contains(w.Log.String(), apptest.AnotherLogLine) {
					t.Error("nothing was said")
				}
				if n := r.Snapshot().Dropped; n != 1 {
					t.Errorf("%d counted as dropped, want 1: what the old log held beyond is not known, and it must alert", n)
				}
			})
		})
	}
}

// Runs that a restored commit of the old topic lists as finished skip nothing of the recreated one.
func TestRunsOfAnOldTopicSkipNothingOfTheNewOne(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(flow string) bool { return flow == "F-0-0" })
		r := w.Start()
		w.orderKeys(0, 100)
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 99 })
		w.End(r)
		c := w.CommitOf(w.Kafka, 0)
		if c.At != 0 || c.Metadata == "" {
			t.Fatalf("the commit: %+v", c)
		}
		w.recreate(1000, 1250)
		w.CommitAsTool(w.Kafka, c.At, c.Metadata)
		r = w.Start()
		w.Until("every new event", w.AllCommitted(1, 250))
		w.End(r)
		if n := w.Platform.Stats().Accepted; n != 99+250 {
			t.Errorf("%d accepted, want 99 of the old log and 250 of the new", n)
		}
	})
}

// A recreated topic is read, although the old commit's metadata names offsets beyond its end.
func TestARecreatedTopicIsReadDespiteItsMetadata(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(flow string) bool { return flow == "F-0-0" })
		w.Backlog(1, 100)
		r := w.Start()
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 99 })
		w.End(r)
		offsets, err := kadm.NewClient(w.Kafka).FetchOffsets(context.Background(), apptest.Group)
		if err != nil {
			t.Fatal(err)
		}
		w.RecreateTopic(nil)
		// Truncated by an unclean election, the group keeps its commit.
		if err := kadm.NewClient(w.Kafka).CommitAllOffsets(context.Background(), apptest.Group, offsets.Offsets()); err != nil {
			t.Fatal(err)
		}
		send := func(from, to int) {
			var values []string
			for i := from; i < to; i++ {
				values = append(values, apptest.Event(1000+i, 0))
			}
			w.Produce(0, values...)
		}
		send(0, 10)
		r = w.Start()
		time.Sleep(time.Minute)
		send(10, 200)
		w.Until("every new event", func() bool { return w.Platform.Stats().Accepted == 99+200 }, 5*time.Minute)
		w.End(r)
	})
}
