package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/sandbox/platform"
)

// countFetches counts the fetches of all replicas. A reader that spins would keep
// virtual time from passing, so beyond brake each fetch takes a moment.
func (w *world) countFetches(brake int64) *atomic.Int64 {
	var fetches atomic.Int64
	w.cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		if fetches.Add(1) > brake {
			time.Sleep(10 * time.Millisecond)
		}
		return nil, nil, false
	})
	return &fetches
}

// padded is an event with a field the API does not know, size bytes long.
func padded(session, n, size int) string {
	return strings.TrimSuffix(event(session, n), "}") + `,"camera":"` + strings.Repeat("x", size) + `"}`
}

// failing makes the platform answer 500 for what match chooses.
func (w *world) failing(match func(flow string) bool) {
	w.platform.Script(func(r *platform.Request) *platform.Reply {
		if match(r.Params["flow_no"]) {
			return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
		}
		return nil
	})
}

func TestARecordThatDoesNotFitBesideAHeldOneIsNotAskedForWithoutAPause(t *testing.T) {
	inVirtualTime(t, 8, func(w *world) {
		w.failing(func(flow string) bool { return flow == "F-1-0" })
		// A share is 4 MiB * 3/4 / 8 partitions = 384 KiB.
		w.produce(0, padded(1, 0, 100<<10))
		fetches := w.countFetches(3000)
		r := w.start("CONSUMER_MAX_PENDING_BYTES", "4MiB", "RETRY_BACKOFF_MIN", "10s", "RETRY_BACKOFF_MAX", "30s")
		w.until("the first failure", func() bool { return w.platform.Stats().Received > 0 })
		w.produce(0, padded(2, 0, 300<<10))
		time.Sleep(time.Second)
		before := fetches.Load()
		time.Sleep(time.Minute)
		// A long poll of half a second, at three brokers, two at a time.
		if n := fetches.Load() - before; n > 1000 {
			t.Errorf("%d fetches in a minute in which nothing could be read", n)
		}
		w.end(r)
	})
}

func TestRecordsThatComeOneByOneShareFetches(t *testing.T) {
	const n = 2000
	inVirtualTime(t, 6, func(w *world) {
		fetches := w.countFetches(10 * n)
		r := w.start()
		w.produce(0, event(n, 0))
		w.until("the first", func() bool { return w.platform.Stats().Accepted == 1 })
		before := fetches.Load()
		for i := range n { // 10,000 a second, in turn on all partitions
			w.produce(int32(i%6), event(i, 0))
			time.Sleep(100 * time.Microsecond)
		}
		w.until("all of them", func() bool { return w.platform.Stats().Accepted == n+1 })
		// One a millisecond at each of three brokers, for 0.2 s.
		if got := fetches.Load() - before; got > 3*200+100 {
			t.Errorf("%d fetches for %d records", got, n)
		}
		w.end(r)
	})
}

func TestReadingGoesOnWhileHeldRecordsLeaveRoom(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		// 80 of 100 are held: the bound leaves room for 20.
		w.failing(func(flow string) bool { var s int; fmt.Sscanf(flow, "F-%d-0", &s); return s < 160 && s%2 == 0 })
		var values []string
		for i := range 600 {
			values = append(values, event(i, 0))
		}
		w.produce(0, values...)
		r := w.start("CONSUMER_MAX_PENDING", "100", "UPSTREAM_MAX_IN_FLIGHT", "1", "RETRY_BACKOFF_MIN", "30s", "RETRY_BACKOFF_MAX", "30s", "RETRY_BUDGET", "1000000", "UPSTREAM_RETRY_MAX", "0")
		w.until("those of other sessions", func() bool { return w.platform.Stats().Accepted == 520 }, 10*time.Minute)
		w.end(r)
	})
}

func TestAHeldLargeRecordDoesNotStopItsPartitionForGood(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.failing(func(flow string) bool { return flow == "F-1-0" })
		r := w.start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.produce(0, event(0, 0), padded(1, 0, 100<<10))
		for i := range 100 {
			w.produce(0, event(2+i, 0))
			time.Sleep(time.Second)
		}
		w.until("the neighbours, or a letter", func() bool { return w.platform.Stats().Accepted >= 101 }, 20*time.Minute)
		w.end(r)
	})
}

func TestALargeRecordBehindAHeldOneIsSent(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.failing(func(flow string) bool { return flow == "F-1-0" })
		r := w.start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.produce(0, event(1, 0), padded(2, 0, 100<<10))
		for i := range 100 {
			w.produce(0, event(3+i, 0))
		}
		w.until("all but the one that is held", func() bool { return w.platform.Stats().Accepted == 101 }, 20*time.Minute)
		w.end(r)
	})
}

func TestLettersThatCannotBeWrittenDoNotKeepOthersFromBeingRead(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: letterTopic, Err: kerr.NotEnoughReplicas, Count: -1})
		w.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if req.(*kmsg.ProduceRequest).Topics[0].Topic == letterTopic {
				time.Sleep(100 * time.Millisecond)
			}
			return nil, nil, false
		})
		r := w.start("DLQ_STORM_LIMIT", "0")
		var bad, good []string
		for i := range 1500 {
			bad = append(bad, fmt.Sprintf(`{"park_uuid":"lot","parking_serial":"B-%d"}`, i))
		}
		for i := range 500 {
			good = append(good, event(i, 0))
		}
		w.produce(0, bad...)
		time.Sleep(50 * time.Millisecond)
		w.produce(0, good...)
		w.until("the others", func() bool { return w.platform.Stats().Accepted == 500 }, 5*time.Minute)
		fault.Remove()
		w.until("the commit", func() bool { return w.committed(0) == 2000 }, 5*time.Minute)
		w.end(r)
		if n := len(w.letters()); n < 1500 {
			t.Errorf("%d letters, want 1500", n)
		}
	})
}

func TestAPartitionIsMendedWhileAnotherCannotStart(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.produce(1, event(1, 0), event(2, 0), event(3, 0), event(4, 0), event(5, 0))
		// Partition 1 was read once, up to what retention has dropped since;
		// partition 0 never, and its log cannot be asked for its bounds.
		offsets := kadm.Offsets{}
		offsets.AddOffset(eventTopic, 1, 2, -1)
		if _, err := kadm.NewClient(w.kafka).CommitOffsets(context.Background(), group, offsets); err != nil {
			t.Fatal(err)
		}
		if err := w.cluster.DeleteRecords(eventTopic, 1, 4); err != nil {
			t.Fatal(err)
		}
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: eventTopic, Partitions: []int32{0}, Err: kerr.LeaderNotAvailable, Count: -1})
		r := w.start()
		w.until("the other partition", func() bool { return w.committed(1) == 5 }, 5*time.Minute)
		w.end(r)
	})
}

func TestOnePartitionUsesTheWholeOfALargeLimit(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 5 * time.Second} })
		w.backlog(1, 4000)
		r := w.start("UPSTREAM_MAX_IN_FLIGHT", "2000")
		time.Sleep(4 * time.Second)
		if n := w.platform.Stats().InFlight; n != 2000 {
			t.Errorf("%d requests are open, the limit is 2000 and nothing is held; paused by %q", n, r.engine.Status().Partitions[0].Paused)
		}
		w.end(r)
	})
}
