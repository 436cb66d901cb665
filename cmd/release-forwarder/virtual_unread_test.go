package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func blocked(cause string, partition int) string {
	return fmt.Sprintf(`reading_blocked_seconds{cause=%q,partition="%d",topic="events"}`, cause, partition)
}

// about tells whether a gauge is what it should be, within the time between two looks.
func (r *replica) about(series string, want time.Duration) bool {
	got := r.seconds(series)
	return got >= want.Seconds()-15 && got <= want.Seconds()+15
}

// Whatever keeps records from being read, their age is told, with a cause; in every case
// the records have waited for 20 minutes, and nothing that was read is unfinished.
func TestWhatIsNotReadIsToldWhateverKeepsIt(t *testing.T) {
	const twenty = 20 * time.Minute
	for _, c := range []struct {
		name, cause string
		oldest      bool // that there is something to read is known, or it can be learnt
		settings    []string
		prepare     func(w *world) // the records are there when it returns
	}{
		{name: "a batch that is damaged", cause: "unreadable", oldest: true, prepare: func(w *world) {
			l := &handLog{end: 3, pieces: []piece{flipped(batch(0, 0)), batch(1, 1), batch(2, 2)}}
			w.serve(l)
		}},
		{name: "a record that is too large", cause: "unreadable", oldest: true, prepare: func(w *world) {
			l := &handLog{end: 2, pieces: []piece{swollen(0, 40<<20), batch(1, 1)}}
			w.serve(l)
		}},
		{name: "the position is not in the log, and a person decides", cause: "parked", oldest: true, settings: []string{"KAFKA_OFFSET_RESET", "none"}, prepare: func(w *world) {
			w.commitAs(w.kafka, 0, "")
			w.backlog(1, 10)
			if err := w.cluster.DeleteRecords(eventTopic, 0, 5); err != nil {
				w.t.Fatal(err)
			}
		}},
		{name: "this user may not read", cause: "failing", prepare: func(w *world) {
			w.backlog(1, 10)
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: eventTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		}},
		{name: "no leader", cause: "failing", prepare: func(w *world) {
			w.commitAs(w.kafka, 0, "")
			w.backlog(1, 10)
			w.leaderless(0)
		}},
		{name: "offsets that cannot be learnt", cause: "starting", prepare: func(w *world) {
			w.backlog(1, 10)
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Count: -1, When: func(r kmsg.Request) bool {
				return r.GetVersion() <= 5 // the service's, not the observer's
			}})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.configure("retention.ms", "36000000")
				w.configure("retention.bytes", "1000000")
				c.prepare(w)
				r := w.start(c.settings...)
				time.Sleep(twenty)
				if !r.about(blocked(c.cause, 0), twenty) {
					t.Errorf("%s is %v", blocked(c.cause, 0), r.seconds(blocked(c.cause, 0)))
				}
				_, status := r.page("en")
				if status["condition"] == "well" {
					t.Errorf("the page says %q", status["state"])
				}
				if lines := w.said("partition-not-read"); len(lines) != 1 || !strings.Contains(lines[0], `"cause":"`+c.cause+`"`) {
					t.Errorf("the log says %q", lines)
				}
				oldest, left := r.seconds("oldest_unfinished_seconds"), r.seconds(leftOfPartition0)
				if c.oldest != (oldest > 0) || oldest > 0 && !r.about("oldest_unfinished_seconds", twenty) {
					t.Errorf("oldest_unfinished_seconds %v", oldest)
				}
				if c.oldest != (left > 0) || left > 0 && !r.about(leftOfPartition0, 10*time.Hour-twenty) {
					t.Errorf("retention_left_seconds %v", left)
				}
				w.end(r)
				settle()
			})
		})
	}
}

// leaderless lets the brokers' metadata name no leader of a partition of the events, until
// back is called.
func (w *world) leaderless(partition int32) (back func()) {
	return w.cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Metadata}, Topic: eventTopic, Partitions: []int32{partition}, Err: kerr.LeaderNotAvailable, Count: -1,
	}).Remove
}

// A leader that goes away and comes back: said once each, and the metric ends.
func TestAPartitionThatIsReadAgainIsSaidToBe(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.start()
		w.until("both partitions", func() bool { return w.committed(0) == 0 && w.committed(1) == 0 })
		back := w.leaderless(1)
		time.Sleep(5 * time.Minute)
		if !r.about(blocked("failing", 1), 5*time.Minute) || r.seconds(blocked("failing", 0)) != -1 {
			t.Errorf("blocked for %v, the other %v", r.seconds(blocked("failing", 1)), r.seconds(blocked("failing", 0)))
		}
		back()
		w.produce(1, event(1, 0))
		w.until("the record", func() bool { return w.committed(1) == 1 })
		time.Sleep(time.Minute)
		if got := r.seconds(blocked("failing", 1)); got != -1 {
			t.Errorf("blocked for %v", got)
		}
		if n, m := len(w.said("partition-not-read")), len(w.said("partition-read-again")); n != 1 || m != 1 {
			t.Errorf("said %d and %d times", n, m)
		}
		w.end(r)
	})
}

