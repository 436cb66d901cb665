package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/consumer/queue"
)

func offsetsOf(ds []*Delivery) (o []int64) {
	for _, d := range ds {
		o = append(o, d.Record.Offset)
	}
	return o
}

func TestRecordsOfAnOrderKeyFollowOneAnotherAndOthersDoNotWait(t *testing.T) {
	var in inbox
	inRig(t, 1, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.read(0, 0, "a", 1)
		r.read(0, 1, "a", 1)
		r.read(0, 2, "b", 1)
		r.read(0, 3, "", 1)
		r.read(0, 4, "", 1)
		first := in.take()
		if got := fmt.Sprint(offsetsOf(first)); got != "[0 2 3 4]" {
			t.Fatalf("delivered %s at first, want the head of each order key", got)
		}
		first[1].Done()
		if more := in.take(); len(more) != 0 {
			t.Fatalf("%v delivered before the one before it of the order key was done", offsetsOf(more))
		}
		first[0].AgainAt(time.Now().Add(time.Minute), Hold{})
		if more := in.take(); len(more) != 0 {
			t.Fatalf("%v delivered while the head of the order key is held", offsetsOf(more))
		}
		time.Sleep(time.Minute)
		again := in.take()
		if got := fmt.Sprint(offsetsOf(again)); got != "[0]" || again[0].Number != 2 {
			t.Fatalf("after its time %s was delivered", got)
		}
		again[0].Done()
		if got := fmt.Sprint(offsetsOf(in.take())); got != "[1]" {
			t.Fatalf("then %s was delivered, want the next of the order key", got)
		}
	})
}

func TestAProbePrefersWhatWasNeverTried(t *testing.T) {
	var in inbox
	inRig(t, 2, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.gate.free, r.gate.manual = 2, true
		r.read(0, 0, "tried", 1)
		r.read(0, 1, "also tried", 1)
		tried := in.take()
		r.gate.probe = true
		tried[0].AgainInTurn(Hold{})
		tried[1].AgainAt(time.Now(), Hold{})
		r.read(1, 0, "fresh", 1)
		r.read(1, 1, "fresh too", 1)
		synctest.Wait()
		var order []string
		for range 4 {
			r.gate.add(1)
			for _, d := range in.take() {
				order = append(order, fmt.Sprintf("%d/%d", d.Record.Partition, d.Record.Offset))
			}
		}
		if got := fmt.Sprint(order); got != "[1/0 1/1 0/1 0/0]" {
			t.Errorf("probed in the order %s: untried ones of all partitions first, then those whose time has come, then the turn", got)
		}
	})
}

func TestPartitionsAndTriedRecordsTakeTurns(t *testing.T) {
	var in inbox
	inRig(t, 3, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.gate.free, r.gate.manual = 0, true
		for p := range 3 {
			for o := range 50 {
				r.read(p, int64(o), "", 1)
			}
		}
		seen := map[int32]int{}
		for n := range 60 {
			r.gate.add(1)
			for _, d := range in.take() {
				seen[d.Record.Partition]++
				d.AgainInTurn(Hold{})
			}
			if n%3 == 2 && (seen[0] != seen[1] || seen[1] != seen[2]) {
				t.Fatalf("after %d deliveries the partitions had %v", n+1, seen)
			}
		}
		fresh := 0
		for p := range 3 {
			fresh += r.part(p).Count(queue.Fresh)
		}
		// Fresh and due records take turns: of 60 deliveries, not all are fresh.
		if tried := 60 - (150 - fresh); tried < 20 || tried > 40 {
			t.Errorf("%d of 60 deliveries were of records tried before, want about half", tried)
		}
	})
}

func TestHastenBringsForwardWhatIsNotFirm(t *testing.T) {
	var in inbox
	inRig(t, 1, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.read(0, 0, "", 1)
		r.read(0, 1, "", 1)
		ds := in.take()
		ds[0].AgainAt(time.Now().Add(time.Hour), Hold{Firm: true})
		ds[1].AgainAt(time.Now().Add(time.Hour), Hold{})
		r.e.Hasten()
		if got := fmt.Sprint(offsetsOf(in.take())); got != "[1]" {
			t.Fatalf("hastened %s, want the one that is not firm", got)
		}
		time.Sleep(time.Hour - time.Second)
		if more := in.take(); len(more) != 0 {
			t.Fatal("the firm hold was shortened")
		}
		time.Sleep(time.Second)
		if got := fmt.Sprint(offsetsOf(in.take())); got != "[0]" {
			t.Fatalf("then %s", got)
		}
	})
}

