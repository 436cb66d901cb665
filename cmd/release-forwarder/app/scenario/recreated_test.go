package scenario

import (
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// recreate deletes the event topic, makes it anew and writes events of these
// order keys to partition 0.
func (w *world) recreate(from, to int) {
	w.T.Helper()
	if err := w.Cluster.DeleteTopic(apptest.EventTopic); err != nil {
		w.T.Fatal(err)
	}
	if err := w.Cluster.CreateTopic(apptest.EventTopic, 1, nil); err != nil {
		w.T.Fatal(err)
	}
	w.renew()
	w.orderKeys(from, to)
}

// renew makes the observer's client anew: the old one knows the topic by its old
// ID.
func (w *world) renew() {
	w.T.Helper()
	w.Kafka.Close()
	w.Observe()
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
					w.CommitAs(w.Kafka, c.At, c.Metadata)
					r = w.Start()
				} else {
					w.recreate(1000, 1250)
				}
				w.Until("every new event", w.AllCommitted(1, 250))
				w.End(r)
				if s := w.Platform.Stats(); s.Accepted != 350 || s.Repeated != 0 {
					t.Errorf("%d accepted, %d repeated, want 100 of the old log and 250 of the new", s.Accepted, s.Repeated)
				}
				if !strings.Contains(w.Log.String(), apptest.AnotherLog) {
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
		w.Failing(func(flow string) bool { return flow == "F-0-0" })
		r := w.Start()
		w.orderKeys(0, 100)
		w.Until("the neighbours", func() bool { return w.Platform.Stats().Accepted == 99 })
		w.End(r)
		c := w.CommitOf(w.Kafka, 0)
		if c.At != 0 || c.Metadata == "" {
			t.Fatalf("the commit: %+v", c)
		}
		w.recreate(1000, 1250)
		w.CommitAs(w.Kafka, c.At, c.Metadata)
		r = w.Start()
		w.Until("every new event", w.AllCommitted(1, 250))
		w.End(r)
		if n := w.Platform.Stats().Accepted; n != 99+250 {
			t.Errorf("%d accepted, want 99 of the old log and 250 of the new", n)
		}
	})
}

// With KAFKA_OFFSET_RESET=none a recreated topic is read once an operator has set the group's offset.
func TestResetNoneGoesOnFromTheOffsetThatIsSet(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start("KAFKA_OFFSET_RESET", "none")
		w.orderKeys(0, 100)
		w.Until("the commit", w.AllCommitted(1, 100))
		w.recreate(1000, 1250)
		time.Sleep(10 * time.Minute)
		if s := r.Snapshot().Engine.Partitions[0]; s.Phase != "parked" {
			t.Errorf("phase %s", s.Phase)
		}
		w.End(r)
		// As README.md says: set the group's offset, start the replicas.
		w.CommitAs(w.Kafka, 0, "")
		r = w.Start()
		w.Until("every new event", w.AllCommitted(1, 250))
		w.End(r)
	})
}

// A log that is the same is read on, after a leader's move, a restart, or retention that took what was read.
func TestALogThatIsTheSameIsReadOn(t *testing.T) {
	for name, disturb := range map[string]func(w *world) bool{
		"the leader moves": func(w *world) bool {
			if err := w.Cluster.MoveTopicPartition(apptest.EventTopic, 0, (w.Cluster.LeaderFor(apptest.EventTopic, 0)+1)%3); err != nil {
				w.T.Fatal(err)
			}
			return false
		},
		"a restart": func(*world) bool { return true },
		"retention has taken all that was read": func(w *world) bool {
			if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 100); err != nil {
				w.T.Fatal(err)
			}
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start()
				w.orderKeys(0, 100)
				w.Until("the commit", w.AllCommitted(1, 100))
				if disturb(w) {
					w.End(r)
					r = w.Start()
				}
				w.orderKeys(100, 200)
				w.Until("the rest", w.AllCommitted(1, 200))
				w.End(r)
				if s := w.Platform.Stats(); s.Received != 200 {
					t.Errorf("%d requests for 200 events", s.Received)
				}
				if n := r.Snapshot().Dropped; n != 0 || strings.Contains(w.Log.String(), apptest.AnotherLog) {
					t.Errorf("taken for another log, %d dropped", n)
				}
			})
		})
	}
}
