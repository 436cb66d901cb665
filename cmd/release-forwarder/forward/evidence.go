package forward

import (
	"sync"
	"time"
)

const (
	// provenBy first deliveries of other records must have been accepted before
	// a failure is the record's own, and provenRatio times as many as failed.
	provenBy    = 10
	provenRatio = 4

	// lotsRemembered bounds the lots whose last acceptance is known. A lot that
	// is forgotten proves nothing: its records wait longer, none is lost.
	lotsRemembered = 4096
)

// evidence is what this replica knows of how the platform treats records in
// general: the outcomes of first deliveries. Later ones say more about their
// records than about the platform.
type evidence struct {
	mu       sync.Mutex
	accepted uint64    // first deliveries that were accepted
	failed   uint64    // first deliveries that failed otherwise than for good
	count    uint64    // acceptances, of whatever delivery
	last     time.Time // when the last of them was

	// The count at the last acceptance of each lot, in two halves: when the
	// younger is full the older is forgotten.
	younger, older map[string]uint64
}

func newEvidence() *evidence {
	return &evidence{younger: map[string]uint64{}, older: map[string]uint64{}}
}

// mark is a moment in the evidence, from which it is counted.
type mark struct {
	accepted, failed, count uint64
	// own says that the record's own first failure lies behind the mark: it
	// proves nothing about others.
	own bool
}

// now marks this moment.
func (e *evidence) now() mark {
	e.mu.Lock()
	defer e.mu.Unlock()
	return mark{accepted: e.accepted, failed: e.failed, count: e.count}
}

// accept notes an acceptance.
func (e *evidence) accept(lot string, first bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if first {
		e.accepted++
	}
	e.count++
	e.last = time.Now()
	if len(e.younger) >= lotsRemembered/2 {
		if _, known := e.younger[lot]; !known {
			e.older, e.younger = e.younger, make(map[string]uint64, lotsRemembered/2)
		}
	}
	e.younger[lot] = e.count
}

// fail notes the failure of a record's first delivery, whose mark is since.
func (e *evidence) fail(since *mark) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed++
	since.own = true
}

// proves tells whether a failure is the record's own, by what happened since its mark. Where lot
// is not "", the lot must have been accepted too.
func (e *evidence) proves(since mark, lot string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	accepted, failed := e.accepted-since.accepted, e.failed-since.failed
	if since.own {
		failed--
	}
	if accepted < provenBy || accepted < provenRatio*failed {
		return false
	}
	return lot == "" || max(e.younger[lot], e.older[lot]) > since.count
}

// acceptedSince tells whether anything was accepted after a time.
func (e *evidence) acceptedSince(t time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last.After(t)
}

// acceptances counts the acceptances so far, of whatever delivery.
func (e *evidence) acceptances() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}
