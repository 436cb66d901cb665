package gate

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// limitCase is a platform, and the bar for a client that follows it with up to 64 in flight.
type limitCase struct {
	platform string
	model    model
	stray    float64
	strayAs  Load
	lasts    time.Duration // of the measurement; 0: one minute
	best     float64       // accepted a second with the best limit; 0: what a fixed one of 64 does
	least    float64       // the bar: share of that
	wasted   float64       // the bar: share of requests; 0: none
}

const (
	limitMost  = 64
	limitSeeds = 5
)

func limitCases() []limitCase {
	const ms = time.Millisecond
	var all []limitCase
	for _, c := range []struct {
		k     int
		takes time.Duration
	}{{4, 20 * ms}, {16, 50 * ms}, {48, 200 * ms}} {
		for _, how := range []struct {
			words string
			after time.Duration
		}{{"503 beyond", 5 * ms}, {"refuses connections beyond", 0}, {"resets connections beyond", 15 * ms}} {
			all = append(all, limitCase{
				platform: fmt.Sprintf("serves %d at once in %d ms, %s", c.k, c.takes.Milliseconds(), how.words),
				model:    atMost(c.k, c.takes, how.after),
				best:     float64(c.k) / c.takes.Seconds(), least: 0.9, wasted: 0.05,
			})
		}
	}
	for _, twice := range []int{16, 48} {
		all = append(all, limitCase{
			platform: fmt.Sprintf("slower with load: 50 ms × (1 + (open/%d)²)", twice),
			model:    slowing(50*ms, float64(twice)),
			best:     float64(twice) / 0.1, least: 0.8,
		})
	}
	const answers = 1200 // of each slot: strays come by chance
	for _, stray := range []float64{0.01, 0.05} {
		for _, as := range []Load{LoadTimedOut, LoadRefused} {
			words := map[Load]string{LoadTimedOut: "time out", LoadRefused: "are answered 503"}[as]
			for _, takes := range []time.Duration{20 * ms, 100 * ms} {
				lasts := answers * takes
				if as == LoadTimedOut {
					lasts = 3 * time.Minute // a time-out alone takes 10 s
				}
				all = append(all, limitCase{
					platform: fmt.Sprintf("answers in %d ms, but %.0f %% of the records %s", takes.Milliseconds(), 100*stray, words),
					model:    constant(takes), stray: stray, strayAs: as, lasts: lasts,
					least: map[float64]float64{0.01: 0.9, 0.05: 0.5}[stray], wasted: 1,
				})
			}
		}
		all = append(all, limitCase{
			platform: fmt.Sprintf("answers in 50 ms, but %.0f %% of the requests 503", 100*stray),
			model: func(chance *rand.Rand, _ int) (Load, time.Duration) {
				if chance.Float64() < stray {
					return LoadRefused, 5 * ms
				}
				return LoadServed, 50 * ms
			},
			lasts: 3 * time.Minute, // in one minute chance moved the share by 7 %
			least: map[float64]float64{0.01: 0.9, 0.05: 0.5}[stray], wasted: 1,
		})
	}
	return all
}

// run sends to the platform from the first request on.
func (c limitCase) run(t *testing.T, gate *Gate, seed uint64) (o outcome) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		gate.config.OnOpen = func() { opened++ }
		l := newLoad(gate, c.model, seed)
		l.stray, l.strayAs = c.stray, c.strayAs
		o = l.work(t.Context(), 2*limitMost).during(cmp.Or(c.lasts, time.Minute))
		o.opened = opened
	})
	return o
}

// The limit that follows holds its bar with every platform, whatever the seed, and
// docs/explanation/limits.md tells what was measured.
func TestLimitAgainstTheBestFixedOne(t *testing.T) {
	page := readLimits(t)
	var table strings.Builder
	table.WriteString("| platform | the bar | accepted | wasted |\n| --- | --- | --- | --- |\n")
	for _, c := range limitCases() {
		t.Run(c.platform, func(t *testing.T) {
			if !*updateTable { // else the rows stand in their order
				t.Parallel()
			}
			share, wasted := 1.0, 0.0
			for seed := range uint64(limitSeeds) {
				best := c.best
				if best == 0 {
					best = c.run(t, fixed(limitMost), seed).rate
				}
				o := c.run(t, adaptive(limitMost), seed)
				share, wasted = min(share, o.rate/best), max(wasted, o.waste())
				if o.dead > 0 || c.stray == 0 && o.opened > 0 {
					t.Errorf("seed %d: %d dead, the circuit opened %d times", seed, o.dead, o.opened)
				}
			}
			if share < c.least || wasted > c.wasted {
				t.Errorf("%.1f %% of the best, %.1f %% wasted", 100*share, 100*wasted)
			}
			bar, spent := fmt.Sprintf("%.0f %%", 100*c.least), fmt.Sprintf("%.1f %%", 100*wasted)
			switch c.wasted {
			case 1:
				bar, spent = bar+" of limit 64", "–"
			case 0:
				bar += ", none wasted"
			default:
				bar += fmt.Sprintf(", %.0f %% wasted", 100*c.wasted)
			}
			row := fmt.Sprintf("| %s | %s | %.0f %% | %s |", c.platform, bar, 100*share, spent)
			t.Log(row)
			if *updateTable {
				table.WriteString(row + "\n")
			} else {
				page.holds(t, row)
			}
		})
	}
	if *updateTable {
		page.write(t, table.String())
	}
}

