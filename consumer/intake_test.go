package consumer

import (
	"io"
	"testing"
	"time"
	"unsafe"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/wire"
)

// The commit is at the first unfinished record. If a marker of a later leader lies right below it,
// the commit's epoch is the marker's. With the epoch of the record before, the leader would answer
// that this epoch ended earlier, and the log would seem to part.
func TestTheEpochOfACommitIsThatOfWhatLiesRightBelow(t *testing.T) {
	var in inbox
	inRig(t, 1, func(cfg *Config) { cfg.Handler = &in }, func(r *rig) {
		p := r.part(0)
		first := newDelivery(p, fetch.Record{Offset: 0, Epoch: 3}, time.Now())
		second := newDelivery(p, fetch.Record{Offset: 2, Epoch: 5}, time.Now())
		second.progress.Before = 4 // of a marker at offset 1
		r.g.add(p, []*Delivery{first, second}, []string{"a", "b"}, BoundNone, nil, io.EOF, 4, 6)
		in.take()[0].Done()
		if at, epoch := p.Watermark(), p.WatermarkEpoch(); at != 2 || epoch != 4 {
			t.Errorf("watermark %d, epoch %d below; want 2 and 4", at, epoch)
		}
		if at, epoch := p.Upper(); at != 4 || epoch != 6 {
			t.Errorf("read up to %d, epoch %d below; want 4 and 6, of the marker at 3", at, epoch)
		}
	})
}

// A commit's epoch is the one below its offset. Its metadata's epoch is the one below the upper
// end of its runs. Runs without an epoch do not count.
func TestAPartitionStartsWithTheEpochsOfItsCommit(t *testing.T) {
	inRig(t, 1, nil, func(r *rig) {
		p := r.part(0)
		run := []progress.Range{{First: 7, Last: 7}}
		for name, c := range map[string]struct {
			k         progress.Knowledge
			end       int64
			watermark int32
			upper     int32
		}{
			"nothing beyond it is done": {progress.Knowledge{End: 7, EndEpoch: 3}, 7, 3, 3},
			"something is":              {progress.Knowledge{End: 9, EndEpoch: 4, Unfinished: run}, 9, 3, 4},
			"of an epoch nobody knows":  {progress.Knowledge{End: 9, EndEpoch: progress.UnknownEpoch, Unfinished: run}, 7, 3, 3},
		} {
			metadata, _ := progress.Encode(p.commitKey(7), c.k)
			s := r.g.startAt(p, offsets.Commit{Offset: 7, Epoch: 3, Metadata: metadata}, wire.ID{})
			end, upper := s.at.Upper()
			if s.at.WatermarkEpoch() != c.watermark || end != c.end || upper != c.upper {
				t.Errorf("%s: epoch %d below the commit, %d below the upper end %d; want %d, %d and %d", name, s.at.WatermarkEpoch(), upper, end, c.watermark, c.upper, c.end)
			}
		}
	})
}

// With one more word each unfinished record would take 64 bytes more: Go's next size class.
func TestADeliveryStaysWithinItsSizeOfMemory(t *testing.T) {
	const most = 576 - 8 // Go's own word
	if size := unsafe.Sizeof(Delivery{}); size > most {
		t.Errorf("%d bytes, want at most %d", size, most)
	}
}
