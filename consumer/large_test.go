package consumer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/queue"
)

// A loaded large record cannot be taken because its partition is at the bound of gaps. That may
// last as long as another record's hold. So its bytes are dropped, and another partition's
// large record is loaded.
func TestALargeRecordAtTheBoundOfGapsGivesItsBytesUp(t *testing.T) {
	const large = 2 << 20
	var in inbox
	inRig(t, 2, func(cfg *Config) { cfg.Handler, cfg.Wire = &in, away{} }, func(r *rig) {
		p := r.part(0)
		p.Progress = fullOfGaps(0)
		first := r.read(0, 0, "first", 1)
		if open := in.take(); len(open) != 1 || open[0] != first {
			t.Fatal("the first record is not delivered")
		}
		d := r.read(0, 40_000, "large", large)
		synctest.Wait()
		r.e.mu.Lock()
		if !d.queued.Unloaded || d.queued.In() == queue.Fresh {
			t.Error("it is ready without its bytes")
		}
		if !p.Load(&d.queued) { // its loading failed before
			r.e.timed.Remove(&d.queued)
		}
		p.Loaded(&d.queued)
		r.e.large = d
		r.e.markReady(p)
		r.e.mu.Unlock()
		synctest.Wait()
		r.e.mu.Lock()
		if !d.queued.Unloaded || r.e.large == d || d.queued.In() != queue.Unloaded {
			t.Error("it keeps its bytes, and all other large records waiting")
		}
		r.e.mu.Unlock()

		other := r.read(1, 0, "other", large)
		synctest.Wait()
		r.e.mu.Lock()
		if other.loads.wait == 0 || other.queued.State() != queue.Held {
			t.Errorf("another partition's large record was not asked for: state %d", other.queued.State())
		}
		r.e.mu.Unlock()
		first.Done()
		time.Sleep(time.Minute)
		r.e.mu.Lock()
		defer r.e.mu.Unlock()
		if d.loads.wait == 0 {
			t.Error("the first one is not asked for when the bound is left")
		}
	})
}

// A record that waits for its next delivery is listed also while it waits to be loaded.
func TestALargeRecordThatWaitsForItsBytesIsListed(t *testing.T) {
	inRig(t, 1, func(cfg *Config) { cfg.Handler, cfg.Wire = &inbox{}, away{} }, func(r *rig) {
		r.e.mu.Lock()
		r.e.large = &Delivery{} // another record
		r.e.mu.Unlock()
		d := r.read(0, 7, "large", 2<<20)
		if n := len(r.e.Held(10)); n != 0 {
			t.Errorf("%d are listed although none was tried", n)
		}
		listed := func(what string) {
			t.Helper()
			if held := r.e.Held(10); len(held) != 1 || held[0].Offset != 7 || held[0].Reason != "refused" {
				t.Errorf("%s: %+v", what, held)
			}
		}
		r.e.mu.Lock()
		r.e.hold(d, Hold{Reason: "refused"}) // after a try
		r.e.mu.Unlock()
		listed("in the queue")
		r.e.mu.Lock()
		r.part(0).Load(&d.queued)
		r.e.large = d
		r.e.mu.Unlock()
		listed("being read")
		r.e.mu.Lock()
		r.e.large = nil
		r.e.mu.Unlock()
	})
}

// oneLeader leads partition 0 and answers with its bounds.
type oneLeader struct {
	away
	first, end int64
}

func (l *oneLeader) Send(_ context.Context, _ int32, r kmsg.Request) (kmsg.Response, error) {
	req, is := r.(*kmsg.ListOffsetsRequest)
	if !is {
		return nil, errAway
	}
	res := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range req.Topics {
		answer := kmsg.NewListOffsetsResponseTopic()
		answer.Topic = t.Topic
		for _, p := range t.Partitions {
			at := kmsg.NewListOffsetsResponseTopicPartition()
			if at.Partition, at.Offset = p.Partition, l.first; p.Timestamp == kafka.LastOffset {
				at.Offset = l.end
			}
			answer.Partitions = append(answer.Partitions, at)
		}
		res.Topics = append(res.Topics, answer)
	}
	return res, nil
}

// A leader that lags lacks the record; between two tries it catches up, or another one leads. The
// record is gone only if the log ends before it at each look for 30 s.
func TestALargeRecordIsInTheLogAfterAll(t *testing.T) {
	lead := &oneLeader{end: 7}
	inRig(t, 1, func(cfg *Config) { cfg.Handler, cfg.Wire = &inbox{}, lead }, func(r *rig) {
		d := &Delivery{part: r.part(0)}
		d.Record.Offset = 7
		look := func(want error) {
			t.Helper()
			if err := r.g.outOfLog(context.Background(), d, leader{}); !errors.Is(err, want) {
				t.Errorf("with a log that ends at %d: %v, want %v", lead.end, err, want)
			}
		}
		look(kafka.OffsetOutOfRange)
		time.Sleep(settleTime)
		lead.end = 8 // the log includes the record's offset
		look(kafka.OffsetOutOfRange)
		lead.end = 7 // another leader lags
		look(kafka.OffsetOutOfRange)
		time.Sleep(settleTime - 1)
		look(kafka.OffsetOutOfRange)
		time.Sleep(time.Nanosecond)
		look(errGone)
	})
}

// A large record that is not loaded counts as a small one.
func TestALargeRecordTakesNoneOfTheBytes(t *testing.T) {
	inRig(t, 1, func(cfg *Config) {
		cfg.Handler, cfg.Wire = &inbox{}, away{}
		cfg.MaxPendingBytes = 4 << 20
	}, func(r *rig) {
		for n := range int64(50) {
			r.read(0, n, "", 2<<20)
		}
		if b := r.room(r.part(0)); b == BoundBytes {
			t.Errorf("reading is paused by %q", b)
		}
	})
}
