package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/consumer/queue"
)

// shelf is a rig whose workers wait at the gate: ready records stay ready until the test adds slots.
type shelf struct {
	*rig
	in     *inbox
	offset map[*partition]int64
}

// What 64 workers have ready, by aheadPerWorker and leastAhead.
const (
	allReady  = 16 * 64
	inAnyCase = 8
)

func onShelf(t *testing.T, partitions int, test func(s *shelf)) {
	t.Helper()
	onShelfWith(t, partitions, 4096, test)
}

func onShelfWith(t *testing.T, partitions, maxPending int, test func(s *shelf)) {
	t.Helper()
	in := &inbox{}
	inRig(t, partitions, func(c *Config) { c.Handler, c.MaxPending, c.MaxPendingBytes = in, maxPending, 1<<30 }, func(r *rig) {
		r.e.cfg.Workers = 64
		r.gate.free, r.gate.manual = 0, true
		test(&shelf{r, in, map[*partition]int64{}})
	})
}

// read reads on in a partition, one of among in an answer, while there is room.
func (s *shelf) read(p *partition, among int) (n int) {
	s.e.mu.Lock()
	s.g.allot(p, among)
	s.e.mu.Unlock()
	for ; s.room(p) == BoundNone; n++ {
		s.rig.read(int(p.Number), s.offset[p], "", 1)
		s.offset[p]++
	}
	return n
}

// all reads an answer that has more records of each partition than there is room for.
func (s *shelf) all() {
	left := len(s.g.parts)
	for n := range s.g.parts {
		s.read(s.g.parts[n], left)
		left--
	}
}

// deliver adds n slots and returns the deliveries.
func (s *shelf) deliver(n int) []*Delivery {
	s.gate.add(n)
	return s.in.take()
}

// takeOf opens the next delivery of one partition out of turn.
func (s *shelf) takeOf(p *partition) {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.e.open(p.choose(false), true)
	s.e.unpause(p)
}

func (s *shelf) paused() (n int) {
	for _, p := range s.g.parts {
		if p.paused != BoundNone {
			n++
		}
	}
	return n
}

func TestOneBacklogAmongIdlePartitionsIsReadAheadForAllWorkers(t *testing.T) {
	for _, partitions := range []int{1, 10, 100, 1000} {
		onShelf(t, partitions, func(s *shelf) {
			if n := s.read(s.part(0), 1); n != allReady {
				t.Errorf("%d partitions: %d records are ready of the one that has any, want %d", partitions, n, allReady)
			}
		})
	}
}

func TestManyBacklogsTogetherAreReadAheadAsFarAsOne(t *testing.T) {
	for _, partitions := range []int{2, 6, 10, 100, 1000} {
		onShelf(t, partitions, func(s *shelf) {
			s.all()
			total, least, most := 0, allReady, 0
			for _, p := range s.g.parts {
				n := p.Count(queue.Fresh)
				total, least, most = total+n, min(least, n), max(most, n)
			}
			if bound := max(allReady, inAnyCase*partitions); total > bound || total < allReady-partitions {
				t.Errorf("%d partitions have %d records ready, want %d at most and hardly less than %d", partitions, total, bound, allReady)
			}
			if most > least+1 {
				t.Errorf("%d partitions have between %d and %d records ready, want the same", partitions, least, most)
			}
			if s.g.ready != total {
				t.Errorf("counted %d, there are %d", s.g.ready, total)
			}
		})
	}
}

func TestReadingGoesOnForAllPartitionsAtOnceWhenHalfIsLeft(t *testing.T) {
	const partitions = 4
	onShelf(t, partitions, func(s *shelf) {
		s.all()
		for n := allReady; n > allReady/2+1; n-- {
			s.deliver(1)[0].Done()
		}
		if n := s.paused(); n != partitions {
			t.Fatalf("%d partitions read on with %d ready", partitions-n, s.g.ready)
		}
		s.deliver(1)
		if n := s.paused(); n != 0 {
			t.Fatalf("%d partitions do not read on with %d ready", n, s.g.ready)
		}
	})
}

// This includes a partition whose part was allotted when each part was smaller.
func TestAPartitionThatHasItsPartStillReadsOnWhenHalfIsLeft(t *testing.T) {
	const partitions = 100
	onShelf(t, partitions, func(s *shelf) {
		full, has := s.part(0), s.part(1)
		s.read(full, 1)
		s.read(has, 1)
		for s.g.ready > allReady/2+1 {
			s.takeOf(full)
		}
		if has.paused != boundAhead {
			t.Fatalf("read on with %d ready", s.g.ready)
		}
		s.takeOf(full)
		if has.paused != BoundNone {
			t.Errorf("not read on with %d ready, of which it has %d", s.g.ready, has.Count(queue.Fresh))
		}
	})
}

