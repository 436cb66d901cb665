package forward

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// rigOfLots returns lots with a backoff of n seconds, and a start time.
func rigOfLots() (*lots, time.Time) {
	return newLots(func(n int) time.Duration { return time.Duration(n) * time.Second }), time.Unix(1000, 0)
}

// refusal and failure are results of deliveries.
var refusal, failure = &upstream.Answer{Verdict: upstream.Refused}, &upstream.Answer{Verdict: upstream.Failed}

// Each row of the table in lots.go.
func TestStatesOfALot(t *testing.T) {
	refuse := func(l *lots, now time.Time, accepted ...uint64) (refused, newly bool) {
		for _, count := range accepted {
			got := l.ended("bad", nil, refusal, false, count, now)
			refused, newly = got.waits, got.newly
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
		"fine, no credential: refused":              {func(l *lots, now time.Time) { l.permit("bad", false, now) }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			l, now := rigOfLots()
			c.do(l, now)
			if got := len(l.list()) == 1; got != c.refused {
				t.Errorf("refused %v", got)
			}
			if got := l.permit("bad", name != "fine, no credential: refused", now); got.waits == c.send {
				t.Errorf("%+v", got)
			}
			if got := l.permit("good", true, now); got.waits || got.attempt != nil {
				t.Errorf("another lot: %+v", got)
			}
		})
	}
}

func TestARefusedLotHasOneAttemptPerBackoff(t *testing.T) {
	l, now := rigOfLots()
	for i := range 3 {
		l.ended("bad", nil, refusal, false, uint64(i), now)
	}
	for n := 1; n <= 5; n++ {
		if got := l.permit("bad", true, now); !got.waits || got.next.Sub(now) != time.Duration(n)*time.Second {
			t.Fatalf("before the backoff: %+v", got)
		}
		now = now.Add(time.Duration(n) * time.Second)
		one := l.permit("bad", true, now)
		if one.waits || one.attempt == nil {
			t.Fatalf("after it: %+v", one)
		}
		if got := l.permit("bad", true, now); !got.waits {
			t.Fatalf("a second one while the first is out: %+v", got)
		}
		switch n % 2 { // whatever becomes of it
		case 0:
			l.ended("bad", one.attempt, refusal, false, 9, now)
		default:
			l.ended("bad", one.attempt, failure, false, 9, now)
		}
	}
}

func TestAChangedCredentialLetsItsLotAloneTryAtOnce(t *testing.T) {
	l, _ := rigOfLots()
	now := time.Now()
	for _, name := range []string{"a", "b"} {
		for i := range 3 {
			l.ended(name, nil, &upstream.Answer{Verdict: upstream.Refused, RetryAfter: time.Hour}, false, uint64(i), now)
		}
	}
	l.tryNow([]string{"a"})
	a, b := l.permit("a", true, time.Now()), l.permit("b", true, time.Now())
	if a.waits || !b.waits {
		t.Errorf("a %+v, b %+v", a, b)
	}
	l.giveBack(a.attempt)
	l.tryNow(nil)
	if b := l.permit("b", true, time.Now()); b.waits {
		t.Errorf("b %+v", b)
	}
}

func TestLotsThatAreRememberedAreBounded(t *testing.T) {
	l, now := rigOfLots()
	for i := range 2 * lotsRemembered {
		l.ended(fmt.Sprint(i), nil, refusal, false, 1, now)
	}
	if len(l.known) > lotsRemembered {
		t.Errorf("%d lots", len(l.known))
	}
}

// Only the record that took the attempt ends it: other records of the lot may be in flight when
// it is found refused.
func TestALotsAttemptIsGivenBackOnceByWhoTookIt(t *testing.T) {
	l, now := rigOfLots()
	for i := range 3 {
		l.ended("bad", nil, refusal, false, uint64(i), now)
	}
	now = now.Add(time.Minute)
	first := l.permit("bad", true, now)
	for _, late := range []*upstream.Answer{refusal, failure, {Verdict: upstream.Cut}, {Verdict: upstream.Permanent}} {
		l.ended("bad", nil, late, false, 9, now)
		if got := l.permit("bad", true, now.Add(time.Hour)); !got.waits {
			t.Fatalf("%s, without the attempt: a second one is out", late.Verdict)
		}
	}
	l.giveBack(first.attempt)
	now = now.Add(time.Hour)
	second := l.permit("bad", true, now)
	if second.attempt == nil {
		t.Fatal("none after it was given back")
	}
	for _, end := range []*upstream.Answer{refusal, failure, {Verdict: upstream.Cut}, {Verdict: upstream.Permanent}, {Verdict: upstream.Throttled}} {
		for _, over := range []bool{false, true} {
			l.ended("bad", second.attempt, end, over, 9, now)
			now = now.Add(time.Hour)
			if second = l.permit("bad", true, now); second.attempt == nil {
				t.Fatalf("%s, over %v: none an hour after", end.Verdict, over)
			}
		}
	}
}

