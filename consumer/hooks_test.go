package consumer

import (
	"testing"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
)

// A hook may call the engine. It is called without the lock, also for an event under the lock, and
// before the code after the unlock goes on.
func TestHooksAreCalledWithoutTheLock(t *testing.T) {
	for name, happens := range map[string]func(r *rig, p *partition){
		"retention took records":          func(r *rig, p *partition) { r.g.dropped(p, 7) },
		"the log is another one":          func(r *rig, p *partition) { r.g.part(p, parting{at: 3, another: true}) },
		"a large record is gone":          func(r *rig, p *partition) { r.e.loaded(r.large(p), fetch.Record{}, errGone) },
		"what was cached is not verified": func(r *rig, p *partition) { r.g.forgetUnverified(p) },
		"a commit's metadata is foreign":  func(r *rig, p *partition) { r.g.ignored(p, offsets.Commit{}) },
	} {
		t.Run(name, func(t *testing.T) {
			told, held := 0, false
			var r *rig
			hook := func() {
				if told++; held {
					t.Error("called with the lock held")
					return
				}
				r.e.Status()
			}
			inRig(t, 1, func(c *Config) {
				c.Handler, c.Wire = &inbox{}, away{}
				c.Hooks.MetadataIgnored, c.Hooks.Dropped = hook, func(string, int32, int64) { hook() }
			}, func(own *rig) {
				r = own
				p := r.part(0)
				p.Progress = progress.New[*Delivery](5, progress.UnknownEpoch, progress.Nothing(9, progress.UnknownEpoch))
				r.e.mu.Lock()
				held = true
				happens(r, p)
				held = false
				r.e.mu.Unlock()
				if told == 0 {
					t.Error("not told when the lock was given up")
				}
			})
		})
	}
}

// large is a large record of a partition that is being loaded.
func (r *rig) large(p *partition) *Delivery {
	d := newDelivery(p, fetch.Record{Offset: 5, Value: make([]byte, 2<<20)}, p.began)
	p.join(d, "")
	p.Load(&d.queued)
	r.e.large = d
	return d
}
