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
