package scenario

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// share says whether a flow is among so many of a hundred; it always says the same of a flow.
func share(flow string, ofHundred int) bool {
	h := fnv.New32a()
	h.Write([]byte(flow))
	return int(h.Sum32()>>8%100) < ofHundred
}

// By themselves these are a tenth of the whole, for long enough that held records
// take over half of the partition. The whole, 300 events a second with the default
// bounds for two hours, is -poison.rate 300 -poison.minutes 120, best one share at a
// time (-run).
var (
	poisonMinutes = flag.Int("poison.minutes", 6, "how long poison arrives")
	poisonRate    = flag.Int("poison.rate", 30, "events a second; the bound on records follows, at 300 it is the default")
)

// Poison records, whatever their share, never stop the others, and they alone become dead letters.
//
// The others are accepted in every ten seconds.
func TestPoisonNeverStopsItsNeighbours(t *testing.T) {
	for _, ofHundred := range []int{1, 5, 15} {
		t.Run(fmt.Sprintf("%d%%", ofHundred), func(t *testing.T) {
			// Two hours are millions of requests: what was counted is forgotten.
			inVirtualTimeWith(t, 1, platform.Config{KeepRequests: -1, KeepFlows: 10000}, func(w *world) {
				w.Platform.Script(func(r *platform.Request) *platform.Reply {
					if share(r.Params["flow_no"], ofHundred) {
						return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: 20 * time.Millisecond}
					}
					return &platform.Reply{Delay: 20 * time.Millisecond}
				})
				rate := *poisonRate
				deadLetters := w.tallyDeadLetters()
				defer deadLetters.client.Close()
				r := w.Start("CONSUMER_MAX_PENDING", strconv.Itoa(4096*rate/300), "LOG_LEVEL", "error")
				before, least := 0, math.MaxInt
				for n := range *poisonMinutes * 60 {
					var values []string
					for i := range rate {
						values = append(values, apptest.Event(rate*n+i, 0))
					}
					w.Produce(0, values...)
					time.Sleep(time.Second)
					if n%10 != 9 {
						continue
					}
					now := w.Platform.Stats().Accepted
					if now == before {
						t.Errorf("none accepted in the ten seconds to %d s", n+1)
					}
					least = min(least, now-before)
					before = now
					deadLetters.read()
					w.forget(0, w.Committed(0))
				}
				w.End(r)
				deadLetters.read()
				t.Logf("%d accepted, %d at the least in ten seconds; dead letters %v", before, least, deadLetters.reasons)
				for reason := range deadLetters.reasons {
					if reason != "budget-exhausted" {
						t.Errorf("reason %s", reason)
					}
				}
			})
		})
	}
}

// deadLetterTally counts dead letters by reason as they come.
type deadLetterTally struct {
	w       *world
	client  *kgo.Client
	count   int64
	reasons map[string]int
}

func (w *world) tallyDeadLetters() *deadLetterTally {
	w.T.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.ConsumeTopics(apptest.DeadLetterTopic))
	if err != nil {
		w.T.Fatal(err)
	}
	return &deadLetterTally{w: w, client: client, reasons: map[string]int{}}
}

// read counts those that were written by now.
func (l *deadLetterTally) read() {
	for written := l.w.DeadLetterCount(); l.count < written; {
		for _, deadLetter := range l.client.PollFetches(context.Background()).Records() {
			l.count++
			l.reasons[apptest.DeadLetterHeader(deadLetter, "reason")]++
		}
	}
}

// forget drops the events of a partition below an offset, as retention does.
func (w *world) forget(partition int32, below int64) {
	w.T.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(apptest.EventTopic, partition, max(0, below), -1)
	if _, err := kadm.NewClient(w.Kafka).DeleteRecords(context.Background(), offsets); err != nil {
		w.T.Fatal(err)
	}
}

