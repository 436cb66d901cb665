package forward

import (
	"sync"
	"time"

	"release-forwarder/upstream"
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
	out     *attempt  // the one that is out; nil if none is
}

// attempt is a refused lot's one attempt while it is out: nobody else of the lot is sent
// until whoever took it has given it back. A nil one is none.
type attempt struct {
	of       *lot
	outdated bool // began before the lot was to try at once
}

// turn is what may be done with a record of a lot now.
type turn struct {
	send  bool
	try   *attempt  // the one attempt of a refused lot, to be given back
	until time.Time // when to ask again, where it may not be sent
	began time.Time // when the lot was found refused
}

func newLots(backoff func(n int) time.Duration) *lots {
	return &lots{backoff: backoff, known: map[string]*lot{}}
}

// turn asks for a record of a lot. An attempt that it takes must be given back,
// whatever comes of it.
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
	case s.out != nil:
		return turn{until: now.Add(l.backoff(1)), began: s.began}
	case now.Before(s.next):
		return turn{until: s.next, began: s.began}
	}
	s.out = &attempt{of: s}
	return turn{send: true, try: s.out, began: s.began}
}

// giveBack ends an attempt, where that has not been done yet.
func (l *lots) giveBack(try *attempt) {
	if try == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	try.end()
}

// end lets the lot have another attempt. The lots' mutex is held.
func (a *attempt) end() {
	if a != nil && a.of.out == a {
		a.of.out = nil
	}
}

// remember makes a lot known; where too many are, one is forgotten, a refused one
// only where there are no others. That costs it three attempts to be found again.
func (l *lots) remember(name string) *lot {
	if s := l.known[name]; s != nil {
		return s
	}
	if len(l.known) >= lotsRemembered {
		victim := ""
		for other, s := range l.known {
			if victim = other; !s.refused {
				break
			}
		}
		delete(l.known, victim)
	}
	s := &lot{}
	l.known[name] = s
	return s
}

// standing is what a delivery's end said of its lot.
type standing struct {
	waits bool      // the record waits for its lot; else the failure is an ordinary one
	newly bool      // this found the lot refused
	began time.Time // when it was
	next  time.Time // when its next attempt may go out
}

// ended notes how a delivery ended, and gives back the lot's attempt where it was that:
// each end is told here before anything is decided about the record. It says nothing of
// the lot where it was cut or began before an outage was over; an acceptance has a method
// of its own. Acceptances is the count of those so far, of any lot.
func (l *lots) ended(name string, try *attempt, a *upstream.Answer, over bool, acceptances uint64, now time.Time) standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	try.end()
	if a.Verdict == upstream.Accepted || a.Verdict == upstream.Cut || over {
		return standing{}
	}
	s, newly := l.known[name], false
	if a.Verdict == upstream.Refused {
		s = l.remember(name)
		if s.row++; s.row == 1 {
			s.since = acceptances
		}
		if !s.refused && s.row >= refusalsInARow && acceptances > s.since {
			s.refused, s.began, newly = true, now, true
		}
	}
	switch {
	case a.Verdict != upstream.Refused && try == nil:
		return standing{} // says nothing of the lot
	case (s == nil || !s.refused) && a.Verdict == upstream.Refused:
		return standing{} // suspected at the most
	case s == nil || !s.refused:
		// Its lot was accepted meanwhile, or forgotten.
		return standing{waits: true, began: now, next: now.Add(max(l.backoff(1), a.RetryAfter))}
	case try != nil && try.outdated:
		s.next = now.Add(a.RetryAfter)
	default:
		s.tries++
		s.next = now.Add(max(l.backoff(s.tries), a.RetryAfter))
	}
	return standing{waits: true, newly: newly, began: s.began, next: s.next}
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

// tryNow lets refused lots try at once; nil names all. An attempt that is out was made
// before: what comes of it puts off no other.
func (l *lots) tryNow(names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	again := func(s *lot) {
		s.next, s.tries = now, 0
		if s.out != nil {
			s.out.outdated = true
		}
	}
	if names == nil {
		for _, s := range l.known {
			again(s)
		}
		return
	}
	for _, name := range names {
		if s := l.known[name]; s != nil {
			again(s)
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
