package scenario

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// largeOf is an event above the 64KiB that these tests set.
func largeOf(lot string, orderKey int) string {
	e := strings.Replace(padded(orderKey, 0, 100<<10), fmt.Sprintf(`"lot-%d"`, orderKey%7), fmt.Sprintf("%q", lot), 1)
	return e
}

// A record above KAFKA_MAX_RECORD_BYTES that waits delays no other, whatever it waits for.
//
// Records of other partitions are sent, and so is what lies behind it in its own.
func TestAWaitingLargeRecordDelaysNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		set   func(w *world)
	}{
		"its lot is refused": {largeOf("refused", 1), func(w *world) { w.RefuseLot("refused") }},
		"it fails": {largeOf("lot-1", 1), func(w *world) {
			w.FailFlows(func(flow string) bool { return flow == "F-1-0" })
		}},
		"its dead letter cannot be written": {`{"park_uuid":"lot","parking_serial":"S","camera":"` + strings.Repeat("x", 100<<10) + `"}`, func(w *world) {
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.DeadLetterTopic, Err: kerr.NotEnoughReplicas, Count: -1})
		}},
		"behind one of its order key": {largeOf("refused", 1), func(w *world) {
			w.RefuseLot("refused")
			w.Produce(0, strings.Replace(largeOf("refused", 1), strings.Repeat("x", 50), "", 1))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 3, func(w *world) {
				c.set(w)
				r := w.Start("KAFKA_MAX_RECORD_BYTES", "64KiB", "RETRY_BUDGET", "0")
				w.Backlog(3, 20)
				w.Until("the first", func() bool { return w.Platform.Stats().Accepted >= 58 })
				w.Produce(0, c.value)
				time.Sleep(time.Minute)
				before := w.Platform.Stats().Accepted
				for n := range 3 {
					for i := range 5 {
						s := 1000 + 10*n + i
						w.Produce(int32(n), largeOf(fmt.Sprintf("lot-%d", s%7), s), apptest.Event(s+5, 0))
					}
				}
				w.Until("all of the others", func() bool { return w.Platform.Stats().Accepted == before+30 }, 10*time.Minute)
				w.Until("their commits", func() bool { return w.Committed(1) == 30 && w.Committed(2) == 30 })
				if at := w.Committed(0); at >= 25 {
					t.Errorf("committed %d, past the one that waits", at)
				}
				w.End(r)
			})
		})
	}
}

// Large records that wait take no more memory than small ones; each is sent whole, once.
func TestWaitingLargeRecordsTakeNoMemory(t *testing.T) {
	const partitions, each, size = 20, 5, 500 << 10
	inVirtualTime(t, partitions, func(w *world) {
		down := true
		w.Platform.Script(func(q *platform.Request) *platform.Reply {
			if down && strings.HasSuffix(q.Params["flow_no"], "-0") {
				return &platform.Reply{Status: http.StatusInternalServerError, Body: `{"code":"500"}`}
			}
			return nil
		})
		for p := range int32(partitions) {
			for i := range each {
				w.Produce(p, padded(1000*int(p)+i, 0, size))
			}
		}
		before := apptest.HeapInUse()
		r := w.Start("KAFKA_MAX_RECORD_BYTES", "64KiB", "RETRY_BUDGET", "0")
		w.Until("all that wait", func() bool { return r.Status().HeldTotal == partitions*each }, 10*time.Minute)
		for i := range 20 {
			w.Produce(int32(i), apptest.Event(100+i, 1)) // the platform is up
		}
		if grown := apptest.HeapInUse() - before; grown > 16<<20 {
			t.Errorf("%d MiB more in memory with %d MiB that wait", grown>>20, partitions*each*size>>20)
		}
		down = false
		w.Until("all", func() bool { return w.Platform.Stats().Accepted == partitions*each+20 }, 10*time.Minute)
		w.Until("the commits", w.AllCommitted(partitions, each+1))
		if n := w.Platform.Stats().Repeated; n != 0 {
			t.Errorf("%d sent again after they were accepted", n)
		}
		w.End(r)
	})
}

// A large record keeps its place in its order key.
func TestALargeRecordIsSentInOrder(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		tries := map[string]int{}
		var order []string
		w.Platform.Script(func(q *platform.Request) *platform.Reply {
			flow := q.Params["flow_no"]
			if tries[flow]++; tries[flow] <= 4 {
				return &platform.Reply{Status: http.StatusInternalServerError, Body: `{"code":"500"}`}
			}
			order = append(order, flow)
			return nil
		})
		w.Produce(0, apptest.Event(3, 0), padded(3, 1, 100<<10), apptest.Event(3, 2), padded(3, 3, 200<<10), padded(3, 4, 100<<10))
		r := w.Start("KAFKA_MAX_RECORD_BYTES", "64KiB", "UPSTREAM_MAX_IN_FLIGHT", "8")
		w.Until("all", w.AllCommitted(1, 5), 10*time.Minute)
		w.End(r)
		if got := strings.Join(order, " "); got != "F-3-0 F-3-1 F-3-2 F-3-3 F-3-4" {
			t.Errorf("sent as %s", got)
		}
	})
}

