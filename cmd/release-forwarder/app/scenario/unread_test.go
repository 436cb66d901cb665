package scenario

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

func blocked(cause string, partition int) string {
	return fmt.Sprintf(`reading_blocked_seconds{cause=%q,partition="%d",topic="events"}`, cause, partition)
}

// Records that are not read are reported with their age and the cause, whatever the cause is.
//
// In every case they have waited for 20 minutes, and nothing that was read is unfinished.
func TestWhatIsNotReadIsReported(t *testing.T) {
	const twenty = 20 * time.Minute
	for _, c := range []struct {
		name, cause string
		oldest      bool // that there is something to read is known, or it can be learnt
		settings    []string
		prepare     func(w *world) // the records are there when it returns
	}{
		{name: "a batch that is damaged", cause: "unreadable", oldest: true, prepare: func(w *world) {
			l := &apptest.CraftedLog{End: 3, Batches: []apptest.RawBatch{apptest.Corrupted(apptest.EventBatch(0, 0)), apptest.EventBatch(1, 1), apptest.EventBatch(2, 2)}}
			w.ServeLogs(l)
		}},
		{name: "a record that is too large", cause: "unreadable", oldest: true, prepare: func(w *world) {
			l := &apptest.CraftedLog{End: 2, Batches: []apptest.RawBatch{apptest.DecompressionBomb(0, 40<<20), apptest.EventBatch(1, 1)}}
			w.ServeLogs(l)
		}},
		{name: "the position is not in the log, and a person decides", cause: "parked", oldest: true, settings: []string{"KAFKA_OFFSET_RESET", "none"}, prepare: func(w *world) {
			w.CommitAsTool(w.Kafka, 0, "")
			w.Backlog(1, 10)
			if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 5); err != nil {
				w.T.Fatal(err)
			}
		}},
		{name: "this user may not read", cause: "failing", prepare: func(w *world) {
			w.Backlog(1, 10)
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: apptest.EventTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		}},
		{name: "no leader", cause: "failing", prepare: func(w *world) {
			w.CommitAsTool(w.Kafka, 0, "")
			w.Backlog(1, 10)
			w.leaderless(0)
		}},
		{name: "offsets that cannot be learnt", cause: "starting", prepare: func(w *world) {
			w.Backlog(1, 10)
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Count: -1, When: func(r kmsg.Request) bool {
				return r.GetVersion() <= 5 // the service's, not the observer's
			}})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.ConfigureTopic("retention.ms", "36000000")
				w.ConfigureTopic("retention.bytes", "1000000")
				c.prepare(w)
				r := w.Start(c.settings...)
				time.Sleep(twenty)
				if !r.IsAbout(blocked(c.cause, 0), twenty) {
					t.Errorf("%s is %v", blocked(c.cause, 0), r.Seconds(blocked(c.cause, 0)))
				}
				_, status := r.Page("en")
				if status["condition"] == "well" {
					t.Errorf("the page says %q", status["state"])
				}
				if lines := w.said("partition-not-read"); len(lines) != 1 || !strings.Contains(lines[0], `"cause":"`+c.cause+`"`) {
					t.Errorf("the log says %q", lines)
				}
				oldest, left := r.Seconds("oldest_unfinished_seconds"), r.Seconds(leftOfPartition0)
				if c.oldest != (oldest > 0) || oldest > 0 && !r.IsAbout("oldest_unfinished_seconds", twenty) {
					t.Errorf("oldest_unfinished_seconds %v", oldest)
				}
				if c.oldest != (left > 0) || left > 0 && !r.IsAbout(leftOfPartition0, 10*time.Hour-twenty) {
					t.Errorf("retention_left_seconds %v", left)
				}
				w.End(r)
				apptest.EndLongPolls()
			})
		})
	}
}

// leaderless lets the brokers' metadata name no leader of a partition of the events, until
// back is called.
func (w *world) leaderless(partition int32) (back func()) {
	return w.Cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Metadata}, Topic: apptest.EventTopic, Partitions: []int32{partition}, Err: kerr.LeaderNotAvailable, Count: -1,
	}).Remove
}

