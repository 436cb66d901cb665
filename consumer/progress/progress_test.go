package progress

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// log is a naive model of one partition and of its records: a log with markers, read by one owner after the
// other, truncated and written to again now and then.
type log struct {
	record []bool  // whether there is a record at the offset; else a marker
	epoch  []int32 // of what is there
	done   []bool  // the truth
	// What the partition's owners know, kept by the model offset by offset.
	known []bool
	next  int32 // the epoch of the next leader
}

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
		return UnknownEpoch
	}
	return l.epoch[offset-1]
}

func tells(from int64, k Knowledge, o int64) bool {
	return o < from || o < k.End && !slices.ContainsFunc(k.Unfinished, func(s Range) bool { return s.First <= o && o <= s.Last })
}

// check: k says finished of nothing that is not, and of all below upto that is.
func (l *log) check(t *rapid.T, what string, from int64, k Knowledge, upto int64) {
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
	for i, s := range k.Unfinished {
		if s.First > s.Last || s.First < from || s.Last >= k.End || i > 0 && s.First <= k.Unfinished[i-1].Last {
			t.Fatalf("%s: runs are out of order: %+v from %d", what, k, from)
		}
		if i > 0 && i < len(k.epochs) && s.First == k.Unfinished[i-1].Last+1 {
			t.Fatalf("%s: one run is told as two: %+v", what, k)
		}
		if i < len(k.epochs) && k.epochs[i] != l.below(s.First) {
			t.Fatalf("%s: epoch %d below %d, want %d: %+v", what, k.epochs[i], s.First, l.below(s.First), k)
		}
	}
	if k.End < from || k.End > int64(len(l.record)) || k.EndEpoch != l.below(k.End) {
		t.Fatalf("%s: from %d to %d of %d, epoch %d below, want %d", what, from, k.End, len(l.record), k.EndEpoch, l.below(k.End))
	}
}

func TestProgressAgreesWithANaiveModelOverSeveralOwners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &log{}
		l.write(t, rapid.IntRange(1, 60).Draw(t, "size"))
		committed, metadata := int64(0), ""
		for range rapid.IntRange(1, 5).Draw(t, "owners") {
			at := CommitKey{"cluster", "topic", topicID{}, 1, committed}
			k, err := Decode(at, metadata)
			if err != nil {
				t.Fatalf("what was committed cannot be read: %v", err)
			}
			// The version before wrote no epoch.
			old := k.End > committed && rapid.IntRange(0, 4).Draw(t, "by the version before") == 0
			if old {
				k.EndEpoch = UnknownEpoch
			}
			p := New[int64](committed, l.below(committed), k)
			// A new owner knows what the commit says.
			for o := range l.known {
				l.known[o] = l.record[o] && l.done[o] && tells(committed, k, int64(o))
			}
			pending := map[int64]*Item[int64]{}
			for range rapid.IntRange(0, 80).Draw(t, "steps") {
				ownStep(t, l, &p, pending)
				l.checkProgress(t, &p, old, len(pending))
			}
			committed = p.Watermark()
			var whole bool
			metadata, whole = Encode(CommitKey{"cluster", "topic", topicID{}, 1, committed}, p.Knowledge())
			if !whole {
				t.Fatal("knowledge of 90 records does not fit")
			}
		}
	})
}

func (l *log) checkProgress(t *rapid.T, p *Progress[int64], old bool, pending int) {
	t.Helper()
	upto := int64(len(l.record))
	offset, epoch := p.Upper()
	if offset != max(p.position, p.inheritedEnd) {
		t.Fatalf("the uppermost end is %d, of %+v", offset, p)
	}
	switch {
	case old && offset > p.position && epoch == UnknownEpoch:
		// What cannot be verified at its end is not passed on.
		if upto = p.position; p.Knowledge().End > upto {
			t.Fatalf("%+v is told without an epoch", p.Knowledge())
		}
	case epoch != l.below(offset):
		t.Fatalf("epoch %d below the uppermost end %d, want %d", epoch, offset, l.below(offset))
	}
	l.check(t, "knowledge", p.Watermark(), p.Knowledge(), upto)
	l.check(t, "cached progress", p.Watermark(), p.Whole(), upto)
	if got, want := p.WatermarkEpoch(), l.below(p.Watermark()); got != want {
		t.Fatalf("epoch %d below the watermark %d, want %d", got, p.Watermark(), want)
	}
	if p.count != pending {
		t.Fatalf("count %d, pending %d", p.count, pending)
	}
	if n := ownRuns(p); p.runs != n {
		t.Fatalf("runs %d, want %d", p.runs, n)
	}
}

// ownStep reads a record, passes a marker, finishes a record, or makes the log another one.
func ownStep(t *rapid.T, l *log, p *Progress[int64], pending map[int64]*Item[int64]) {
	switch what := rapid.IntRange(0, 12).Draw(t, "what"); {
	case what == 12:
		ownCut(t, l, p, pending)
	case what < 7 && p.position < int64(len(l.record)):
		ownRead(t, l, p, pending)
	default:
		ownFinish(t, l, p, pending)
	}
}