// Where nothing speaks against it the whole limit is in use within ten answers' time.
func TestWholeLimitIsReachedWithinTenAnswers(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoad(adaptive(limitMost), constant(takes), 1).work(t.Context(), 2*limitMost)
				l.during(10 * takes)
				if limit, out := l.gate.limit(), l.gate.State().InFlight; limit != limitMost || out != limitMost {
					t.Errorf("the limit is %d, %d are in flight", limit, out)
				}
			})
		})
	}
	// Answers that take no time: ten times as many records as may be in flight are waiting.
	t.Run("none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLoad(adaptive(limitMost), constant(0), 1)
			for range startLimit {
				if _, err := l.gate.Acquire(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for range 10 * limitMost {
				go l.first(t.Context())
			}
			synctest.Wait()
			for range startLimit {
				l.gate.Release(true)
			}
			if l.during(1); l.gate.limit() != limitMost {
				t.Errorf("the limit is %d", l.gate.limit())
			}
		})
	})
}

var updateTable = flag.Bool("update", false, "write the measured table into docs/explanation/limits.md")

// limitsPage is docs/explanation/limits.md, cut where the measured table stands.
type limitsPage struct{ before, table, after string }

const (
	tablePage  = "../../docs/explanation/limits.md"
	tableBegin = "<!-- measured:begin -->\n"
	tableEnd   = "<!-- measured:end -->"
)

func readLimits(t *testing.T) limitsPage {
	t.Helper()
	text, err := os.ReadFile(tablePage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), tableBegin)
	table, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatal("no marks in " + tablePage)
	}
	return limitsPage{before, table, after}
}

func (p limitsPage) write(t *testing.T, table string) {
	t.Helper()
	text := p.before + tableBegin + "\n" + table + "\n" + tableEnd + p.after
	if err := os.WriteFile(tablePage, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var measured = regexp.MustCompile(`([0-9.]+) %`)

// holds fails where the page does not hold a row, or another by more than a run may vary.
func (p limitsPage) holds(t *testing.T, row string) {
	t.Helper()
	words, numbers := cutNumbers(row)
	for line := range strings.Lines(p.table) {
		other, theirs := cutNumbers(strings.TrimSpace(line))
		if other != words {
			continue
		}
		for i, n := range numbers {
			if diff := n - theirs[i]; diff > 12 || diff < -12 {
				t.Errorf("the page says %s, measured: %s; write it anew with -update", strings.TrimSpace(line), row)
			}
		}
		return
	}
	t.Errorf("not in %s: %s; write it with -update", tablePage, row)
}

// cutNumbers parts a row from the percentages of its last two columns.
func cutNumbers(row string) (words string, numbers []float64) {
	columns := strings.SplitN(row, "|", 4)
	last := columns[len(columns)-1]
	for _, m := range measured.FindAllStringSubmatch(last, -1) {
		n, _ := strconv.ParseFloat(m[1], 64)
		numbers = append(numbers, n)
	}
	columns[len(columns)-1] = measured.ReplaceAllString(last, "%")
	return strings.Join(columns, "|"), numbers
}

// Not only with the numbers above: with few and with odd ones nine tenths are used, a
// twentieth is wasted at most, and the circuit stays closed.
func TestLimitOfAnyPlatformThatServesSoManyAtOnce(t *testing.T) {
	t.Parallel()
	for _, k := range []int{1, 2, 3, 8, 19, 28, 41, 60} {
		for _, refuses := range []time.Duration{0, 5 * time.Millisecond} {
			t.Run(fmt.Sprintf("%d, refused in %v", k, refuses), func(t *testing.T) {
				c := limitCase{model: atMost(k, 50*time.Millisecond, refuses), best: float64(k) / 0.05}
				if o := c.run(t, adaptive(limitMost), 1); o.rate < 0.9*c.best || o.waste() > 0.05 || o.opened > 0 || o.dead > 0 {
					t.Errorf("%.0f a second of %.0f, %.1f %% wasted, the circuit opened %d times, %d dead", o.rate, c.best, 100*o.waste(), o.opened, o.dead)
				}
			})
		}
	}
}
