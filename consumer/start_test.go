package consumer

import (
	"testing"

	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// Cached progress counts only on the cluster of its commit: an equal offset of another cluster names
// other records.
func TestACachedProgressCountsOnlyOnItsOwnCluster(t *testing.T) {
	for _, c := range []struct {
		name, cluster string
		want          int64 // the end of the knowledge
	}{{"the same cluster", "one", 50}, {"another cluster behind the same address, with an equal offset", "two", 0}} {
		t.Run(c.name, func(t *testing.T) {
			var in inbox
			inRig(t, 1, func(cfg *Config) { cfg.Handler = &in }, func(r *rig) {
				r.g.cluster = "one"
				p := r.part(0)
				p.facts.found(offsets.Commit{Offset: 0, Epoch: progress.UnknownEpoch}) // later commits were not accepted
				for o := range 50 {
					r.read(0, int64(o), "", 1)
				}
				for _, d := range in.take() {
					d.Done()
				}
				r.drain()
				r.revoke()
				r.join(1)
				r.g.cluster = c.cluster
				r.part(0).phase = starting
				r.g.begins(r.g.startAt(r.part(0), offsets.Commit{Offset: 0, Epoch: progress.UnknownEpoch}, wire.ID{}))
				if end, _ := r.part(0).Upper(); end != c.want {
					t.Errorf("offsets below %d count as done, want %d", end, c.want)
				}
			})
		})
	}
}
