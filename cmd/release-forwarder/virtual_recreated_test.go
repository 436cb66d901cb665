package main

import (
	"strings"
	"testing"
	"time"
)

// recreate deletes the event topic, makes it anew and writes events of these
// order keys to partition 0.
func (w *world) recreate(from, to int) {
	w.t.Helper()
	if err := w.cluster.DeleteTopic(eventTopic); err != nil {
		w.t.Fatal(err)
	}
	if err := w.cluster.CreateTopic(eventTopic, 1, nil); err != nil {
		w.t.Fatal(err)
	}
	w.renew()
	w.orderKeys(from, to)
}

// renew makes the observer's client anew: the old one knows the topic by its old
// ID.
func (w *world) renew() {
	w.t.Helper()
	w.kafka.Close()
	w.observe()
}

// orderKeys writes an event of each order key to partition 0.
func (w *world) orderKeys(from, to int) {
	w.t.Helper()
	var values []string
	for i := from; i < to; i++ {
		values = append(values, event(i, 0))
	}
	w.produce(0, values...)
}

const anotherLog = "the log is another one than was read before"

func TestATopicMadeAnewLargerThanBeforeIsReadFromItsFirstRecord(t *testing.T) {
	for name, stopped := range map[string]bool{"while the service runs": false, "while it is stopped and the group keeps its commit": true} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.start()
				w.orderKeys(0, 100)
				w.until("the commit", w.allCommitted(1, 100))
				if stopped {
					w.end(r)
					c := w.commitOf(w.kafka, 0)
					w.recreate(1000, 1250)
					w.commitAs(w.kafka, c.At, c.Metadata)
					r = w.start()
				} else {
					w.recreate(1000, 1250)
				}
				w.until("every new event", w.allCommitted(1, 250))
				w.end(r)
				if s := w.platform.Stats(); s.Accepted != 350 || s.Repeated != 0 {
					t.Errorf("%d accepted, %d repeated, want 100 of the old log and 250 of the new", s.Accepted, s.Repeated)
				}
				if !strings.Contains(w.log.String(), anotherLog) {
					t.Error("nothing was said")
				}
				if n := r.Snapshot().Dropped; n != 1 {
					t.Errorf("%d counted as dropped, want 1: what the old log held beyond is not known, and it must alert", n)
				}
			})
		})
	}
}

func TestATopicMadeAnewIsNotTakenForTheOneOfWhichRunsAreDone(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.failing(func(flow string) bool { return flow == "F-0-0" })
		r := w.start()
		w.orderKeys(0, 100)
		w.until("the neighbours", func() bool { return w.platform.Stats().Accepted == 99 })
		w.end(r)
		c := w.commitOf(w.kafka, 0)
		if c.At != 0 || c.Metadata == "" {
			t.Fatalf("the commit: %+v", c)
		}
		w.recreate(1000, 1250)
		w.commitAs(w.kafka, c.At, c.Metadata)
		r = w.start()
		w.until("every new event", w.allCommitted(1, 250))
		w.end(r)
		if n := w.platform.Stats().Accepted; n != 99+250 {
			t.Errorf("%d accepted, want 99 of the old log and 250 of the new", n)
		}
	})
}

func TestResetNoneAlsoWaitsForAPersonWhereTheLogIsAnother(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.start("KAFKA_OFFSET_RESET", "none")
		w.orderKeys(0, 100)
		w.until("the commit", w.allCommitted(1, 100))
		w.recreate(1000, 1250)
		time.Sleep(10 * time.Minute)
		if s := r.Snapshot().Engine.Partitions[0]; s.Phase != "parked" {
			t.Errorf("phase %s", s.Phase)
		}
		w.end(r)
		// As README.md says: set the group's offset, start the replicas.
		w.commitAs(w.kafka, 0, "")
		r = w.start()
		w.until("every new event", w.allCommitted(1, 250))
		w.end(r)
	})
}

// Whatever makes the service look at the anchor, a log that is what it was is
// read on: a broker that is away, a leader that moves, a restart, retention that
// has taken the record, or compaction.
func TestALogThatIsTheSameIsReadOn(t *testing.T) {
	for name, disturb := range map[string]func(w *world) bool{
		"the leader moves": func(w *world) bool {
			if err := w.cluster.MoveTopicPartition(eventTopic, 0, (w.cluster.LeaderFor(eventTopic, 0)+1)%3); err != nil {
				w.t.Fatal(err)
			}
			return false
		},
		"a restart": func(*world) bool { return true },
		"retention has taken all that was read": func(w *world) bool {
			if err := w.cluster.DeleteRecords(eventTopic, 0, 100); err != nil {
				w.t.Fatal(err)
			}
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.start()
				w.orderKeys(0, 100)
				w.until("the commit", w.allCommitted(1, 100))
				if disturb(w) {
					w.end(r)
					r = w.start()
				}
				w.orderKeys(100, 200)
				w.until("the rest", w.allCommitted(1, 200))
				w.end(r)
				if s := w.platform.Stats(); s.Received != 200 {
					t.Errorf("%d requests for 200 events", s.Received)
				}
				if n := r.Snapshot().Dropped; n != 0 || strings.Contains(w.log.String(), anotherLog) {
					t.Errorf("taken for another log, %d dropped", n)
				}
			})
		})
	}
}
