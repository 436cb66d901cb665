package forward

import (
	"fmt"
	"testing"
	"time"

	"release-forwarder/upstream"
)

func TestEvidenceProvesAFailureOnlyWhereThePlatformMostlyAccepts(t *testing.T) {
	for _, c := range []struct {
		name             string
		accepted, failed int // first deliveries of others
		later            int // acceptances of held records
		own              bool
		want             bool
	}{
		{"nothing happened", 0, 0, 0, true, false},
		{"nine accepted", 9, 0, 0, true, false},
		{"ten accepted", 10, 0, 0, true, true},
		{"ten accepted, none failed, a later delivery", 10, 0, 0, false, true},
		{"held records that were accepted prove nothing", 0, 0, 100, true, false},
		{"four times as many accepted as failed", 40, 10, 0, true, true},
		{"less than four times as many", 39, 10, 0, true, false},
		{"its own failure is left out", 12, 3, 0, true, true},
		{"at a later delivery there is no own failure to leave out", 12, 3, 0, false, true},
		{"at a later delivery one failure more", 12, 4, 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEvidence()
			for range 100 { // before the record's delivery began: no proof
				e.accept("lot", true)
			}
			since := e.now()
			for i := range c.accepted {
				e.accept(fmt.Sprint(i), true)
			}
			for range c.later {
				e.accept("lot", false)
			}
			for range c.failed {
				other := e.now()
				e.fail(&other)
			}
			if c.own {
				e.fail(&since)
			}
			if got := e.proves(since, ""); got != c.want {
				t.Fatalf("proves %v, want %v", got, c.want)
			}
			if e.proves(e.now(), "") {
				t.Error("the same acceptances prove two failures")
			}
		})
	}
}

func TestARefusalNeedsAnAcceptanceOfItsLot(t *testing.T) {
	e := newEvidence()
	e.accept("mine", true)
	since := e.now()
	e.fail(&since)
	for range 10 {
		e.accept("other", true)
	}
	if e.proves(since, "mine") {
		t.Error("the lot was last accepted before the delivery began")
	}
	e.accept("mine", false)
	if !e.proves(since, "mine") {
		t.Error("the lot was accepted since, and ten others")
	}
	since = e.now()
	for range 10 {
		e.accept("other", true)
	}
	if e.proves(since, "mine") {
		t.Error("the lot's acceptance proved two failures")
	}
}

func TestEvidenceForgetsLotsWithinItsBound(t *testing.T) {
	e := newEvidence()
	for i := range 10 * lotsRemembered {
		e.accept(fmt.Sprint(i), true)
		if n := len(e.younger) + len(e.older); n > lotsRemembered {
			t.Fatalf("%d lots are remembered, the bound is %d", n, lotsRemembered)
		}
	}
	since := e.now()
	for range 10 {
		e.accept("fresh", true)
	}
	if !e.proves(since, "fresh") {
		t.Error("the lot accepted last was forgotten")
	}
}

func TestTheBudgetIsThreeOverHalfAndNeverWhereItIsNone(t *testing.T) {
	for _, c := range []struct {
		budget   int
		overHalf bool
		want     int
	}{{20, false, 20}, {20, true, 3}, {2, true, 2}, {0, false, 0}, {0, true, 0}} {
		f := New(Config{Budget: c.budget})
		if got := f.budget(c.overHalf); got != c.want {
			t.Errorf("budget %d, overHalf %v: %d failures, want %d", c.budget, c.overHalf, got, c.want)
		}
	}
}

func TestTheBackoffDoublesToItsBound(t *testing.T) {
	for _, c := range []struct {
		low, high   time.Duration
		n           int
		least, most time.Duration
	}{
		{time.Second, 30 * time.Second, 1, time.Second, 1500 * time.Millisecond},
		{time.Second, 30 * time.Second, 2, 2 * time.Second, 3 * time.Second},
		{time.Second, 30 * time.Second, 5, 16 * time.Second, 24 * time.Second},
		{time.Second, 30 * time.Second, 6, 20 * time.Second, 30 * time.Second},
		{time.Second, 30 * time.Second, 1 << 40, 20 * time.Second, 30 * time.Second},
		{time.Millisecond, time.Millisecond, 7, time.Millisecond, time.Millisecond},
		{time.Nanosecond, time.Nanosecond, 1, time.Nanosecond, time.Nanosecond},
		{20 * time.Second, time.Hour, 31, 40 * time.Minute, time.Hour},
		{20 * time.Second, time.Hour, 32, 40 * time.Minute, time.Hour},
		{20 * time.Second, time.Hour, 40, 40 * time.Minute, time.Hour},
	} {
		f := New(Config{BackoffMin: c.low, BackoffMax: c.high})
		for range 200 {
			if got := f.backoff(c.n); got < c.least || got > c.most {
				t.Fatalf("wait %d of %s to %s: %s, want %s to %s", c.n, c.low, c.high, got, c.least, c.most)
			}
		}
	}
}

// No answer of the platform can put its own text into a log line (P7 of docs/explanation/guarantees.md).
func TestALogLineHoldsNothingThatThePlatformChose(t *testing.T) {
	a := upstream.Answer{Verdict: upstream.Failed, Code: "粤B12345", Seqno: "a b", Message: "粤B12345", Hint: "粤B12345", Err: fmt.Errorf("粤B12345")}
	for _, attr := range answer(a) {
		if v := attr.Value.String(); v != "?" && v != "failed" {
			t.Errorf("%s=%s", attr.Key, v)
		}
	}
}
