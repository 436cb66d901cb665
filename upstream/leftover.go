package upstream

import (
	"context"
	"sync"
	"time"
)

// patienceWithHung is how long requests that began while the circuit was open may
// still wait for their answer once it has closed. What hung with the platform mostly
// hangs until its time-out, and its session with it; a platform that is merely slow
// has answered by then.
const patienceWithHung = 2 * time.Second

// inFlight knows the attempts that wait for their answer, so that those of an outage
// can be given up after it. An attempt is in it from its beginning to its end: at
// most as many as there are places.
type inFlight struct {
	mu    sync.Mutex // guards all below, and attempt.flight of those in it
	first *attempt
	// alarm gives up the left over: one timer for all, nil before the first outage.
	alarm *time.Timer
}

// flight is an attempt's place in inFlight.
type flight struct {
	giveUp     context.CancelFunc // of the attempt's context
	prev, next *attempt
	old        bool // it began before the circuit closed last, and has not opened since
	givenUp    bool
}

func (f *inFlight) begin(a *attempt, giveUp context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.flight = flight{giveUp: giveUp, next: f.first}
	if f.first != nil {
		f.first.flight.prev = a
	}
	f.first = a
}

// end reports whether the attempt began before the circuit closed, and whether it was
// given up for that; an answer may have come nonetheless.
func (f *inFlight) end(a *attempt) (old, givenUp bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := &a.flight
	if at.prev != nil {
		at.prev.flight.next = at.next
	} else {
		f.first = at.next
	}
	if at.next != nil {
		at.next.flight.prev = at.prev
	}
	// It must hold no other: a connection that is kept knows its last request, and
	// all that began after that would hang on it, one by the next, for ever.
	old, givenUp = at.old || at.givenUp, at.givenUp
	*at = flight{}
	return old, givenUp
}

// closed notes that the circuit closed: what is in flight has patienceWithHung left.
// Where it closes again sooner than that, the wait begins anew for all.
func (f *inFlight) closed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		return
	}
	for a := f.first; a != nil; a = a.flight.next {
		a.flight.old = true
	}
	if f.alarm == nil {
		f.alarm = time.AfterFunc(patienceWithHung, f.giveUp)
	} else {
		f.alarm.Reset(patienceWithHung)
	}
}

// opened notes that the circuit opened: the platform is not well after all, and
// what waits for it goes on waiting.
func (f *inFlight) opened() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.alarm != nil {
		f.alarm.Stop()
	}
	for a := f.first; a != nil; a = a.flight.next {
		a.flight.old = false
	}
}

func (f *inFlight) giveUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for a := f.first; a != nil; a = a.flight.next {
		if a.flight.old {
			a.flight.givenUp = true
			a.flight.giveUp()
		}
	}
}
