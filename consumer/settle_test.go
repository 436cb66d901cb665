package consumer

import "testing"

// A settling record has neither slot nor order key, and only the commit waits for it.
func TestADeliveredRecordHoldsUpTheCommitAlone(t *testing.T) {
	b := &inbox{}
	inRig(t, 1, func(c *Config) { c.Handler = b }, func(r *rig) {
		r.read(0, 0, "a", 10)
		r.read(0, 1, "a", 10)
		first := b.take()[0]
		first.Delivered()
		if n := r.gate.taken(); n != 0 {
			r.t.Errorf("%d slots are taken", n)
		}
		next := b.take()
		if len(next) != 1 || next[0].Record.Offset != 1 {
			r.t.Fatalf("the next record of the order key is not delivered: %v", next)
		}
		if first.Record.Value != nil {
			r.t.Error("its bytes are kept")
		}
		next[0].Done()
		if w, s := r.part(0).Watermark(), r.e.Status(); w != 0 || s.Settling != 1 || s.Open != 0 {
			r.t.Errorf("the commit is at %d, %d settle, %d are open", w, s.Settling, s.Open)
		}
		first.Done()
		if w, s := r.part(0).Watermark(), r.e.Status(); w != 2 || s.Settling != 0 || s.Pending != 0 {
			r.t.Errorf("the commit is at %d, %d settle, %d are unfinished", w, s.Settling, s.Pending)
		}
	})
}

// Settling records count for the bounds of unfinished records, by number and by bytes.
func TestSettlingRecordsCountForTheBounds(t *testing.T) {
	for bound, change := range map[Bound]func(*Config){
		BoundRecords: func(c *Config) { c.MaxPending = 3 },
		BoundBytes:   func(c *Config) { c.MaxPendingBytes = 4 * (recordOverhead + settlingOverhead) },
	} {
		t.Run(string(bound), func(t *testing.T) {
			b := &inbox{}
			inRig(t, 1, func(c *Config) { c.Handler = b; change(c) }, func(r *rig) {
				p := r.part(0)
				p.allotted = 100
				for n, want := range []Bound{BoundNone, BoundNone, bound} {
					r.read(0, int64(n), "", 0)
					b.take()[0].Delivered()
					if got := r.room(p); got != want {
						r.t.Fatalf("after %d reading is paused by %q", n+1, got)
					}
				}
				p.First().Done()
				if got := r.room(p); got != BoundNone {
					r.t.Errorf("reading is still paused by %q", got)
				}
			})
		})
	}
}

// A drain waits for settling records. At its limit one that is left is not finished, and what is kept of it comes
// back with the partition.
func TestADrainWaitsForSettlingRecords(t *testing.T) {
	b := &inbox{}
	inRig(t, 1, func(c *Config) { c.Handler = b }, func(r *rig) {
		r.read(0, 0, "a", 10)
		r.read(0, 1, "b", 10)
		for _, d := range b.take() {
			d.Note = d.Record.Offset
			d.Delivered()
			end := []func(){d.Leave, d.Done}[d.Record.Offset]
			go func() { <-d.part.ctx.Done(); end() }()
		}
		p := r.part(0)
		if left := r.drain(); left != 2 {
			r.t.Errorf("%d were cut", left)
		}
		kept := p.remember()
		if w := p.Watermark(); w != 0 || len(kept) != 1 || kept[0].note != int64(0) {
			r.t.Errorf("the commit is at %d, kept is %v", w, kept)
		}
	})
}

// Several records are settled at once, as each alone is; one that was left meanwhile stays unfinished.
func TestSettledFinishesAllOfThem(t *testing.T) {
	b := &inbox{}
	inRig(t, 1, func(c *Config) { c.Handler = b }, func(r *rig) {
		for n := range int64(4) {
			r.read(0, n, "", 10)
		}
		all := b.take()
		for _, d := range all {
			d.Delivered()
		}
		all[2].Leave()
		Settled(all)
		if w, s := r.part(0).Watermark(), r.e.Status(); w != 2 || s.Settling != 0 || s.Pending != 1 || !r.part(0).member.dirty {
			r.t.Errorf("the commit is at %d, %d settle, %d are unfinished", w, s.Settling, s.Pending)
		}
	})
}
