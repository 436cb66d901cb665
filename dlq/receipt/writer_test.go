package receipt

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"

	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/wire"
)

// moody is a cluster that at random takes receipts, refuses them, takes them without saying so, or never answers.
type moody struct {
	topic.Wire
	chance *rand.Rand

	mu      sync.Mutex
	good    bool
	written map[int64]bool // offsets of events
	tried   map[int64]time.Time
}

func (w *moody) MetadataOf(context.Context, []string) (*wire.Metadata, error) {
	return &wire.Metadata{Topics: map[string]wire.Topic{"receipts": {Partitions: map[int32]wire.Partition{0: {}, 1: {}, 2: {}}}}}, nil
}

func (w *moody) RoundTrip(ctx context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	p := req.(*produce.Request)
	w.mu.Lock()
	mood := w.chance.IntN(5)
	if w.good {
		mood = 0
	}
	w.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	batch := &p.Topics[0].Partitions[0]
	w.mu.Lock()
	for r, err := batch.RecordSet.Records.ReadRecord(); err == nil; r, err = batch.RecordSet.Records.ReadRecord() {
		value := make([]byte, r.Value.Len())
		_, _ = r.Value.Read(value)
		n := offsetIn(value)
		w.tried[n] = time.Now()
		w.written[n] = w.written[n] || mood != 1 && mood != 2
	}
	w.mu.Unlock()
	switch mood {
	case 1:
		return nil, errors.New("refused")
	case 2:
		<-ctx.Done()
		return nil, ctx.Err()
	case 3:
		return nil, errors.New("it was written, and nobody learns of it")
	}
	return &produce.Response{Topics: []produce.ResponseTopic{{Topic: "receipts", Partitions: []produce.ResponsePartition{{Partition: batch.Partition}}}}}, nil
}

// Each receipt ends once, whatever the cluster does and whenever contexts end: as written only if it is there; as
// missing at the earliest after 5 s, unless its context has ended; one that is required never but by its context.
func TestEachReceiptEndsOnce(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) { playReceipts(t, seed) })
	}
}

// delivered is the name of something that a context holds.
type delivered struct{}

func playReceipts(t *testing.T, seed uint64) {
	chance := rand.New(rand.NewPCG(seed, 7))
	required := seed%2 == 0
	cluster := &moody{chance: rand.New(rand.NewPCG(seed, 8)), written: map[int64]bool{}, tried: map[int64]time.Time{}}
	var mu sync.Mutex
	var came []time.Time
	var left []time.Time // when its context was ended
	told := map[int64][]time.Time{}
	missing := 0
	w := NewWriter(Config[int64]{
		Wire: cluster, Timeout: 3 * time.Second, Topic: "receipts", Required: required,
		Ended: func(owners []int64, err error) {
			mu.Lock()
			defer mu.Unlock()
			cluster.mu.Lock()
			defer cluster.mu.Unlock()
			for _, n := range owners {
				told[n] = append(told[n], time.Now())
				switch waited := time.Since(came[n]); {
				case err == nil && !cluster.written[n]:
					t.Errorf("seed %d: %d is told as written, and is not there", seed, n)
				case !left[n].IsZero() && time.Since(left[n]) > 0:
					t.Errorf("seed %d: %d ended %s after its context", seed, n, time.Since(left[n]))
				case err == nil && !required && waited > Late:
					t.Errorf("seed %d: %d was still awaited after %s", seed, n, waited)
				case err == nil || !left[n].IsZero():
				case required:
					t.Errorf("seed %d: %d is required, and ended after %s: %v", seed, n, waited, err)
				case waited != Late:
					t.Errorf("seed %d: %d is missing after %s: %v", seed, n, waited, err)
				}
				if err != nil {
					missing++
				}
			}
		},
		Began: func(error) {}, Over: func() {},
	})
	type part struct {
		ctx    context.Context
		cancel func()
		of     []int64
	}
	parts := make([]part, 3)
	end := func(p *part) {
		mu.Lock()
		for _, n := range p.of {
			if left[n].IsZero() {
				left[n] = time.Now()
			}
		}
		mu.Unlock()
		p.cancel()
	}
	begin := func(p *part) {
		*p = part{}
		p.ctx, p.cancel = context.WithCancel(context.Background())
	}
	renew := func(p *part) { end(p); begin(p) }
	for n := range parts {
		begin(&parts[n])
	}
	d := NewDigester("a key")
	const many = 600
	for n := range int64(many) {
		time.Sleep(time.Duration(chance.IntN(60)) * time.Millisecond)
		p := &parts[chance.IntN(len(parts))]
		switch chance.IntN(150) {
		case 0:
			renew(p)
		case 1:
			end(p) // what comes until it is renewed has a context that has ended
		}
		mu.Lock()
		came, left = append(came, time.Now()), append(left, time.Time{})
		if p.ctx.Err() != nil {
			left[n] = time.Now()
		}
		mu.Unlock()
		p.of = append(p.of, n)
		ctx := context.WithValue(p.ctx, delivered{}, n) // as a delivery has one: of its own, within its partition's
		w.Write(ctx, (&Receipt{Key: d.Key("lot", string(rune(n+1))), Place: Place{Offset: n}}).Message(), n)
	}
	cluster.mu.Lock()
	cluster.good = true
	cluster.mu.Unlock()
	time.Sleep(time.Minute)
	if s := w.State(); s.Blocked != 0 {
		t.Errorf("seed %d: %d receipts are late, though the topic takes them", seed, s.Blocked)
	}
	for n := range parts {
		end(&parts[n])
	}
	synctest.Wait()
	w.Close()
	mu.Lock()
	defer mu.Unlock()
	for n := range int64(many) {
		if len(told[n]) != 1 {
			t.Errorf("seed %d: %d is told %d times", seed, n, len(told[n]))
		} else if after := cluster.tried[n].Sub(told[n][0]); after > 10*time.Second {
			t.Errorf("seed %d: %d is tried %s after its end", seed, n, after)
		}
	}
	if missing == 0 {
		t.Errorf("seed %d: none was missing, nothing is tried", seed)
	}
}

func offsetIn(value []byte) int64 {
	var r Receipt
	if err := json.Unmarshal(value, &r); err != nil {
		panic(err)
	}
	return r.Offset
}
