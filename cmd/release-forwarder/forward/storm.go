package forward

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"release-forwarder/consumer"
)

// storms counts consecutive dead letters, and from DLQ_STORM_LIMIT on allows one a second: a
// changed producer or platform must not turn the whole topic into dead letters before a person
// has looked.
//
// There is a streak for each source, which is a lot, or a partition if the lot cannot be read,
// and one for all together. From the limit on a streak is a storm: it has one place. A record
// takes the place before its dead letter is written, and keeps it until that succeeded or
// failed. In a lot's storm it takes the place before it is sent, so that the lot's records are
// not sent faster than its dead letters are written.
//
//	a streak is | entered by                  | dead letters                     | left by
//	------------+-----------------------------+----------------------------------+--------------------
//	counting    | the first dead letter       | are written at once              | the limit -> storm
//	storm, free | dead letter number `limit`; | a second after the last place,   | a record takes the
//	            | the place is given back, or | the next is offered to the       | place -> taken
//	            | not taken within 5 s        | waiting record that was read     |
//	            |                             | first                            |
//	taken       | as above                    | one is being written; an evicted | the place is given
//	            |                             | one needs no place               | back -> free
//
// An acceptance of the source ends its streak, any acceptance ends that of all. Then the waiting
// records continue.
type storms struct {
	limit int // consecutive dead letters that are written at once; 0: all

	mu      sync.Mutex
	all     *streak
	sources map[string]*streak // at most lotsRemembered
}

// streak is guarded by the storms' mutex.
type streak struct {
	deadLetters int
	pace        *rate.Limiter        // of places; nil: not a storm
	out         *consumer.Delivery   // has the place; nil: it is free
	offered     bool                 // it has not taken it yet
	waiting     []*consumer.Delivery // held until they are woken, in order
	timer       *time.Timer          // for the first of them, or for the offer; nil: not set
}

func newStorms(limit int) *storms {
	return &storms{limit: limit, all: &streak{}, sources: map[string]*streak{}}
}

// lotSource and partitionSource name the sources.
func lotSource(lot string) string { return "lot " + lot }

func partitionSource(topic string, partition int32) string {
	return "partition " + topic + " " + strconv.Itoa(int(partition))
}

// count counts a dead letter, and reports whether it began a storm.
func (s *storms) count(source string) (began bool) {
	if s.limit <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources[source] == nil {
		makeRoom(s.sources, func(k *streak) bool { return k.pace != nil })
		s.sources[source] = &streak{}
	}
	for _, k := range []*streak{s.sources[source], s.all} {
		if k.deadLetters++; k.deadLetters == s.limit {
			k.pace, began = rate.NewLimiter(rate.Every(time.Second), 1), true
		}
	}
	return began
}

// storming lists the storms that apply to a record of a source: first its own, then, for its
// dead letter, that of all. The caller holds the mutex.
func (s *storms) storming(source string, deadLetter bool) (in []*streak) {
	if k := s.sources[source]; k != nil && k.pace != nil {
		in = append(in, k)
	}
	if deadLetter && s.all.pace != nil {
		in = append(in, s.all)
	}
	return in
}

