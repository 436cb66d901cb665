package forward

import (
	"fmt"
	"testing"
	"time"
)

// rigOfLots is the lots with a backoff of n seconds, and a clock.
func rigOfLots() (*lots, time.Time) {
	return newLots(func(n int) time.Duration { return time.Duration(n) * time.Second }), time.Unix(1000, 0)
}

// Each row of the table in lots.go.
func TestStatesOfALot(t *testing.T) {
	refuse := func(l *lots, now time.Time, accepted ...uint64) (refused, newly bool) {
		for _, count := range accepted {
			refused, newly, _ = l.refused("bad", count, 0, now)
		}
		return refused, newly
	}
	for name, c := range map[string]struct {
		do            func(l *lots, now time.Time)
		send, refused bool
	}{
		"fine":                                      {func(*lots, time.Time) {}, true, false},
		"fine, refused once: suspected":             {func(l *lots, now time.Time) { refuse(l, now, 1) }, true, false},
		"suspected, accepted: fine":                 {func(l *lots, now time.Time) { refuse(l, now, 1, 2); l.accepted("bad"); refuse(l, now, 3) }, true, false},
		"suspected, three, none accepted: stays":    {func(l *lots, now time.Time) { refuse(l, now, 1, 1, 1, 1) }, true, false},
		"suspected, three, other accepted: refused": {func(l *lots, now time.Time) { refuse(l, now, 1, 1, 2) }, false, true},
		"suspected, the other comes late: refused":  {func(l *lots, now time.Time) { refuse(l, now, 1, 1, 1, 1, 2) }, false, true},
		"refused, accepted: fine":                   {func(l *lots, now time.Time) { refuse(l, now, 1, 1, 2); l.accepted("bad") }, true, false},
		"fine, no credential: refused":              {func(l *lots, now time.Time) { l.turn("bad", false, now) }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			l, now := rigOfLots()
			c.do(l, now)
			if got := len(l.list()) == 1; got != c.refused {
				t.Errorf("refused %v", got)
			}
			if got := l.turn("bad", name != "fine, no credential: refused", now); got.send != c.send {
				t.Errorf("%+v", got)
			}
			if got := l.turn("good", true, now); !got.send || got.probe {
				t.Errorf("another lot: %+v", got)
			}
		})
	}
}

func TestARefusedLotHasOneAttemptPerBackoff(t *testing.T) {
	l, now := rigOfLots()
	for i := range 3 {
		l.refused("bad", uint64(i), 0, now)
	}
	for n := 1; n <= 5; n++ {
		if got := l.turn("bad", true, now); got.send || got.until.Sub(now) != time.Duration(n)*time.Second {
			t.Fatalf("before the backoff: %+v", got)
		}
		now = now.Add(time.Duration(n) * time.Second)
		if got := l.turn("bad", true, now); !got.send || !got.probe {
			t.Fatalf("after it: %+v", got)
		}
		if got := l.turn("bad", true, now); got.send {
			t.Fatalf("a second one while the first is out: %+v", got)
		}
		switch n % 2 { // whatever becomes of it
		case 0:
			l.refused("bad", 9, 0, now)
		default:
			l.failed("bad", 0, now)
		}
	}
}

func TestAChangedCredentialLetsItsLotAloneTryAtOnce(t *testing.T) {
	l, _ := rigOfLots()
	now := time.Now()
	for _, name := range []string{"a", "b"} {
		for i := range 3 {
			l.refused(name, uint64(i), time.Hour, now)
		}
	}
	l.tryNow([]string{"a"})
	if a, b := l.turn("a", true, time.Now()), l.turn("b", true, time.Now()); !a.send || b.send {
		t.Errorf("a %+v, b %+v", a, b)
	}
	l.cut("a")
	l.tryNow(nil)
	if b := l.turn("b", true, time.Now()); !b.send {
		t.Errorf("b %+v", b)
	}
}

func TestLotsThatAreRememberedAreBounded(t *testing.T) {
	l, now := rigOfLots()
	for i := range 2 * lotsRemembered {
		l.refused(fmt.Sprint(i), 1, 0, now)
	}
	if len(l.known) > lotsRemembered {
		t.Errorf("%d lots", len(l.known))
	}
}
