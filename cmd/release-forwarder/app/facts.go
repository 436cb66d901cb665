package app

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
)

// facts is what the status page shows beyond the parts' own states: what happened
// last, and how often. Its methods may be called from any goroutine.
type facts struct {
	mu sync.Mutex
	// Guarded by mu.
	accepted    tally
	acceptedAt  time.Time // zero: never
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

// LastHour is what became of this replica's events in the last hour.
type LastHour struct {
	DeadLettered int64
	Finished     int64     // dead-lettered or accepted
	First        time.Time // the minute of the first that was dead-lettered; zero: none
}

func newFacts() *facts { return &facts{deadLetters: map[deadLetterKind]*tally{}} }

func (f *facts) acceptance(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accepted.count(at)
	f.acceptedAt = at
}

func (f *facts) lastAccepted() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.acceptedAt
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
	t.count(at)
}

// lastHour counts the events of the hour before now.
func (f *facts) lastHour(now time.Time) LastHour {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sum LastHour
	for _, t := range f.deadLetters {
		n, first := t.lastHour(now)
		sum.DeadLettered += n
		if sum.First.IsZero() || n > 0 && first.Before(sum.First) {
			sum.First = first
		}
	}
	accepted, _ := f.accepted.lastHour(now)
	sum.Finished = sum.DeadLettered + accepted
	return sum
}

// written lists the dead letters by stage and reason.
func (f *facts) written(now time.Time) []admin.DeadLetters {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []admin.DeadLetters
	for k, t := range f.deadLetters {
		hour, _ := t.lastHour(now)
		list = append(list, admin.DeadLetters{Stage: k.stage, Reason: k.reason, LastHour: hour, Count: t.all})
	}
	slices.SortFunc(list, func(a, b admin.DeadLetters) int {
		return cmp.Or(cmp.Compare(b.LastHour, a.LastHour), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

func (t *tally) count(at time.Time) {
	t.turn(at)
	t.all++
	t.minutes[t.last%60]++
}

// lastHour sums up the hour before now, and says in which minute its first was; zero where it has none.
func (t *tally) lastHour(now time.Time) (n int64, first time.Time) {
	t.turn(now)
	for minute := t.last - 59; minute <= t.last; minute++ {
		counted := t.minutes[(minute+60)%60]
		if n == 0 && counted > 0 {
			first = time.Unix(minute*60, 0)
		}
		n += counted
	}
	return n, first
}

// turn empties the minutes that have passed since the last one counted.
func (t *tally) turn(at time.Time) {
	minute := at.Unix() / 60
	for m := max(t.last+1, minute-59); m <= minute; m++ {
		t.minutes[m%60] = 0
	}
	t.last = max(t.last, minute)
}
