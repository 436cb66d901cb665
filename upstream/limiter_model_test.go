package upstream

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Platforms in virtual time, and what a limit makes of them.

// model is a platform: how an attempt ends that finds open others there.
type model struct {
	name, words string
	answer      func(open int) (refused bool, takes time.Duration)
	best        float64 // what can be accepted a second, with the best of limits
}

const (
	modelTimeout = 10 * time.Second
	modelMost    = 256
)

// healthy answers in 80 to 120 ms, whatever is open.
func healthy() model {
	return model{
		"healthy", "100 ms ± 20, however many are open",
		func(int) (bool, time.Duration) { return false, 80*time.Millisecond + rand.N(40*time.Millisecond) },
		modelMost / 0.1,
	}
}

// atMost serves k at once and answers 503 beyond.
func atMost(k int, takes time.Duration) model {
	return model{
		"bounded", fmt.Sprintf("%v, %d at once, 503 beyond after 5 ms", takes, k),
		func(open int) (bool, time.Duration) {
			if open >= k {
				return true, 5 * time.Millisecond
			}
			return false, takes
		},
		float64(k) / takes.Seconds(),
	}
}

// crawling takes ever longer the more it has to do: with 16 open it serves the
// most.
func crawling() model {
	return model{
		"crawling", "50 ms × (1 + (open/16)²)",
		func(open int) (bool, time.Duration) {
			n := float64(open+1) / 16
			return false, time.Duration(float64(50*time.Millisecond) * (1 + n*n))
		},
		16 / 0.1,
	}
}

// outcome is what came of a run.
type outcome struct {
	accepted, attempts, wasted int
	rate                       float64 // accepted a second
	limit                      int
}

func (o outcome) waste() float64 { return float64(o.wasted) / float64(max(1, o.attempts)) }

// load drives a platform through a gate for a time, with always more to send
// than may be open. stray is the share of records that time out whatever is open.
type load struct {
	t        *testing.T
	gate     *Gate
	platform atomic.Pointer[model]
	stray    float64

	mu         sync.Mutex
	open       int // at the platform and not refused
	total      outcome
	deliveries evidence
}

func newLoad(t *testing.T, gate *Gate, m model, workers int) *load {
	l := &load{t: t, gate: gate}
	l.platform.Store(&m)
	for range workers {
		go func() {
			for l.deliver(t.Context()) {
			}
		}()
	}
	return l
}

// deliver is one first delivery with its two quick retries, as Client.Deliver
// makes it.
func (l *load) deliver(ctx context.Context) bool {
	if _, err := l.gate.Acquire(ctx); err != nil {
		return false
	}
	defer l.gate.Release(true)
	begun := l.evidence()
	stray := rand.Float64() < l.stray
	for range 3 {
		taken, timedOut := l.attempt(ctx, stray)
		switch {
		case ctx.Err() != nil:
			return false
		case taken:
			l.gate.Accepted()
			l.mu.Lock()
			l.deliveries.accepted++
			l.mu.Unlock()
			return true
		case timedOut || l.gate.Open():
			l.failed(begun)
			return true
		}
		sleep(ctx, 100*time.Millisecond+rand.N(100*time.Millisecond))
		if l.gate.Open() {
			break
		}
	}
	l.failed(begun)
	return true
}

// evidence is how many deliveries were accepted and how many failed.
type evidence struct{ accepted, failed int }

func (l *load) evidence() evidence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deliveries
}

// failed tells the gate of a failed delivery, unless the platform has mostly
// accepted since it began: then it is the record's own failure, as in the service.
func (l *load) failed(begun evidence) {
	l.mu.Lock()
	now := l.deliveries
	l.deliveries.failed++
	l.mu.Unlock()
	accepted, failed := now.accepted-begun.accepted, now.failed-begun.failed
	if accepted < 10 || accepted < 4*failed {
		l.gate.Failed(new(int))
	}
}

