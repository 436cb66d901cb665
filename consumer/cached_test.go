package consumer

import (
	"slices"
	"testing"
	"time"

	"release-forwarder/consumer/fetch"
)

// Between two generations a log may be truncated above the commit and written again. A record
// with another epoch at the same offset is another record.
func TestWhatIsKeptOfARecordIsNotAnothers(t *testing.T) {
	read := func(p *partition, epoch int32, at time.Time) *Delivery {
		d := newDelivery(p, fetch.Record{Offset: 7, Timestamp: -1, Epoch: epoch}, at)
		p.memories.recall(d)
		p.Add(&d.progress)
		return d
	}
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for epoch, own := range map[int32]bool{4: true, 5: false} {
		before, after := &partition{engine: &Engine{}}, &partition{engine: &Engine{}}
		read(before, 4, begun).Note = "its verdict"
		after.memories = before.remember()
		d := read(after, epoch, begun.Add(time.Hour))
		if (d.Note != nil) != own || d.Read.Equal(begun) != own {
			t.Errorf("the record of epoch %d has the note %v, and was read at %s", epoch, d.Note, d.Read)
		}
	}
}

// A generation may end before all is read again. What is kept of the rest stays kept.
func TestWhatIsKeptOfRecordsOutlivesGenerationsThatDoNotReachThem(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var kept []memory
	hour := func(n int) time.Time { return begun.Add(time.Duration(n) * time.Hour) }
	// generation reads the records at offsets in hour n, and finishes some.
	generation := func(n int, offsets []int64, finished ...int64) {
		p := &partition{engine: &Engine{}, delivering: delivering{memories: kept}}
		var read []*Delivery
		for _, o := range offsets {
			d := newDelivery(p, fetch.Record{Offset: o, Timestamp: -1}, hour(n))
			p.memories.recall(d)
			p.Add(&d.progress)
			if d.Note == nil {
				d.Note = o
			} else if d.Note != o {
				t.Fatalf("offset %d has the note of %v", o, d.Note)
			}
			read = append(read, d)
		}
		for _, d := range read {
			if slices.Contains(finished, d.Record.Offset) {
				p.Finish(&d.progress)
			}
		}
		kept = p.remember()
	}
	generation(0, []int64{1, 2, 3, 5, 8}, 2)
	generation(1, []int64{1})
	generation(2, []int64{1, 3, 4}, 1) // 4 is new
	generation(3, []int64{3, 8, 9})    // 5 is gone
	want := map[int64]time.Time{3: hour(0), 8: hour(0), 9: hour(3)}
	if len(kept) != len(want) {
		t.Errorf("%d are kept, want %d", len(kept), len(want))
	}
	for _, m := range kept {
		if !m.read.Equal(want[m.offset]) || m.note != m.offset {
			t.Errorf("offset %d was read at %s, note %v", m.offset, m.read, m.note)
		}
	}
}

// A record does not get what was kept of another one that had its offset before the cut.
func TestACutForgetsWhatIsKeptOfRecordsBehindIt(t *testing.T) {
	p := &partition{}
	for _, o := range []int64{1, 3, 5, 8} {
		p.memories = append(p.memories, memory{offset: o, note: o})
	}
	kept := p.memories
	p.memories.cut(5)
	if len(p.memories) != 2 || p.memories[1].offset != 3 {
		t.Errorf("%+v are kept, want those of 1 and 3", p.memories)
	}
	if kept[2].note != nil || kept[3].note != nil {
		t.Error("what is forgotten keeps its memory")
	}
	if p.memories.cut(0); p.memories != nil {
		t.Errorf("%+v are kept of a log that is gone", p.memories)
	}
}
