package main

import (
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

func parses(args []string) error {
	var c commands
	parser, err := kong.New(&c)
	if err == nil {
		_, err = parser.Parse(args)
	}
	return err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func TestFullSpeedIsFoundInTheTenths(t *testing.T) {
	tenths := func(runs ...[2]int64) (all []int64) { // n tenths of a rate
		for _, run := range runs {
			for range run[0] {
				all = append(all, run[1])
			}
		}
		return all
	}
	for _, c := range []struct {
		what   string
		tenths []int64
		full   float64
		at     int
	}{
		{"at once", tenths([2]int64{3, 0}, [2]int64{40, 100}, [2]int64{1, 20}), 100, 3},
		{"after a slow beginning", tenths([2]int64{10, 40}, [2]int64{40, 100}), 100, 10},
		{"never: it is too short", tenths([2]int64{5, 100}), 0, -1},
	} {
		if got := fullRate(c.tenths); c.at >= 0 && got != c.full {
			t.Errorf("%s: rate %v, want %v", c.what, got, c.full)
		}
		if got := fullSpeed(c.tenths); got != c.at {
			t.Errorf("%s: at %d, want %d", c.what, got, c.at)
		}
	}
}

func TestAnOutageIsJudgedByTheRateBeforeIt(t *testing.T) {
	at := func(tenth int64) int64 { return tenth * 100_000_000 }
	var before, begin, end account
	for i := range int64(140) {
		n := int64(100)
		switch {
		case i >= 40 && i < 90:
			n = 0 // the outage
		case i >= 90 && i < 100:
			n = 0 // nobody has asked yet
		}
		end.Tenths, end.Count, end.Now = append(end.Tenths, n), end.Count+n, at(i+1)
		switch i {
		case 39:
			before = end
		case 89:
			begin = end
		}
	}
	var o outages
	o.note(before, begin, end)
	if o.full[0] != 1000 || o.share[0] != 0.8 || o.back[0] != 1000 {
		t.Errorf("full %v, share %v, back %v", o.full, o.share, o.back)
	}
}