func TestHastenKeepsTheOrderOfTheHolds(t *testing.T) {
	var in inbox
	inRig(t, 1, func(c *Config) { c.Handler = &in }, func(r *rig) {
		const n = 40
		want := make([]int64, n)
		for i := range int64(n) {
			r.read(0, i, "", 1)
		}
		for i, d := range in.take() {
			after := i * 7 % n // all different
			want[after] = d.Record.Offset
			d.AgainAt(time.Now().Add(time.Hour+time.Duration(after)*time.Second), Hold{})
		}
		r.e.Hasten()
		if got := offsetsOf(in.take()); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("hastened %v, want %v", got, want)
		}
	})
}

func TestAWaitingRecordCostsNoGoroutine(t *testing.T) {
	later := time.Now() // set below; the handler needs it
	inRig(t, 1, func(c *Config) {
		c.MaxPending = 10000
		c.Handler = handler(func(_ context.Context, d *Delivery) { d.AgainAt(later, Hold{Reason: "failed"}) })
	}, func(r *rig) {
		later = time.Now().Add(time.Hour)
		before := runtime.NumGoroutine()
		for o := range 5000 {
			r.read(0, int64(o), "", 1)
		}
		synctest.Wait()
		if n := r.e.timed.Len(); n != 5000 {
			t.Fatalf("%d are held, want 5000", n)
		}
		if n := runtime.NumGoroutine() - before; n > r.e.cfg.Workers {
			t.Errorf("%d more goroutines for 5000 held records, workers are %d", n, r.e.cfg.Workers)
		}
		if s := r.e.Status(); s.HeldBy["failed"] != 5000 || s.Pending != 5000 {
			t.Errorf("status tells %d held of %d", s.HeldBy["failed"], s.Pending)
		}
	})
}

// The engine starts as many workers as the gate has slots, and one that waits for the next slot.
func TestWorkersAreStartedAsTheGateGivesSlots(t *testing.T) {
	var busy atomic.Int64
	inRig(t, 1, func(c *Config) {
		c.MaxPending, c.Workers = 10000, 50
		c.Handler = handler(func(_ context.Context, d *Delivery) {
			busy.Add(1)
			time.Sleep(time.Minute)
			busy.Add(-1)
			d.Done()
		})
	}, func(r *rig) {
		for o := range 500 {
			r.read(0, int64(o), "", 1)
		}
		for slots := 4; slots < 60; slots += 7 {
			synctest.Wait()
			workers := min(slots, 50)
			r.e.mu.Lock()
			started := r.e.workers
			r.e.mu.Unlock()
			if n := busy.Load(); n != int64(workers) || started > workers+1 {
				t.Errorf("%d workers are busy of %d, the gate has %d slots", n, started, slots)
			}
			r.gate.add(7)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if pending := r.e.Status().Pending; pending != 0 {
			t.Errorf("%d of 500 records were never delivered", pending)
		}
	})
}

// A delivery that sends nothing (a dead letter to be written) does not wait for a slot, which an
// outage may not give. All else that stops a delivery stops it too.
func TestWhatSendsNothingWaitsForNoSlot(t *testing.T) {
	var in inbox
	inRig(t, 2, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.gate.manual, r.gate.free = true, 4
		r.heard(time.Now())
		for o := range 3 {
			r.read(0, int64(o), "", 1)
		}
		r.read(1, 0, "", 1)
		hold := func(ds []*Delivery) {
			for _, d := range ds {
				d.AgainAt(time.Now().Add(time.Second), Hold{Reason: "letter", NoSlot: true})
			}
		}
		first := in.take()
		if len(first) != 4 {
			t.Fatalf("%v delivered", offsetsOf(first))
		}
		first[1].AgainAt(time.Now(), Hold{Reason: "failed"}) // this one needs a slot
		hold([]*Delivery{first[0], first[2], first[3]})
		for range 5 {
			if more := in.take(); len(more) > 0 {
				t.Fatalf("%v delivered before their time", offsetsOf(more))
			}
			time.Sleep(time.Second)
			again := in.take()
			if len(again) != 3 {
				t.Fatalf("%v delivered without a slot, want the three that send nothing", offsetsOf(again))
			}
			if n := r.gate.taken(); n > 0 {
				t.Errorf("%d slots are taken", n)
			}
			again[0].ReturnSlot() // a handler may do this
			hold(again)
		}
		time.Sleep(30 * time.Second) // the session's end
		hold(in.take())
		time.Sleep(time.Minute)
		if more := in.take(); len(more) > 0 {
			t.Errorf("%v delivered after the session's end", offsetsOf(more))
		}
		r.heard(time.Now())
		time.Sleep(lookAgain)
		again := in.take()
		if len(again) != 3 {
			t.Errorf("%v delivered when the group was heard again", offsetsOf(again))
		}
		again[0].Done()
		hold(again[1:])
		r.drain()
		time.Sleep(time.Minute)
		if more := in.take(); len(more) > 0 {
			t.Errorf("%v delivered while the generation drains", offsetsOf(more))
		}
	})
}

