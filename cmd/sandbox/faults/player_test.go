package faults_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/cmd/sandbox/faults"
	"release-forwarder/cmd/testkit/platform"
)

// stage is a player in play, in virtual time, whose clock stands at half
// seconds so that no check falls on an edge.
type stage struct {
	*faults.Player
	t    *testing.T
	said []string
}

func play(t *testing.T, text string, act func(s *stage)) {
	t.Helper()
	schedule, err := faults.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t}
		s.Player = faults.NewPlayer(schedule, func(line string) { s.said = append(s.said, line) })
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go s.Run(ctx)
		s.pass(500 * time.Millisecond)
		act(s)
	})
}

func (s *stage) pass(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

// ask brings an event for the attempt-th time and says what it meets.
func (s *stage) ask(flow string, attempt int) string {
	r := &platform.Request{Attempt: attempt, Params: map[string]string{"park_uuid": "lot", "flow_no": flow}}
	reply := s.Reply(r)
	switch {
	case reply == nil:
		return "normal"
	case reply.Hang:
		return "hang"
	case reply.Cut:
		return "cut"
	case reply.Lose:
		return "lose"
	case strings.HasPrefix(reply.Body, "<"):
		return "html"
	case reply.Header.Get("Retry-After") != "":
		return "throttled"
	}
	_, code, _ := strings.Cut(reply.Body, `"code":"`)
	return code[:3]
}

func (s *stage) expect(flow string, attempt int, want string) {
	s.t.Helper()
	if got := s.ask(flow, attempt); got != want {
		s.t.Errorf("%s, attempt %d: %s, want %s", flow, attempt, got, want)
	}
}

func TestASpanHitsEveryRequestFromItsStartToItsEnd(t *testing.T) {
	play(t, "errors@2s+3s", func(s *stage) {
		s.pass(time.Second) // 1.5s
		s.expect("a", 1, "normal")
		s.pass(time.Second) // 2.5s
		s.expect("b", 1, "500")
		s.expect("a", 2, "500")
		s.pass(2 * time.Second) // 4.5s
		s.expect("c", 1, "500")
		if on := s.On(); len(on) != 1 || on[0] != "errors" {
			t.Errorf("on: %v", on)
		}
		s.pass(time.Second) // 5.5s
		s.expect("d", 1, "normal")
		if len(s.said) != 2 || !strings.Contains(s.said[0], "500") || !strings.Contains(s.said[1], "over") {
			t.Errorf("announced %q", s.said)
		}
	})
}

func TestARepeatedSpanComesBack(t *testing.T) {
	play(t, "outage@1s+1s/10s", func(s *stage) {
		for range 3 {
			s.expect("a", 2, "normal")
			s.pass(time.Second)
			s.expect("a", 2, "cut")
			s.pass(9 * time.Second)
		}
	})
}

func TestACountHitsThatManyNewEventsOnce(t *testing.T) {
	play(t, "timeout*2@1s", func(s *stage) {
		s.pass(time.Second)
		s.expect("old", 2, "normal")
		s.expect("a", 1, "hang")
		s.expect("a", 2, "normal")
		s.expect("b", 1, "hang")
		s.expect("c", 1, "normal")
		if s.Hits(faults.Timeout) != 2 {
			t.Errorf("%d hits, want 2", s.Hits(faults.Timeout))
		}
	})
}

func TestWhatStaysWithAnEvent(t *testing.T) {
	for kind, want := range map[string]string{"poison": "500", "reject": "400"} {
		t.Run(kind, func(t *testing.T) {
			play(t, kind+"@0s", func(s *stage) {
				s.expect("a", 1, want)
				s.expect("b", 1, "normal")
				s.pass(time.Hour)
				s.expect("a", 7, want)
				s.Stop()
				s.expect("a", 8, "normal")
			})
		})
	}
}

func TestASpanOfForbidHitsOneLotAndTheNextAnother(t *testing.T) {
	of := func(lot string) *platform.Request {
		return &platform.Request{Params: map[string]string{"park_uuid": lot, "flow_no": "a"}}
	}
	play(t, "forbid@0s+5s/10s", func(s *stage) {
		for _, want := range []struct {
			lot    string
			passed time.Duration
			hit    bool
		}{
			{"", 0, false}, {"one", 0, true}, {"two", 0, false}, {"one", 0, true},
			{"one", 5 * time.Second, false}, {"two", 5 * time.Second, true}, {"one", 0, false},
		} {
			s.pass(want.passed)
			reply := s.Reply(of(want.lot))
			if hit := reply != nil && reply.Status == http.StatusForbidden; hit != want.hit {
				s.t.Errorf("lot %q: %+v, want hit: %v", want.lot, reply, want.hit)
			}
		}
	})
}

func TestStopEndsAllThatIsOnAndToCome(t *testing.T) {
	play(t, "errors@0s+1h, lost@0s, throttle@2s+1s/5s", func(s *stage) {
		s.expect("a", 1, "500")
		s.Stop()
		s.expect("b", 1, "normal")
		s.pass(2 * time.Second)
		s.expect("c", 1, "normal")
	})
}

func TestEachKindAnswersAsItSays(t *testing.T) {
	for kind, want := range map[string]string{
		"errors": "500", "outage": "cut", "timeout": "hang", "throttle": "throttled", "garbage": "html", "lost": "lose",
	} {
		t.Run(kind, func(t *testing.T) {
			play(t, kind+"@0s+1s", func(s *stage) { s.expect("a", 1, want) })
		})
	}
}
