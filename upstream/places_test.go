package upstream_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream"
)

// floor is a platform that counts the requests open at it, and clients of one gate.
type floor struct {
	gate   *upstream.Gate
	client *upstream.Client
	begun  time.Time
	all    sync.WaitGroup
	ctx    context.Context // of all deliveries
	stop   context.CancelFunc

	mu         sync.Mutex // guards all below
	open, most int
	received   int
	accepted   map[string]time.Duration // since begun, by plate
}

// newFloor is one whose handler answers a plate: with code 1001 where it says so.
func newFloor(t *testing.T, places int, answer func(plate string) (accept bool, takes time.Duration)) *floor {
	f := &floor{
		gate: upstream.NewGate(upstream.GateConfig{MaxInFlight: places}), begun: time.Now(),
		accepted: map[string]time.Duration{},
	}
	f.ctx, f.stop = context.WithCancel(t.Context())
	c := virtual(t, func(w http.ResponseWriter, r *http.Request) {
		f.arrive(1)
		defer f.arrive(-1)
		accept, takes := answer(r.Header.Get("X-Plate"))
		select {
		case <-time.After(takes):
		case <-r.Context().Done():
			return
		}
		if accept {
			fmt.Fprint(w, `{"code":"1001"}`)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"code":"500"}`)
	})
	c.Gate, c.MaxInFlight, c.RetryMax = f.gate, places, 2
	c.MayRetry = func() bool { return !f.gate.Open() }
	c.Wrap = func(next http.RoundTripper) http.RoundTripper { return named{next} }
	f.client = client(t, c)
	return f
}

type plateKey struct{}

// named tells the platform's handler which plate it has, without reading the body.
type named struct{ http.RoundTripper }

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header = r.Header.Clone()
	r.Header.Set("X-Plate", r.Context().Value(plateKey{}).(string))
	return n.RoundTripper.RoundTrip(r)
}

func (f *floor) arrive(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += n
	f.most = max(f.most, f.open)
	f.received += max(n, 0)
}

// deliver delivers a record as the service does, and tells the gate what came of it.
func (f *floor) deliver(plate string) {
	f.all.Go(func() {
		if _, err := f.gate.Acquire(f.ctx); err != nil {
			return
		}
		defer f.gate.Release(true)
		ctx := context.WithValue(f.ctx, plateKey{}, plate)
		a := f.client.Deliver(ctx, upstream.Request{Params: release, Quick: true})
		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case a.Verdict == upstream.Accepted:
			f.gate.Accepted()
			f.accepted[plate] = time.Since(f.begun)
		case len(f.accepted) == 0: // else it is the record's own failure
			f.gate.Failed(plate)
		}
	})
	synctest.Wait()
}

// Three in a hundred fail whatever is done, while all places are busy. The others take
// no longer than the places need for all attempts.
func TestWhatRestsTakesNoPlaceFromOthers(t *testing.T) {
	const takes = 20 * time.Millisecond
	for _, places := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(places), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFloor(t, places, func(plate string) (bool, time.Duration) { return !strings.HasPrefix(plate, "bad"), takes })
				const records = 400
				bad := 0
				for n := range records {
					if n%33 == 16 {
						bad++
						f.deliver(fmt.Sprint("bad", n))
						continue
					}
					f.deliver(fmt.Sprint("good", n))
				}
				f.all.Wait()
				if f.most != places {
					t.Errorf("%d requests were open at once, want %d", f.most, places)
				}
				if len(f.accepted) != records-bad || f.received != records+2*bad {
					t.Errorf("%d accepted of %d requests", len(f.accepted), f.received)
				}
				last := time.Duration(0)
				for _, at := range f.accepted {
					last = max(last, at)
				}
				turns := (records + 2*bad + places - 1) / places
				if most := time.Duration(turns+1) * takes; last > most {
					t.Errorf("the last was accepted after %s, want %s at most", last, most)
				}
			})
		})
	}
}

// A platform that accepts nothing any more gets no more requests than with no rests: the
// first of each delivery that has a place, and their quick retries. (And those of the few
// that come to rest before there is any doubt.)
func TestRestsMultiplyNoRequestsOfAnOutage(t *testing.T) {
	const places = 8
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t, places, func(string) (bool, time.Duration) { return false, 5 * time.Millisecond })
		for n := range 500 {
			f.deliver(fmt.Sprint(n))
		}
		for !f.gate.Open() {
			time.Sleep(time.Millisecond)
		}
		f.mu.Lock()
		received, mostOpen := f.received, f.most
		f.mu.Unlock()
		f.stop()
		f.all.Wait()
		if most := (places + 4) * 3; received > most || mostOpen > places {
			t.Errorf("%d requests, %d at once, until the circuit opened; want %d at most", received, mostOpen, most)
		}
	})
}

// The only place is busy for longer than quick retries wait: the retry has its turn
// nonetheless, before those who ask anew.
func TestQuickRetryWaitsForASlowPlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tried sync.Map
		f := newFloor(t, 1, func(plate string) (bool, time.Duration) {
			if _, again := tried.LoadOrStore(plate, true); plate == "first" && !again {
				return false, 20 * time.Millisecond
			}
			return true, 5 * time.Second
		})
		for _, plate := range []string{"first", "second", "third"} {
			f.deliver(plate)
		}
		f.all.Wait()
		second, first, third := f.accepted["second"], f.accepted["first"], f.accepted["third"]
		if second == 0 || first <= second || third <= first || f.received != 4 {
			t.Errorf("accepted after %s, %s and %s, of %d requests", second, first, third, f.received)
		}
	})
}
