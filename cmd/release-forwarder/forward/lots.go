package forward

import (
	"slices"
	"strings"
	"sync"
	"time"

	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// refusalsInARow refusals of a lot, with nothing of it accepted between, mean that the lot
// alone is refused, if another lot was accepted since the first of them.
const refusalsInARow = 3

// lots holds the lots that were answered 401 or 403 since their last acceptance.
//
//	state     | entered by                          | left by
//	----------+-------------------------------------+------------------------------------
//	fine      | an acceptance of the lot, or a      | 401 or 403 -> suspected;
//	          | lookup file that has it now         | no credential, or a lookup file
//	          |                                     | that does not have it -> refused
//	suspected | the first refusal                   | an acceptance -> fine; three in a row,
//	          |                                     | another lot accepted since -> refused
//	refused   | as above                            | an acceptance -> fine
//
// While a lot is refused one attempt is made per backoff. It is due at once when the lot's
// credential changes or the circuit closes. A lot that its lookup file does not have is known by
// [mapping.Unlisted.Lot], and counts as one without a credential.
type lots struct {
	backoff func(n int) time.Duration

	mu    sync.Mutex
	known map[string]*lot // suspected and refused ones; at most lotsRemembered
}

// lot is guarded by the lots' mutex.
type lot struct {
	streak  int    // refusals since the last acceptance
	since   uint64 // acceptances, of any lot, when the streak began
	refused bool
	began   time.Time // when it was found refused
	tries   int       // attempts since then
	next    time.Time // when the next may go out
	out     bool      // one is in progress: no other record of the lot is sent until it ends
	hurried bool      // tryNow came during it: its failure does not delay the next
}

// standing is the state of a lot for one of its records.
type standing struct {
	waits   bool      // the record waits for its lot's next attempt
	newly   bool      // the lot became refused just now, and is one of few
	began   time.Time // when it was found refused
	next    time.Time // when the next attempt may go out
	attempt *lot      // the record is that attempt; it must be given back
}

func newLots(backoff func(n int) time.Duration) *lots {
	return &lots{backoff: backoff, known: map[string]*lot{}}
}

// permit returns whether a record of a lot may be sent. If it is the lot's attempt, the caller
// must give that back.
func (l *lots) permit(name string, credential bool, now time.Time) standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, newly := l.known[name], false
	if !credential && (s == nil || !s.refused) {
		newly = len(l.known) < lotsRemembered // beyond that one that is forgotten would be new again and again
		s = l.remember(name)
		s.refused, s.began, s.next = true, now, now
	}
	due := s != nil && !now.Before(s.next)
	switch {
	case s == nil || !s.refused:
		return standing{}
	case !credential:
		if due {
			s.tries++
			s.next = now.Add(l.backoff(s.tries))
		}
	case s.out:
		return standing{waits: true, began: s.began, next: now.Add(l.backoff(1))}
	case due:
		s.out = true
		return standing{attempt: s}
	}
	return standing{waits: true, newly: newly, began: s.began, next: s.next}
}

// giveBack returns an attempt that was not made.
func (l *lots) giveBack(attempt *lot) {
	if attempt == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	attempt.out, attempt.hurried = false, false
}

// remember adds a lot. If there are too many, another is forgotten; it takes three attempts to
// find that one refused again.
func (l *lots) remember(name string) *lot {
	s := l.known[name]
	if s == nil {
		s = &lot{}
		makeRoom(l.known, func(s *lot) bool { return s.refused })
		l.known[name] = s
	}
	return s
}

// makeRoom forgets one of too many lots or sources, and one to keep only if there is no other.
func makeRoom[V any](known map[string]V, keep func(V) bool) {
	if len(known) < lotsRemembered {
		return
	}
	victim := ""
	for name, v := range known {
		if victim = name; !keep(v) {
			break
		}
	}
	delete(known, victim)
}

// ended records the result of a delivery, before the decision about the record, and ends the
// lot's attempt if it was that. A delivery that was cut, or began before an outage was over, says
// nothing about the lot; for an acceptance see accepted. acceptances is their count so far, of
// all lots.
func (l *lots) ended(name string, attempt *lot, a *upstream.Answer, over bool, acceptances uint64, now time.Time) standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	refused, hurried := a.Verdict == upstream.Refused, false
	if attempt != nil {
		hurried = attempt.hurried
		attempt.out, attempt.hurried = false, false
	}
	if a.Verdict == upstream.Accepted || a.Verdict == upstream.Cut || over || !refused && attempt == nil {
		return standing{} // says nothing about the lot
	}
	s, newly := l.known[name], false
	if refused {
		s = l.remember(name)
		if s.streak++; s.streak == 1 {
			s.since = acceptances
		}
		if !s.refused && s.streak >= refusalsInARow && acceptances > s.since {
			s.refused, s.began, newly = true, now, true
		}
	}
	switch {
	case s != nil && s.refused && hurried:
		s.next = now.Add(a.RetryAfter)
	case s != nil && s.refused:
		s.tries++
		s.next = now.Add(max(l.backoff(s.tries), a.RetryAfter))
	case refused:
		return standing{} // at most suspected
	default: // its lot was accepted meanwhile, or forgotten
		return standing{waits: true, began: now, next: now.Add(max(l.backoff(1), a.RetryAfter))}
	}
	return standing{waits: true, newly: newly, began: s.began, next: s.next}
}

// accepted records an acceptance, and reports whether the lot was refused until now.
func (l *lots) accepted(name string) (ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.known[name]
	delete(l.known, name)
	return s != nil && s.refused
}

// tryNow lets refused lots try at once; nil names all.
func (l *lots) tryNow(names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for name, s := range l.known {
		if names == nil || slices.Contains(names, name) {
			s.next, s.tries, s.hurried = now, 0, s.out
		}
	}
}

// unlisted is the lot that a name stands for, if that is one of [mapping.Unlisted.Lot].
func unlisted(name string) (u mapping.Unlisted, is bool) {
	u.File, u.Code, is = strings.Cut(name, "\x00")
	return u, is
}

// listed forgets the lots that the lookup files have now, and returns their codes.
func (l *lots) listed(now *mapping.Mapper) (codes []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.known {
		if u, is := unlisted(name); is && now.Lists(&u) {
			delete(l.known, name)
			codes = append(codes, u.Code)
		}
	}
	return codes
}

// list returns the refused lots.
func (l *lots) list() []RefusedLot {
	l.mu.Lock()
	defer l.mu.Unlock()
	var refused []RefusedLot
	for name, s := range l.known {
		if s.refused {
			one := RefusedLot{Lot: name, Since: s.began, Next: s.next}
			if u, is := unlisted(name); is {
				one.Lot, one.NotIn = u.Code, u.File
			}
			refused = append(refused, one)
		}
	}
	return refused
}

// RefusedLot is a refused lot.
type RefusedLot struct {
	Lot         string // from the event: sanitize it before showing it
	NotIn       string // the lookup file that does not have it; "": the lot is refused, or has no credential
	Since, Next time.Time
}
