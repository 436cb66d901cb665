package consumer

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"release-forwarder/consumer/fetch"
)

// log is a naive model of one partition and of what became of its records: a log
// with markers, read by one owner after the other, and truncated and written to again
// now and then.
type log struct {
	record []bool  // whether there is a record at the offset; else a marker
	epoch  []int32 // of what is there
	done   []bool  // the truth
	// What the partition's owners know, kept by the model offset by offset.
	known []bool
	next  int32 // the epoch of the next leader
}

// write grows the log by so many offsets.
func (l *log) write(t *rapid.T, n int) {
	for range n {
		if rapid.IntRange(0, 7).Draw(t, "a new leader") == 0 {
			l.next++
		}
		l.record = append(l.record, rapid.IntRange(0, 5).Draw(t, "record") > 0)
		l.epoch = append(l.epoch, l.next)
		l.done, l.known = append(l.done, false), append(l.known, false)
	}
}

// truncate makes the log another one from an offset on.
func (l *log) truncate(t *rapid.T, offset int64) {
	l.record, l.epoch, l.done, l.known = l.record[:offset], l.epoch[:offset], l.done[:offset], l.known[:offset]
	l.next++
	l.write(t, rapid.IntRange(0, 30).Draw(t, "written again"))
}

// below is the epoch of what lies below an offset.
func (l *log) below(offset int64) int32 {
	if offset == 0 {
		return unknownEpoch
	}
	return l.epoch[offset-1]
}

func tells(from int64, k knowledge, o int64) bool {
	return o < from || o < k.end && !slices.ContainsFunc(k.unfinished, func(s span) bool { return s.first <= o && o <= s.last })
}

// known must say done of nothing that is not, and of everything below an offset that is.
func (l *log) check(t *rapid.T, what string, from int64, k knowledge, upto int64) {
	t.Helper()
	for o := range int64(len(l.record)) {
		if !l.record[o] {
			continue
		}
		if tells(from, k, o) && !l.done[o] {
			t.Fatalf("%s: offset %d counts as done and is not; watermark %d, %+v", what, o, from, k)
		}
		if !tells(from, k, o) && l.known[o] && o < upto {
			t.Fatalf("%s: offset %d is done and would be sent again; watermark %d, %+v", what, o, from, k)
		}
	}
	for i, s := range k.unfinished {
		if s.first > s.last || s.first < from || s.last >= k.end || i > 0 && s.first <= k.unfinished[i-1].last {
			t.Fatalf("%s: runs are out of order: %+v from %d", what, k, from)
		}
		if i > 0 && i < len(k.epochs) && s.first == k.unfinished[i-1].last+1 {
			t.Fatalf("%s: one run is told as two: %+v", what, k)
		}
		if i < len(k.epochs) && k.epochs[i] != l.below(s.first) {
			t.Fatalf("%s: epoch %d below %d, want %d: %+v", what, k.epochs[i], s.first, l.below(s.first), k)
		}
	}
	if k.end < from || k.end > int64(len(l.record)) || k.endEpoch != l.below(k.end) {
		t.Fatalf("%s: from %d to %d of %d, epoch %d below, want %d", what, from, k.end, len(l.record), k.endEpoch, l.below(k.end))
	}
}

func TestProgressAgreesWithANaiveModelOverSeveralOwners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &log{}
		l.write(t, rapid.IntRange(1, 60).Draw(t, "size"))
		committed, metadata := int64(0), ""
		for range rapid.IntRange(1, 5).Draw(t, "owners") {
			at := commitKey{"cluster", "topic", topicID{}, 1, committed}
			k, err := decodeMetadata(at, metadata)
			if err != nil {
				t.Fatalf("what was committed cannot be read: %v", err)
			}
			// The version before told no epoch.
			old := k.end > committed && rapid.IntRange(0, 4).Draw(t, "by the version before") == 0
			if old {
				k.endEpoch = unknownEpoch
			}
			p := newProgress(committed, l.below(committed), k)
			// A new owner knows what the commit told.
			for o := range l.known {
				l.known[o] = l.record[o] && l.done[o] && tells(committed, k, int64(o))
			}
			pending := map[int64]*Delivery{}
			for range rapid.IntRange(0, 80).Draw(t, "steps") {
				ownStep(t, l, &p, pending)
				l.checkProgress(t, &p, old, len(pending))
			}
			committed = p.watermark()
			var whole bool
			metadata, whole = encodeMetadata(commitKey{"cluster", "topic", topicID{}, 1, committed}, p.knowledge())
			if !whole {
				t.Fatal("knowledge of 90 records does not fit")
			}
		}
	})
}

func (l *log) checkProgress(t *rapid.T, p *progress, old bool, pending int) {
	t.Helper()
	upto := int64(len(l.record))
	offset, epoch := p.upper()
	if offset != max(p.position, p.inheritedEnd) {
		t.Fatalf("the uppermost end is %d, of %+v", offset, p)
	}
	switch {
	case old && offset > p.position && epoch == unknownEpoch:
		// What cannot be verified at its end is not told on.
		if upto = p.position; p.knowledge().end > upto {
			t.Fatalf("%+v is told without an epoch", p.knowledge())
		}
	case epoch != l.below(offset):
		t.Fatalf("epoch %d below the uppermost end %d, want %d", epoch, offset, l.below(offset))
	}
	l.check(t, "knowledge", p.watermark(), p.knowledge(), upto)
	l.check(t, "cached progress", p.watermark(), p.toCache(), upto)
	if got, want := p.watermarkEpoch(), l.below(p.watermark()); got != want {
		t.Fatalf("epoch %d below the watermark %d, want %d", got, p.watermark(), want)
	}
	if p.count != pending {
		t.Fatalf("count %d, pending %d", p.count, pending)
	}
	if n := ownRuns(p); p.runs != n {
		t.Fatalf("runs %d, want %d", p.runs, n)
	}
}

