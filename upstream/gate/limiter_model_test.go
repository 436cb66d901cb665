package gate

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing/synctest"
	"time"
)

// Platforms in virtual time, and a client that always has more to send than may be open.

// model is a platform: how a request ends that finds so many others open there. Chance is
// the run's own, so that a seed repeats it.
type model func(chance *rand.Rand, open int) (Load, time.Duration)

const (
	modelTimeout = 10 * time.Second
	modelBudget  = 20 // failures of a record on its own before it is dead
)

// constant answers after the same time, whatever is open.
func constant(takes time.Duration) model {
	return func(*rand.Rand, int) (Load, time.Duration) { return LoadServed, takes }
}

// atMost serves k at once. It refuses what is beyond after a while: 5 ms for a 503, at once
// for a connection that is refused, and some time for one that is reset.
func atMost(k int, takes, refuses time.Duration) model {
	return func(_ *rand.Rand, open int) (Load, time.Duration) {
		if open >= k {
			return LoadRefused, refuses
		}
		return LoadServed, takes
	}
}

// slowing takes longer the more it has to do: at so many open, twice as long as with none.
func slowing(takes time.Duration, twice float64) model {
	return func(_ *rand.Rand, open int) (Load, time.Duration) {
		n := float64(open+1) / twice
		return LoadServed, time.Duration(float64(takes) * (1 + n*n))
	}
}

// outcome is what came of a time.
type outcome struct {
	accepted, attempts, wasted int
	dead, opened               int
	rate                       float64 // accepted a second
	limit                      int
}

func (o outcome) waste() float64 { return float64(o.wasted) / float64(max(1, o.attempts)) }

// load drives a platform through a gate.
type load struct {
	gate *Gate
	// stray is the share of records that end as strayAs whatever is open; takes is how long
	// that takes. Nothing else becomes of them.
	stray   float64
	strayAs Load
	// travels is the longest that a request is under way, or an answer.
	travels time.Duration

	mu         sync.Mutex
	platform   model
	chance     *rand.Rand
	open       int // at the platform and not refused
	total      outcome
	deliveries evidence
}

// evidence is how many deliveries were accepted and how many failed.
type evidence struct{ accepted, failed int }

func newLoad(gate *Gate, m model, seed uint64) *load {
	return &load{gate: gate, platform: m, chance: rand.New(rand.NewPCG(seed, seed))}
}

// work begins so many workers, which send one record after the other.
func (l *load) work(ctx context.Context, workers int) *load {
	for range workers {
		go func() {
			for l.first(ctx) {
			}
		}()
	}
	return l
}

func (l *load) becomes(m model) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.platform = m
}

// draw returns a number from 0 to below 1.
func (l *load) draw() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chance.Float64()
}

// first makes a record's first delivery, with two quick retries. A record that fails waits,
// as the service's does, and is sent again until it is accepted or dead.
func (l *load) first(ctx context.Context) bool {
	stray := l.draw() < l.stray
	if !l.deliver(ctx, 3, stray) && !stray && ctx.Err() == nil {
		go func() {
			for range modelBudget - 1 {
				sleep(ctx, 2*time.Second)
				if l.deliver(ctx, 1, false) || ctx.Err() != nil {
					return
				}
			}
			l.mu.Lock()
			l.total.dead++
			l.mu.Unlock()
		}()
	}
	return ctx.Err() == nil
}

// deliver makes one delivery. It keeps its slot between two attempts, as Client.Deliver does.
func (l *load) deliver(ctx context.Context, attempts int, stray bool) bool {
	if _, err := l.gate.Acquire(ctx); err != nil {
		return false
	}
	defer l.gate.Release(true)
	begun := l.evidence()
	var last time.Time
	for n := range attempts {
		if n > 0 {
			wait := 100 + 100*float64(int(1)<<n-1)*l.draw() // as backoff does
			sleep(ctx, time.Duration(wait*float64(time.Millisecond)))
			if _, ok := l.gate.Retry(last, time.Second); !ok || l.gate.Open() {
				break
			}
		}
		last = time.Now()
		load := l.attempt(ctx, stray, n > 0)
		if load == LoadServed {
			l.gate.Accepted()
			l.mu.Lock()
			l.deliveries.accepted++
			l.mu.Unlock()
			return true
		}
		if load == LoadTimedOut || l.gate.Open() || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() == nil {
		l.failed(begun)
	}
	return false
}

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

func (l *load) attempt(ctx context.Context, stray, again bool) Load {
	request := l.gate.Begin(again)
	began := time.Now()
	l.travel(ctx)
	load, takes := l.arrive(stray)
	sleep(ctx, takes)
	l.mu.Lock()
	l.total.attempts++
	if load == LoadServed {
		l.total.accepted++
	} else {
		l.total.wasted++
	}
	if load != LoadRefused {
		l.open--
	}
	l.mu.Unlock()
	l.travel(ctx)
	l.gate.Observe(request, load, time.Since(began))
	return load
}

// travel is a request's way, or an answer's.
func (l *load) travel(ctx context.Context) {
	if l.travels > 0 {
		sleep(ctx, time.Duration(l.draw()*float64(l.travels)))
	}
}

func (l *load) arrive(stray bool) (Load, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	load, takes := l.platform(l.chance, l.open)
	switch {
	case stray && l.strayAs == LoadRefused:
		load, takes = LoadRefused, 5*time.Millisecond
	case stray || takes > modelTimeout:
		load, takes = LoadTimedOut, modelTimeout
	}
	if load != LoadRefused {
		l.open++
	}
	return load, takes
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 { // Go 1.26's runtime may crash in a select on a timer that is due when it is made, under the race detector
		return
	}
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
	o := l.total
	o.accepted -= before.accepted
	o.attempts -= before.attempts
	o.wasted -= before.wasted
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	o.limit = l.gate.limit()
	o.rate = float64(o.accepted) / d.Seconds()
	return o
}

func adaptive(most int) *Gate { return New(Config{MaxInFlight: most, Adaptive: true}) }

func fixed(most int) *Gate { return New(Config{MaxInFlight: most}) }
