package app_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// The metric retention_left_seconds reports when Kafka deletes the oldest unfinished record.
//
// A record that has just come has no such series, and where nothing is unfinished there is none.
func TestTheTimeLeftBeforeRetentionIsReported(t *testing.T) {
	const series = `release_forwarder_retention_left_seconds{partition="0",topic="events"}`
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.ConfigureTopic("retention.ms", "3600000") // an hour
		before := time.Now()
		r := w.StartWithHeldRecords()
		after := time.Now()
		if got := r.Sample(series); got != "" {
			t.Errorf("a record that has just come has %q seconds", got)
		}
		time.Sleep(24 * time.Minute)
		// The record was produced between before and after.
		least, most := time.Until(before.Add(time.Hour)), time.Until(after.Add(time.Hour))
		var left float64
		if _, err := fmt.Sscan(r.Sample(series), &left); err != nil || left < math.Floor(least.Seconds()) || left > most.Seconds() {
			t.Errorf("%v seconds are left, want %s to %s (%v)", left, least, most, err)
		}
		if got := r.Sample(`release_forwarder_lag_done_records{partition="0",topic="events"}`); got != "3" {
			t.Errorf("%q of the lag is done", got)
		}
		if got := r.Sample(`release_forwarder_lag_held_records{partition="0",topic="events"}`); got != "2" {
			t.Errorf("%q of the lag is held", got)
		}
		w.Platform.Script(nil)
		w.Until("the record", func() bool { return w.Committed(0) == 5 })
		if got := r.Sample(series); got != "" {
			t.Errorf("nothing is unfinished, and %q seconds are left", got)
		}
		w.End(r)
	})
}

// Where retention is by size, the time left follows from how fast the log's start moves.
func TestRetentionBySizeFollowsTheLogsStart(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.ConfigureTopic("retention.ms", "-1")
		w.ConfigureTopic("retention.bytes", "1000000")
		w.Backlog(1, 1000)
		// Of 1,000 records the one at 900 is not finished; every 20 minutes 100 are
		// deleted.
		w.FailFlows(func(flow string) bool { return flow == "F-900-0" })
		r := w.Start("RETRY_BACKOFF_MAX", "15m")
		w.Until("the commit", func() bool { return w.Committed(0) == 900 })
		const series = `release_forwarder_retention_left_seconds{partition="0",topic="events"}`
		time.Sleep(2 * time.Minute)
		if got := r.Sample(series); got != "" {
			t.Errorf("nothing was deleted yet, and %q seconds are left", got)
		}
		for n := range int64(4) {
			time.Sleep(20 * time.Minute)
			if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 100*(n+1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		var left float64
		if _, err := fmt.Sscan(r.Sample(series), &left); err != nil || left < 90*60 || left > 120*60 {
			t.Errorf("%v seconds are left of about 100 minutes (%v)", left, err)
		}
		w.Platform.Script(nil)
		w.End(r)
	})
}

// A partition that waits for an operator (KAFKA_OFFSET_RESET=none) reports the time left of its first record.
func TestAParkedPartitionReportsTheTimeLeft(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.ConfigureTopic("retention.ms", "36000000")
		r := w.Start()
		w.Backlog(1, 10)
		w.Until("the commit", w.AllCommitted(1, 10))
		w.End(r)
		w.Backlog(1, 20)
		if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 25); err != nil {
			t.Fatal(err)
		}
		r = w.Start("KAFKA_OFFSET_RESET", "none")
		time.Sleep(20 * time.Minute)
		if got := r.Sample(`release_forwarder_retention_left_seconds{partition="0",topic="events"}`); got == "" {
			t.Error("a partition that waits for a person does not tell what is left")
		}
		w.End(r)
	})
}

// A retention that cannot be read is logged once, with the topic and the right; the metric comes with the right.
func TestRetentionThatCannotBeReadIsLoggedOnce(t *testing.T) {
	for _, why := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.UnknownServerError, kerr.UnsupportedVersion} {
		t.Run(why.Message, func(t *testing.T) { retentionUnseen(t, why) })
	}
}

// A retention that was read stays in use: an error that comes later makes no alert silent.
func TestRetentionThatWasReadIsKept(t *testing.T) {
	const series = `release_forwarder_retention_left_seconds{partition="0",topic="events"}`
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.ConfigureTopic("retention.ms", "36000000")
		r := w.StartWithHeldRecords()
		time.Sleep(2 * time.Minute)
		w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.UnknownServerError, Count: -1})
		time.Sleep(30 * time.Minute)
		if lines := w.LogLines("retention-unknown"); len(lines) > 0 {
			t.Errorf("the log says %v", lines)
		}
		if got := r.Sample(series); got == "" {
			t.Error("the time left is no longer reported")
		}
		w.Platform.Script(nil)
		w.End(r)
	})
}

func retentionUnseen(t *testing.T, why *kerr.Error) {
	const series = `release_forwarder_retention_left_seconds{partition="0",topic="events"}`
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.ConfigureTopic("retention.ms", "36000000")
		denied := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: why, Count: -1})
		r := w.StartWithHeldRecords()
		time.Sleep(20 * time.Minute)
		said := 0
		for line := range strings.Lines(w.Log.String()) {
			if strings.Contains(line, `"event":"retention-unknown"`) {
				said++
				if !strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, `"topic":"events"`) || !strings.Contains(line, "DescribeConfigs") {
					t.Errorf("the line does not name the topic and the right: %s", line)
				}
			}
		}
		if said != 1 {
			t.Errorf("said %d times in 20 minutes", said)
		}
		if got := r.Sample(series); got != "" {
			t.Errorf("%q seconds are left, though the retention is unknown", got)
		}
		denied.Remove()
		time.Sleep(2 * time.Minute)
		if got := r.Sample(series); got == "" {
			t.Error("the right was given, and the time left is not reported")
		}
		w.Platform.Script(nil)
		w.End(r)
	})
}

// A replica that takes over a partition reports the time left within 10 s.
func TestANewOwnerReportsTheTimeLeftAtOnce(t *testing.T) {
	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
		w.ConfigureTopic("retention.ms", "36000000")
		first := w.StartWithHeldRecords()
		time.Sleep(20 * time.Minute)
		w.End(first)
		second := w.Start()
		time.Sleep(10 * time.Second)
		if got := second.Sample(`release_forwarder_retention_left_seconds{partition="0",topic="events"}`); got == "" {
			t.Error("the time left is not reported 10 seconds after the start")
		}
		w.Platform.Script(nil)
		w.End(second)
	})
}
