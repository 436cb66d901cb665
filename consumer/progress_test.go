package consumer

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"release-forwarder/consumer/fetch"
)

// log is a naive model of one partition and of what became of its records: a log
// with gaps (markers, compaction), read by one owner after the other.
type log struct {
	record []bool // whether there is a record at the offset
	done   []bool // the truth
	// What the partition's owners know, kept by the model offset by offset.
	known []bool
}

// known must say done of nothing that is not, and of everything that is.
func (l *log) check(t *rapid.T, what string, from int64, k knowledge) {
	t.Helper()
	told := func(o int64) bool {
		return o < from || o < k.end && !slices.ContainsFunc(k.unfinished, func(s span) bool { return s.first <= o && o <= s.last })
	}
	for o := range int64(len(l.record)) {
		if !l.record[o] {
			continue
		}
		if told(o) && !l.done[o] {
			t.Fatalf("%s: offset %d counts as done and is not; watermark %d, %+v", what, o, from, k)
		}
		if !told(o) && l.known[o] {
			t.Fatalf("%s: offset %d is done and would be sent again; watermark %d, %+v", what, o, from, k)
		}
	}
	for i, s := range k.unfinished {
		if s.first > s.last || s.first < from || s.last >= k.end || i > 0 && s.first <= k.unfinished[i-1].last {
			t.Fatalf("%s: runs are out of order: %+v from %d", what, k, from)
		}
	}
}

func TestProgressAgreesWithANaiveModelOverSeveralOwners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 60).Draw(t, "size")
		l := &log{record: make([]bool, size), done: make([]bool, size), known: make([]bool, size)}
		for o := range l.record {
			l.record[o] = rapid.IntRange(0, 5).Draw(t, "record") > 0
		}
		committed, metadata := int64(0), ""
		for range rapid.IntRange(1, 5).Draw(t, "owners") {
			at := place{"cluster", "topic", 1, committed}
			k, err := decodeMetadata(at, metadata)
			if err != nil {
				t.Fatalf("what was committed cannot be read: %v", err)
			}
			p := newProgress(committed, k)
			// A new owner knows what the commit told.
			for o := range l.known {
				l.known[o] = l.record[o] && l.done[o] && (int64(o) < committed || int64(o) < k.end &&
					!slices.ContainsFunc(k.unfinished, func(s span) bool { return s.first <= int64(o) && int64(o) <= s.last }))
			}
			pending := map[int64]*Delivery{}
			for range rapid.IntRange(0, 80).Draw(t, "steps") {
				ownStep(t, l, &p, pending)
				own := p.knowledge()
				l.check(t, "knowledge", p.watermark(), own)
				l.check(t, "recollection", p.watermark(), p.recollect())
				if p.count != len(pending) {
					t.Fatalf("count %d, pending %d", p.count, len(pending))
				}
			}
			committed = p.watermark()
			var whole bool
			metadata, whole = encodeMetadata(place{"cluster", "topic", 1, committed}, p.knowledge())
			if !whole {
				t.Fatal("knowledge of 60 records does not fit")
			}
		}
	})
}

// A log may have been truncated behind the commit and written to again between two
// generations: another record at the place of one that was read is another record.
func TestWhatIsKeptOfARecordIsNotAnothers(t *testing.T) {
	read := func(p *progress, value string, at time.Time) *Delivery {
		d := &Delivery{Record: Record{Record: fetch.Record{Offset: 7, Timestamp: -1, Value: []byte(value)}}}
		d.anchor = anchorAt(&d.Record.Record)
		d.readAt(at)
		p.recall(d)
		p.add(d)
		return d
	}
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, own := range map[string]bool{"the same": true, "another": false} {
		before, after := newProgress(0, knowledge{}), newProgress(0, knowledge{})
		read(&before, "the same", begun).Note = "its verdict"
		after.memories = before.remember()
		d := read(&after, value, begun.Add(time.Hour))
		if (d.Note != nil) != own || d.Read.Equal(begun) != own {
			t.Errorf("%s record has the note %v, and was read at %s", value, d.Note, d.Read)
		}
	}
}

// Generations may end before all is read again: what is kept of the rest is kept on.
func TestWhatIsKeptOfRecordsOutlivesGenerationsThatDoNotReachThem(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var kept []memory
	hour := func(n int) time.Time { return begun.Add(time.Duration(n) * time.Hour) }
	// generation reads the records at offsets, in the n-th hour, and finishes some.
	generation := func(n int, offsets []int64, finished ...int64) {
		p := newProgress(0, knowledge{})
		p.memories = kept
		var read []*Delivery
		for _, o := range offsets {
			d := &Delivery{Record: Record{Record: fetch.Record{Offset: o, Timestamp: -1}}}
			d.readAt(hour(n))
			p.recall(d)
			p.add(d)
			if d.Note == nil {
				d.Note = o
			} else if d.Note != o {
				t.Fatalf("offset %d has the note of %v", o, d.Note)
			}
			read = append(read, d)
		}
		for _, d := range read {
			if slices.Contains(finished, d.Record.Offset) {
				p.finish(d)
			}
		}
		kept = p.remember()
	}
	generation(0, []int64{1, 2, 3, 5, 8}, 2)
	generation(1, []int64{1})
	generation(2, []int64{1, 3, 4}, 1) // 4 is new: it was aborted before, say
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

// ownStep reads a record, passes over a gap, or finishes a record.
func ownStep(t *rapid.T, l *log, p *progress, pending map[int64]*Delivery) {
	if rapid.Bool().Draw(t, "read") && p.position < int64(len(l.record)) {
		o := p.position
		switch {
		case !l.record[o]:
			p.advance(o + 1)
		case p.finishedBefore(o):
			if !l.done[o] || !l.known[o] {
				t.Fatalf("offset %d is passed over and was not done", o)
			}
			p.pass(&Delivery{Record: Record{Record: fetch.Record{Offset: o}}})
		default:
			if l.known[o] {
				t.Fatalf("offset %d is sent again although the commit told that it is done", o)
			}
			d := &Delivery{}
			d.Record.Offset = o
			p.add(d)
			pending[o] = d
		}
		return
	}
	if len(pending) == 0 {
		return
	}
	var open []int64
	for o := range pending {
		open = append(open, o)
	}
	slices.Sort(open)
	o := rapid.SampledFrom(open).Draw(t, "finish")
	before := ownRuns(p)
	p.finish(pending[o])
	delete(pending, o)
	l.done[o], l.known[o] = true, true
	if p.runs != ownRuns(p) {
		t.Fatalf("runs %d after finishing %d, want %d (before %d)", p.runs, o, ownRuns(p), before)
	}
}

// ownRuns counts the runs of the list as its comment defines them.
func ownRuns(p *progress) (n int) {
	for d := p.head; d != nil; d = d.next {
		if d == p.head || d.doneBefore {
			n++
		}
	}
	return n
}

func TestTheWatermarkPassesMarkersAndGaps(t *testing.T) {
	p := newProgress(10, knowledge{end: 10})
	d := &Delivery{}
	d.Record.Offset = 12 // 10 and 11 are markers
	p.add(d)
	p.advance(20) // and so are 13 to 19
	if w := p.watermark(); w != 12 {
		t.Errorf("watermark %d over an unfinished record at 12", w)
	}
	p.finish(d)
	if w := p.watermark(); w != 20 {
		t.Errorf("watermark %d, want 20: lag must reach 0", w)
	}
}