// take takes the places that a record needs, before it is sent or for its dead letter. If it
// does not get all, it must wait: see wait.
func (s *storms) take(d *consumer.Delivery, source string, deadLetter bool) stormFacts {
	if s.limit <= 0 {
		return stormFacts{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.storming(source, deadLetter) {
		switch {
		case k.out == d:
			k.takenUp()
		case k.out == nil && len(k.waiting) == 0 && k.pace.Allow():
			k.out = d
		default:
			return stormFacts{waits: true, all: s.all.pace != nil, about: time.Duration(len(k.waiting)+1) * time.Second}
		}
	}
	return stormFacts{}
}

// wait queues a record that is held because it got no place: it is woken when it gets one, or
// when the storm is over.
func (s *storms) wait(d *consumer.Delivery, source string, deadLetter bool) {
	s.mu.Lock()
	for _, k := range s.storming(source, deadLetter) {
		if k.out != d {
			at, there := slices.BinarySearchFunc(k.waiting, d, readBefore)
			if !there {
				k.waiting = slices.Insert(k.waiting, at, d)
			}
			k.waiting[at] = d // it may replace the same record of an earlier generation
			s.schedule(k)
			s.mu.Unlock()
			return
		}
	}
	s.mu.Unlock()
	d.Wake()
}

func readBefore(a, b *consumer.Delivery) int {
	return cmp.Or(a.Read.Compare(b.Read), cmp.Compare(a.Record.Offset, b.Record.Offset),
		cmp.Compare(a.Record.Partition, b.Record.Partition), cmp.Compare(a.Record.Topic, b.Record.Topic))
}

// leave gives back a record's places, and takes it out of the queues.
func (s *storms) leave(d *consumer.Delivery, source string) {
	if s.limit <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.storming(source, true) {
		if at, there := slices.BinarySearchFunc(k.waiting, d, readBefore); there {
			k.waiting = slices.Delete(k.waiting, at, at+1)
		}
		if k.out == d {
			k.takenUp()
			k.out = nil
			k.pace.Allow() // after a write of more than a second the next still waits a second
			s.schedule(k)
		}
	}
}

// takenUp ends the offer of a place.
func (k *streak) takenUp() {
	if k.offered {
		k.offered = false
		k.timer.Stop()
		k.timer = nil
	}
}

// offerTime is how long a place is offered to a record that does not take it, because its bytes
// cannot be read or it waits for a slot of the gate. Then the next record gets it.
const offerTime = 5 * time.Second

// schedule sets the timer for the next place, if a record waits for it.
func (s *storms) schedule(k *streak) {
	if k.out != nil && k.out.Gone() {
		k.takenUp()
		k.out = nil
	}
	if k.out == nil && k.timer == nil && len(k.waiting) > 0 {
		missing := max(0, 1-k.pace.Tokens())
		k.timer = time.AfterFunc(time.Duration(missing*float64(time.Second)), func() { s.give(k) })
	}
}

// give offers the place to the first waiting record.
func (s *storms) give(k *streak) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.timer = nil
	if k.offered {
		k.out, k.offered = nil, false
	}
	for len(k.waiting) > 0 && !k.waiting[0].Held() { // evicted, or moved to another replica
		k.waiting = k.waiting[1:]
	}
	if k.out != nil || len(k.waiting) == 0 || !k.pace.Allow() {
		s.schedule(k)
		return
	}
	d := k.waiting[0]
	k.out, k.offered, k.waiting = d, true, k.waiting[1:]
	k.timer = time.AfterFunc(offerTime, func() { s.give(k) })
	s.mu.Unlock()
	d.Wake() // may call Handle in this goroutine
	s.mu.Lock()
}

// counting reports whether there is any streak: mostly there is none.
func (s *storms) counting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.deadLetters > 0 || len(s.sources) > 0
}

// accepted ends the streaks of the sources and that of all, and reports whether a storm ended.
func (s *storms) accepted(sources ...string) (ended bool) {
	s.mu.Lock()
	over := []*streak{s.all}
	s.all = &streak{}
	for _, source := range sources {
		if k := s.sources[source]; k != nil {
			over = append(over, k)
			delete(s.sources, source)
		}
	}
	var waiting []*consumer.Delivery
	for _, k := range over {
		ended = ended || k.pace != nil
		waiting = append(waiting, k.waiting...)
		k.waiting = nil
	}
	s.mu.Unlock()
	for _, d := range waiting {
		d.Wake()
	}
	return ended
}

// active counts the storms.
func (s *storms) active() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all.pace != nil {
		n++
	}
	for _, k := range s.sources {
		if k.pace != nil {
			n++
		}
	}
	return n
}
