package forward

import (
	"sync"
	"time"
)

// refusalsInARow of a lot, with nothing of it accepted between and another lot
// accepted since the first, mean that the lot alone is refused.
const refusalsInARow = 3

// lots knows the lots that were answered 401 or 403 since their last acceptance.
//
//	state     | entered by                          | left by
//	----------+-------------------------------------+------------------------------------
//	fine      | an acceptance of the lot            | 401 or 403 -> suspected;
//	          |                                     | no credential -> refused
//	suspected | the first refusal                   | an acceptance -> fine; three in a row,
//	          |                                     | another lot accepted since -> refused
//	refused   | as above                            | an acceptance -> fine
//
// While a lot is refused one attempt goes out per backoff; it is as due at once
// when the lot's credential changed or the circuit closed.
type lots struct {
	backoff func(n int) time.Duration

	mu    sync.Mutex
	known map[string]*lot // suspected and refused ones; at most lotsRemembered
}

type lot struct {
	row     int    // refusals since the last acceptance
	since   uint64 // acceptances, of any lot, when the row began
	refused bool
	began   time.Time // when it was found refused
	tries   int       // attempts since then
	next    time.Time // when the next may go out
	trying  bool      // one is out
}

// turn is what may be done with a record of a lot now.
type turn struct {
	send  bool
	probe bool      // the one attempt of a refused lot
	until time.Time // when to ask again, where it may not be sent
	began time.Time // when the lot was found refused
}

func newLots(backoff func(n int) time.Duration) *lots {
	return &lots{backoff: backoff, known: map[string]*lot{}}
}

// turn asks for a record of a lot; probing says that the answer to a probe will
// be reported by refused, failed or accepted.
func (l *lots) turn(name string, credential bool, now time.Time) turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.known[name]
	if !credential && (s == nil || !s.refused) {
		s = l.remember(name)
		s.refused, s.began, s.next = true, now, now
	}
	if s == nil || !s.refused {
		return turn{send: true}
	}
	switch {
	case !credential:
		if !now.Before(s.next) {
			s.tries++
			s.next = now.Add(l.backoff(s.tries))
		}
		return turn{until: s.next, began: s.began}
	case s.trying:
		return turn{until: now.Add(l.backoff(1)), began: s.began}
	case now.Before(s.next):
		return turn{until: s.next, began: s.began}
	}
	s.trying = true
	return turn{send: true, probe: true, began: s.began}
}

// remember makes a lot known; where too many are, one is forgotten, which costs
// it three attempts to be found again.
func (l *lots) remember(name string) *lot {
	if s := l.known[name]; s != nil {
		return s
	}
	if len(l.known) >= lotsRemembered {
		for other := range l.known {
			delete(l.known, other)
			break
		}
	}
	s := &lot{}
	l.known[name] = s
	return s
}

// refused notes a 401 or 403; acceptances is the count of those so far, of any
// lot. It tells whether the lot is refused now, whether this made it so, and when
// its next attempt may go out.
func (l *lots) refused(name string, acceptances uint64, least time.Duration, now time.Time) (refused, newly bool, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.remember(name)
	if s.row++; s.row == 1 {
		s.since = acceptances
	}
	if !s.refused && s.row >= refusalsInARow && acceptances > s.since {
		s.refused, s.began, newly = true, now, true
	}
	if s.refused {
		s.tried(l.backoff, least, now)
	}
	return s.refused, newly, s.next
}

// failed notes that a refused lot's attempt ended otherwise.
func (l *lots) failed(name string, least time.Duration, now time.Time) (next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.known[name]
	if s == nil || !s.refused {
		return now.Add(max(l.backoff(1), least))
	}
	s.tried(l.backoff, least, now)
	return s.next
}

func (s *lot) tried(backoff func(int) time.Duration, least time.Duration, now time.Time) {
	s.trying = false
	s.tries++
	s.next = now.Add(max(backoff(s.tries), least))
}

// accepted notes an acceptance; it tells whether that ended the lot's outage.
func (l *lots) accepted(name string) (ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.known[name]
	if s == nil {
		return false
	}
	delete(l.known, name)
	return s.refused
}

// cut notes that an attempt was cut: whether it would have been taken is
// unknown.
func (l *lots) cut(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.known[name]; s != nil {
		s.trying = false
	}
}

// tryNow lets refused lots try at once; nil names all.
func (l *lots) tryNow(names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if names == nil {
		for _, s := range l.known {
			s.next, s.tries = now, 0
		}
		return
	}
	for _, name := range names {
		if s := l.known[name]; s != nil {
			s.next, s.tries = now, 0
		}
	}
}

// list returns the refused lots.
func (l *lots) list() []RefusedLot {
	l.mu.Lock()
	defer l.mu.Unlock()
	var refused []RefusedLot
	for name, s := range l.known {
		if s.refused {
			refused = append(refused, RefusedLot{Lot: name, Since: s.began, Next: s.next})
		}
	}
	return refused
}

// RefusedLot is a lot in an outage of its own.
type RefusedLot struct {
	Lot         string // as in the event: tame it before it is shown
	Since, Next time.Time
}