// Otherwise the workers would have fewer records than they need.
func TestASmallBoundOfEachPartitionIsNoneForAllTogether(t *testing.T) {
	const partitions, most = 6, 20
	onShelfWith(t, partitions, most, func(s *shelf) {
		s.all()
		if s.g.ready != partitions*most {
			t.Errorf("%d are ready of %d partitions, want the %d that each may have pending", s.g.ready, partitions, most)
		}
	})
}

// Records that must not be delivered now must not use up what the other partitions may have.
func TestWhatIsReadyAtTheBoundOfGapsIsNotCounted(t *testing.T) {
	onShelf(t, 2, func(s *shelf) {
		p := s.part(0)
		s.read(p, 1)
		s.e.mu.Lock()
		defer s.e.mu.Unlock()
		p.gapBound = true
		s.g.recount(p)
		if s.g.ready != 0 {
			t.Errorf("counted %d", s.g.ready)
		}
		p.gapBound = false
		s.g.recount(p)
		if s.g.ready != allReady {
			t.Errorf("counted %d when it may be delivered again, want %d", s.g.ready, allReady)
		}
	})
}

func TestAPartitionIsAskedForAsManyBytesAsItHasRoomFor(t *testing.T) {
	onShelf(t, 100, func(s *shelf) {
		p := s.part(0)
		for _, c := range []struct {
			name  string
			size  int // of a record
			batch int64
			want  int32
		}{
			{"nothing is known of it: its share of an answer", 0, 0, 1 << 20},
			{"small records", 50, 0, allReady * 50},
			{"so small ones that there is a least", 1, 0, 4 << 10},
			{"so large ones that there is a most", 100 << 10, 0, 1 << 20},
			{"a batch that is larger", 1, 300 << 10, 300 << 10},
		} {
			p.size, p.batch = c.size, c.batch
			if got := s.g.fetchRequest(fetchFrom{broker: 1}, []*partition{p}, 0).Partitions[0].MaxBytes; got != c.want {
				t.Errorf("%s: asked for %d bytes, want %d", c.name, got, c.want)
			}
		}
		other := s.part(1)
		for ; s.offset[other] < 10; s.offset[other]++ {
			s.rig.read(1, s.offset[other], "", 420)
		}
		if got, want := s.g.fetchRequest(fetchFrom{broker: 1}, []*partition{other}, 0).Partitions[0].MaxBytes, int32(500*(allReady-10)); got != want {
			t.Errorf("after ten records of 420 bytes: asked for %d bytes, want %d: 80 more for each, and no room for the ten", got, want)
		}
	})
}

