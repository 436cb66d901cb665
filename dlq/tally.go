package dlq

import (
	"cmp"
	"strings"
	"time"
)

// Tally counts letters. Its memory is bounded for any letters.
type Tally struct {
	Letters  int           `json:"letters"`
	ByState  map[State]int `json:"by_state"`
	Foreign  int           `json:"foreign"`  // this program did not write them
	Unfit    int           `json:"unfit"`    // open, and a replay leaves them out; the foreign ones too
	Replayed int           `json:"redriven"` // open, and were replayed before
	// ByReason and ByDay count the open ones, by reason and by the day of writing.
	ByReason map[string]int            `json:"by_reason"`
	ByDay    map[string]map[string]int `json:"by_day"`
	Oldest   time.Time                 `json:"oldest,omitzero"` // of the open ones
	OldestID string                    `json:"oldest_id,omitempty"`
	Due      int                       `json:"due"` // open, and retention takes them soon

	Zone *time.Location `json:"-"` // in which days begin; nil: UTC
}

const (
	// Further reasons and days are counted together: a letter of another program may
	// hold anything.
	mostReasons = 100
	mostDays    = 1000
	otherReason = "(others)"
	otherDay    = "earlier or later"
	noReason    = "(unreadable)"
)

// isWord reports whether text can be a reason. Another program may have written anything
// there, even a plate.
func isWord(text string) bool {
	for _, c := range text {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz-", c) {
			return false
		}
	}
	return text != "" && len(text) <= 64
}

// NewTally makes an empty Tally.
func NewTally() *Tally {
	return &Tally{ByState: map[State]int{Open: 0, Replayed: 0, Closed: 0}, ByReason: map[string]int{}, ByDay: map[string]map[string]int{}}
}

// Add counts a letter; due says that retention deletes it soon.
func (t *Tally) Add(s *Stored, state State, due bool) {
	t.Letters++
	t.ByState[state]++
	if s.Foreign {
		t.Foreign++
	}
	if state != Open {
		return
	}
	if len(s.Problems) > 0 {
		t.Unfit++
	}
	if s.Redrives > 0 {
		t.Replayed++
	}
	if due {
		t.Due++
	}
	if at := s.WrittenAt(); !at.IsZero() && (t.Oldest.IsZero() || at.Before(t.Oldest)) {
		t.Oldest, t.OldestID = at, s.ID.String()
	}
	reason := s.Reason
	if !isWord(reason) {
		reason = noReason
	}
	if _, known := t.ByReason[reason]; !known && len(t.ByReason) >= mostReasons {
		reason = otherReason
	}
	t.ByReason[reason]++
	day := s.Day(cmp.Or(t.Zone, time.UTC))
	if t.ByDay[day] == nil {
		if len(t.ByDay) >= mostDays {
			day = otherDay
		}
		if t.ByDay[day] == nil {
			t.ByDay[day] = map[string]int{}
		}
	}
	t.ByDay[day][reason]++
}