func (l *load) attempt(ctx context.Context, stray bool) (taken, timedOut bool) {
	refused, takes := l.arrive()
	if timedOut = !refused && (stray || takes > modelTimeout); timedOut {
		refused, takes = true, modelTimeout
	}
	sleep(ctx, takes)
	l.leave(refused && !timedOut)
	switch {
	case !refused:
		l.gate.Observe(LoadServed, takes)
	case timedOut:
		l.gate.Observe(LoadTimedOut, takes)
	default:
		l.gate.Observe(LoadRefused, takes)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.attempts++
	if refused {
		l.total.wasted++
	} else {
		l.total.accepted++
	}
	return !refused, timedOut
}

func (l *load) arrive() (refused bool, takes time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	refused, takes = l.platform.Load().answer(l.open)
	if !refused {
		l.open++
	}
	return refused, takes
}

func (l *load) leave(refused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !refused {
		l.open--
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// during lets time pass and returns what came of it.
func (l *load) during(d time.Duration) outcome {
	synctest.Wait()
	l.mu.Lock()
	before := l.total
	l.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	o := outcome{
		accepted: l.total.accepted - before.accepted, attempts: l.total.attempts - before.attempts,
		wasted: l.total.wasted - before.wasted, limit: l.gate.State().Limit,
	}
	o.rate = float64(o.accepted) / d.Seconds()
	return o
}

func adaptive(most int) *Gate {
	return NewGate(GateConfig{MaxInFlight: most, Adaptive: true})
}

// run is a platform from the first request on, for a minute.
func run(t *testing.T, gate func() *Gate, m model) (o outcome) {
	synctest.Test(t, func(t *testing.T) { o = newLoad(t, gate(), m, 2*modelMost).during(time.Minute) })
	return o
}

func TestAdaptiveLimitAgainstFixedOnes(t *testing.T) {
	var table strings.Builder
	table.WriteString("| platform | the most it serves | limit 8 | limit 64 | limit 256 | adaptive, to 256 |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, m := range []model{healthy(), atMost(16, 50*time.Millisecond), crawling()} {
		fmt.Fprintf(&table, "| %s: %s | %.0f/s |", m.name, m.words, m.best)
		var of []outcome
		for _, most := range []int{8, 64, 256, 0} {
			gate := func() *Gate { return NewGate(GateConfig{MaxInFlight: most}) }
			if most == 0 {
				gate = func() *Gate { return adaptive(modelMost) }
			}
			o := run(t, gate, m)
			of = append(of, o)
			fmt.Fprintf(&table, " %.0f/s, %.1f%% wasted |", o.rate, 100*o.waste())
		}
		table.WriteString("\n")
		own := of[len(of)-1]
		if own.rate < 0.9*m.best || own.waste() > 0.05 {
			t.Errorf("%s: %.0f a second of %.0f, %.1f%% wasted, the limit is %d", m.name, own.rate, m.best, 100*own.waste(), own.limit)
		}
	}
	t.Log("\n" + table.String())
	if *updateTable {
		writeTable(t, table.String())
	}
}

var updateTable = flag.Bool("update", false, "write the measured table into docs/limits.md")

// The page holds the table as it was measured last; what must be so of it is
// held by the test above, whatever the exact numbers of a run.
const (
	tablePage  = "../docs/limits.md"
	tableBegin = "<!-- measured:begin -->\n"
	tableEnd   = "<!-- measured:end -->"
)

func writeTable(t *testing.T, table string) {
	t.Helper()
	page, err := os.ReadFile(tablePage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), tableBegin)
	_, after, found := strings.Cut(rest, tableEnd)
	if !found {
		t.Fatal("no marks in " + tablePage)
	}
	if err := os.WriteFile(tablePage, []byte(before+tableBegin+"\n"+table+"\n"+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPlatformThatServesFewAtOnce(t *testing.T) {
	for _, k := range []int{1, 2, 3, 8, 40, 64, 200} {
		for _, takes := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond} {
			t.Run(fmt.Sprint(k, " at once for ", takes), func(t *testing.T) {
				m := atMost(k, takes)
				o := run(t, func() *Gate { return adaptive(modelMost) }, m)
				if o.rate < 0.9*m.best || o.waste() > 0.05 {
					t.Errorf("%.1f a second of %.1f, %.1f%% wasted, the limit is %d", o.rate, m.best, 100*o.waste(), o.limit)
				}
			})
		}
	}
}
