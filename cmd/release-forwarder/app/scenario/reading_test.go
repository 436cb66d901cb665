package scenario

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// countFetches counts the fetches of all replicas.
func (w *world) countFetches(brake int64) *atomic.Int64 { return w.askedWithBrake(kmsg.Fetch, brake) }

// padded is an event with a field the API does not know, size bytes long.
func padded(orderKey, n, size int) string {
	return strings.TrimSuffix(apptest.Event(orderKey, n), "}") + `,"camera":"` + strings.Repeat("x", size) + `"}`
}

// A record that does not fit into memory beside a held one is not fetched in haste.
func TestARecordThatDoesNotFitIsFetchedWithPauses(t *testing.T) {
	inVirtualTime(t, 8, func(w *world) {
		w.FailFlows(func(flow string) bool { return flow == "F-1-0" })
		// A share is 4 MiB * 3/4 / 8 partitions = 384 KiB.
		w.Produce(0, padded(1, 0, 100<<10))
		fetches := w.countFetches(3000)
		r := w.Start("CONSUMER_MAX_PENDING_BYTES", "4MiB", "RETRY_BACKOFF_MIN", "10s", "RETRY_BACKOFF_MAX", "30s")
		w.Until("the first failure", func() bool { return w.Platform.Stats().Received > 0 })
		w.Produce(0, padded(2, 0, 300<<10))
		time.Sleep(time.Second)
		before := fetches.Load()
		time.Sleep(time.Minute)
		// A long poll of half a second, at three brokers, two at a time.
		if n := fetches.Load() - before; n > 1000 {
			t.Errorf("%d fetches in a minute in which nothing could be read", n)
		}
		w.End(r)
	})
}

// Backlogs of a hundred partitions are sent evenly, with all requests in flight in use.
//
// They have more than fits into memory, and the platform is slow. What is read ahead is what 64 requests need, not what
// 64 need of each partition.
func TestBacklogsOfManyPartitionsAreSentEvenly(t *testing.T) {
	const partitions, each = 100, 200
	inVirtualTime(t, partitions, func(w *world) {
		var mu sync.Mutex
		var sent [partitions]int
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			var orderKey, n int
			if _, err := fmt.Sscanf(r.Params["flow_no"], "F-%d-%d", &orderKey, &n); err != nil {
				t.Error(err)
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			sent[orderKey/each]++
			return &platform.Reply{Delay: 100 * time.Millisecond}
		})
		for p := range partitions {
			for i := 0; i < each; i += 20 { // a batch
				var values []string
				for j := range 20 {
					values = append(values, apptest.Event(p*each+i+j, 0))
				}
				w.Produce(int32(p), values...)
			}
		}
		fetches := w.countFetches(10000)
		r := w.Start("UPSTREAM_MAX_IN_FLIGHT", "64")
		begun := time.Now()
		for w.Platform.Stats().Accepted < partitions*each && time.Since(begun) < 2*time.Minute {
			time.Sleep(100 * time.Millisecond)
			// 16 for each request in flight or 8 for each partition that has nothing
			// else, and what is open.
			if n := r.Snapshot().Engine.Pending; n > 16*64+10*partitions+64 {
				t.Fatalf("%d records are in memory", n)
			}
			mu.Lock()
			least, most := slices.Min(sent[:]), slices.Max(sent[:])
			mu.Unlock()
			if most-least > 25 && most < each {
				t.Fatalf("%s after the start a partition has %d sent and another %d", time.Since(begun), least, most)
			}
		}
		// 640 a second.
		if took := time.Since(begun); took > 34*time.Second {
			t.Errorf("all are sent %s after the start, want 34s at the most", took)
		}
		if n := fetches.Load(); n > partitions*each/8 {
			t.Errorf("%d fetches for %d records", n, partitions*each)
		}
		w.End(r)
	})
}

// The backlog of one partition among a hundred uses all requests in flight.
func TestOneBacklogUsesAllRequestsInFlight(t *testing.T) {
	const partitions, n = 100, 6400
	inVirtualTime(t, partitions, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 100 * time.Millisecond} })
		w.Backlog(1, n)
		fetches := w.countFetches(10000)
		r := w.Start("UPSTREAM_MAX_IN_FLIGHT", "64")
		// 640 a second, and up to ten answers' time until the limit is found.
		if took := w.afterJoining(r, n); took > 12*time.Second {
			t.Errorf("all are sent %s after joining, want 12s at the most", took)
		}
		// Two long polls of half a second at three brokers for the idle ones make 120, and
		// each half of what is read ahead takes one or two more.
		if f := fetches.Load(); f > 400 {
			t.Errorf("%d fetches for %d records", f, n)
		}
		w.End(r)
	})
}