// An attempt in flight when the credential changes is signed with the old one: its failure must
// not delay the first attempt with the new one.
func TestAChangedCredentialIsTriedAtOnceAfterAnAttemptThatIsOut(t *testing.T) {
	l, _ := rigOfLots()
	now := time.Now()
	for i := range 3 {
		l.ended("bad", nil, refusal, false, uint64(i), now)
	}
	now = now.Add(time.Minute)
	try := l.permit("bad", true, now).attempt
	l.tryNow([]string{"bad"})
	if got := l.ended("bad", try, refusal, false, 9, now); !got.waits || got.next.After(now) {
		t.Errorf("the next attempt is %s away", got.next.Sub(now))
	}
	try = l.permit("bad", true, now).attempt
	if got := l.ended("bad", try, refusal, false, 9, now); got.next.Sub(now) != time.Second {
		t.Errorf("the one after it is %s away, want its backoff", got.next.Sub(now))
	}
}

// coded maps by a lookup file.
func coded(t *testing.T, lots mapping.Lookup) *mapping.Mapper {
	t.Helper()
	f, err := mapping.Parse([]byte(`profiles: [{name: a, fields: {park_uuid: {from: p, lookup: lots.csv}, flow_no: {from: f}, parking_serial: {from: s}, plate: {from: c}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.New(mapping.Config{Location: time.UTC, File: f, Lookups: map[string]mapping.Lookup{"lots.csv": lots}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A lot that is not listed is told once, with its file, until a newer file has it.
func TestALotThatIsNotListed(t *testing.T) {
	l, now := rigOfLots()
	missing := mapping.Unlisted{File: "lots.csv", Code: "1042"}
	l.permit("bad", false, now)
	if got := l.permit(missing.Lot(), false, now); !got.waits || !got.newly {
		t.Errorf("%+v", got)
	}
	if got := l.permit(missing.Lot(), false, now.Add(time.Hour)); !got.waits || got.newly {
		t.Errorf("later %+v", got)
	}
	if codes := l.listed(coded(t, mapping.Lookup{"7": "P7"})); len(codes) != 0 || len(l.list()) != 2 {
		t.Errorf("listed %q, left %v", codes, l.list())
	}
	for _, one := range l.list() {
		if (one.Lot == "1042") != (one.NotIn == "lots.csv") {
			t.Errorf("%+v", one)
		}
	}
	if codes := l.listed(coded(t, mapping.Lookup{"1042": "P1"})); !slices.Equal(codes, []string{"1042"}) || len(l.list()) != 1 {
		t.Errorf("listed %q, left %v", codes, l.list())
	}
	told := 0
	for i := range 2 * lotsRemembered {
		if l.permit((&mapping.Unlisted{File: "lots.csv", Code: fmt.Sprint(i)}).Lot(), false, now).newly {
			told++
		}
	}
	if told >= lotsRemembered || len(l.known) > lotsRemembered {
		t.Errorf("%d are told, %d remembered", told, len(l.known))
	}
}

// A file that has the lot, and came while the record was looked at, is not missed.
func TestALotThatIsListedMeanwhile(t *testing.T) {
	l, _ := rigOfLots()
	f := &Forwarder{Config: Config{Log: slog.New(slog.DiscardHandler)}, lots: l}
	d := &delivery{unlisted: &mapping.Unlisted{File: "lots.csv", Code: "1042"}}
	for _, c := range []struct {
		lots mapping.Lookup
		left int
	}{{mapping.Lookup{"7": "P7"}, 1}, {mapping.Lookup{"1042": "P1"}, 0}} {
		f.mapper.Store(coded(t, c.lots))
		lot := l.permit(d.unlisted.Lot(), false, time.Now())
		f.lotUnlisted(d, &lot)
		if len(l.list()) != c.left || (c.left == 0) == lot.next.After(time.Now()) {
			t.Errorf("%v: %+v, left %v", c.lots, lot, l.list())
		}
	}
}

func TestARefusedLotIsForgottenLast(t *testing.T) {
	l, now := rigOfLots()
	l.permit("bad", false, now)
	for i := range 2 * lotsRemembered {
		l.ended(fmt.Sprint(i), nil, refusal, false, 1, now)
	}
	if len(l.list()) != 1 {
		t.Error("a refused lot is forgotten for lots that were refused once")
	}
}