// A partition whose leader does not answer does not hide what is left of the others.
func TestRetentionIsToldBesideAPartitionWithoutALeader(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.configure("retention.ms", "36000000")
		w.refuse("S-1")
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: eventTopic, Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
		r := w.start()
		w.produce(0, event(1, 0))
		time.Sleep(20 * time.Minute)
		if got := r.seconds(leftOfPartition0); got <= 0 {
			t.Errorf("retention_left_seconds %v", got)
		}
		w.end(r)
	})
}

// A quota lets through so little that nothing read is ever unfinished for long, while
// the log's next record is old.
func TestABacklogBehindAQuotaHasItsAge(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		l := &handLog{throttle: 20 * time.Second}
		l.grow(10)
		w.serve(l)
		r := w.start()
		time.Sleep(20 * time.Minute)
		if !r.about("oldest_unfinished_seconds", 20*time.Minute) {
			t.Errorf("oldest_unfinished_seconds %v", r.seconds("oldest_unfinished_seconds"))
		}
		w.end(r)
		settle()
	})
}

// A record above KAFKA_MAX_RECORD_BYTES that waits has its age, though its bytes were given
// up; one of another partition does not wait for it.
func TestALargeRecordThatWaitsHasItsAge(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.failing(func(flow string) bool { return flow == "F-1-0" })
		r := w.start("KAFKA_MAX_RECORD_BYTES", "64KiB", "RETRY_BUDGET", "0")
		w.produce(0, padded(1, 0, 100<<10))
		w.until("the first", func() bool { return r.Snapshot().Engine.Partitions[0].Held == 1 })
		time.Sleep(10 * time.Minute)
		w.produce(1, padded(2, 0, 100<<10))
		time.Sleep(10 * time.Minute)
		held := r.Snapshot().Partitions
		if s := held[0].unfinished(); s.IsZero() || time.Since(s) < 19*time.Minute {
			t.Errorf("partition 0: %+v", held[0])
		}
		if s := held[1].unfinished(); !s.IsZero() || w.platform.Stats().Accepted != 1 {
			t.Errorf("partition 1: %+v", held[1])
		}
		w.platform.Script(nil)
		w.until("both", func() bool { return w.platform.Stats().Accepted == 2 }, 5*time.Minute)
		w.end(r)
	})
}

// Where held records fill a bound before the transaction, they are what keeps the rest.
func TestATransactionThatReadingHasNotReachedHoldsNothingBack(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.failing(func(string) bool { return true })
		r := w.start("CONSUMER_MAX_PENDING", "20", "RETRY_BUDGET", "0")
		w.until("the start", func() bool { return w.committed(0) == 0 })
		w.backlog(1, 100)
		p := w.transactional("lanes")
		defer p.Close()
		w.begin(p, event(1000, 0))
		w.orderKeys(2000, 2010)
		time.Sleep(5 * time.Minute)
		if s := r.Snapshot().Partitions[0]; s.HeldBack != 0 || s.Blocked != "" || s.Paused != "records" {
			t.Errorf("%+v", s)
		}
		w.failing(func(string) bool { return false })
		w.until("what comes before it", func() bool { return w.committed(0) == 100 }, 5*time.Minute)
		// It has stood for minutes, and now is what is in the way.
		time.Sleep(time.Minute)
		if s := r.Snapshot().Partitions[0]; s.HeldBack != 11 || s.Blocked != "transaction" || time.Since(s.Since) < 5*time.Minute {
			t.Errorf("%+v", s)
		}
		w.finish(p, kgo.TryCommit)
		w.until("all", func() bool { return w.committed(0) >= 111 })
		w.end(r)
	})
}

// The age of what a transaction holds back outlives the replica that saw it begin; who
// keeps the partition says it once.
func TestAnOpenTransactionOutlivesARebalance(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		first := w.start()
		w.backlog(1, 10)
		w.until("what comes before", w.allCommitted(1, 10))
		p := w.transactional("lanes")
		defer p.Close()
		began := time.Now()
		w.begin(p, event(1000, 0))
		w.orderKeys(2000, 2010)
		time.Sleep(5 * time.Minute)
		second := w.start() // one of them is a standby from now on
		time.Sleep(2 * time.Minute)
		owner := first
		if len(second.Snapshot().Engine.Partitions) > 0 {
			owner = second
		}
		if !owner.about(blockedByTransaction, time.Since(began)) || !owner.about("oldest_unfinished_seconds", time.Since(began)) {
			t.Errorf("after the rebalance %v and %v", owner.seconds(blockedByTransaction), owner.seconds("oldest_unfinished_seconds"))
		}
		if n := len(w.said("open-transaction")); owner == first && n != 1 || n > 2 {
			t.Errorf("said %d times", n)
		}
		if n := len(w.said("open-transaction-over")); n != 0 {
			t.Errorf("it has ended %d times", n)
		}
		w.end(first)
		time.Sleep(time.Minute)
		if !second.about(blockedByTransaction, time.Since(began)) {
			t.Errorf("the next owner: %v", second.seconds(blockedByTransaction))
		}
		w.finish(p, kgo.TryCommit)
		w.until("all", func() bool { return w.platform.Stats().Accepted == 21 })
		w.end(second)
	})
}

