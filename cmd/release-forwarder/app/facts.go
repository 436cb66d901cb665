package app

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
)

// facts is what the status page shows beyond the parts' own states: what happened
// last, and how often. Its methods may be called from any goroutine.
type facts struct {
	accepted atomic.Int64 // when an answer was last an acceptance, Unix nanoseconds; 0: never

	mu sync.Mutex
	// Guarded by mu.
	refusal     *admin.Refusal
	deadLetters map[deadLetterKind]*tally
	dropped     int64 // records that Kafka dropped unread
	droppedAt   time.Time
}

type deadLetterKind struct{ stage, reason string }

// tally counts since the start, and by the minute for an hour.
type tally struct {
	all     int64
	minutes [60]int64
	last    int64 // the minute last counted, since 1970
}

func newFacts() *facts { return &facts{deadLetters: map[deadLetterKind]*tally{}} }

func (f *facts) acceptance(at time.Time) { f.accepted.Store(at.UnixNano()) }

func (f *facts) lastAccepted() time.Time {
	if ns := f.accepted.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

func (f *facts) refused(r admin.Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusal = &r
}

// lastRefusal is nil where there was none.
func (f *facts) lastRefusal() *admin.Refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusal
}

func (f *facts) drop(n int64, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropped += n
	f.droppedAt = at
}

func (f *facts) drops() (n int64, last time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dropped, f.droppedAt
}

func (f *facts) deadLetter(stage, reason string, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := deadLetterKind{stage, reason}
	t := f.deadLetters[k]
	if t == nil {
		t = &tally{}
		f.deadLetters[k] = t
	}
	t.turn(at)
	t.all++
	t.minutes[t.last%60]++
}

// written lists the dead letters by stage and reason.
func (f *facts) written(now time.Time) []admin.DeadLetters {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []admin.DeadLetters
	for k, t := range f.deadLetters {
		t.turn(now)
		row := admin.DeadLetters{Stage: k.stage, Reason: k.reason, Count: t.all}
		for _, n := range t.minutes {
			row.LastHour += n
		}
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b admin.DeadLetters) int {
		return cmp.Or(cmp.Compare(b.LastHour, a.LastHour), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

// turn empties the minutes that have passed since the last one counted.
func (t *tally) turn(at time.Time) {
	minute := at.Unix() / 60
	for m := max(t.last+1, minute-59); m <= minute; m++ {
		t.minutes[m%60] = 0
	}
	t.last = max(t.last, minute)
}
