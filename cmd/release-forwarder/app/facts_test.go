package app

import (
	"testing"
	"time"
)

// The status page counts each dead letter in all, and in the last hour.
func TestDeadLettersAreCountedForTheLastHour(t *testing.T) {
	f, start := newFacts(), time.Date(2026, 3, 1, 8, 0, 30, 0, time.UTC)
	for minute := range 90 { // one a minute
		f.deadLetter("mapping", "bad-time", start.Add(time.Duration(minute)*time.Minute))
	}
	f.deadLetter("upstream", "refused", start.Add(89*time.Minute))
	for _, c := range []struct {
		name       string
		now        time.Time
		hour, rest int64
	}{
		{"while they come", start.Add(89 * time.Minute), 60, 1},
		{"half an hour later", start.Add(119 * time.Minute), 30, 1},
		{"two hours later", start.Add(209 * time.Minute), 0, 0},
	} {
		rows := f.written(c.now)
		if len(rows) != 2 || rows[0].LastHour+rows[1].LastHour != c.hour+c.rest {
			t.Errorf("%s: %+v, want %d and %d", c.name, rows, c.hour, c.rest)
		}
		for _, r := range rows {
			if r.Reason == "bad-time" && (r.LastHour != c.hour || r.Count != 90) {
				t.Errorf("%s: %+v", c.name, r)
			}
		}
	}
	// A clock that is set back loses nothing and counts nothing twice.
	f.deadLetter("upstream", "refused", start)
	for _, r := range f.written(start) {
		if r.Reason == "refused" && r.Count != 2 {
			t.Errorf("after the clock was set back: %+v", r)
		}
	}
}

// The page must know what part of the last hour's events was dead-lettered, and since when.
func TestTheLastHoursEventsAreCounted(t *testing.T) {
	f, start := newFacts(), time.Date(2026, 3, 1, 8, 0, 30, 0, time.UTC)
	for minute := range 90 { // one accepted a minute; in the second half hour two more dead-lettered
		at := start.Add(time.Duration(minute) * time.Minute)
		f.acceptance(at)
		if minute >= 30 && minute < 60 {
			f.deadLetter("mapping", "bad-time", at)
			f.deadLetter("upstream", "refused", at)
		}
	}
	for _, c := range []struct {
		name  string
		now   time.Time
		want  LastHour
		first time.Duration
	}{
		{"while they come", start.Add(89 * time.Minute), LastHour{DeadLettered: 60, Finished: 120}, 30 * time.Minute},
		{"when the first are older than an hour", start.Add(109 * time.Minute), LastHour{DeadLettered: 20, Finished: 60}, 50 * time.Minute},
		{"two hours later", start.Add(209 * time.Minute), LastHour{}, 0},
	} {
		if c.first > 0 {
			c.want.First = start.Add(c.first).Truncate(time.Minute)
		}
		if got := f.lastHour(c.now); got.DeadLettered != c.want.DeadLettered || got.Finished != c.want.Finished || !got.First.Equal(c.want.First) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
