package dlq

import (
	"strings"
	"testing"
)

func TestATallyIsBounded(t *testing.T) {
	tally := NewTally()
	for i := range 20_000 {
		s := &Stored{Written: int64(i) * 86_400_000 / 10}
		s.Reason = strings.Repeat("x", i%300)
		tally.Add(s, Open, false)
	}
	if len(tally.ByReason) > mostReasons+1 || len(tally.ByDay) > mostDays+1 {
		t.Errorf("%d reasons, %d days", len(tally.ByReason), len(tally.ByDay))
	}
	if tally.ByState[Open] != 20_000 {
		t.Errorf("%d open", tally.ByState[Open])
	}
	tally = NewTally()
	s := &Stored{}
	s.Reason = "粤B12345"
	tally.Add(s, Open, false)
	if tally.ByReason[noReason] != 1 {
		t.Errorf("%v: a reason that is no word is shown", tally.ByReason)
	}
}
