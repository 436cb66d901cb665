package forward

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

func letters(s *storms, source string, n int) {
	for range n {
		s.letter(source)
	}
}

func TestAStormBeginsAtTheLimitAndEndsWithAnAcceptance(t *testing.T) {
	a, b, now := lotSource("a"), lotSource("b"), time.Unix(1000, 0)
	for name, c := range map[string]struct {
		do         func(s *storms)
		alone, all bool
	}{
		"one less than the limit":             {func(s *storms) { letters(s, a, 4) }, false, false},
		"the limit, of one":                   {func(s *storms) { letters(s, a, 5) }, true, true},
		"the limit, others accepted":          {func(s *storms) { letters(s, a, 5); s.accepted(now, b) }, true, false},
		"the limit of all, of several":        {func(s *storms) { letters(s, a, 2); letters(s, b, 3) }, false, true},
		"accepted just before":                {func(s *storms) { letters(s, a, 4); s.accepted(now, a); letters(s, a, 4) }, false, false},
		"accepted in it":                      {func(s *storms) { letters(s, a, 9); s.accepted(now, a) }, false, false},
		"its own and others' between letters": {func(s *storms) { letters(s, a, 3); s.accepted(now, b); letters(s, a, 2) }, true, false},
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
	s.accepted(now, lotSource("another"))
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
	// One of each waits for its lot already, as its request goes out in turn.
	one, other := &turns{}, &turns{}
	s.await(one, a, false, now)
	s.await(other, b, false, now)
	got := append(inTurn(s, a, now, one), inTurn(s, b, now, other)...)
	if !slices.Equal(got, seconds(0, 1)) {
		t.Errorf("the turns are %s ahead", got)
	}
}

// Letters have turns in a storm of all when the storm of their lot begins: those count, or
// they would pass unused while the letters wait for another turn behind their whole lot.
func TestAStormOfALotDoesNotDevalueTurnsInTheStormOfAll(t *testing.T) {
	s, now := newStorms(100), time.Unix(1000, 0)
	a, b := lotSource("a"), lotSource("b")
	letters(s, a, 50)
	letters(s, b, 50)
	var early []*turns
	for range 40 {
		of, other := &turns{}, &turns{}
		inTurn(s, a, now, of)
		inTurn(s, b, now, other)
		early = append(early, of, other)
	}
	letters(s, a, 50)
	letters(s, b, 50)
	for range 1000 { // of the lots, that are not sent yet
		s.await(&turns{}, a, false, now)
		s.await(&turns{}, b, false, now)
	}
	for n, of := range early {
		due := now.Add(time.Duration(n) * time.Second)
		if at := s.await(of, []string{a, b}[n%2], true, due); at.After(due) {
			t.Fatalf("letter %d, whose turn has come, waits for another %s", n, at.Sub(due))
		}
	}
}

// A letter that waits for its lot takes no turn of all before: nothing would be
// written in the seconds that it leaps.
func TestAStormOfAllDoesNotLeapToTheTurnsOfALot(t *testing.T) {
	s, now := newStorms(5), time.Unix(1000, 0)
	a := lotSource("a")
	letters(s, a, 5)
	s.accepted(now, lotSource("another"))
	for range 2000 {
		s.await(&turns{}, a, true, now)
	}
	letters(s, a, 5) // now of all as well
	if got := inTurn(s, a, now, &turns{}); !slices.Equal(got, seconds(2000)) {
		t.Errorf("its turn is %s ahead", got)
	}
	if got := inTurn(s, lotSource("b"), now, &turns{}, &turns{}); !slices.Equal(got, seconds(0, 1)) {
		t.Errorf("another's turns are %s ahead", got)
	}
}

// Turns of a lot pass while its letters wait in a storm of all: they are no credit.
func TestALotsLettersAreNotWrittenAtOnceWhenTheStormOfAllIsOver(t *testing.T) {
	s, now := newStorms(5), time.Unix(1000, 0)
	a, b := lotSource("a"), lotSource("b")
	letters(s, a, 5)
	letters(s, b, 5)
	waiting := map[string][]*turns{a: {{}, {}, {}, {}}, b: {{}, {}, {}, {}}}
	for range 60 {
		for source, records := range waiting {
			inTurn(s, source, now, records...)
		}
		now = now.Add(time.Second)
	}
	s.accepted(now, lotSource("another"))
	for source, records := range waiting {
		if got := inTurn(s, source, now, records...); !slices.Equal(got, seconds(0, 1, 2, 3)) {
			t.Errorf("the turns of %s are %s ahead", source, got)
		}
		if at := s.await(records[3], source, true, now.Add(3*time.Second)); at.After(now.Add(3 * time.Second)) {
			t.Errorf("a turn of %s that has come is put off", source)
		}
		if s.over(*records[0], source) {
			t.Error("a storm that is on counts as over")
		}
	}
}

func TestWhoHasATurnLearnsThatItsStormIsOver(t *testing.T) {
	s, now := newStorms(5), time.Unix(1000, 0)
	a := lotSource("a")
	letters(s, a, 5)
	one := &turns{}
	s.await(one, a, true, now)
	if s.over(*one, a) {
		t.Error("over before it is")
	}
	s.accepted(now, a)
	if !s.over(*one, a) {
		t.Error("not over when it is")
	}
	s.await(one, a, true, now)
	if s.over(*one, a) {
		t.Error("over where there is none: who asks would go round in circles")
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
		s.accepted(now, a)
		if at := s.await(records[3], a, true, now); !at.IsZero() {
			t.Errorf("a storm that is over has a turn %s ahead", at.Sub(now))
		}
	}
}

func TestAStormIsForgottenLast(t *testing.T) {
	s := newStorms(5)
	for _, lot := range []string{"a", "b"} {
		letters(s, lotSource(lot), 5)
	}
	for n := range 3 * lotsRemembered {
		s.letter(lotSource(strconv.Itoa(n)))
	}
	for _, lot := range []string{"a", "b"} {
		if alone, _ := s.storming(lotSource(lot)); !alone {
			t.Errorf("the storm of %s is forgotten for lots with one letter", lot)
		}
	}
	if n := len(s.sources); n > lotsRemembered {
		t.Errorf("%d sources are remembered", n)
	}
}

func TestARebalanceDoesNotPutOffTheTurns(t *testing.T) {
	for _, c := range []struct{ each, of time.Duration }{ // how long records are delivered in a generation, of how long
		{2300 * time.Millisecond, 2300 * time.Millisecond}, {900 * time.Millisecond, 1570 * time.Millisecond}, {2 * time.Second, 7100 * time.Millisecond},
	} {
		s, now := newStorms(5), time.Unix(1000, 0)
		a := lotSource("a")
		letters(s, a, 5)
		begun, last, left := now, time.Time{}, 50
		for ; left > 0 && now.Sub(begun) < 10*time.Minute; now = now.Add(c.of) {
			s.rejoined(now)
			written := 0
			for range left {
				if at := s.await(&turns{}, a, true, now); at.Before(now.Add(c.each)) {
					if at.Sub(last) < stormPace {
						t.Errorf("%v: two letters within %s", c, at.Sub(last))
					}
					last = at
					written++
				}
			}
			left -= written
		}
		// A second for each, what the time without delivery takes, and what is rounded up.
		if most := time.Duration(float64(50*time.Second) / (c.each.Seconds() / c.of.Seconds())); now.Sub(begun) > most+stormPace+c.of {
			t.Errorf("%v: 50 letters take %s, %d are left, want %s", c, now.Sub(begun), left, most)
		}
		if alone, _ := s.storming(a); !alone {
			t.Error("a rebalance ended the storm")
		}
	}
}

func TestNoLimitIsNoStorm(t *testing.T) {
	s := newStorms(0)
	letters(s, lotSource("a"), 1000)
	if alone, all := s.storming(lotSource("a")); alone || all || s.active() != 0 {
		t.Error("a storm")
	}
}
