package consumer

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/queue"
)

func TestARecordIsToldThatItsOwnOrderKeyTakesOverHalf(t *testing.T) {
	for _, c := range []struct {
		name    string
		records int // of the order key, its head included
		size    int // of each
	}{
		{"by records: more than half of the bound wait behind the head", 60, 1},
		{"by bytes: the record alone takes more than half of the share", 1, 500 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			var in inbox
			inRig(t, 1, func(cfg *Config) { cfg.Handler, cfg.MaxPending, cfg.MaxPendingBytes = &in, 100, 1<<20 }, func(r *rig) {
				for o := range c.records {
					r.read(0, int64(o), "poison", c.size)
				}
				ds := in.take()
				if ds[0].OverHalf {
					t.Error("over half before anything waits for another try")
				}
				ds[0].AgainAt(time.Now(), Hold{})
				if again := in.take(); len(again) != 1 || !again[0].OverHalf {
					t.Error("the held record and those behind it take more than half of a bound; its next try is not told")
				}
			})
		})
	}
}

func TestHeldRecordsOverHalfOfABound(t *testing.T) {
	for _, c := range []struct {
		name string
		held int
		size int
		want bool
	}{
		{"half of the records", 50, 1, false},
		{"more than half of the records", 51, 1, true},
		{"half of the bytes", 6, 63<<10 - recordOverhead + 512, false},
		{"more than half of the bytes", 7, 63 << 10, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var in inbox
			inRig(t, 1, func(cfg *Config) { cfg.Handler, cfg.MaxPending, cfg.MaxPendingBytes = &in, 100, 1<<20 }, func(r *rig) {
				for o := range c.held {
					r.read(0, int64(o), "", c.size)
				}
				for _, d := range in.take() {
					d.AgainAt(time.Now().Add(time.Hour), Hold{})
				}
				r.read(0, 1000, "", 1)
				if d := in.take()[0]; d.OverHalf != c.want {
					t.Errorf("over half %v with %d of %d bytes held", d.OverHalf, r.part(0).Blocked().Bytes, r.e.share())
				}
			})
		})
	}
}

// openToTheGapBound reads as many records as the metadata allows and leaves them open.
func (r *rig) openToTheGapBound(p *partition, in *inbox) (open []*Delivery) {
	r.t.Helper()
	r.g.allot(p, 1)
	for o := int64(0); r.room(p) == BoundNone; o++ {
		r.read(int(p.Number), o, "", 1)
		open = append(open, in.take()...)
	}
	if p.paused != BoundGaps {
		r.t.Fatalf("paused at %q by %d open deliveries: the test needs the gap bound", p.paused, len(open))
	}
	return open
}

// A delivery that ends unfinished can no longer split a run: reading must go on.
func TestReadingGoesOnWhenWhatWasOpenIsHeld(t *testing.T) {
	var in inbox
	inRig(t, 1, func(c *Config) { c.Handler, c.MaxPending = &in, 9000 }, func(r *rig) {
		p := r.part(0)
		open := r.openToTheGapBound(p, &in)
		if p.Count(queue.Fresh) == 0 || r.g.ready != 0 {
			t.Errorf("%d are counted of %d that may not be delivered now", r.g.ready, p.Count(queue.Fresh))
		}
		for len(open) > 0 {
			for _, d := range open {
				d.AgainAt(time.Now().Add(time.Hour), Hold{})
			}
			open = in.take()
		}
		synctest.Wait()
		if p.paused != BoundNone {
			t.Errorf("reading is still paused at %q: %d of 9000 records are held in one run, nothing is open", p.paused, p.Len())
		}
	})
}

// The bound of gaps also holds for a delivery that sends nothing, unless its record is the first
// unfinished one.
func TestWhatSendsNothingKeepsToTheMetadatasBound(t *testing.T) {
	var in inbox
	inRig(t, 1, func(c *Config) { c.Handler, c.MaxPending = &in, 9000 }, func(r *rig) {
		r.gate.free = 9000
		p := r.part(0)
		open := r.openToTheGapBound(p, &in)
		hold := Hold{Reason: "letter", NoSlot: true}
		open[5].AgainAt(time.Now().Add(time.Second), hold)
		in.take() // its successor, if there is one
		time.Sleep(time.Minute)
		if more := in.take(); len(more) > 0 {
			t.Errorf("%v delivered beyond the bound", offsetsOf(more))
		}
		open[0].AgainAt(time.Now().Add(time.Second), hold)
		freed := in.take() // its successor
		time.Sleep(time.Minute)
		if freed = append(freed, in.take()...); !slices.Contains(freed, open[0]) {
			t.Errorf("%v delivered; want the first unfinished record too", offsetsOf(freed))
		}
		for i := 7; i < len(open); i += 2 { // as many gaps as the open deliveries can make
			open[i].Done()
		}
		if _, whole := progress.Encode(p.commitKey(p.Watermark()), p.Knowledge()); !whole {
			t.Errorf("%d runs, and not all that is done fits", p.Runs())
		}
		for i := 6; i < 200; i += 2 {
			open[i].Done()
		}
		if freed = append(freed, in.take()...); !slices.Contains(freed, open[5]) {
			t.Error("not delivered when there is room in the metadata again")
		}
	})
}

// Exactly the excess is evicted, the longest waiting first, even if the deliveries are late.
func TestAsManyAreEvictedAsAreTooMany(t *testing.T) {
	for name, c := range map[string]struct{ held, bytes, want int }{
		"half":               {50, 1, 0},
		"one more":           {51, 1, 1},
		"many more":          {80, 1, 30},
		"more than the half": {20, 30 << 10, 8}, // of 384 KiB, in records of 30 KiB and their overhead
	} {
		t.Run(name, func(t *testing.T) {
			var in inbox
			inRig(t, 1, func(cfg *Config) { cfg.Handler, cfg.MaxPending, cfg.MaxPendingBytes = &in, 100, 1<<20 }, func(r *rig) {
				r.gate.manual, r.gate.free = true, c.held
				for o := range c.held {
					r.read(0, int64(o), "", c.bytes)
				}
				held := in.take()
				last := held[len(held)-1]
				for _, d := range held {
					d.AgainAt(time.Now().Add(time.Hour), Hold{Quota: "q", NoSlot: d == last, Firm: d != last})
				}
				for range 5 { // a record that was counted and is held again takes no more room
					r.e.Hasten()
					for _, d := range in.take() {
						d.AgainAt(time.Now().Add(time.Hour), Hold{Quota: "q", NoSlot: true})
					}
				}
				r.gate.add(100)
				var evicted []*Delivery
				for more := in.take(); len(more) > 0; more = in.take() {
					for _, d := range more {
						if d.Evicted != "q" || d.Record.Offset != int64(len(evicted)) {
							t.Errorf("record %d is number %d to be evicted: %q", d.Record.Offset, len(evicted), d.Evicted)
						}
						evicted = append(evicted, d)
						d.Done()
					}
				}
				if len(evicted) != c.want {
					t.Errorf("%d were evicted, want %d", len(evicted), c.want)
				}
			})
		})
	}
}