func ownRead(t *rapid.T, l *log, p *Progress[int64], pending map[int64]*Item[int64]) {
	o := p.position
	d := &Item[int64]{}
	d.Offset, d.Epoch = o, l.epoch[o]
	switch {
	case !l.record[o]:
		p.Advance(o+1, l.epoch[o])
	case p.FinishedBefore(o):
		if !l.done[o] || !l.known[o] {
			t.Fatalf("offset %d is passed over and was not done", o)
		}
		p.Pass(o, l.epoch[o])
	default:
		if l.known[o] {
			t.Fatalf("offset %d is sent again although the commit told that it is done", o)
		}
		p.Add(d)
		pending[o] = d
	}
}

// ownCut truncates the log behind the last unfinished record, or where nothing is known.
func ownCut(t *rapid.T, l *log, p *Progress[int64], pending map[int64]*Item[int64]) {
	at := rapid.Int64Range(0, int64(len(l.record))).Draw(t, "truncated")
	n := 0
	for o := range pending {
		if o >= at {
			n++
		}
	}
	if got := p.UnfinishedFrom(at); got != n {
		t.Fatalf("%d are unfinished from %d on, want %d", got, at, n)
	}
	if n > 0 {
		return // they are finished first
	}
	position := p.position
	l.truncate(t, at)
	p.Cut(at, l.below(at))
	if want := min(position, at); p.position != want {
		t.Fatalf("cut at %d: reading goes on at %d, want %d", at, p.position, want)
	}
	if p.inheritedEnd > at {
		t.Fatalf("cut at %d: %d are done by the owner before", at, p.inheritedEnd)
	}
}

func ownFinish(t *rapid.T, l *log, p *Progress[int64], pending map[int64]*Item[int64]) {
	if len(pending) == 0 {
		return
	}
	var open []int64
	for o := range pending {
		open = append(open, o)
	}
	slices.Sort(open)
	o := rapid.SampledFrom(open).Draw(t, "finish")
	p.Finish(pending[o])
	delete(pending, o)
	l.done[o], l.known[o] = true, true
}

// ownRuns counts the runs of the list as its comment defines them.
func ownRuns(p *Progress[int64]) (n int) {
	for d := p.head; d != nil; d = d.next {
		if d == p.head || d.doneBefore {
			n++
		}
	}
	return n
}

func TestTheWatermarkPassesMarkersAndGaps(t *testing.T) {
	p := New[int64](10, UnknownEpoch, Knowledge{End: 10})
	d := &Item[int64]{}
	d.Offset = 12 // 10 and 11 are markers
	p.Add(d)
	p.Advance(20, 3) // so are 13 to 19
	if w := p.Watermark(); w != 12 {
		t.Errorf("watermark %d over an unfinished record at 12", w)
	}
	p.Finish(d)
	if w := p.Watermark(); w != 20 {
		t.Errorf("watermark %d, want 20: lag must reach 0", w)
	}
	if e := p.WatermarkEpoch(); e != 3 {
		t.Errorf("epoch %d, want the last marker's: another one's end lies below 20", e)
	}
}

// As long as Fits, open records may finish in any order and all that is then known is written.
func TestWhatIsOpenFitsInWhateverOrderItFinishes(t *testing.T) {
	for seed := range uint64(64) {
		random := rand.New(rand.NewPCG(seed, 0))
		k, ordered := Nothing(0, 0), seed%2 == 0
		for n := range seed % 4 * 240 { // which the previous owner left
			k.Unfinished = append(k.Unfinished, Range{int64(1<<40 + 400*n), int64(1<<40 + 199 + 400*n)})
			k.End = int64(1<<40 + 400 + 400*n)
		}
		apart := []int64{1, 2, 1 << 7, 1 << 14}[seed/4%4] // others' records or markers lie between
		p := New[int64](0, 0, k)
		var closed, open []*Item[int64]
		for range 4000 {
			r := &Item[int64]{Offset: p.Position() + random.Int64N(apart)}
			p.Add(r)
			closed = append(closed, r)
		}
		if !ordered {
			random.Shuffle(len(closed), func(i, j int) { closed[i], closed[j] = closed[j], closed[i] })
		}
		check := func() {
			t.Helper()
			if _, whole := Encode(CommitKey{Offset: p.Watermark()}, p.Knowledge()); !whole {
				t.Fatalf("seed %d: %d runs, %d open, and not all is told", seed, p.Runs(), len(open))
			}
		}
		for range 10 {
			for p.Fits() && len(closed) > 0 {
				p.Opened(closed[0])
				open, closed = append(open, closed[0]), closed[1:]
			}
			// Every other one makes most gaps; then some of the rest close gaps.
			slices.SortFunc(open, func(a, b *Item[int64]) int { return cmp.Compare(a.Offset, b.Offset) })
			var left []*Item[int64]
			for i, r := range open {
				if i%2 == 1 || random.IntN(8) == 0 {
					left = append(left, r)
					continue
				}
				p.Closed(r)
				p.Finish(r)
			}
			open = left
			check()
			random.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
			for range len(open) / 2 {
				p.Closed(open[0])
				p.Finish(open[0])
				open = open[1:]
			}
			check()
		}
	}
}