// A handler does at random all that a handler may. At the end each slot is back, and each record
// was finished once, in order within its order key.
func TestSlotsAndOrderAreExactWhateverTheHandlerDoes(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			var mu sync.Mutex
			rnd := rand.New(rand.NewPCG(seed, 1))
			chance := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }
			done := map[int32][]int64{}
			openOrderKeys := map[string]bool{}
			finish := func(d *Delivery) {
				mu.Lock()
				orderKey := fmt.Sprint(d.Record.Partition, d.queued.Key())
				delete(openOrderKeys, orderKey)
				mu.Unlock()
				switch n := chance(10); {
				case n < 5:
					mu.Lock()
					done[d.Record.Partition] = append(done[d.Record.Partition], d.Record.Offset)
					mu.Unlock()
					d.Done()
				case n < 8:
					d.AgainAt(time.Now().Add(time.Duration(chance(3))*time.Second), Hold{Reason: "failed", Firm: n == 6, NoSlot: n == 7})
				default:
					d.AgainInTurn(Hold{Reason: "failed"})
				}
			}
			h := handler(func(_ context.Context, d *Delivery) {
				mu.Lock()
				orderKey := fmt.Sprint(d.Record.Partition, d.queued.Key())
				if openOrderKeys[orderKey] {
					t.Error("two deliveries of an order key at once")
				}
				openOrderKeys[orderKey] = true
				mu.Unlock()
				if chance(3) == 0 {
					d.ReturnSlot()
					d.ReturnSlot()
				}
				if chance(2) == 0 {
					time.Sleep(time.Duration(chance(50)) * time.Millisecond)
				}
				if chance(3) == 0 {
					go func() {
						time.Sleep(time.Duration(chance(50)) * time.Millisecond)
						finish(d)
					}()
					return
				}
				finish(d)
			})
			inRig(t, 3, func(c *Config) { c.Handler = h }, func(r *rig) {
				orderKeys := map[string][]int64{}
				for o := range 200 {
					for p := range 3 {
						s := fmt.Sprint("s", chance(20))
						r.read(p, int64(o), s, 1)
						orderKeys[fmt.Sprint(p, s)] = append(orderKeys[fmt.Sprint(p, s)], int64(o))
					}
					if chance(10) == 0 {
						time.Sleep(time.Duration(chance(1000)) * time.Millisecond)
						r.e.Hasten()
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := r.gate.taken(); n != 0 {
					t.Errorf("%d slots were not given back", n)
				}
				for p := range 3 {
					pt := r.part(p)
					if len(done[int32(p)]) != 200 || pt.Watermark() != 200 || pt.Len() != 0 || pt.Bytes() != 0 || pt.Blocked().Records != 0 || pt.Blocked().Bytes != 0 || pt.open != 0 || pt.Ready() != 0 {
						t.Errorf("partition %d: %d done, %+v", p, len(done[int32(p)]), &pt.Progress)
					}
				}
				if n := r.e.heldBy["failed"]; n != 0 || r.e.timed.Len() != 0 || r.part(0).open != 0 {
					t.Errorf("%d held, %d timed, %d open when all is done", n, r.e.timed.Len(), r.part(0).open)
				}
				for key, want := range orderKeys {
					at := map[int64]int{}
					for i, o := range done[int32(key[0]-'0')] {
						at[o] = i
					}
					for i := 1; i < len(want); i++ {
						if at[want[i]] < at[want[i-1]] {
							t.Errorf("order key %s: %d was done before %d", key, want[i], want[i-1])
						}
					}
				}
			})
		})
	}
}

