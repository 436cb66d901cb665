package scenario

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// With KAFKA_OFFSET_RESET=none a partition whose offset is out of range waits; its neighbours are read.
func TestResetNoneWaitsForAnOperator(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.Start("KAFKA_OFFSET_RESET", "none")
		w.Backlog(2, 10)
		w.Until("the commit", w.AllCommitted(2, 10))
		w.End(r)
		w.Backlog(2, 20)
		if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 25); err != nil {
			t.Fatal(err)
		}
		r = w.Start()
		time.Sleep(10 * time.Minute)
		if a, b := w.Committed(0), w.Committed(1); a != 10 || b != 30 {
			t.Errorf("committed %d and %d, want 10 (it waits) and 30 (its neighbour does not)", a, b)
		}
		w.End(r)
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
		// As docs/how-to/night/skip-one-record.md says: set the group's offset, start the replicas.
		w.CommitAsTool(w.Kafka, 0, "")
		r = w.Start()
		w.Until("every new event", w.AllCommitted(1, 250))
		w.End(r)
	})
}

// With KAFKA_OFFSET_RESET=none nothing of a recreated topic is sent before an operator decides; then all of it is.
func TestResetNoneWaitsWhereATopicWasRecreated(t *testing.T) {
	for log, write := range newLogs {
		t.Run(log, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start("KAFKA_OFFSET_RESET", "none")
				w.orderKeys(0, oldEvents)
				w.Until("the commit", w.AllCommitted(1, oldEvents))
				w.RecreateTopic(nil)
				write(w, newFrom)
				time.Sleep(10 * time.Minute)
				if s := r.Snapshot().Engine.Partitions[0]; s.Phase != "parked" {
					t.Errorf("phase %s", s.Phase)
				}
				if n := w.Platform.Stats().Received; n != oldEvents {
					t.Errorf("%d of the new log were sent", n-oldEvents)
				}
				w.End(r)
				w.CommitAsTool(w.Kafka, 0, "")
				r = w.Start()
				w.caughtUp()
				w.End(r)
				w.witness(1)
			})
		})
	}
}

// With KAFKA_OFFSET_RESET=none nothing of a truncated log is sent or committed before an operator decides.
func TestResetNoneWaitsWhereALogWasTruncated(t *testing.T) {
	for _, place := range []string{"below the position", "between the last record and the position"} {
		for _, stopped := range []bool{false, true} {
			t.Run(place+"/stopped "+strconv.FormatBool(stopped), func(t *testing.T) {
				onDisk(t, func(w *world) {
					p := cutPlaces[place]
					settings := append([]string{"KAFKA_OFFSET_RESET", "none"}, inGeneration...)
					m := w.startMortal(settings...)
					p.write(w)
					sent := w.Platform.Stats().Received
					if stopped {
						w.End(m.Replica)
					}
					w.truncate(p.at)
					w.singly(newFrom, newFrom+150)
					if stopped {
						m = w.startMortal(settings...)
					}
					time.Sleep(10 * time.Minute)
					if s := m.Snapshot().Engine.Partitions[0]; s.Phase != "parked" {
						t.Errorf("phase %s", s.Phase)
					}
					if n := w.Platform.Stats().Received - sent; n != 0 {
						t.Errorf("%d were sent before a person decided", n)
					}
					if at := w.Committed(0); at != 100 {
						t.Errorf("committed %d, want 100 as it was", at)
					}
					w.End(m.Replica)
					w.CommitAsTool(w.Kafka, p.at, "")
					m = w.startMortal(settings...)
					w.caughtUp()
					w.End(m.Replica)
					w.witness(1)
				})
			})
		}
	}
}

// With KAFKA_OFFSET_RESET=none a partition waits for an operator through rebalances, and one log line says so.
func TestResetNoneWaitsThroughRebalances(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start("KAFKA_OFFSET_RESET", "none")
		w.orderKeys(0, 100)
		w.Until("the commit", w.AllCommitted(1, 100))
		w.RecreateTopic(nil)
		w.orderKeys(newFrom, newFrom+40)
		time.Sleep(time.Minute)
		for range 4 {
			if p := r.Snapshot().Engine.Partitions[0]; p.Phase != "parked" {
				t.Errorf("phase %s", p.Phase)
			}
			w.Rebalance()
			time.Sleep(time.Minute)
		}
		if n := w.Platform.Stats().Accepted; n != 100 {
			t.Errorf("%d accepted: the new log was read though no operator set the offset", n)
		}
		if n := strings.Count(w.Log.String(), apptest.AnotherLogLine); n != 1 {
			t.Errorf("said %d times", n)
		}
		w.End(r)
	})
}

// A committed offset above the log's end is reset after 30 s, and what is missing is logged.
func TestAnOffsetAboveTheEndIsResetAfter30s(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Backlog(1, 10)
		w.CommitAsTool(w.Kafka, 1000, "")
		r := w.Start()
		time.Sleep(25 * time.Second)
		if n := w.Platform.Stats().Received; n != 0 || w.Committed(0) != 1000 {
			t.Errorf("believed too early: %d sent, committed %d", n, w.Committed(0))
		}
		w.Until("the reset", w.AllCommitted(1, 10))
		w.End(r)
		if s := w.Log.String(); !strings.Contains(s, `"from":10,"to":1000,"count":990`) {
			t.Error("what is missing is not logged")
		}
	})
}

// A partition whose offset is out of range is reset while another one cannot start.
func TestAPartitionIsResetWhileAnotherCannotStart(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.Produce(1, apptest.Event(1, 0), apptest.Event(2, 0), apptest.Event(3, 0), apptest.Event(4, 0), apptest.Event(5, 0))
		// Partition 1 was read once, up to what retention has dropped since;
		// partition 0 never, and its log cannot be asked for its bounds.
		offsets := kadm.Offsets{}
		offsets.AddOffset(apptest.EventTopic, 1, 2, -1)
		if _, err := kadm.NewClient(w.Kafka).CommitOffsets(context.Background(), apptest.Group, offsets); err != nil {
			t.Fatal(err)
		}
		if err := w.Cluster.DeleteRecords(apptest.EventTopic, 1, 4); err != nil {
			t.Fatal(err)
		}
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: apptest.EventTopic, Partitions: []int32{0}, Err: kerr.LeaderNotAvailable, Count: -1})
		r := w.Start()
		w.Until("the other partition", func() bool { return w.Committed(1) == 5 }, 5*time.Minute)
		w.End(r)
	})
}