// A large record that Kafka deletes while it waits is counted and logged, and what lies behind it goes on.
//
// A leader that cannot be asked is waited for.
func TestALargeRecordThatKafkaDropsIsCounted(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.RefuseLot("refused")
		r := w.Start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.Produce(0, apptest.Event(0, 0))
		w.Produce(0, largeOf("refused", 1), apptest.Event(2, 0), apptest.Event(3, 0), apptest.Event(4, 0))
		w.Until("the others", func() bool { return w.Platform.Stats().Accepted == 4 })
		away := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: apptest.EventTopic, Err: kerr.KafkaStorageError, Count: -1})
		time.Sleep(10 * time.Minute)
		if n := len(w.LogLines("large-unreadable")); n == 0 || n > 50 {
			t.Errorf("%d lines in ten minutes say that it cannot be read", n)
		}
		if n := len(w.LogLines("large-dropped")); n != 0 {
			t.Error("a record is reported as dropped that is in the log")
		}
		away.Remove()
		if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 3); err != nil {
			t.Fatal(err)
		}
		w.Until("the commit", w.AllCommitted(1, 5), 5*time.Minute)
		lines := w.LogLines("large-dropped")
		if len(lines) != 1 || lines[0]["from"] != 1.0 || lines[0]["to"] != 2.0 || lines[0]["count"] != 1.0 {
			t.Errorf("the log says %v", lines)
		}
		if n := r.Status().Dropped; n != 1 {
			t.Errorf("%d are counted as dropped, want 1", n)
		}
		w.End(r)
	})
}

// Where the topic is recreated while a large record waits, that record is counted and the new log is sent.
func TestATopicIsRecreatedWhileALargeRecordWaits(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.RefuseLot("refused")
		r := w.Start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.Produce(0, apptest.Event(0, 0), largeOf("refused", 1), apptest.Event(2, 0))
		w.Until("the others", func() bool { return w.Platform.Stats().Accepted == 2 })
		w.RecreateTopic(nil)
		for i := range 10 {
			w.Produce(0, apptest.Event(100+i, 0))
		}
		w.Until("the new ones", func() bool { return w.Platform.Stats().Accepted == 12 }, 10*time.Minute)
		w.Until("the commit", w.AllCommitted(1, 10), 10*time.Minute)
		if n := len(w.LogLines("large-dropped")); n != 1 {
			t.Errorf("%d records are reported as dropped while they waited, want 1: another one lies at its place", n)
		}
		w.End(r)
	})
}

// The next owner of a partition sends the large record that waits in it.
func TestTheNextOwnerSendsAWaitingLargeRecord(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.RefuseLot("refused")
		first := w.Start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.Backlog(2, 10)
		w.Produce(0, largeOf("refused", 1))
		w.Produce(1, largeOf("refused", 2), largeOf("lot-0", 7))
		w.Until("the others", func() bool { return w.Platform.Stats().Accepted >= 11 })
		second := w.Start()
		time.Sleep(time.Minute)
		w.End(first)
		w.Platform.Script(func(*platform.Request) *platform.Reply { return nil })
		w.Until("all", func() bool { return w.Committed(0) == 11 && w.Committed(1) == 12 }, 10*time.Minute)
		w.End(second)
	})
}

// A held record above KAFKA_MAX_RECORD_BYTES does not stop its partition for good.
func TestAHeldLargeRecordStopsNoPartition(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(flow string) bool { return flow == "F-1-0" })
		r := w.Start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.Produce(0, apptest.Event(0, 0), padded(1, 0, 100<<10))
		for i := range 100 {
			w.Produce(0, apptest.Event(2+i, 0))
			time.Sleep(time.Second)
		}
		w.Until("the neighbours, or a dead letter", func() bool { return w.Platform.Stats().Accepted >= 101 }, 20*time.Minute)
		w.End(r)
	})
}

// A large record behind a held one is sent, and so is what follows it.
func TestALargeRecordBehindAHeldOneIsSent(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.FailFlows(func(flow string) bool { return flow == "F-1-0" })
		r := w.Start("KAFKA_MAX_RECORD_BYTES", "64KiB")
		w.Produce(0, apptest.Event(1, 0), padded(2, 0, 100<<10))
		for i := range 100 {
			w.Produce(0, apptest.Event(3+i, 0))
		}
		w.Until("all but the one that is held", func() bool { return w.Platform.Stats().Accepted == 101 }, 20*time.Minute)
		w.End(r)
	})
}