// Timestamps that cannot be believed leave the time since when reading has stood there.
func TestATransactionWithoutATimeToBelieve(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		l := &handLog{stable: 5} // its batches are of 2025, ahead of this clock
		l.grow(20)
		w.serve(l)
		r := w.start()
		time.Sleep(10 * time.Minute)
		if !r.about(blockedByTransaction, 10*time.Minute) || !r.about("oldest_unfinished_seconds", 10*time.Minute) {
			t.Errorf("%v and %v", r.seconds(blockedByTransaction), r.seconds("oldest_unfinished_seconds"))
		}
		// It ends, and the next one has stood since then.
		l.change(func() { l.stable = 12 })
		time.Sleep(2 * time.Minute)
		if !r.about(blockedByTransaction, 2*time.Minute) || !r.about("oldest_unfinished_seconds", 2*time.Minute) {
			t.Errorf("the next: %v and %v", r.seconds(blockedByTransaction), r.seconds("oldest_unfinished_seconds"))
		}
		if n, m := len(w.said("open-transaction")), len(w.said("open-transaction-over")); n != 2 || m != 1 {
			t.Errorf("said %d and %d times", n, m)
		}
		l.change(func() { l.stable = 0 })
		w.until("all", w.allCommitted(1, 20))
		w.end(r)
		settle()
	})
}

// The topic is made anew while a transaction is open: the new log has none.
func TestATransactionOfATopicThatIsMadeAnew(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.start()
		w.orderKeys(0, 100)
		w.until("the commit", w.allCommitted(1, 100))
		p := w.transactional("lanes")
		defer p.Close()
		w.begin(p, event(5000, 0))
		time.Sleep(5 * time.Minute)
		if got := r.seconds(blockedByTransaction); got < 0 {
			t.Error("nothing is said of the transaction")
		}
		w.recreate(1000, 1250)
		w.until("every new event", w.allCommitted(1, 250), 5*time.Minute)
		time.Sleep(time.Minute)
		if got := r.seconds(blockedByTransaction); got != -1 {
			t.Errorf("blocked for %v", got)
		}
		if got := r.seconds("oldest_unfinished_seconds"); got != 0 {
			t.Errorf("oldest_unfinished_seconds %v", got)
		}
		w.end(r)
	})
}

// Where a partition's commit cannot be learnt, nobody knows what is left: it is not 0.
func TestNothingIsLeftToTellOfAPartitionThatHasNotStarted(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.configure("retention.bytes", "1000000")
		w.backlog(1, 1000)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Count: -1})
		r := w.start()
		for n := range int64(8) {
			time.Sleep(15 * time.Minute)
			if err := w.cluster.DeleteRecords(eventTopic, 0, 100*(n+1)); err != nil {
				t.Fatal(err)
			}
			if got := r.seconds(leftOfPartition0); got != -1 {
				t.Fatalf("retention_left_seconds %v", got)
			}
			if got := r.seconds(`lag_records{partition="0",topic="events"}`); got != -1 {
				t.Fatalf("lag_records %v, and nobody knows it", got)
			}
		}
		w.end(r)
	})
}

// Held records before the transaction are the oldest, and both are told.
func TestATransactionBehindHeldRecords(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.configure("retention.ms", "36000000")
		began := time.Now()
		r := w.heldAtTheFront()
		time.Sleep(10 * time.Minute)
		p := w.transactional("lanes")
		defer p.Close()
		opened := time.Now()
		w.begin(p, event(1000, 0))
		w.orderKeys(2000, 2010)
		time.Sleep(10 * time.Minute)
		if !r.about("oldest_unfinished_seconds", time.Since(began)) || !r.about(leftOfPartition0, 10*time.Hour-time.Since(began)) {
			t.Errorf("oldest %v, left %v", r.seconds("oldest_unfinished_seconds"), r.seconds(leftOfPartition0))
		}
		if !r.about(blockedByTransaction, time.Since(opened)) {
			t.Errorf("blocked for %v", r.seconds(blockedByTransaction))
		}
		if s := r.Snapshot().Partitions[0]; s.HeldBack != 11 || s.Held != 2 || time.Since(s.Unread) > time.Since(opened)+time.Second {
			t.Errorf("%+v", s)
		}
		w.finish(p, kgo.TryAbort)
		w.platform.Script(nil)
		w.until("all but the aborted one", func() bool { return w.platform.Stats().Accepted == 15 })
		w.end(r)
	})
}
