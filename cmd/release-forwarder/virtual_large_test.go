package main

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/testkit/platform"
)

// largeOf is an event above the 64KiB that these tests set.
func largeOf(lot string, orderKey int) string {
	e := strings.Replace(padded(orderKey, 0, 100<<10), fmt.Sprintf(`"lot-%d"`, orderKey%7), fmt.Sprintf("%q", lot), 1)
	return e
}

// refusesLot has the platform refuse one lot alone.
func (w *world) refusesLot(lot string) {
	w.platform.Script(func(q *platform.Request) *platform.Reply {
		if q.Params["park_uuid"] == lot {
			return &platform.Reply{Status: http.StatusUnauthorized, Body: `{"code":"401"}`}
		}
		return nil
	})
}

// A record above KAFKA_MAX_RECORD_BYTES waits in one partition, for whatever reason and
// however long. Others of other partitions are sent all the same, and so is what lies
// behind it in its own.
func TestALargeRecordThatWaitsKeepsNoOtherWaiting(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		set   func(w *world)
	}{
		"its lot is refused": {largeOf("refused", 1), func(w *world) { w.refusesLot("refused") }},
		"it fails": {largeOf("lot-1", 1), func(w *world) {
			w.failing(func(flow string) bool { return flow == "F-1-0" })
		}},
		"its dead letter cannot be written": {`{"park_uuid":"lot","parking_serial":"S","camera":"` + strings.Repeat("x", 100<<10) + `"}`, func(w *world) {
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: deadLetterTopic, Err: kerr.NotEnoughReplicas, Count: -1})
		}},
		"behind one of its order key": {largeOf("refused", 1), func(w *world) {
			w.refusesLot("refused")
			w.produce(0, strings.Replace(largeOf("refused", 1), strings.Repeat("x", 50), "", 1))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 3, func(w *world) {
				c.set(w)
				r := w.start("KAFKA_MAX_RECORD_BYTES", "64KiB", "RETRY_BUDGET", "0")
				w.backlog(3, 20)
				w.until("the first", func() bool { return w.platform.Stats().Accepted >= 58 })
				w.produce(0, c.value)
				time.Sleep(time.Minute)
				before := w.platform.Stats().Accepted
				for n := range 3 {
					for i := range 5 {
						s := 1000 + 10*n + i
						w.produce(int32(n), largeOf(fmt.Sprintf("lot-%d", s%7), s), event(s+5, 0))
					}
				}
				w.until("all of the others", func() bool { return w.platform.Stats().Accepted == before+30 }, 10*time.Minute)
				w.until("their commits", func() bool { return w.committed(1) == 30 && w.committed(2) == 30 })
				if at := w.committed(0); at >= 25 {
					t.Errorf("committed %d, past the one that waits", at)
				}
				w.end(r)
			})
		})
	}
}

// Records that wait cost no more than small ones, however large they are; each is sent
// whole when its time comes, once.
func TestLargeRecordsThatWaitTakeNoMemory(t *testing.T) {
	const partitions, each, size = 20, 5, 500 << 10
	inVirtualTime(t, partitions, func(w *world) {
		down := true
		w.platform.Script(func(q *platform.Request) *platform.Reply {
			if down && strings.HasSuffix(q.Params["flow_no"], "-0") {
				return &platform.Reply{Status: http.StatusInternalServerError, Body: `{"code":"500"}`}
			}
			return nil
		})
		for p := range int32(partitions) {
			for i := range each {
				w.produce(p, padded(1000*int(p)+i, 0, size))
			}
		}
		heap := func() int64 {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		r := w.start("KAFKA_MAX_RECORD_BYTES", "64KiB", "RETRY_BUDGET", "0")
		w.until("all that wait", func() bool { return r.Status().HeldTotal == partitions*each }, 10*time.Minute)
		for i := range 20 {
			w.produce(int32(i), event(100+i, 1)) // the platform is up
		}
		if grown := heap() - before; grown > 16<<20 {
			t.Errorf("%d MiB more in memory with %d MiB that wait", grown>>20, partitions*each*size>>20)
		}
		down = false
		w.until("all", func() bool { return w.platform.Stats().Accepted == partitions*each+20 }, 10*time.Minute)
		w.until("the commits", w.allCommitted(partitions, each+1))
		if n := w.platform.Stats().Repeated; n != 0 {
			t.Errorf("%d sent again after they were accepted", n)
		}
		w.end(r)
	})
}

// A large record keeps its place in its order key, whatever the others of it
// are.
func TestALargeRecordKeepsItsPlaceInItsOrderKey(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		tries := map[string]int{}
		var order []string
		w.platform.Script(func(q *platform.Request) *platform.Reply {
			flow := q.Params["flow_no"]
			if tries[flow]++; tries[flow] <= 4 {
				return &platform.Reply{Status: http.StatusInternalServerError, Body: `{"code":"500"}`}
			}
			order = append(order, flow)
			return nil
		})
		w.produce(0, event(3, 0), padded(3, 1, 100<<10), event(3, 2), padded(3, 3, 200<<10), padded(3, 4, 100<<10))
		r := w.start("KAFKA_MAX_RECORD_BYTES", "64KiB", "UPSTREAM_MAX_IN_FLIGHT", "8")
		w.until("all", w.allCommitted(1, 5), 10*time.Minute)
		w.end(r)
		if got := strings.Join(order, " "); got != "F-3-0 F-3-1 F-3-2 F-3-3 F-3-4" {
			t.Errorf("sent as %s", got)
		}
	})
}

