package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// The dead letters of a storm are written one a second, in order, also after an outage of their topic.
func TestAStormIsPacedAfterAnOutageOfItsTopic(t *testing.T) {
	const limit, records, outage = 10, 200, 3 * time.Minute
	outages := map[string]func(w *world) (over func()){
		"none": func(*world) func() { return func() {} },
		"refuses all": func(w *world) func() {
			for _, err := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.TopicAuthorizationFailed} {
				w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.DeadLetterTopic, Err: err, Count: 40})
			}
			return func() {}
		},
		"hangs": func(w *world) func() {
			end := time.Now().Add(outage)
			w.Cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				w.Cluster.KeepControl()
				if req.(*kmsg.ProduceRequest).Topics[0].Topic == apptest.DeadLetterTopic && time.Now().Before(end) {
					w.Cluster.SleepControl(func() { time.Sleep(time.Until(end)) })
					return nil, errors.New("not carried out"), true
				}
				return nil, nil, false
			})
			return func() {}
		},
	}
	lots := map[string]func(n int) string{
		"of a lot": func(int) string { return "sick" },
		"of all":   func(n int) string { return fmt.Sprint("lot-", n) },
	}
	for kind, lot := range lots {
		for what, begin := range outages {
			t.Run(kind+", the topic "+what, func(t *testing.T) {
				inVirtualTime(t, 1, func(w *world) {
					var mu sync.Mutex
					var sent []time.Time
					w.Platform.Script(func(q *platform.Request) *platform.Reply {
						if q.Params["park_uuid"] == "healthy" {
							return nil
						}
						mu.Lock()
						defer mu.Unlock()
						sent = append(sent, time.Now())
						return &platform.Reply{Status: 200, Body: `{"code":"400"}`}
					})
					r := w.Start("DLQ_STORM_LIMIT", strconv.Itoa(limit), "LOG_LEVEL", "error")
					for n := range limit + 20 {
						w.Produce(0, apptest.OfLot(lot(n), n))
					}
					w.Until("the storm", func() bool { return r.Snapshot().Storms > 0 })
					begin(w)
					for n := range records {
						w.Produce(0, apptest.OfLot(lot(limit+20+n), limit+20+n))
					}
					if kind == "of a lot" {
						w.Produce(0, apptest.OfLot("healthy", 1<<20)) // ends the storm of all
					}
					w.Until("the dead letters", func() bool { return w.DeadLetterCount() == records+limit+20 }, time.Hour)
					w.End(r)
					var written []time.Time
					var offsets []int
					for _, l := range w.DeadLetters()[limit:] {
						written = append(written, l.Timestamp)
						offset, _ := strconv.Atoi(apptest.Header(l, "offset"))
						offsets = append(offsets, offset)
					}
					for n := range len(written) - 1 {
						if gap := written[n+1].Sub(written[n]); gap < 990*time.Millisecond {
							t.Fatalf("dead letters %d and %d are %s apart", limit+n, limit+n+1, gap)
						}
					}
					if paced := offsets[64:]; what == "none" && !slices.IsSorted(paced) {
						t.Errorf("not in the order of their records: %v", paced)
					}
					// In the storm of a lot, what was not under way when it began is sent in its place.
					if late := len(sent) - 64 - limit; kind == "of a lot" && late > 0 {
						for n := range late - 1 {
							if gap := sent[64+limit+n+1].Sub(sent[64+limit+n]); gap < 990*time.Millisecond {
								t.Fatalf("requests %d and %d are %s apart", n, n+1, gap)
							}
						}
					}
				})
			})
		}
	}
}

// A record that cannot use its place in a storm delays no other dead letter.
//
// It is large and Kafka deletes it, its bytes cannot be read, or it is to be sent in an outage.
func TestNoRecordKeepsThePlaceOfAStorm(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"Kafka drops it": func(w *world) {
			if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 61); err != nil {
				w.T.Fatal(err)
			}
		},
		"its bytes cannot be read": func(w *world) {
			w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: apptest.EventTopic, Err: kerr.KafkaStorageError, Count: -1})
		},
		"it is to be sent in an outage": func(w *world) {
			w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Status: 500, Body: `{"code":"500"}`} })
			for n := range 200 {
				w.Produce(1, apptest.OfLot("healthy", 1<<21+2*n))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 2, func(w *world) {
				w.Platform.Script(func(q *platform.Request) *platform.Reply {
					if q.Params["park_uuid"] == "healthy" {
						return nil
					}
					return &platform.Reply{Status: 200, Body: `{"code":"400"}`}
				})
				r := w.Start("DLQ_STORM_LIMIT", "5", "LOG_LEVEL", "error", "KAFKA_MAX_RECORD_BYTES", "64KiB", "UPSTREAM_MAX_IN_FLIGHT", "1")
				unmappable := func(n int) string { return fmt.Sprintf(`{"park_uuid":"sick","parking_serial":"B-%d"}`, n) }
				for n := range 60 {
					w.Produce(0, unmappable(n))
				}
				w.Produce(0, largeOf("sick", 1000)) // offset 60
				for n := range 60 {
					w.Produce(0, apptest.OfLot("sick", 2000+2*n))
					w.Produce(0, unmappable(100+n))
				}
				w.Produce(1, apptest.OfLot("healthy", 1<<20)) // ends the storm of all
				w.Until("the storm", func() bool { return r.Snapshot().Storms > 0 })
				time.Sleep(20 * time.Second)
				spoil(w)
				time.Sleep(10 * time.Second)
				for range 6 {
					before := w.DeadLetterCount()
					time.Sleep(time.Minute)
					if n := w.DeadLetterCount() - before; n == 0 && w.DeadLetterCount() < 120 {
						t.Fatalf("no dead letter in a minute, %d are written", before)
					}
				}
				w.End(r)
			})
		})
	}
}