func TestADrainStartsNothingAndWaitsForWhatIsOpen(t *testing.T) {
	var in inbox
	inRig(t, 1, func(c *Config) { c.Handler = &in }, func(r *rig) {
		for o := range 10 {
			r.read(0, int64(o), "", 1)
		}
		open := in.take()
		r.gate.add(100)
		more := in.take()
		r.read(0, 10, "", 1)
		begun := time.Now()
		left := make(chan int)
		go func() { left <- r.drain() }()
		synctest.Wait()
		held := slices.Concat(open, more)
		r.read(0, 11, "", 1)
		for i, d := range held {
			if d.Current() {
				t.Error("a draining partition's record may not begin new requests")
			}
			time.Sleep(100 * time.Millisecond)
			if i%2 == 0 {
				d.Done()
			} else {
				d.AgainAt(time.Now(), Hold{})
			}
		}
		for _, d := range in.take() {
			d.Done()
		}
		if n := <-left; n != 0 {
			t.Errorf("%d cut", n)
		}
		if d := time.Since(begun); d > 5*time.Second {
			t.Errorf("the drain took %s although all had ended", d)
		}
		if n := r.gate.taken(); n != 0 {
			t.Errorf("%d slots are out after the drain", n)
		}
	})
}

func TestWhatIsOpenAtTheDrainsLimitIsCut(t *testing.T) {
	h := handler(func(ctx context.Context, d *Delivery) {
		<-ctx.Done()
		d.AgainAt(time.Now(), Hold{})
	})
	inRig(t, 1, func(c *Config) { c.Handler = h }, func(r *rig) {
		r.read(0, 0, "", 1)
		synctest.Wait()
		begun := time.Now()
		if n := r.drain(); n != 1 {
			t.Errorf("%d cut, want 1", n)
		}
		if d := time.Since(begun); d < 20*time.Second || d > 21*time.Second {
			t.Errorf("cut after %s, the limit is 20s", d)
		}
		p := r.part(0)
		r.revoke()
		synctest.Wait()
		if n := r.gate.taken(); n != 0 {
			t.Errorf("%d slots are out", n)
		}
		if w := p.Watermark(); w != 0 {
			t.Errorf("watermark %d over a record that was cut", w)
		}
	})
}

func TestAFencedGenerationIsCutAtOnce(t *testing.T) {
	h := handler(func(ctx context.Context, d *Delivery) {
		<-ctx.Done()
		d.AgainAt(time.Now(), Hold{})
	})
	inRig(t, 1, func(c *Config) { c.Handler = h }, func(r *rig) {
		r.read(0, 0, "", 1)
		synctest.Wait()
		owner{r.g}.Fenced("commit", errAway)
		begun := time.Now()
		if r.drain(); time.Since(begun) != 0 {
			t.Errorf("cut after %s, want at once", time.Since(begun))
		}
	})
}

func TestASlotComesBackAlsoFromAHandlerThatOutlivesItsGeneration(t *testing.T) {
	h := handler(func(ctx context.Context, d *Delivery) {
		<-ctx.Done()
		time.Sleep(5 * time.Second) // as if the process was frozen meanwhile
		d.AgainAt(time.Now(), Hold{})
	})
	inRig(t, 1, func(c *Config) { c.Handler = h }, func(r *rig) {
		for o := range 4 {
			r.read(0, int64(o), "", 1)
		}
		synctest.Wait()
		r.drain()
		r.revoke()
		time.Sleep(time.Minute)
		if n := r.gate.taken(); n != 0 {
			t.Errorf("%d of 4 slots never came back", n)
		}
	})
}

func TestAReplicaThatHeardNothingOfItsGroupStopsSendingAndGoesOnWhenItDoes(t *testing.T) {
	var in inbox
	inRig(t, 1, func(c *Config) { c.Handler = &in }, func(r *rig) {
		r.heard(time.Now())
		r.read(0, 0, "", 1)
		ds := in.take()
		if len(ds) != 1 || !ds[0].Current() {
			t.Fatal("nothing was delivered within the session")
		}
		time.Sleep(30 * time.Second)
		if ds[0].Current() {
			t.Error("another may own the partition, and a new request may still begin")
		}
		for o := range 20 {
			r.read(0, int64(1+o), "", 1)
		}
		ds[0].AgainAt(time.Now(), Hold{})
		time.Sleep(time.Minute)
		if more := in.take(); len(more) != 0 {
			t.Fatalf("%v delivered after the session's end", offsetsOf(more))
		}
		if n := r.gate.taken(); n != 0 {
			t.Errorf("%d slots are kept while nothing may be sent", n)
		}
		r.heard(time.Now())
		if more := in.take(); len(more) != 21 {
			t.Errorf("%d delivered when the group was heard again, want all 21", len(more))
		}
	})
}