// One poison record in a hundred makes the others take half as long again at most.
func TestOnePoisonRecordInAHundredSlowsNoOther(t *testing.T) {
	took := func(poison bool) (d time.Duration) {
		inVirtualTime(t, 1, func(w *world) {
			w.Platform.Script(func(r *platform.Request) *platform.Reply {
				var s int
				fmt.Sscanf(r.Params["flow_no"], "F-%d-0", &s)
				if poison && s%100 == 50 {
					return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: 20 * time.Millisecond}
				}
				return &platform.Reply{Delay: 20 * time.Millisecond}
			})
			w.Backlog(1, 10000)
			begun := time.Now()
			r := w.Start("RETRY_BUDGET", "0")
			w.Until("the others", func() bool { return w.Platform.Stats().Accepted >= 9900 }, 5*time.Minute)
			d = time.Since(begun)
			w.End(r)
		})
		return d
	}
	without, with := took(false), took(true)
	// A failing record takes three attempts; while it waits between them others go on.
	t.Logf("9,900 records took %s, with one in a hundred failing %s", without, with)
	if with > without*3/2 {
		t.Errorf("9,900 records took %s, with one in a hundred failing %s", without, with)
	}
}

// halfTakes is what the platform takes for each answer, accepted or not.
const halfTakes = 20 * time.Millisecond

// At half of the capacity, one poison record in a hundred costs the others at most 5 % and twice the time.
//
// With few slots they are as many, but may be later: each quick retry keeps its slot while it waits, and two of eight
// are a quarter.
func TestPoisonAtHalfOfCapacityIsHardlyNoticed(t *testing.T) {
	for _, slots := range []int{8, 64} {
		t.Run(fmt.Sprint(slots, " slots"), func(t *testing.T) {
			without, usual := atHalfOfCapacity(t, slots, 0)
			with, p99 := atHalfOfCapacity(t, slots, 1)
			t.Logf("%d accepted and p99 %s without, %d and %s with it", without, usual, with, p99)
			late := slots > 8 && p99 > 2*usual
			if float64(with) < 0.95*0.99*float64(without) || late {
				t.Errorf("%d accepted and p99 %s without, %d and %s with it", without, usual, with, p99)
			}
		})
	}
}

// atHalfOfCapacity forwards for ten seconds at half of what so many slots can send, so
// many of a hundred records being poison. It returns how many were accepted in that
// time, and the 99th percentile of how long the accepted took since they were produced.
func atHalfOfCapacity(t *testing.T, slots, poison int) (inTime int, p99 time.Duration) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if share(r.Params["flow_no"], poison) {
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: halfTakes}
			}
			return &platform.Reply{Delay: halfTakes}
		})
		r := w.Start("RETRY_BUDGET", "5", "UPSTREAM_MAX_IN_FLIGHT", fmt.Sprint(slots))
		w.Until("the start", func() bool { return w.Committed(0) == 0 })
		produced := map[string]time.Time{}
		const every, times = 100 * time.Millisecond, 100
		each := slots * int(every/halfTakes) / 2
		for n := range times {
			var values []string
			for i := range each {
				produced[fmt.Sprintf("F-%d-0", each*n+i)] = time.Now()
				values = append(values, apptest.Event(each*n+i, 0))
			}
			w.Produce(0, values...)
			time.Sleep(every)
		}
		inTime = w.Platform.Stats().Accepted
		w.Until("the poison's dead letters", func() bool {
			return w.Committed(0) == int64(each*times) || poison > 0 && r.Snapshot().Engine.Pending < each*times/80
		}, 5*time.Minute)
		w.End(r)
		var took []time.Duration
		for _, q := range w.Platform.Accepted() {
			took = append(took, q.At.Sub(produced[q.Params["flow_no"]]))
		}
		slices.Sort(took)
		p99 = took[len(took)*99/100]
		for _, l := range w.DeadLetters() {
			if apptest.DeadLetterHeader(l, "reason") != "budget-exhausted" {
				t.Errorf("reason %s", apptest.DeadLetterHeader(l, "reason"))
			}
		}
	})
	return inTime, p99
}