// Each look shows the bound that pauses reading at that time.
func TestTheBoundThatIsShownIsTheOneThatPausesNow(t *testing.T) {
	onShelf(t, 1, func(s *shelf) {
		p := s.part(0)
		s.read(p, 1)
		d := s.deliver(1)[0]
		d.AgainAt(time.Now().Add(time.Hour), Hold{})
		if s.read(p, 1); p.paused != BoundRecords {
			t.Fatalf("paused at %q", p.paused)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		for p.Blocked().Records > 0 {
			s.deliver(1)[0].Done()
		}
		if p.paused != boundAhead {
			t.Errorf("paused at %q with %d pending of which none waits, want %q", p.paused, p.Len(), boundAhead)
		}
	})
	onShelf(t, 1, func(s *shelf) {
		p := s.part(0)
		for ; s.offset[p] < 3200; s.offset[p]++ {
			s.rig.read(0, s.offset[p], "one order key", 1)
		}
		if s.read(p, 1); p.paused != BoundRecords {
			t.Fatalf("paused at %q", p.paused)
		}
		for range 2 { // the record of the order key, then another one
			s.deliver(1)[0].Done()
		}
		if p.paused != boundAhead {
			t.Errorf("paused at %q with %d pending and %d ready, want %q", p.paused, p.Len(), p.Count(queue.Fresh), boundAhead)
		}
	})
}

// It does so whatever the others have ready. Otherwise it would wait for all their records.
func TestAPartitionWithHardlyAnythingReadyReadsOnAtOnce(t *testing.T) {
	const partitions = 10
	onShelf(t, partitions, func(s *shelf) {
		late, full := s.part(0), s.part(1)
		s.read(full, 1)
		if n := s.read(late, 1); n != allReady/partitions {
			t.Fatalf("%d are ready beside a full one, want %d, its share", n, allReady/partitions)
		}
		for late.Count(queue.Fresh) > allReady/partitions/4 {
			if late.paused == BoundNone {
				t.Fatalf("read on with %d ready, and %d of the other", late.Count(queue.Fresh), full.Count(queue.Fresh))
			}
			s.deliver(1) // the open delivery need not end first
		}
		if late.paused != BoundNone || full.paused != boundAhead {
			t.Errorf("the one with hardly anything is paused at %q, the one with %d at %q", late.paused, full.Count(queue.Fresh), full.paused)
		}
	})
}

// Its ready records may be undeliverable, and as many as Config.MaxPending.
func TestAPartitionWithARecordThatWaitsForAnotherTryTakesNothingOfWhatOthersMayHave(t *testing.T) {
	onShelf(t, 3, func(s *shelf) {
		stuck, other := s.part(0), s.part(1)
		s.read(stuck, 1)
		d := s.deliver(1)[0]
		if s.g.ready != allReady-1 {
			t.Fatalf("counted %d, want %d", s.g.ready, allReady-1)
		}
		d.AgainAt(time.Now().Add(time.Hour), Hold{})
		s.read(stuck, 1)
		if n := s.read(other, 1); n != allReady {
			t.Errorf("%d are read beside %d of a partition with a record that waits, want %d", n, stuck.Count(queue.Fresh), allReady)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		for range 4 { // the partitions take turns; one of them delivers a fresh record and the due one
			s.deliver(1)[0].Done()
		}
		if stuck.Blocked().Records != 0 || s.g.ready != stuck.Count(queue.Fresh)+other.Count(queue.Fresh) {
			t.Errorf("%d wait, counted %d after the record was done, there are %d and %d", stuck.Blocked().Records, s.g.ready, stuck.Count(queue.Fresh), other.Count(queue.Fresh))
		}
	})
}

// The part of a batch that does not fit is fetched and unpacked again.
func TestAPartitionOfLargeBatchesReadsAGoodPartOfOne(t *testing.T) {
	for _, c := range []struct{ batch, want int }{{1, 10}, {40, 10}, {400, 100}, {1 << 20, 2 * 64}} {
		onShelf(t, 100, func(s *shelf) {
			s.read(s.part(0), 1)
			p := s.part(1)
			p.batchRecords = c.batch
			if n := s.read(p, 1); n != c.want {
				t.Errorf("%d of a batch of %d are read beside a full partition, want %d", n, c.batch, c.want)
			}
		})
	}
}

func TestReadingAheadIsNoBoundWhereARecordWaitsForAnotherTry(t *testing.T) {
	onShelf(t, 1, func(s *shelf) {
		p := s.part(0)
		s.read(p, 1)
		if b := p.paused; b != boundAhead {
			t.Fatalf("paused at %q", b)
		}
		for _, ps := range s.e.Status().Partitions {
			if ps.Paused != BoundNone {
				t.Errorf("%q is shown as a bound", ps.Paused)
			}
		}
		s.deliver(1)[0].AgainAt(time.Now().Add(time.Hour), Hold{})
		synctest.Wait()
		if p.paused != BoundNone {
			t.Fatal("not read on although a record waits for another try")
		}
		if s.read(p, 1); p.paused != BoundRecords || p.Len() != 4096 {
			t.Errorf("paused at %q with %d pending, want %q with 4096", p.paused, p.Len(), BoundRecords)
		}
	})
}

// Only the first record of an order key can be delivered. The others must not keep the workers
// from the records behind them.
func TestWhatWaitsBehindItsOrderKeyIsNotReady(t *testing.T) {
	onShelf(t, 1, func(s *shelf) {
		p := s.part(0)
		for ; s.offset[p] < 500; s.offset[p]++ {
			s.rig.read(0, s.offset[p], "one order key", 1)
		}
		if n := s.read(p, 1); n != allReady-1 {
			t.Errorf("%d are read behind an order key of 500, want %d", n, allReady-1)
		}
	})
}

func TestAnEmptyPartitionHasNoMoreRoomThanItsBound(t *testing.T) {
	for _, most := range []int{1, 3} {
		inRig(t, 6, func(c *Config) { c.Handler, c.MaxPending = &inbox{}, most }, func(r *rig) {
			p := r.part(0)
			r.g.allot(p, 1)
			if records, _, bound := p.room(); bound != BoundNone || records != most {
				t.Errorf("room for %d, paused at %q, want %d", records, bound, most)
			}
		})
	}
}