// Large batches of many partitions are fetched eight times each at most.
//
// What of a batch finds no room is fetched and unpacked again, so that little of it at a time would cost more than all
// else.
func TestLargeBatchesAreNotReadRecordByRecord(t *testing.T) {
	const partitions, each = 100, 400
	inVirtualTime(t, partitions, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 20 * time.Millisecond} })
		logs := make([]*apptest.CraftedLog, partitions)
		for p := range logs {
			values := map[int64][]byte{}
			var offsets []int64
			for o := range int64(each) {
				values[o] = []byte(apptest.Event(each*p+int(o), 0))
				offsets = append(offsets, o)
			}
			logs[p] = apptest.NewCraftedLog(apptest.ValueBatch(compress.Gzip, 0, each-1, nil, values, offsets...))
		}
		w.ServeLogs(logs...)
		r := w.Start("UPSTREAM_MAX_IN_FLIGHT", "64")
		w.Until("all", func() bool { return w.Platform.Stats().Accepted == partitions*each }, 5*time.Minute)
		w.End(r)
		times := 0
		for _, l := range logs {
			for _, o := range l.FetchOffsets {
				if o < each {
					times++
				}
			}
		}
		// A quarter at a time, and what a share had no room for in between.
		if times > partitions*8 {
			t.Errorf("batches were fetched %d times, %.1f times each", times, float64(times)/partitions)
		}
		apptest.EndLongPolls()
	})
}

// Records that come one by one share fetches: one a millisecond at each broker at most.
func TestRecordsThatComeOneByOneShareFetches(t *testing.T) {
	const n = 2000
	inVirtualTime(t, 6, func(w *world) {
		fetches := w.countFetches(10 * n)
		r := w.Start()
		w.Produce(0, apptest.Event(n, 0))
		w.Until("the first", func() bool { return w.Platform.Stats().Accepted == 1 })
		before := fetches.Load()
		for i := range n { // 10,000 a second, in turn on all partitions
			w.Produce(int32(i%6), apptest.Event(i, 0))
			time.Sleep(100 * time.Microsecond)
		}
		w.Until("all of them", func() bool { return w.Platform.Stats().Accepted == n+1 })
		// One a millisecond at each of three brokers, for 0.2 s.
		if got := fetches.Load() - before; got > 3*200+100 {
			t.Errorf("%d fetches for %d records", got, n)
		}
		w.End(r)
	})
}

// Reading goes on while held records leave room within CONSUMER_MAX_PENDING.
func TestReadingGoesOnWhileHeldRecordsLeaveRoom(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		// 80 of 100 are held: the bound leaves room for 20.
		w.FailFlows(func(flow string) bool { var s int; fmt.Sscanf(flow, "F-%d-0", &s); return s < 160 && s%2 == 0 })
		var values []string
		for i := range 600 {
			values = append(values, apptest.Event(i, 0))
		}
		w.Produce(0, values...)
		r := w.Start("CONSUMER_MAX_PENDING", "100", "UPSTREAM_MAX_IN_FLIGHT", "1", "RETRY_BACKOFF_MIN", "30s", "RETRY_BACKOFF_MAX", "30s", "RETRY_BUDGET", "1000000", "UPSTREAM_RETRY_MAX", "0")
		w.Until("those of other order keys", func() bool { return w.Platform.Stats().Accepted == 520 }, 10*time.Minute)
		w.End(r)
	})
}

// Dead letters that cannot be written do not stop others from being read and sent.
func TestUnwrittenDeadLettersStopNoReading(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		fault := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.DeadLetterTopic, Err: kerr.NotEnoughReplicas, Count: -1})
		w.Cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster.KeepControl()
			if req.(*kmsg.ProduceRequest).Topics[0].Topic == apptest.DeadLetterTopic {
				time.Sleep(100 * time.Millisecond)
			}
			return nil, nil, false
		})
		r := w.Start("DLQ_STORM_LIMIT", "0")
		var bad, good []string
		for i := range 1500 {
			bad = append(bad, fmt.Sprintf(`{"park_uuid":"lot","parking_serial":"B-%d"}`, i))
		}
		for i := range 500 {
			good = append(good, apptest.Event(i, 0))
		}
		w.Produce(0, bad...)
		time.Sleep(50 * time.Millisecond)
		w.Produce(0, good...)
		w.Until("the others", func() bool { return w.Platform.Stats().Accepted == 500 }, 5*time.Minute)
		fault.Remove()
		w.Until("the commit", func() bool { return w.Committed(0) == 2000 }, 5*time.Minute)
		w.End(r)
		if n := len(w.DeadLetters()); n < 1500 {
			t.Errorf("%d dead letters, want 1500", n)
		}
	})
}

