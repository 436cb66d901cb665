package consumer

import (
	"testing"
	"time"

	"release-forwarder/consumer/membership"
)

// Added partitions make the others' shares smaller. Those pause, but none of their held records is
// evicted or counts as over half.
func TestAShareThatShrinksEvictsNothing(t *testing.T) {
	var in inbox
	inRig(t, 1, func(c *Config) { c.Handler, c.MaxPendingBytes = &in, 1<<20 }, func(r *rig) {
		r.gate.add(100)
		for o := range int64(30) { // 300 KiB of a share of 768 KiB
			r.read(0, o, "", 10<<10)
		}
		for _, d := range in.take() {
			d.AgainAt(time.Now().Add(time.Hour), Hold{Reason: "failed", Quota: "lot"})
		}
		var added []membership.Assignment
		for n := range int32(7) {
			added = append(added, membership.Assignment{Partition: membership.Partition{Topic: "events", Number: n + 1}})
		}
		owner{r.g}.Joined(membership.Identity{Member: "member", Generation: 2}, false)
		owner{r.g}.Assigned(added)
		if b := r.room(r.part(0)); b != BoundBytes {
			t.Errorf("paused by %q, want bytes: the share is 96 KiB", b)
		}
		r.read(0, 30, "", 1)
		more := in.take()
		for _, d := range more {
			if d.OverHalf || d.Evicted != "" {
				t.Errorf("offset %d: over half: %v, evicted: %q", d.Record.Offset, d.OverHalf, d.Evicted)
			}
			d.AgainAt(time.Now().Add(time.Hour), Hold{Reason: "failed", Quota: "lot"})
		}
		if n := len(in.take()); n > 0 || len(more) != 1 {
			t.Errorf("%d delivered, then %d, want the new one alone", len(more), n)
		}
	})
}