// A log may have been truncated behind the commit and written to again between two
// generations: another record at the place of one that was read is another record.
func TestWhatIsKeptOfARecordIsNotAnothers(t *testing.T) {
	read := func(p *progress, epoch int32, at time.Time) *Delivery {
		d := &Delivery{Record: Record{Record: fetch.Record{Offset: 7, Timestamp: -1, Epoch: epoch}}}
		d.readAt(at)
		p.recall(d)
		p.add(d)
		return d
	}
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for epoch, own := range map[int32]bool{4: true, 5: false} {
		before, after := newProgress(0, unknownEpoch, knowledge{}), newProgress(0, unknownEpoch, knowledge{})
		read(&before, 4, begun).Note = "its verdict"
		after.memories = before.remember()
		d := read(&after, epoch, begun.Add(time.Hour))
		if (d.Note != nil) != own || d.Read.Equal(begun) != own {
			t.Errorf("the record of epoch %d has the note %v, and was read at %s", epoch, d.Note, d.Read)
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
		p := newProgress(0, unknownEpoch, knowledge{})
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

// ownStep reads a record, passes over a marker, finishes a record, or makes the log
// another one.
func ownStep(t *rapid.T, l *log, p *progress, pending map[int64]*Delivery) {
	switch what := rapid.IntRange(0, 12).Draw(t, "what"); {
	case what == 12:
		ownCut(t, l, p, pending)
	case what < 7 && p.position < int64(len(l.record)):
		ownRead(t, l, p, pending)
	default:
		ownFinish(t, l, p, pending)
	}
}

func ownRead(t *rapid.T, l *log, p *progress, pending map[int64]*Delivery) {
	o := p.position
	d := &Delivery{}
	d.Record.Offset, d.Record.Epoch = o, l.epoch[o]
	switch {
	case !l.record[o]:
		p.advance(o+1, l.epoch[o])
	case p.finishedBefore(o):
		if !l.done[o] || !l.known[o] {
			t.Fatalf("offset %d is passed over and was not done", o)
		}
		p.pass(d)
	default:
		if l.known[o] {
			t.Fatalf("offset %d is sent again although the commit told that it is done", o)
		}
		p.add(d)
		pending[o] = d
	}
}

// ownCut truncates the log behind the last unfinished record, or where nothing is known.
func ownCut(t *rapid.T, l *log, p *progress, pending map[int64]*Delivery) {
	at := rapid.Int64Range(0, int64(len(l.record))).Draw(t, "truncated")
	n := 0
	for o := range pending {
		if o >= at {
			n++
		}
	}
	if got := p.unfinishedFrom(at); got != n {
		t.Fatalf("%d are unfinished from %d on, want %d", got, at, n)
	}
	if n > 0 {
		return // they are finished first
	}
	position := p.position
	l.truncate(t, at)
	p.cut(at, l.below(at))
	if want := min(position, at); p.position != want {
		t.Fatalf("cut at %d: reading goes on at %d, want %d", at, p.position, want)
	}
	if p.inheritedEnd > at {
		t.Fatalf("cut at %d: %d are done by the owner before", at, p.inheritedEnd)
	}
}

func ownFinish(t *rapid.T, l *log, p *progress, pending map[int64]*Delivery) {
	if len(pending) == 0 {
		return
	}
	var open []int64
	for o := range pending {
		open = append(open, o)
	}
	slices.Sort(open)
	o := rapid.SampledFrom(open).Draw(t, "finish")
	p.finish(pending[o])
	delete(pending, o)
	l.done[o], l.known[o] = true, true
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
	p := newProgress(10, unknownEpoch, knowledge{end: 10})
	d := &Delivery{}
	d.Record.Offset = 12 // 10 and 11 are markers
	p.add(d)
	p.advance(20, 3) // and so are 13 to 19
	if w := p.watermark(); w != 12 {
		t.Errorf("watermark %d over an unfinished record at 12", w)
	}
	p.finish(d)
	if w := p.watermark(); w != 20 {
		t.Errorf("watermark %d, want 20: lag must reach 0", w)
	}
	if e := p.watermarkEpoch(); e != 3 {
		t.Errorf("epoch %d, want the last marker's: another one's end lies below 20", e)
	}
}

// What is kept of records that are no more is not given to those that took their places.
func TestACutForgetsWhatIsKeptOfRecordsBehindIt(t *testing.T) {
	p := newProgress(0, unknownEpoch, knowledge{})
	for _, o := range []int64{1, 3, 5, 8} {
		p.memories = append(p.memories, memory{offset: o, note: o})
	}
	kept := p.memories
	p.cut(5, 2)
	if len(p.memories) != 2 || p.memories[1].offset != 3 {
		t.Errorf("%+v are kept, want those of 1 and 3", p.memories)
	}
	if kept[2].note != nil || kept[3].note != nil {
		t.Error("what is forgotten keeps its memory")
	}
	if p.cut(0, unknownEpoch); p.memories != nil {
		t.Errorf("%+v are kept of a log that is gone", p.memories)
	}
}
