package forward

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

// stormPace is the least time between two letters in a storm.
const stormPace = time.Second

// storms counts dead letters in a row and paces them beyond the limit: a producer
// or a platform that has changed must not empty the topic into the dead letters
// before a person has looked.
//
// There is a row for each source, which is a lot, or a partition where the lot
// cannot be read, and one for all together. An acceptance of the source ends its
// row, any acceptance that of all. A turn is of the row that gave it: where the
// row is another, the turn is none.
type storms struct {
	limit int // letters in a row that are written as they come; 0: all

	mu      sync.Mutex
	all     *row
	sources map[string]*row // at most lotsRemembered
}

type row struct {
	letters int
	next    time.Time   // the first turn that was never given
	free    []time.Time // turns given back, ascending
}

// turns are a record's in the storms that it waits in.
type turns struct{ alone, all stormTurn }

type stormTurn struct {
	of *row
	at time.Time
}

func newStorms(limit int) *storms {
	return &storms{limit: limit, all: &row{}, sources: map[string]*row{}}
}

// lotSource and partitionSource name the sources.
func lotSource(lot string) string { return "lot " + lot }

func partitionSource(topic string, partition int32) string {
	return "partition " + topic + " " + strconv.Itoa(int(partition))
}

// storming tells whether a source, or all together, have reached the limit.
func (s *storms) storming(source string) (alone, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rages(s.sources[source]), s.rages(s.all)
}

// rages tells whether a row has reached the limit. The mutex is held.
func (s *storms) rages(r *row) bool { return s.limit > 0 && r != nil && r.letters >= s.limit }

// await gives a record its turn in the storm of its source, where there is one
// and it has none yet, and tells when that comes; the zero time where there is no
// storm. With ofAll, and once its own turn has come, the same for the storm of all.
func (s *storms) await(t *turns, source string, ofAll bool, now time.Time) (at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.all.of != s.all { // else it had its own turn, or its source's storm began after that
		t.all = stormTurn{}
		at = s.take(&t.alone, s.sources[source], now)
	}
	if ofAll && !at.After(now) {
		at = later(at, s.take(&t.all, s.all, now))
	}
	return at
}

// over tells whether a storm in which a record has a turn is over.
func (s *storms) over(t turns, source string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return t.alone.of != nil && t.alone.of != s.sources[source] || t.all.of != nil && t.all.of != s.all
}

// giveBack returns a record's turn in the storm of its source, which it does not
// use: what waits moves up.
func (s *storms) giveBack(t *turns, source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.sources[source]; r != nil && t.alone.of == r {
		i, _ := slices.BinarySearchFunc(r.free, t.alone.at, time.Time.Compare)
		r.free = slices.Insert(r.free, i, t.alone.at)
		t.alone.at = time.Time{}
	}
}

// rejoined takes back all turns: in another generation nobody has one, and who
// would wait behind those of records that are read again, or by another member,
// would wait longer with each rebalance.
func (s *storms) rejoined(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = s.all.anew(now)
	s.renew(now)
}

// renew takes back the turns of all sources. The mutex is held.
func (s *storms) renew(now time.Time) {
	for source, r := range s.sources {
		s.sources[source] = r.anew(now)
	}
}

// anew is the row without the turns it gave that have not come: the first of them
// is the next.
func (r *row) anew(now time.Time) *row {
	next := r.next
	if ahead := next.Sub(now); ahead > stormPace {
		next = next.Add(-(ahead - 1) / stormPace * stormPace)
	}
	return &row{letters: r.letters, next: next}
}

// take is a record's turn in a row: the one it has, or the row's next. The mutex
// is held.
func (s *storms) take(t *stormTurn, r *row, now time.Time) time.Time {
	switch {
	case !s.rages(r):
		*t = stormTurn{}
	case t.of != r:
		*t = stormTurn{of: r, at: r.reserve(now)}
	}
	return t.at
}

func (r *row) reserve(now time.Time) time.Time {
	for len(r.free) > 0 {
		at := r.free[0]
		r.free = r.free[1:]
		if at.After(now) {
			return at
		}
	}
	at := later(now, r.next)
	r.next = at.Add(stormPace)
	return at
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// letter counts a letter; it tells whether it began a storm.
func (s *storms) letter(source string) (began bool) {
	if s.limit <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.sources[source]
	if r == nil {
		if len(s.sources) >= lotsRemembered {
			s.forget()
		}
		r = &row{}
		s.sources[source] = r
	}
	r.letters++
	s.all.letters++
	return r.letters == s.limit || s.all.letters == s.limit
}

// forget makes room for another source: a storm is forgotten only where there are no
// other rows. The mutex is held.
func (s *storms) forget() {
	victim := ""
	for source, r := range s.sources {
		if victim = source; !s.rages(r) {
			break
		}
	}
	delete(s.sources, victim)
}

// accepted ends the rows of the sources, and that of all; it tells whether a
// storm ended. In a storm of all, turns of the sources' storms pass while their
// letters wait: what is left of them begins anew, lest they are written at once.
func (s *storms) accepted(now time.Time, sources ...string) (ended bool) {
	if s.limit <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended = s.rages(s.all); ended {
		s.renew(now)
	}
	s.all = &row{}
	for _, source := range sources {
		if r := s.sources[source]; r != nil {
			ended = ended || s.rages(r)
			delete(s.sources, source)
		}
	}
	return ended
}

// active counts the storms there are.
func (s *storms) active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	if s.rages(s.all) {
		n++
	}
	for _, r := range s.sources {
		if s.rages(r) {
			n++
		}
	}
	return n
}
