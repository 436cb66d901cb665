package main

import (
	"strings"
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

// The median of each column's rounds, and what the forwarder adds round by round.
func TestWhatIsAddedIsTheDifferenceInTheSameRound(t *testing.T) {
	const ms = int64(time.Millisecond)
	events := func(log, at int64) (p paced) { // due at 1 s and 2 s, in the log and arrived so many ms later
		p.log = map[int64]int64{}
		for _, due := range []int64{1000 * ms, 2000 * ms} {
			p.Arrivals = append(p.Arrivals, arrival{due, due + at*ms})
			p.log[due] = due + log*ms
		}
		return p
	}
	l := load{name: "half", rate: 5000}
	l.add(events(0, 1).account, events(2, 8), events(3, 10))
	l.add(events(0, 5).account, events(3, 20), events(4, 16))
	got := latencyTable(10000, []*load{&l})
	for _, row := range []string{
		// The bare loop, the hasty reader, the forwarder, what it adds to either.
		"| half | 5000 | " + strings.Repeat("5.00 (1.00–5.00) | ", 3) + strings.Repeat("20.00 (8.00–20.00) | ", 3) + strings.Repeat("16.00 (10.00–16.00) | ", 3) +
			strings.Repeat("11.00 (9.00–11.00) | ", 2) + strings.Repeat("2.00 (-4.00–2.00) | ", 2) + "0 |",
		// Until the event is in the log, then from there on.
		"| half | 5000 | " + strings.Repeat("4.00 (3.00–4.00) | ", 3) + strings.Repeat("17.00 (6.00–17.00) | ", 3) + strings.Repeat("12.00 (7.00–12.00) | ", 3) +
			strings.Repeat("7.00 (6.00–7.00) | ", 2) + "1.00 (-5.00–1.00) | 1.00 (-5.00–1.00) |",
	} {
		if !strings.Contains(got, row) {
			t.Errorf("no row %s in\n%s", row, got)
		}
	}
}
