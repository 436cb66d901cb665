package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
						w.Produce(0, apptest.EventOfLot(lot(n), n))
					}
					w.Until("the storm", func() bool { return r.Snapshot().Storms > 0 })
					begin(w)
					for n := range records {
						w.Produce(0, apptest.EventOfLot(lot(limit+20+n), limit+20+n))
					}
					if kind == "of a lot" {
						w.Produce(0, apptest.EventOfLot("healthy", 1<<20)) // ends the storm of all
					}
					w.Until("the dead letters", func() bool { return w.DeadLetterCount() == records+limit+20 }, time.Hour)
					w.End(r)
					var written []time.Time
					var offsets []int
					for _, l := range w.DeadLetters()[limit:] {
						written = append(written, l.Timestamp)
						offset, _ := strconv.Atoi(apptest.DeadLetterHeader(l, "offset"))
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
			w.FailFlows(func(string) bool { return true })
			for n := range 200 {
				w.Produce(1, apptest.EventOfLot("healthy", 1<<21+2*n))
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
					w.Produce(0, apptest.EventOfLot("sick", 2000+2*n))
					w.Produce(0, unmappable(100+n))
				}
				w.Produce(1, apptest.EventOfLot("healthy", 1<<20)) // ends the storm of all
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

// The dead letters of unmappable events are paced, and all other events are sent.
func TestAStormIsPacedAndTheOthersAreSent(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start("CONSUMER_MAX_PENDING", "400")
		rubbish, good := 0, 0
		for range 100 {
			var values []string
			for range 10 {
				values = append(values, fmt.Sprintf(`{"park_uuid":"junk","parking_serial":"J-%d"}`, rubbish), apptest.EventOfLot("good", 2*good))
				rubbish++
				good++
			}
			w.Produce(0, values...)
			time.Sleep(time.Second)
		}
		w.Until("the healthy", func() bool { return w.Platform.Stats().Accepted == good })
		if !strings.Contains(w.Log.String(), "dead-letter storm") {
			t.Error("no line says that there is a storm")
		}
		// 1,000 dead letters: 100 as they come, then one a second until 200 wait,
		// and beyond that as they come.
		if n := w.DeadLetterCount(); n < 790 || n > 960 {
			t.Errorf("%d dead letters after 100 s, want about 900", n)
		}
		w.Until("the commit", func() bool { return w.Committed(0) == int64(rubbish+good) }, 5*time.Minute)
		w.End(r)
		if n := len(w.DeadLetters()); n != rubbish {
			t.Errorf("%d dead letters of %d", n, rubbish)
		}
	})
}

// Ten thousand events pass ten thousand unmappable ones of their partition, two seconds late at most.
func TestTenThousandEventsPassAStormOfTenThousand(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		const rounds, each = 100, 100
		r := w.Start()
		n := 0
		for i := range rounds {
			var values []string
			for range each {
				values = append(values, fmt.Sprintf(`{"park_uuid":"junk","parking_serial":"J-%d"}`, n), apptest.EventOfLot("good", 2*n))
				n++
			}
			w.Produce(0, values...)
			time.Sleep(time.Second)
			if got := w.Platform.Stats().Accepted; got < n-2*each {
				t.Fatalf("after %d s %d of %d healthy ones are accepted", i+1, got, n)
			}
			if i == 10 && r.Snapshot().Storms == 0 {
				t.Error("the guard is not seen")
			}
		}
		w.Until("the healthy", func() bool { return w.Platform.Stats().Accepted == n }, 5*time.Second)
		w.Until("the commit", func() bool { return w.Committed(0) == int64(2*n) }, time.Hour)
		w.End(r)
		if got := w.DeadLetterCount(); got != int64(n) {
			t.Errorf("%d dead letters of %d", got, n)
		}
	})
}

// Where the platform refuses every event for good, dead letters are written at one a second after DLQ_STORM_LIMIT.
func TestAStormOfAllIsWrittenAtOneASecond(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			return &platform.Reply{Status: 200, Body: `{"code":"400"}`}
		})
		r := w.Start("DLQ_STORM_LIMIT", "20")
		var values []string
		for n := range 400 {
			values = append(values, apptest.EventOfLot(fmt.Sprintf("lot-%d", n), n))
		}
		w.Produce(0, values...)
		time.Sleep(100 * time.Second)
		if n := w.DeadLetterCount(); n < 110 || n > 125 {
			t.Errorf("%d dead letters after 100 s, want 20 and one a second", n)
		}
		w.Until("the commit", func() bool { return w.Committed(0) == 400 }, 20*time.Minute)
		w.End(r)
	})
}

// Rebalances do not delay what waits in a storm.
//
// There is one every few seconds, as in a rollout of many replicas: what is read again must not wait behind the places
// of those that waited before.
func TestRebalancesDelayNoStorm(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		const limit, rubbish = 20, 60
		r := w.Start("DLQ_STORM_LIMIT", "20", "KAFKA_HEARTBEAT_INTERVAL", "300ms")
		w.Until("the group", w.AllCommitted(1, 0))
		generation := r.Snapshot().Engine.Generation
		var values []string
		for n := range rubbish {
			values = append(values, fmt.Sprintf(`{"park_uuid":"sick","parking_serial":"J-%d"}`, n))
		}
		w.Produce(0, append(values, apptest.EventOfLot("sick", 0))...)
		const rebalances, each = 12, 4 * time.Second
		for i := range rebalances {
			w.Rebalance()
			w.Produce(0, apptest.EventOfLot("healthy", 2+2*i))
			time.Sleep(each)
			most := int64(limit + 1 + (i+1)*int(each/time.Second))
			if n := w.DeadLetterCount(); r.Snapshot().Storms > 0 && n > most {
				t.Errorf("%d dead letters after %s, want %d at most", n, time.Duration(i+1)*each, most)
			}
		}
		if n := r.Snapshot().Engine.Generation - generation; n < rebalances {
			t.Fatalf("%d generations", n)
		}
		// 40 dead letters and the record that is well, one a second, and a second for
		// each rebalance at most.
		w.Until("the lot's record", func() bool { return w.Platform.Stats().Accepted == rebalances+1 }, 10*time.Second)
		w.Until("the commit", func() bool { return w.Committed(0) == rubbish+1+rebalances })
		w.End(r)
		if n := len(w.DeadLetters()); n != rubbish {
			t.Errorf("%d dead letters of %d", n, rubbish)
		}
	})
}
