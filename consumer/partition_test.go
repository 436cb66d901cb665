package consumer

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestARecordIsToldThatItsOwnSessionCrowdsThePartition(t *testing.T) {
	for _, c := range []struct {
		name    string
		records int // of the session, its head included
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
				if ds[0].Crowded {
					t.Error("crowded before anything waits for another try")
				}
				ds[0].AgainAt(time.Now(), Hold{})
				if again := in.take(); len(again) != 1 || !again[0].Crowded {
					t.Error("the held record and those behind it take more than half of a bound; its next try is not told")
				}
			})
		})
	}
}

func TestAPartitionIsCrowdedByMoreThanHalfOfABound(t *testing.T) {
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
				if d := in.take()[0]; d.Crowded != c.want {
					t.Errorf("crowded %v with %d of %d bytes held", d.Crowded, r.part(0).stuckBytes, r.e.share())
				}
			})
		})
	}
}

// Deliveries that end without being done give back what they might have added to
// the metadata: reading must go on.
func TestReadingGoesOnWhenWhatWasOpenIsHeld(t *testing.T) {
	var in inbox
	inRig(t, 1, func(c *Config) { c.Handler, c.MaxPending = &in, 9000 }, func(r *rig) {
		var open []*Delivery
		p := r.part(0)
		r.g.allot(p, 1)
		for o := int64(0); r.room(p) == BoundNone; o++ {
			r.read(0, o, "", 1)
			open = append(open, in.take()...)
		}
		if p.paused != BoundGaps {
			t.Fatalf("paused at %q by %d open deliveries: the test needs the gap bound", p.paused, len(open))
		}
		if p.fresh.count == 0 || r.g.ready != 0 {
			t.Errorf("%d are counted of %d that may not be delivered now", r.g.ready, p.fresh.count)
		}
		for len(open) > 0 {
			for _, d := range open {
				d.AgainAt(time.Now().Add(time.Hour), Hold{})
			}
			open = in.take()
		}
		synctest.Wait()
		if p.paused != BoundNone {
			t.Errorf("reading is still paused at %q: %d of 9000 records are held in one run, nothing is open", p.paused, p.count)
		}
	})
}