// A partition that cannot be read, and is read again, is logged once each; then its metric ends.
func TestAPartitionThatIsReadAgainIsReported(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.Start()
		w.Until("both partitions", func() bool { return w.Committed(0) == 0 && w.Committed(1) == 0 })
		back := w.leaderless(1)
		time.Sleep(5 * time.Minute)
		if !r.IsAbout(blocked("failing", 1), 5*time.Minute) || r.Seconds(blocked("failing", 0)) != -1 {
			t.Errorf("blocked for %v, the other %v", r.Seconds(blocked("failing", 1)), r.Seconds(blocked("failing", 0)))
		}
		back()
		w.Produce(1, apptest.Event(1, 0))
		w.Until("the record", func() bool { return w.Committed(1) == 1 })
		time.Sleep(time.Minute)
		if got := r.Seconds(blocked("failing", 1)); got != -1 {
			t.Errorf("blocked for %v", got)
		}
		if n, m := len(w.said("partition-not-read")), len(w.said("partition-read-again")); n != 1 || m != 1 {
			t.Errorf("said %d and %d times", n, m)
		}
		w.End(r)
	})
}

// A partition whose leader does not answer does not hide the time left of the others.
func TestRetentionBesideALeaderlessPartition(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.ConfigureTopic("retention.ms", "36000000")
		w.FailOrderKey("S-1")
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: apptest.EventTopic, Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
		r := w.Start()
		w.Produce(0, apptest.Event(1, 0))
		time.Sleep(20 * time.Minute)
		if got := r.Seconds(leftOfPartition0); got <= 0 {
			t.Errorf("retention_left_seconds %v", got)
		}
		w.End(r)
	})
}

// A backlog that a broker's quota delays is reported with its age.
//
// The quota lets through so little that nothing that was read is unfinished for long.
func TestABacklogBehindAQuotaHasItsAge(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		l := &apptest.CraftedLog{Throttle: 20 * time.Second}
		l.GrowTo(10)
		w.ServeLogs(l)
		r := w.Start()
		time.Sleep(20 * time.Minute)
		if !r.IsAbout("oldest_unfinished_seconds", 20*time.Minute) {
			t.Errorf("oldest_unfinished_seconds %v", r.Seconds("oldest_unfinished_seconds"))
		}
		w.End(r)
		apptest.EndLongPolls()
	})
}

// A large record that waits is reported with its age, and delays no large record of another partition.
func TestAWaitingLargeRecordHasItsAge(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.FailFlows(func(flow string) bool { return flow == "F-1-0" })
		r := w.Start("KAFKA_MAX_RECORD_BYTES", "64KiB", "RETRY_BUDGET", "0")
		w.Produce(0, padded(1, 0, 100<<10))
		w.Until("the first", func() bool { return r.Snapshot().Engine.Partitions[0].Held == 1 })
		time.Sleep(10 * time.Minute)
		w.Produce(1, padded(2, 0, 100<<10))
		time.Sleep(10 * time.Minute)
		held := r.Snapshot().Partitions
		if s := held[0].Unfinished(); s.IsZero() || time.Since(s) < 19*time.Minute {
			t.Errorf("partition 0: %+v", held[0])
		}
		if s := held[1].Unfinished(); !s.IsZero() || w.Platform.Stats().Accepted != 1 {
			t.Errorf("partition 1: %+v", held[1])
		}
		w.Platform.Script(nil)
		w.Until("both", func() bool { return w.Platform.Stats().Accepted == 2 }, 5*time.Minute)
		w.End(r)
	})
}

// A partition whose commit cannot be read reports neither lag nor time left: they are unknown, not 0.
func TestAPartitionNotStartedReportsNoLag(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.ConfigureTopic("retention.bytes", "1000000")
		w.Backlog(1, 1000)
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Count: -1})
		r := w.Start()
		for n := range int64(8) {
			time.Sleep(15 * time.Minute)
			if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 100*(n+1)); err != nil {
				t.Fatal(err)
			}
			if got := r.Seconds(leftOfPartition0); got != -1 {
				t.Fatalf("retention_left_seconds %v", got)
			}
			if got := r.Seconds(`lag_records{partition="0",topic="events"}`); got != -1 {
				t.Fatalf("lag_records %v, though it is unknown", got)
			}
		}
		w.End(r)
	})
}
