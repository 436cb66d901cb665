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
		for o := range 4500 {
			r.read(0, int64(o), "", 1)
		}
		open := in.take()
		p := r.part(0)
		r.e.mu.Lock()
		_, _, bound := p.room()
		p.paused = bound // as the reader does
		r.e.mu.Unlock()
		if bound != BoundGaps {
			t.Fatalf("paused at %q by %d open deliveries: the test needs the gap bound", bound, len(open))
		}
		for len(open) > 0 {
			for _, d := range open {
				d.AgainAt(time.Now().Add(time.Hour), Hold{})
			}
			open = in.take()
		}
		synctest.Wait()
		if p.paused != BoundNone {
			t.Errorf("reading is still paused at %q: 4500 of 9000 records are held in one run, nothing is open", p.paused)
		}
	})
}

// Enough is read ahead for the workers, and no more as long as nothing waits for another
// try. Then others must get past it.
func TestReadingAheadIsBoundedWhileNothingIsHeld(t *testing.T) {
	var in inbox
	inRig(t, 10, func(c *Config) { c.Handler, c.MaxPending = &in, 1000 }, func(r *rig) {
		const ahead = 1000 / 10
		r.gate.free, r.gate.manual = 0, true
		p := r.part(0)
		bound := func() (b Bound) {
			r.e.mu.Lock()
			defer r.e.mu.Unlock()
			if _, _, b = p.room(); b != BoundNone {
				p.paused = b // as the reader does
			}
			return b
		}
		offset := int64(0)
		read := func(session string) {
			r.read(0, offset, session, 1)
			offset++
		}
		for range 500 {
			read("one session") // only its first can be delivered
		}
		for range ahead - 2 {
			read("")
		}
		if b := bound(); b != BoundNone {
			t.Fatalf("paused at %q with %d ready", b, p.fresh.count)
		}
		read("")
		if b := bound(); b != boundAhead {
			t.Fatalf("paused at %q with %d ready", b, p.fresh.count)
		}
		for _, s := range r.e.Status().Partitions {
			if s.Paused != BoundNone {
				t.Errorf("%q is shown as a bound", s.Paused)
			}
		}

		deliver := func(n int) (open []*Delivery) {
			r.gate.add(n)
			return in.take()
		}
		for p.fresh.count > ahead/2+1 {
			deliver(1)[0].Done()
		}
		if p.paused != boundAhead {
			t.Fatalf("read on with %d ready", p.fresh.count)
		}
		for p.fresh.count > ahead/2 {
			deliver(1)[0].Done()
		}
		if p.paused != BoundNone {
			t.Fatalf("not read on with %d ready", p.fresh.count)
		}

		for p.fresh.count < ahead {
			read("")
		}
		if b := bound(); b != boundAhead {
			t.Fatalf("paused at %q with %d ready", b, p.fresh.count)
		}
		deliver(1)[0].AgainAt(time.Now().Add(time.Hour), Hold{})
		if p.paused != BoundNone {
			t.Fatal("not read on although a record waits for another try")
		}
		for p.count < 1000 {
			if b := bound(); b != BoundNone {
				t.Fatalf("paused at %q with %d ready, although a record waits for another try", b, p.fresh.count)
			}
			read("")
		}
		if b := bound(); b != BoundRecords {
			t.Fatalf("paused at %q with %d pending", b, p.count)
		}
	})
}
