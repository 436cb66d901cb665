package main

import (
	"math"
	"testing"
	"time"
)

func TestASpreadShowsTheMedianAndTheEnds(t *testing.T) {
	for _, c := range []struct {
		of   spread
		want string
	}{
		{spread{3, 1, 2}, "2 (1–3)"},
		{spread{2}, "2"},
		{spread{2.1, 1.9}, "2"},
		{spread{math.NaN(), 4}, "4"},
		{spread{math.NaN()}, "–"},
		{nil, "–"},
	} {
		if got := c.of.format("%.0f"); got != c.want {
			t.Errorf("%v: %s, want %s", c.of, got, c.want)
		}
	}
}

func TestSharesAreTakenRoundByRound(t *testing.T) {
	// The slow second round is slow for both.
	got := spread{80, 20, 90}.over(spread{100, 25, 100}).times(100)
	if got.format("%.0f") != "80 (80–90)" {
		t.Error(got)
	}
}

func TestARunIsLongEnoughAndNoLonger(t *testing.T) {
	for _, c := range []struct {
		cell      cell
		many, one int
	}{
		{cell{0, 1, small, 64}, 60000, 3976},
		{cell{20 * time.Millisecond, 1, small, 64}, 12800, 97},
		{cell{100 * time.Millisecond, 1, small, 512}, 20480, 19},
		{cell{0, 1, large, 64}, 3072, 1312},
	} {
		if many, one := c.cell.records(60000); many != c.many || one != c.one {
			t.Errorf("%s: %d and %d, want %d and %d", c.cell, many, one, c.many, c.one)
		}
	}
}

func TestTheUsualCellsTouchEveryAxis(t *testing.T) {
	for _, full := range matrix([]time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond}, []int{1, 6, 100}, []int{small, large}, []int{64, 512}) {
		var delay, partitions, size, open bool
		for _, c := range usual() {
			delay, partitions = delay || c.delay == full.delay, partitions || c.partitions == full.partitions
			size, open = size || c.size == full.size, open || c.open == full.open
		}
		if !delay || !partitions || !size || !open {
			t.Errorf("nothing of %s is measured", full)
		}
	}
}