// While a large record waits Kafka drops it, or makes the topic anew. It is counted and
// said, and what lies behind it goes on. A leader that cannot be asked is waited for.
func TestALargeRecordThatKafkaDropsWhileItWaits(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.refusesLot("refused")
		r := w.start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.produce(0, event(0, 0))
		w.produce(0, largeOf("refused", 1), event(2, 0), event(3, 0), event(4, 0))
		w.until("the others", func() bool { return w.platform.Stats().Accepted == 4 })
		away := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: eventTopic, Err: kerr.KafkaStorageError, Count: -1})
		time.Sleep(10 * time.Minute)
		if n := len(w.linesOf("large-unreadable")); n == 0 || n > 50 {
			t.Errorf("%d lines in ten minutes say that it cannot be read", n)
		}
		if n := len(w.linesOf("large-dropped")); n != 0 {
			t.Error("a record is reported as dropped that is in the log")
		}
		away.Remove()
		if err := w.cluster.DeleteRecords(eventTopic, 0, 3); err != nil {
			t.Fatal(err)
		}
		w.until("the commit", w.allCommitted(1, 5), 5*time.Minute)
		lines := w.linesOf("large-dropped")
		if len(lines) != 1 || lines[0]["from"] != 1.0 || lines[0]["to"] != 2.0 || lines[0]["count"] != 1.0 {
			t.Errorf("the log says %v", lines)
		}
		if n := r.Status().Dropped; n != 1 {
			t.Errorf("%d are counted as dropped, want 1", n)
		}
		w.end(r)
	})
}

func TestATopicIsMadeAnewWhileALargeRecordWaits(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.refusesLot("refused")
		r := w.start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.produce(0, event(0, 0), largeOf("refused", 1), event(2, 0))
		w.until("the others", func() bool { return w.platform.Stats().Accepted == 2 })
		if err := w.cluster.DeleteTopic(eventTopic); err != nil {
			t.Fatal(err)
		}
		if err := w.cluster.CreateTopic(eventTopic, 1, nil); err != nil {
			t.Fatal(err)
		}
		w.renew()
		for i := range 10 {
			w.produce(0, event(100+i, 0))
		}
		w.until("the new ones", func() bool { return w.platform.Stats().Accepted == 12 }, 10*time.Minute)
		w.until("the commit", w.allCommitted(1, 10), 10*time.Minute)
		if n := len(w.linesOf("large-dropped")); n != 1 {
			t.Errorf("%d records are reported as dropped while they waited, want 1: another one lies at its place", n)
		}
		w.end(r)
	})
}

// The group assigns anew, and the next owner reads what waits.
func TestALargeRecordThatWaitsIsItsNextOwners(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.refusesLot("refused")
		first := w.start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.backlog(2, 10)
		w.produce(0, largeOf("refused", 1))
		w.produce(1, largeOf("refused", 2), largeOf("lot-0", 7))
		w.until("the others", func() bool { return w.platform.Stats().Accepted >= 11 })
		second := w.start()
		time.Sleep(time.Minute)
		w.end(first)
		w.platform.Script(func(*platform.Request) *platform.Reply { return nil })
		w.until("all", func() bool { return w.committed(0) == 11 && w.committed(1) == 12 }, 10*time.Minute)
		w.end(second)
	})
}
