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
// row, any acceptance that of all.
type storms struct {
	limit int // letters in a row that are written as they come; 0: all

	mu      sync.Mutex
	all     row
	sources map[string]*row // at most lotsRemembered
}

type row struct {
	letters int
	next    time.Time   // the first place in the pace that was never given
	free    []time.Time // places given back, ascending
}

func newStorms(limit int) *storms { return &storms{limit: limit, sources: map[string]*row{}} }

// lotSource and partitionSource name the sources.
func lotSource(lot string) string { return "lot " + lot }

func partitionSource(topic string, partition int32) string {
	return "partition " + topic + " " + strconv.Itoa(int(partition))
}

// storming tells whether a source, or all together, have reached the limit.
func (s *storms) storming(source string) (alone, all bool) {
	if s.limit <= 0 {
		return false, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.sources[source]
	return r != nil && r.letters >= s.limit, s.all.letters >= s.limit
}

// reserve gives the next place in the pace of a source, or of all together.
func (s *storms) reserve(source string, all bool, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := now
	if r := s.sources[source]; r != nil && r.letters >= s.limit {
		at = r.reserve(at)
	}
	if all {
		at = s.all.reserve(at)
	}
	return at
}

// giveBack returns a place that is not used: what waits moves up.
func (s *storms) giveBack(source string, place time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.sources[source]; r != nil {
		i, _ := slices.BinarySearchFunc(r.free, place, time.Time.Compare)
		r.free = slices.Insert(r.free, i, place)
	}
}

func (r *row) reserve(now time.Time) time.Time {
	for len(r.free) > 0 {
		at := r.free[0]
		r.free = r.free[1:]
		if at.After(now) {
			return at
		}
	}
	at := now
	if r.next.After(at) {
		at = r.next
	}
	r.next = at.Add(stormPace)
	return at
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
			for other := range s.sources {
				delete(s.sources, other)
				break
			}
		}
		r = &row{}
		s.sources[source] = r
	}
	r.letters++
	s.all.letters++
	return r.letters == s.limit || s.all.letters == s.limit
}

// accepted ends the rows of the sources, and that of all; it tells whether a
// storm ended.
func (s *storms) accepted(sources ...string) (ended bool) {
	if s.limit <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ended = s.all.letters >= s.limit
	s.all = row{}
	for _, source := range sources {
		if r := s.sources[source]; r != nil {
			ended = ended || r.letters >= s.limit
			delete(s.sources, source)
		}
	}
	return ended
}

// active counts the storms there are.
func (s *storms) active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit <= 0 {
		return 0
	}
	n := 0
	if s.all.letters >= s.limit {
		n++
	}
	for _, r := range s.sources {
		if r.letters >= s.limit {
			n++
		}
	}
	return n
}
