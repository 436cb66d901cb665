package scenario

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// No kind of outage makes a dead letter, a commit, or more than one request a second.
func TestNoKindOfOutageMakesADeadLetter(t *testing.T) {
	for name, reply := range map[string]*platform.Reply{
		"an HTML page":             {Status: 502, Body: "<html>502</html>", Header: http.Header{"Content-Type": {"text/html"}}},
		"nothing within the time":  {Hang: true},
		"a bad signature for all":  {Status: 200, Body: `{"code":"401","hint":"plate=x"}`},
		"blocked for all":          {Status: 200, Body: `{"code":"403"}`},
		"code 503":                 {Status: 200, Body: `{"code":"503"}`},
		"throttled":                {Status: 429, Header: http.Header{"Retry-After": {"7"}}},
		"throttled for no time":    {Status: 429, Body: `{"code":"429"}`, Header: http.Header{"Retry-After": {"0"}}},
		"throttled without a word": {Status: 429},
		"a cut connection":         {Cut: true},
		"half an answer":           {Cut: true, Body: `{"code":"10`},
		"an empty answer":          {Status: 204},
		"a redirect":               {Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:80/elsewhere"}}, Body: "moved"},
		"a code that hides a 401":  {Status: 200, Body: `{"code":"200","hint":"签名验证不通过"}`},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 2, func(w *world) {
				var down atomic.Bool
				down.Store(true)
				w.Platform.Script(func(*platform.Request) *platform.Reply {
					if down.Load() {
						return reply
					}
					return nil
				})
				w.Backlog(2, 300)
				r := w.Start("UPSTREAM_SUCCESS_CODES", "1001,200")
				time.Sleep(time.Minute)
				before := w.Platform.Stats().Received
				time.Sleep(12 * time.Minute) // longer than RETRY_BUDGET would last
				if n := w.Platform.Stats().Received - before; n > 12*60+1 {
					t.Errorf("%d requests in 12 minutes, want one a second at most", n)
				}
				if w.Committed(0) > 0 || w.Committed(1) > 0 {
					t.Error("committed during the outage")
				}
				down.Store(false)
				w.Until("the backlog", w.AllCommitted(2, 300), time.Minute)
				w.End(r)
				if n := len(w.DeadLetters()); n != 0 {
					t.Errorf("%d dead letters", n)
				}
			})
		})
	}
}

// A dead letter is written during an outage of the platform: it needs the platform for nothing.
//
// Its topic refused it at first, and hundreds of events wait to be sent.
func TestADeadLetterDoesNotWaitForThePlatform(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Status: 500} })
		w.Produce(0, "{") // cannot be mapped
		away := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: apptest.DeadLetterTopic, Err: kerr.NotEnoughReplicas, Count: -1})
		w.Backlog(1, 300)
		r := w.Start("RETRY_BACKOFF_MAX", "4s")
		time.Sleep(20 * time.Second)
		away.Remove()
		w.Until("the dead letter", func() bool { return len(w.DeadLetters()) == 1 }, 5*time.Second)
		w.End(r)
	})
}

// A platform that cannot be reached costs one try a second and makes no dead letter.
func TestAnUnreachablePlatformMakesNoDeadLetter(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var tries, down atomic.Int64
		down.Store(1)
		w.Net.Refuse = func(address string) error {
			if !strings.HasSuffix(address, ":80") || down.Load() == 0 {
				return nil
			}
			tries.Add(1)
			return errors.New("connection refused")
		}
		w.Backlog(1, 300)
		r := w.Start()
		time.Sleep(time.Minute)
		before := tries.Load()
		time.Sleep(time.Hour)
		if n := tries.Load() - before; n > 3601 {
			t.Errorf("%d tries in an hour", n)
		}
		down.Store(0)
		w.Until("the backlog", w.AllCommitted(1, 300))
		w.End(r)
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters", n)
		}
	})
}

// An hour in which nine of ten requests fail makes no dead letter.
func TestABrownOutMakesNoDeadLetter(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		var n, brown atomic.Int64
		brown.Store(1)
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			if brown.Load() == 1 && n.Add(1)%10 != 0 {
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: 20 * time.Millisecond}
			}
			return nil
		})
		r := w.Start("RETRY_BUDGET", "3")
		for i := range 600 {
			w.Produce(0, apptest.Event(2*i, 0))
			w.Produce(1, apptest.Event(2*i+1, 0))
			time.Sleep(6 * time.Second)
		}
		brown.Store(0)
		w.Until("all", w.AllCommitted(2, 600), 5*time.Minute)
		w.End(r)
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters from an hour in which 9 of 10 requests failed", n)
		}
	})
}

// Where the platform's answers are lost, events are sent again and none is lost.
func TestLostAnswersLoseNoEvent(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var n atomic.Int64
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			if n.Add(1)%3 == 0 {
				return &platform.Reply{Lose: true}
			}
			return nil
		})
		w.Backlog(1, 500)
		r := w.Start()
		w.Until("the commit", w.AllCommitted(1, 500), 10*time.Minute)
		w.End(r)
		if s := w.Platform.Stats(); s.Accepted != 500 {
			t.Errorf("%d accepted", s.Accepted)
		}
	})
}

// Three hours in which seven of ten attempts fail make no dead letter.
func TestSevenOfTenAttemptsFailingMakeNoDeadLetter(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		var n, ill atomic.Int64
		ill.Store(1)
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			if ill.Load() == 1 && n.Add(1)*7919%10 < 7 {
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: 20 * time.Millisecond}
			}
			return &platform.Reply{Delay: 20 * time.Millisecond}
		})
		r := w.Start()
		const rounds = 1080
		for i := range rounds {
			w.Produce(0, apptest.Event(3*i, 0), apptest.Event(3*i+1, 0), apptest.Event(3*i+2, 0))
			time.Sleep(10 * time.Second)
		}
		ill.Store(0)
		w.Until("all", w.AllCommitted(1, 3*rounds), 5*time.Minute)
		w.End(r)
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters from three hours in which 7 of 10 attempts failed", n)
		}
	})
}
