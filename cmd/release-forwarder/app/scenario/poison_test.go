package scenario

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// share tells whether a flow is among so many of a hundred, always alike.
func share(flow string, ofHundred int) bool {
	h := fnv.New32a()
	h.Write([]byte(flow))
	return int(h.Sum32()>>8%100) < ofHundred
}

// Three hours in which seven of ten attempts fail make no dead letter.
func TestSevenOfTenAttemptsFailingMakeNoDeadLetter(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var n, ill atomic.Int64
		ill.Store(1)
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			if ill.Load() == 1 && n.Add(1)*7919%10 < 7 {
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: 20 * time.Millisecond}
			}
			return &platform.Reply{Delay: 20 * time.Millisecond}
		})
		r := w.Start()
		const rounds = 1080
		for i := range rounds {
			w.Produce(0, apptest.Event(3*i, 0), apptest.Event(3*i+1, 0), apptest.Event(3*i+2, 0))
			time.Sleep(10 * time.Second)
		}
		ill.Store(0)
		w.Until("all", w.AllCommitted(1, 3*rounds), 5*time.Minute)
		w.End(r)
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters from three hours in which 7 of 10 attempts failed", n)
		}
	})
}

// A lot that is refused for six hours delays no other, makes no dead letter, and is sent in order afterwards.
func TestOneLotOfTenRefusedForSixHours(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var refusing atomic.Bool
		refusing.Store(true)
		var attempts atomic.Int64
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if refusing.Load() && r.Params["park_uuid"] == "bad" {
				attempts.Add(1)
				return &platform.Reply{Status: 401, Body: `{"code":"401"}`}
			}
			return nil
		})
		r := w.Start()
		const rounds = 180 // one every two minutes
		begun := time.Now()
		good := 0
		for n := range rounds {
			values := []string{apptest.OfLot("bad", n)}
			for lot := range 9 {
				values = append(values, apptest.OfLot(fmt.Sprintf("good-%d", lot), n))
			}
			good += 9
			w.Produce(0, values...)
			time.Sleep(5 * time.Second)
			if got := w.Platform.Stats().Accepted; got != good {
				t.Fatalf("%s: %d of the others' %d accepted", time.Since(begun), got, good)
			}
			if n == 2 && len(r.Snapshot().RefusedLots) == 0 && time.Since(begun) > 3*time.Minute {
				t.Error("the lot is not named")
			}
			time.Sleep(115 * time.Second)
		}
		// RETRY_BACKOFF_MAX is 30 s, less its jitter 20 s.
		if most := int64(time.Since(begun)/(20*time.Second)) + 10; attempts.Load() > most {
			t.Errorf("%d attempts for the refused lot in six hours, want %d at most", attempts.Load(), most)
		}
		refusing.Store(false)
		w.Until("the bad lot's", func() bool { return w.Committed(0) == 10*rounds }, 2*time.Minute)
		w.End(r)
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters", n)
		}
		last := -1
		for _, q := range w.Platform.Accepted() {
			var flow int
			if q.Params["park_uuid"] == "bad" {
				fmt.Sscanf(q.Params["flow_no"], "F-%d", &flow)
				if flow%2 == 1 && last != flow-1 && flow > 0 && !accepted(w, flow-1, q.Seq) {
					t.Errorf("F-%d before the one before it of its order key", flow)
				}
				last = flow
			}
		}
	})
}

// accepted tells whether the bad lot's flow was accepted before a request.
func accepted(w *world, flow, seq int) bool {
	for _, q := range w.Platform.Accepted() {
		if q.Params["park_uuid"] == "bad" && q.Params["flow_no"] == fmt.Sprintf("F-%d", flow) {
			return q.Seq < seq
		}
	}
	return false
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
			l.reasons[apptest.Header(deadLetter, "reason")]++
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