// One partition can use all of a large UPSTREAM_MAX_IN_FLIGHT.
func TestOnePartitionUsesTheWholeOfALargeLimit(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			return &platform.Reply{Delay: 5*time.Second + rand.N(100*time.Millisecond)}
		})
		w.Backlog(1, 12000)
		r := w.Start("UPSTREAM_MAX_IN_FLIGHT", "2000")
		time.Sleep(80 * time.Second) // sixteen answers' time: half as much again with each
		if n := w.Platform.Stats().InFlight; n != 2000 {
			t.Errorf("%d requests are open, the limit is 2000 and nothing is held; paused by %q", n, r.Snapshot().Engine.Partitions[0].Paused)
		}
		w.End(r)
	})
}

// Where held records leave more gaps than a commit can carry, reading pauses, and a restart repeats nothing.
func TestTheBoundOnGapsPausesReading(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var heal atomic.Bool
		w.FailFlows(func(flow string) bool {
			var s int
			fmt.Sscanf(flow, "F-%d-0", &s)
			return !heal.Load() && s%3 == 0 && s < 6000
		})
		w.Backlog(1, 9000)
		r := w.Start("CONSUMER_MAX_PENDING", "8000", "RETRY_BUDGET", "0")
		time.Sleep(2 * time.Minute)
		s := r.Snapshot().Engine.Partitions[0]
		if s.Paused != "gaps" {
			t.Errorf("paused by %q with %d pending", s.Paused, s.Pending)
		}
		accepted := w.Platform.Stats().Accepted
		w.End(r)
		heal.Store(true)
		r = w.Start()
		w.Until("all", w.AllCommitted(1, 9000), 5*time.Minute)
		w.End(r)
		if s := w.Platform.Stats(); s.Accepted != 9000 || s.Repeated != 0 {
			t.Errorf("%d accepted, %d of the %d accepted before the stop were repeated", s.Accepted, s.Repeated, accepted)
		}
	})
}

// Idle partitions do not delay one that has room for records again.
//
// Five partitions of a broker run dry one after the other, so that long polls for them are under way all the time; the
// sixth has room for ten at a time.
func TestIdlePartitionsDelayNoOther(t *testing.T) {
	inVirtualTime(t, 6, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 10 * time.Millisecond} })
		n := 0
		for p, records := range []int{2000, 0, 35, 55, 95, 155} {
			if err := w.Cluster.MoveTopicPartition(apptest.EventTopic, int32(p), 1); err != nil {
				t.Fatal(err)
			}
			var values []string
			for i := range records {
				values = append(values, apptest.Event(10000*p+i, 0))
			}
			w.Produce(int32(p), values...)
			n += records
		}
		fetches := w.countFetches(3000)
		r := w.Start("CONSUMER_MAX_PENDING", "10")
		// Ten in ten milliseconds: two seconds.
		if took := w.afterJoining(r, n); took > 4*time.Second {
			t.Errorf("all are sent %s after joining, want 4s at the most", took)
		}
		if f := fetches.Load(); f > 1000 {
			t.Errorf("%d fetches for %d records, ten at a time", f, n)
		}
		w.End(r)
	})
}

// One fetch brings large records of several partitions, not one record each.
//
// A broker sends nothing of a batch that is larger than what was asked for, unless it is the first of the answer.
func TestAFetchBringsLargeRecordsOfManyPartitions(t *testing.T) {
	const partitions, each = 100, 3
	chance := rand.NewChaCha8([32]byte{1})
	inVirtualTime(t, partitions, func(w *world) {
		for p := range int32(partitions) {
			if err := w.Cluster.MoveTopicPartition(apptest.EventTopic, p, 1); err != nil {
				t.Fatal(err)
			}
			for i := range each {
				// A batch each, which no codec makes smaller.
				noise := make([]byte, 50<<10)
				_, _ = chance.Read(noise)
				w.Produce(p, strings.TrimSuffix(apptest.Event(1000*int(p)+i, 0), "}")+fmt.Sprintf(`,"camera":"%x"}`, noise))
			}
		}
		// A share is 16 MiB * 3/4 / 100 partitions = 123 KiB, an answer has 16 MiB / 4 /
		// 3 brokers / 3 requests = 455 KiB: four records, and three answers at a time.
		r, drop := w.startFarAway()
		if took := w.afterJoining(r, partitions*each); took > 2*time.Second {
			t.Errorf("all are sent %s after joining, want 2s at the most", took)
		}
		drop()
	})
}
