package forward

import (
	"slices"
	"testing"
	"time"
)

func letters(s *storms, source string, n int) {
	for range n {
		s.letter(source)
	}
}

func TestAStormBeginsAtTheLimitAndEndsWithAnAcceptance(t *testing.T) {
	a, b := lotSource("a"), lotSource("b")
	for name, c := range map[string]struct {
		do         func(s *storms)
		alone, all bool
	}{
		"one less than the limit":             {func(s *storms) { letters(s, a, 4) }, false, false},
		"the limit, of one":                   {func(s *storms) { letters(s, a, 5) }, true, true},
		"the limit, others accepted":          {func(s *storms) { letters(s, a, 5); s.accepted(b) }, true, false},
		"the limit of all, of several":        {func(s *storms) { letters(s, a, 2); letters(s, b, 3) }, false, true},
		"accepted just before":                {func(s *storms) { letters(s, a, 4); s.accepted(a); letters(s, a, 4) }, false, false},
		"accepted in it":                      {func(s *storms) { letters(s, a, 9); s.accepted(a) }, false, false},
		"its own and others' between letters": {func(s *storms) { letters(s, a, 3); s.accepted(b); letters(s, a, 2) }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStorms(5)
			c.do(s)
			if alone, all := s.storming(a); alone != c.alone || all != c.all {
				t.Errorf("alone %v, all %v", alone, all)
			}
		})
	}
}

// inTurn gives records their turns, one after the other, and tells how far ahead
// each is.
func inTurn(s *storms, source string, now time.Time, records ...*turns) (ahead []time.Duration) {
	for _, r := range records {
		ahead = append(ahead, s.await(r, source, true, now).Sub(now))
	}
	return ahead
}

func seconds(n ...int) (all []time.Duration) {
	for _, n := range n {
		all = append(all, time.Duration(n)*time.Second)
	}
	return all
}

func TestAStormWritesOneASecond(t *testing.T) {
	s, now := newStorms(5), time.Unix(1000, 0)
	a := lotSource("a")
	letters(s, a, 5)
	s.accepted(lotSource("another"))
	records := []*turns{{}, {}, {}, {}}
	for range 2 { // who asks again keeps its turn
		if got := inTurn(s, a, now, records...); !slices.Equal(got, seconds(0, 1, 2, 3)) {
			t.Errorf("the turns are %s ahead", got)
		}
	}
	s.giveBack(records[2], a) // it was written to make room: what comes next moves up
	if got := inTurn(s, a, now, &turns{}, &turns{}); !slices.Equal(got, seconds(2, 4)) {
		t.Errorf("the next turns are %s ahead", got)
	}
	if at := s.await(records[2], a, true, now); at.After(now) {
		t.Error("what made room waits again")
	}
}

func TestAStormOfAllIsOneASecondForAllTogether(t *testing.T) {
	s, now := newStorms(5), time.Unix(1000, 0)
	a, b := lotSource("a"), lotSource("b")
	letters(s, a, 5)
	letters(s, b, 5)
	// One waits for its lot already, as its request goes out in turn.
	one, other := &turns{}, &turns{}
	s.await(one, a, false, now)
	s.await(other, b, false, now)
	got := append(inTurn(s, a, now, one, &turns{}), inTurn(s, b, now, other, &turns{})...)
	if slices.Sort(got); !slices.Equal(got, seconds(0, 1, 2, 3)) {
		t.Errorf("the turns are %s ahead", got)
	}
	// With the storm of all its turns are over, those of a lot's storm stay.
	s.accepted(a)
	if got := inTurn(s, b, now, other); !slices.Equal(got, seconds(0)) {
		t.Errorf("the turn that is left is %s ahead", got)
	}
}

func TestATurnIsOfOneStorm(t *testing.T) {
	s, now := newStorms(5), time.Unix(1000, 0)
	a := lotSource("a")
	records := []*turns{{}, {}, {}, {}}
	for range 3 {
		letters(s, a, 5)
		slices.Reverse(records)
		if got := inTurn(s, a, now, records...); !slices.Equal(got, seconds(0, 1, 2, 3)) {
			t.Errorf("the turns are %s ahead", got)
		}
		s.accepted(a)
		if at := s.await(records[3], a, true, now); !at.IsZero() {
			t.Errorf("a storm that is over has a turn %s ahead", at.Sub(now))
		}
	}
}

func TestARebalanceDoesNotPutOffTheTurns(t *testing.T) {
	s, now := newStorms(5), time.Unix(1000, 0)
	a := lotSource("a")
	letters(s, a, 5)
	left := 50
	var last time.Time
	for left > 0 { // each generation is two and a half seconds long
		s.rejoined(now)
		end := now.Add(2500 * time.Millisecond)
		written := 0
		for range left {
			if at := s.await(&turns{}, a, true, now); at.Before(end) {
				if at.Sub(last) < stormPace {
					t.Errorf("two letters within %s", at.Sub(last))
				}
				last = at
				written++
			}
		}
		if written < min(2, left) {
			t.Fatalf("%d letters of %d are written in a generation", written, left)
		}
		left -= written
		now = end
	}
	if alone, _ := s.storming(a); !alone {
		t.Error("a rebalance ended the storm")
	}
}

func TestNoLimitIsNoStorm(t *testing.T) {
	s := newStorms(0)
	letters(s, lotSource("a"), 1000)
	if alone, all := s.storming(lotSource("a")); alone || all || s.active() != 0 {
		t.Error("a storm")
	}
}
