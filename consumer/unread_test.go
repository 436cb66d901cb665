package consumer

import (
	"testing"
	"time"

	"release-forwarder/consumer/progress"
)

// How many offsets an open transaction holds back, and since when, according to the answers.
func TestWhatATransactionHoldsBack(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type answer struct{ position, stable, end int64 } // one second after the previous one
	for name, c := range map[string]struct {
		answers []answer
		phase   phase
		held    int64
		stands  int // index of the answer since which the position has not moved; -1: none
		behind  int // index of the answer since which records are unread; -1: none
	}{
		"nothing is behind":                     {[]answer{{5, 5, 5}}, reading, 0, -1, -1},
		"an open transaction":                   {[]answer{{5, 5, 5}, {5, 5, 9}, {5, 5, 20}}, reading, 15, 1, 1},
		"it moves on to another":                {[]answer{{5, 5, 9}, {5, 5, 9}, {9, 9, 15}, {9, 9, 16}}, reading, 7, 2, 0},
		"it ends":                               {[]answer{{5, 5, 9}, {9, 9, 9}}, reading, 0, -1, -1},
		"one ends and another one comes":        {[]answer{{5, 5, 9}, {9, 9, 9}, {9, 9, 12}}, reading, 3, 2, 2},
		"reading stands before it":              {[]answer{{3, 5, 9}, {3, 5, 9}}, reading, 0, 0, 0},
		"the last stable offset is not told":    {[]answer{{5, -1, 9}}, reading, 0, 0, 0},
		"an old broker gives the end":           {[]answer{{5, 9, 9}}, reading, 0, 0, 0},
		"a leader that lags behind the reading": {[]answer{{9, 5, 9}}, reading, 0, -1, -1},
		"a parked partition":                    {[]answer{{5, 5, 9}}, parked, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := &partition{phase: c.phase}
			at := func(n int) time.Time {
				if n < 0 {
					return time.Time{}
				}
				return start.Add(time.Duration(n) * time.Second)
			}
			for i, a := range c.answers {
				p.Progress, p.logEnd = progress.NewLog[*Delivery](a.position), a.end
				p.weigh(a.stable, at(i))
			}
			var s PartitionStatus
			p.tell(&s)
			if s.HeldBack != c.held || !s.Stands.Equal(at(c.stands)) || !s.Behind.Equal(at(c.behind)) {
				t.Errorf("%+v, want %d held back since %v, behind since %v", s, c.held, at(c.stands), at(c.behind))
			}
		})
	}
}

// While an answer is taken in, only position and end are new.
func TestNothingIsHeldBackWhileAnAnswerIsTakenIn(t *testing.T) {
	p := &partition{phase: reading, Progress: progress.NewLog[*Delivery](5), ends: ends{logEnd: 9}}
	p.weigh(5, time.Now())
	p.Advance(7, 0)
	p.logEnd = 20
	var s PartitionStatus
	if p.tell(&s); s.HeldBack != 0 || !s.Stands.IsZero() {
		t.Errorf("%+v", s)
	}
}
