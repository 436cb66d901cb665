package gate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream/gate"
)

// Gate implements the consumer's interface.
var _ interface {
	Acquire(ctx context.Context) (probe bool, err error)
	Release(used bool)
} = (*gate.Gate)(nil)

// The table of doc.go, row by row, in virtual time.

// slots acquires slots in order and records when it got them.
type slots struct {
	t     *testing.T
	gate  *gate.Gate
	taken chan time.Duration // since begun
	begun time.Time
}

func newSlots(t *testing.T, max int) *slots {
	return &slots{t, gate.New(gate.Config{MaxInFlight: max}), make(chan time.Duration, 10000), time.Now()}
}

// ask starts n callers of Acquire, one after the other.
func (s *slots) ask(n int) {
	for range n {
		go func() {
			if _, err := s.gate.Acquire(s.t.Context()); err == nil {
				s.taken <- time.Since(s.begun)
			}
		}()
		synctest.Wait()
	}
}

// got returns when slots were given since the last call, in seconds.
func (s *slots) got() []float64 {
	synctest.Wait()
	var at []float64
	for len(s.taken) > 0 {
		at = append(at, (<-s.taken).Seconds())
	}
	return at
}

func (s *slots) want(what string, want ...float64) {
	s.t.Helper()
	if got := s.got(); !slices.Equal(got, want) {
		s.t.Errorf("%s: slots at %v, want %v", what, got, want)
	}
}

func (s *slots) wantState(phase gate.Phase, inFlight, limit int) {
	s.t.Helper()
	state := s.gate.State()
	if state.Phase != phase || state.InFlight != inFlight || state.Limit != limit || s.gate.Open() != (phase == gate.Open) {
		s.t.Errorf("%+v, want %v with %d of %d", state, phase, inFlight, limit)
	}
}

// open lets five different records fail.
func (s *slots) open() {
	for id := range 5 {
		s.gate.Failed(id)
	}
}

func times(n int, at float64) []float64 { return slices.Repeat([]float64{at}, n) }

func TestClosedGivesAsManyAsTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 3)
		s.ask(5)
		s.want("at first", 0, 0, 0)
		s.wantState(gate.Closed, 3, 3)
		time.Sleep(time.Hour)
		s.want("nobody gave one back")
		s.gate.Release(true)
		s.want("one came back", 3600)
		s.gate.Release(false)
		s.want("unused too", 3600)
		for range 3 {
			s.gate.Release(true)
		}
		s.wantState(gate.Closed, 0, 3)
	})
}

func TestFiveDifferentRecordsOpen(t *testing.T) {
	for name, c := range map[string]struct {
		events string // a to z: that record fails; !: one is accepted
		open   bool
	}{
		"four":                              {"abcd", false},
		"five":                              {"abcde", true},
		"the same five times":               {"aaaaa", false},
		"four again and again":              {"abcdabcdabcd", false},
		"five with repeats":                 {"aabbccdda" + "e", true},
		"an acceptance between":             {"abcd!e", false},
		"an acceptance, then five":          {"abcd!abcde", true},
		"an acceptance each time it nearly": {"abcd!efgh!ijkl!mnop", false},
		"an acceptance closes it again":     {"abcde!", false},
		"failures while open do not count":  {"abcdefghij!abcd", false},
		"five more after it closed":         {"abcdefghij!abcde", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlots(t, 8)
				for _, event := range c.events {
					if event == '!' {
						s.gate.Accepted()
					} else {
						s.gate.Failed(event)
					}
				}
				if s.gate.Open() != c.open {
					t.Errorf("open: %v", s.gate.Open())
				}
			})
		})
	}
}

func TestRecordsAreToldApartByTheirIdentity(t *testing.T) {
	type record struct {
		topic     string
		partition int
		offset    int64
	}
	g := gate.New(gate.Config{})
	for offset := range int64(4) {
		for range 3 {
			g.Failed(record{"t", 1, 7}) // equal, if not the same value
		}
		if g.Open() {
			t.Fatalf("open after only %d different records", offset+1)
		}
		g.Failed(record{"t", 1, offset})
	}
	if !g.Open() {
		t.Error("not open after five")
	}
}

func TestOpenGivesOneASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.open()
		s.ask(20)
		s.want("the opening was a request just now")
		time.Sleep(10*time.Second + time.Millisecond)
		s.want("with none answered yet", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		s.wantState(gate.Open, 10, 64)
		for range 10 {
			s.gate.Release(true)
			s.gate.Failed("x")
		}
		s.want("answers make it no faster")
		time.Sleep(3 * time.Second)
		s.want("and no slower", 11, 12, 13)
	})
}

func TestOpenSavesNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.open()
		time.Sleep(time.Hour + 500*time.Millisecond)
		s.ask(3)
		s.want("nobody asked for an hour", 3600.5)
		time.Sleep(2 * time.Second)
		s.want("then one a second", 3601.5, 3602.5)
	})
}

func TestOpenKeepsToTheLimitOfSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 2)
		s.ask(1)
		s.open() // with one slot in use since before
		s.ask(3)
		time.Sleep(10 * time.Second)
		s.want("two out at once", 0, 1)
		s.gate.Release(true)
		s.want("one came back long after its second", 10)
	})
}

func TestProbesAreToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(gate.Config{MaxInFlight: 4})
		for i, want := range []bool{false, true, true, false} {
			switch i {
			case 1:
				for id := range 5 {
					g.Failed(id)
				}
			case 2: // one that is given without waiting
				time.Sleep(5 * time.Second)
			case 3:
				g.Accepted()
			}
			probe, err := g.Acquire(t.Context())
			if probe != want || err != nil {
				t.Errorf("slot %d: probe %v, %v", i, probe, err)
			}
			g.Release(true)
		}
	})
}

func TestUnusedProbeIsHandedOnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.open()
		s.ask(200)
		time.Sleep(time.Second)
		for range 99 { // events that cannot be mapped
			s.want("this second's slot, again", 1)
			s.gate.Release(false)
		}
		s.want("this second's slot, at last", 1)
		s.gate.Release(true)
		s.want("used")
		time.Sleep(time.Second)
		s.want("the next second's", 2)
	})
}

func TestUnusedSlotOfBeforeTheOutageIsNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.ask(10)
		s.want("closed", times(10, 0)...)
		s.open()
		s.ask(5)
		for range 10 {
			s.gate.Release(false)
		}
		s.want("not before its second")
		time.Sleep(2 * time.Second)
		s.want("one a second", 1, 2)
	})
}

// In any window of one second at most one slot is given and used, in any n seconds at
// most n.
func TestOpenNeverExceedsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.open()
		s.ask(300)
		var used []float64
		for i := 0; len(used) < 60; i++ {
			time.Sleep(time.Duration(i%7) * 250 * time.Millisecond)
			for _, at := range s.got() {
				if i%3 == 0 {
					s.gate.Release(false)
				} else {
					used = append(used, at)
					s.gate.Release(true)
				}
			}
		}
		for i := 1; i < len(used); i++ {
			if used[i]-used[i-1] < 1 {
				t.Fatalf("slots at %v and %v were used", used[i-1], used[i])
			}
		}
	})
}

func TestRampDoublesWithEachAcceptance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 20)
		s.open()
		s.ask(100)
		time.Sleep(time.Second)
		s.want("the probe", 1)
		s.gate.Accepted()
		s.want("the accepted one, although still out, does not count", 1)
		s.wantState(gate.Ramp, 2, 1)
		s.gate.Release(true) // the probe's
		s.want("one at a time")
		s.wantState(gate.Ramp, 1, 1)
		for _, limit := range []int{2, 4, 8, 16} {
			s.gate.Accepted()
			s.gate.Release(true)
			s.want(fmt.Sprint("limit ", limit), times(limit/2+1, 1)...)
			s.wantState(gate.Ramp, limit, limit)
		}
		s.gate.Accepted()
		s.gate.Release(true)
		s.want("the whole limit", times(5, 1)...)
		s.wantState(gate.Closed, 20, 20)
	})
}

func TestRampOfOneIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 1)
		s.open()
		s.gate.Accepted()
		s.wantState(gate.Closed, 0, 1)
	})
}

func TestFiveFailuresOpenARampAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 20)
		s.open()
		s.gate.Accepted()
		s.open()
		s.wantState(gate.Open, 0, 20)
		s.ask(2)
		s.want("a second after it opened")
		time.Sleep(time.Second)
		s.want("a second after it opened", 1)
	})
}

// A request that hung since before the outage is accepted: this closes the circuit, too.
func TestLateAcceptanceCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 20)
		s.ask(1)
		s.want("old", 0)
		s.open()
		s.ask(20)
		time.Sleep(5500 * time.Millisecond)
		s.want("probes that hang", 1, 2, 3, 4, 5)
		s.gate.Accepted()
		s.gate.Release(true)
		s.want("one flows although five still hang", 5.5)
		s.gate.Accepted()
		s.gate.Release(true)
		s.want("two more", 5.5, 5.5)
		if state := s.gate.State(); state.Phase != gate.Ramp || state.Limit != 2 {
			t.Errorf("%+v", state)
		}
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 3)
		in := func(seconds float64) time.Time { return s.begun.Add(time.Duration(seconds * float64(time.Second))) }
		s.ask(1)
		s.want("before", 0)
		s.gate.Pause(in(10))
		s.gate.Pause(in(5)) // the later end counts
		s.gate.Pause(in(-5))
		s.ask(4)
		s.gate.Release(true)
		time.Sleep(9 * time.Second)
		s.want("during the pause")
		if state := s.gate.State(); !state.PausedUntil.Equal(in(10)) || state.Waiting != 4 {
			t.Errorf("%+v", state)
		}
		s.gate.Pause(in(12)) // while the timer is set
		time.Sleep(3 * time.Second)
		s.want("as many as the limit", 12, 12, 12)
	})
}

func TestPauseOfAnOpenCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(t, 64)
		s.gate.Pause(s.begun.Add(5500 * time.Millisecond))
		s.open()
		s.ask(9)
		time.Sleep(8 * time.Second)
		s.want("after it, one a second", 5.5, 6.5, 7.5)
		s.gate.Pause(s.begun.Add(10 * time.Second))
		s.gate.Accepted()
		s.want("a pause outlives the outage")
		time.Sleep(2 * time.Second)
		s.want("its end", 10)
	})
}

func TestCallbacksInOrderWithoutTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []string
		var g *gate.Gate
		g = gate.New(gate.Config{
			OnOpen: func() {
				calls = append(calls, fmt.Sprint("open ", g.State().Phase, g.Open()))
				if len(calls) == 1 {
					time.Sleep(time.Minute)
					g.Accepted() // told after this one
					calls = append(calls, "end")
				}
			},
			OnClose: func(lasted time.Duration) { calls = append(calls, fmt.Sprint("close after ", lasted)) },
		})
		for range 2 {
			for id := range 5 {
				g.Failed(id)
			}
		}
		want := []string{"open open true", "end", "close after 1m0s", "open open true"}
		if !slices.Equal(calls, want) {
			t.Errorf("%q, want %q", calls, want)
		}
	})
}

func TestAcquireGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(gate.Config{MaxInFlight: 1})
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.Acquire(over); !errors.Is(err, context.Canceled) {
			t.Error("a slot for one who had given up:", err)
		}
		if _, err := g.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.Acquire(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if state := g.State(); state.InFlight != 1 || state.Waiting != 0 {
			t.Errorf("%+v", state)
		}
	})
}

func TestWaitersLeaveTheQueueFromAnyPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(gate.Config{MaxInFlight: 1})
		if _, err := g.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []int
		var cancels []context.CancelFunc
		for i := range 6 {
			ctx, cancel := context.WithCancel(t.Context())
			cancels = append(cancels, cancel)
			go func() {
				if _, err := g.Acquire(ctx); err == nil {
					order = append(order, i)
				}
			}()
			synctest.Wait()
		}
		for _, i := range []int{0, 5, 2} {
			cancels[i]()
			synctest.Wait()
		}
		for range 3 {
			g.Release(true)
			synctest.Wait()
		}
		if !slices.Equal(order, []int{1, 3, 4}) {
			t.Errorf("in the order %v", order)
		}
		for _, cancel := range cancels {
			cancel()
		}
	})
}

func TestReleaseOfNothingIsABug(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	gate.New(gate.Config{}).Release(true)
}

// Requests that hang since an outage delay no other, for any time-out and any other answers.
func TestWhatHangsAfterAnOutageHoldsUpNothing(t *testing.T) {
	for _, adaptive := range []bool{true, false} {
		for _, timeout := range []time.Duration{10 * time.Second, 40 * time.Second} {
			t.Run(fmt.Sprintf("adaptive %v, %s", adaptive, timeout), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := gate.New(gate.Config{MaxInFlight: 64, Adaptive: adaptive})
					for n := range 5 {
						g.Failed(n)
					}
					well := time.Now().Add(2*time.Minute + 500*time.Millisecond)
					ctx, stop := context.WithCancel(t.Context())
					var all sync.WaitGroup
					var answered atomic.Int64
					deliver := func(n int) {
						sent, request := time.Now(), g.Begin(false)
						if sent.Before(well) {
							time.Sleep(timeout)
							g.Observe(request, gate.LoadTimedOut, timeout)
							if !g.RecoveredSince(sent) {
								g.Failed(n)
							}
							return
						}
						time.Sleep(20 * time.Millisecond)
						if answered.Add(1)%2 == 0 { // a permanent code
							g.Observe(request, gate.LoadAnswered, 20*time.Millisecond)
							return
						}
						g.Observe(request, gate.LoadServed, 20*time.Millisecond)
						g.Accepted()
					}
					for n := range 64 {
						all.Go(func() {
							for {
								if _, err := g.Acquire(ctx); err != nil {
									return
								}
								deliver(n)
								g.Release(true)
							}
						})
					}
					time.Sleep(time.Until(well.Add(2 * time.Second)))
					for range 50 {
						before := answered.Load()
						time.Sleep(time.Second)
						if n := answered.Load() - before; n < 500 {
							t.Errorf("%d answers in a second, %s after the outage", n, time.Since(well))
						}
					}
					stop()
					all.Wait()
				})
			})
		}
	}
}
