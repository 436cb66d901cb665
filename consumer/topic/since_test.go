package topic_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/consumer/topic/topictest"
)

// Since finds the first record with that millisecond or a later one, at any place in its batch,
// and for times in any order.
func TestSinceBeginsAtJustTheMillisecond(t *testing.T) {
	inHall(t, func(h *topictest.Hall) {
		random := rand.New(rand.NewPCG(5, 6))
		base := time.UnixMilli(1_700_000_000_000)
		var dates [2][]time.Time // of each partition's records
		for range 40 {
			var batch []*kgo.Record
			for range 1 + random.IntN(5) {
				// Few times, so that many records share one.
				p, at := random.Int32N(2), base.Add(time.Duration(random.IntN(60))*time.Millisecond)
				dates[p] = append(dates[p], at)
				batch = append(batch, &kgo.Record{Topic: name, Partition: p, Timestamp: at, Value: []byte("x")})
			}
			h.Produce(batch...)
		}
		log := logOf(h)
		spans, err := log.Spans(h.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		ask := func(at time.Time) {
			t.Helper()
			later, err := log.Since(h.Ctx, spans, at)
			if err != nil {
				t.Fatal(err)
			}
			for _, span := range later {
				want := slices.IndexFunc(dates[span.Partition], func(d time.Time) bool { return d.UnixMilli() >= at.UnixMilli() })
				if want < 0 {
					want = int(span.End)
				}
				if span.First != int64(want) {
					t.Errorf("%d ms, partition %d: begins at %d, want %d", at.Sub(base)/time.Millisecond, span.Partition, span.First, want)
				}
			}
		}
		for ms := -2; ms <= 61; ms++ {
			ask(base.Add(time.Duration(ms) * time.Millisecond))
			ask(base.Add(time.Duration(ms)*time.Millisecond + 400*time.Microsecond))
		}
		ask(time.Time{}) // long before 1970
		// A span never begins before offsets that were read or deleted.
		spans[0].First = 7
		if later, err := log.Since(h.Ctx, spans, base); err != nil || later[0].First != 7 || later[1].First != 0 {
			t.Errorf("%+v %v", later, err)
		}
	})
}
