package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"release-forwarder/dlq/receipt"
)

// The tests of this file hold the tally against a plain one that sorts all receipts first.

// hmacOf is an HMAC-SHA256 of a text.
func hmacOf(key, text string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// In whatever order receipts come, each event counts at its first.
func TestATallyCountsEachEventAtItsFirstReceipt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var all []*receipt.Stored
		for i := range 30 {
			all = append(all, &receipt.Stored{Written: int64(i), Receipt: receipt.Receipt{
				Lot: "lot", Place: receipt.Place{Topic: "e", Offset: random.Int64N(12)}, Verdict: []receipt.Verdict{receipt.Accepted, receipt.DeadLetter}[random.IntN(2)],
			}})
		}
		in := func(ms int64) bool { return ms >= 5 && ms < 25 }
		want, seen, repeats := counts{}, map[receipt.Place]bool{}, int64(0)
		for _, s := range all {
			if seen[s.Place] {
				repeats++
			} else if in(s.Written) {
				*want.of(codeOf(s.Verdict))++
			}
			seen[s.Place] = true
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		tally := newTally(in, time.UTC, 100)
		for _, s := range all {
			tally.add(s)
		}
		got := counts{}
		for _, c := range tally.counts {
			got.accepted, got.deadLetter = got.accepted+c.accepted, got.deadLetter+c.deadLetter
		}
		if got != want || tally.repeats != repeats || tally.unchecked != 0 {
			t.Fatalf("%+v, %d repeats; want %+v, %d", got, tally.repeats, want, repeats)
		}
	}
}

// Beyond the bound of its memory a tally says how many events may count again.
func TestATallySaysWhatItDoesNotRemember(t *testing.T) {
	tally := newTally(func(int64) bool { return true }, time.UTC, 3)
	for _, offset := range []int64{0, 1, 2, 3, 4, 0, 3} {
		tally.add(&receipt.Stored{Receipt: receipt.Receipt{Place: receipt.Place{Offset: offset}, Verdict: receipt.Accepted}})
	}
	if c := tally.counts; fmt.Sprint(c) != "[{6 0 0}]" || tally.repeats != 1 || tally.unchecked != 3 {
		t.Errorf("%v, %d repeats, %d unchecked", c, tally.repeats, tally.unchecked)
	}
}
