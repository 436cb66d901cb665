package forward

import (
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

func TestAStormWritesOneASecond(t *testing.T) {
	s, now := newStorms(5), time.Unix(1000, 0)
	a := lotSource("a")
	letters(s, a, 5)
	var places []time.Time
	for range 4 {
		places = append(places, s.reserve(a, false, now))
	}
	for i, p := range places {
		if p.Sub(now) != time.Duration(i)*time.Second {
			t.Errorf("place %d is %s ahead", i, p.Sub(now))
		}
	}
	s.giveBack(a, places[2]) // it was written to make room: what comes next moves up
	if p := s.reserve(a, false, now); !p.Equal(places[2]) {
		t.Errorf("the next place is %s ahead", p.Sub(now))
	}
}

func TestNoLimitIsNoStorm(t *testing.T) {
	s := newStorms(0)
	letters(s, lotSource("a"), 1000)
	if alone, all := s.storming(lotSource("a")); alone || all || s.active() != 0 {
		t.Error("a storm")
	}
}
