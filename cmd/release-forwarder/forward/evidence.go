package forward

import (
	"sync"
	"time"
)

const (
	// A failure is the record's own if at least provenBy first deliveries of other
	// records were accepted, and at least provenRatio times as many as failed.
	provenBy    = 10
	provenRatio = 4

	// lotsRemembered bounds the lots whose last acceptance is known. A forgotten lot
	// proves nothing: its records wait longer, none is lost.
	lotsRemembered = 4096
)

// evidence counts the results of first deliveries: they show how the platform treats records
// in general. Later deliveries say more about their records than about the platform.
type evidence struct {
	mu       sync.Mutex
	accepted uint64    // first deliveries that were accepted
	failed   uint64    // first deliveries that failed, but not for good
	count    uint64    // acceptances, of first and later deliveries
	last     time.Time // of the last acceptance

	// The count at the last acceptance of each lot, in two halves: when the younger is
	// full the older is dropped.
	younger, older map[string]uint64
}

func newEvidence() *evidence {
	return &evidence{younger: map[string]uint64{}, older: map[string]uint64{}}
}

// mark is a moment in the evidence: counting begins there.
type mark struct {
	accepted, failed, count uint64
	// own says that the record's own first failure came after the mark: it proves nothing
	// about others.
	own bool
}

// now returns a mark of the current moment.
func (e *evidence) now() mark {
	e.mu.Lock()
	defer e.mu.Unlock()
	return mark{accepted: e.accepted, failed: e.failed, count: e.count}
}

// accept records an acceptance.
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

// fail records the failure of a record's first delivery; since is the record's mark.
func (e *evidence) fail(since *mark) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed++
	since.own = true
}

// proves reports whether a failure is the record's own, by the evidence since its mark. If lot is
// not "", the lot must have been accepted too.
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

// acceptedSince reports whether any record was accepted after a time.
func (e *evidence) acceptedSince(t time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last.After(t)
}

// acceptances counts the acceptances so far, of first and later deliveries.
func (e *evidence) acceptances() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}
