package forward

import (
	"strconv"
	"testing"
)

func deadLetters(s *storms, source string, n int) {
	for range n {
		s.count(source)
	}
}

func TestAStormBeginsAtTheLimitAndEndsWithAnAcceptance(t *testing.T) {
	a, b := lotSource("a"), lotSource("b")
	for name, c := range map[string]struct {
		do         func(s *storms)
		alone, all bool
	}{
		"one less than the limit":                  {func(s *storms) { deadLetters(s, a, 4) }, false, false},
		"the limit, of one":                        {func(s *storms) { deadLetters(s, a, 5) }, true, true},
		"the limit, others accepted":               {func(s *storms) { deadLetters(s, a, 5); s.accepted(b) }, true, false},
		"the limit of all, of several":             {func(s *storms) { deadLetters(s, a, 2); deadLetters(s, b, 3) }, false, true},
		"accepted just before":                     {func(s *storms) { deadLetters(s, a, 4); s.accepted(a); deadLetters(s, a, 4) }, false, false},
		"accepted in it":                           {func(s *storms) { deadLetters(s, a, 9); s.accepted(a) }, false, false},
		"its own and others' between dead letters": {func(s *storms) { deadLetters(s, a, 3); s.accepted(b); deadLetters(s, a, 2) }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStorms(5)
			c.do(s)
			own := len(s.storming(a, false)) > 0
			if all := s.all.pace != nil; own != c.alone || all != c.all {
				t.Errorf("alone %v, all %v", own, all)
			}
		})
	}
}

func TestAStormIsForgottenLast(t *testing.T) {
	s := newStorms(5)
	for _, lot := range []string{"a", "b"} {
		deadLetters(s, lotSource(lot), 5)
	}
	for n := range 3 * lotsRemembered {
		s.count(lotSource(strconv.Itoa(n)))
	}
	for _, lot := range []string{"a", "b"} {
		if len(s.storming(lotSource(lot), false)) == 0 {
			t.Errorf("the storm of %s is forgotten for lots with one dead letter", lot)
		}
	}
	if n := len(s.sources); n > lotsRemembered {
		t.Errorf("%d sources are remembered", n)
	}
}

func TestNoLimitIsNoStorm(t *testing.T) {
	s := newStorms(0)
	deadLetters(s, lotSource("a"), 1000)
	if len(s.storming(lotSource("a"), true)) > 0 || s.active() != 0 {
		t.Error("a storm")
	}
}
