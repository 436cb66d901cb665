package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream"
)

// Everything that waits, in virtual time over connections in memory.

func TestTimeouts(t *testing.T) {
	const timeout = 10 * time.Second
	trickle := func(w http.ResponseWriter, r *http.Request, text string, pause time.Duration) {
		for _, c := range []byte(text) {
			_, _ = w.Write([]byte{c})
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		dial    func(context.Context, string, string) (net.Conn, error)
		want    upstream.Verdict
	}{
		"just in time": {handler: func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(timeout - time.Millisecond)
			_, _ = io.WriteString(w, `{"code":"1001"}`)
		}, want: upstream.Accepted},
		"a body that trickles in time": {handler: func(w http.ResponseWriter, r *http.Request) {
			trickle(w, r, `{"code":"1001"}`, timeout/20)
		}, want: upstream.Accepted},
		"no answer": {handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, want: upstream.Timeout},
		"head without a body": {handler: func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, want: upstream.Timeout},
		"whole object, body never ends": {handler: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"code":"1001"}`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, want: upstream.Timeout},
		"a body that trickles for ever": {handler: func(w http.ResponseWriter, r *http.Request) {
			trickle(w, r, `{"code":"1001","message":"`+strings.Repeat("a", 100), time.Second)
		}, want: upstream.Timeout},
		"nobody picks up": {dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, want: upstream.Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conf := virtual(t, c.handler)
				conf.Timeout, conf.RetryMax = timeout, 2
				if c.dial != nil {
					ctx, hangUp := context.WithCancel(t.Context())
					defer hangUp()
					conf.Dial = func(context.Context, string, string) (net.Conn, error) { return c.dial(ctx, "", "") }
				}
				started := time.Now()
				answer := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release, Quick: true})
				took := time.Since(started)
				if answer.Verdict != c.want || answer.Attempts != 1 || took > timeout {
					t.Errorf("%v after %v and %d attempts, want %v", answer.Verdict, took, answer.Attempts, c.want)
				}
				if c.want == upstream.Timeout && (took != timeout || answer.Err.Error() != "timeout: no whole answer in time") {
					t.Errorf("took %v: %v", took, answer.Err)
				}
			})
		})
	}
}

// answers returns a handler that gives the answers in turn, then repeats the last.
func answers(all ...scripted) (http.HandlerFunc, *[]time.Time) {
	var at []time.Time
	return func(w http.ResponseWriter, r *http.Request) {
		at = append(at, time.Now())
		a := all[min(len(at), len(all))-1]
		if a.status == 0 {
			hangUp(w, "")
			return
		}
		a.ServeHTTP(w, r)
	}, &at
}

var (
	yes     = scripted{status: 200, body: `{"code":"1001"}`}
	no      = scripted{status: 200, body: `{"code":"500","seqno":"first"}`}
	garbage = scripted{status: 502, body: `<html>`}
	noReply = scripted{}
)

func withRetryAfter(s scripted, value string) scripted {
	s.header = http.Header{"Retry-After": {value}}
	return s
}

func TestQuickRetries(t *testing.T) {
	for name, c := range map[string]struct {
		answers  []scripted
		once     bool // not a first delivery
		want     upstream.Verdict
		attempts int
	}{
		"accepted at once":               {[]scripted{yes}, false, upstream.Accepted, 1},
		"failed, then accepted":          {[]scripted{no, yes}, false, upstream.Accepted, 2},
		"unreadable, then accepted":      {[]scripted{garbage, yes}, false, upstream.Accepted, 2},
		"no answer, then accepted":       {[]scripted{noReply, noReply, yes}, false, upstream.Accepted, 3},
		"never well: the last answer":    {[]scripted{noReply, garbage, no}, false, upstream.Failed, 3},
		"never an answer":                {[]scripted{noReply}, false, upstream.Unreachable, 3},
		"never readable":                 {[]scripted{garbage}, false, upstream.Unreadable, 3},
		"a held record's delivery":       {[]scripted{no, yes}, true, upstream.Failed, 1},
		"held, no answer":                {[]scripted{noReply, yes}, true, upstream.Unreachable, 1},
		"permanent":                      {[]scripted{{status: 200, body: `{"code":"400"}`}, yes}, false, upstream.Permanent, 1},
		"refused":                        {[]scripted{{status: 200, body: `{"code":"401"}`}, yes}, false, upstream.Refused, 1},
		"a hidden refusal":               {[]scripted{{status: 200, body: `{"code":"200","hint":"x"}`}, yes}, false, upstream.Refused, 1},
		"429":                            {[]scripted{{status: 429}, yes}, false, upstream.Throttled, 1},
		"503 without Retry-After":        {[]scripted{{status: 503, body: `{"code":"503"}`}, yes}, false, upstream.Accepted, 2},
		"503 with Retry-After":           {[]scripted{withRetryAfter(scripted{status: 503}, "2"), yes}, false, upstream.Throttled, 1},
		"failed with Retry-After":        {[]scripted{withRetryAfter(no, "1"), yes}, false, upstream.Failed, 1},
		"unreadable with Retry-After":    {[]scripted{withRetryAfter(garbage, "1"), yes}, false, upstream.Unreadable, 1},
		"failed with Retry-After 0":      {[]scripted{withRetryAfter(no, "0"), yes}, false, upstream.Accepted, 2},
		"then throttled":                 {[]scripted{no, {status: 429}}, false, upstream.Throttled, 2},
		"success code of no one: failed": {[]scripted{{status: 200, body: `{"code":"200","hint":"x"}`}}, false, upstream.Refused, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler, at := answers(c.answers...)
				conf := virtual(t, handler)
				conf.RetryMax, conf.SuccessCodes = 2, []string{"1001", "200"}
				var verdicts []upstream.Verdict
				var numbers []int
				conf.OnAttempt = func(v upstream.Verdict) { verdicts = append(verdicts, v) }
				conf.OnAnswer = func(_ context.Context, a upstream.Attempt) {
					numbers = append(numbers, a.Number)
				}
				answer := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release, Quick: !c.once})
				if answer.Verdict != c.want || answer.Attempts != c.attempts || len(*at) != c.attempts {
					t.Fatalf("%v after %d of %d attempts, want %v after %d", answer.Verdict, answer.Attempts, len(*at), c.want, c.attempts)
				}
				if len(verdicts) != c.attempts || verdicts[len(verdicts)-1] != c.want {
					t.Errorf("counted %v", verdicts)
				}
				if want := []int{1, 2, 3}[:c.attempts]; fmt.Sprint(numbers) != fmt.Sprint(want) {
					t.Errorf("numbers %v", numbers)
				}
				if !answer.FirstAttempt.Equal((*at)[0]) || !answer.LastAttempt.Equal((*at)[len(*at)-1]) {
					t.Errorf("first %v and last %v of %v", answer.FirstAttempt, answer.LastAttempt, *at)
				}
				for i := 1; i < len(*at); i++ {
					wait := (*at)[i].Sub((*at)[i-1])
					if most := 100 * time.Millisecond << i; wait < 100*time.Millisecond || wait > most {
						t.Errorf("wait %d is %v", i, wait)
					}
				}
			})
		})
	}
}

// The last answer holds nothing of an earlier attempt's.
func TestLastAnswerStandsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, _ := answers(no, noReply)
		conf := virtual(t, handler)
		conf.RetryMax = 1
		answer := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release, Quick: true})
		if answer.Verdict != upstream.Unreachable || answer.Code != "" || answer.Seqno != "" || answer.HTTPStatus != 0 {
			t.Errorf("%+v", answer)
		}
	})
}

func TestRetryAfterReachesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat)
		handler, _ := answers(withRetryAfter(no, "4"), withRetryAfter(scripted{status: 429}, "3600"), withRetryAfter(scripted{status: 503}, date), yes)
		deliverer := client(t, virtual(t, handler))
		for i, want := range []time.Duration{4 * time.Second, 30 * time.Second, 9 * time.Second, 0} {
			answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release})
			if answer.RetryAfter != want || answer.HasRetryAfter != (want > 0) {
				t.Errorf("answer %d: %v, want %v", i, answer.RetryAfter, want)
			}
		}
	})
}

// When the circuit opens, or a drain begins, there are no more quick retries: checked
// before the wait and after it.
func TestQuickRetriesAreForbidden(t *testing.T) {
	for _, who := range []string{"circuit", "drain"} {
		for _, when := range []time.Duration{0, 50 * time.Millisecond} {
			t.Run(fmt.Sprint(who, " after ", when), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					handler, at := answers(no, yes)
					conf := virtual(t, handler)
					conf.RetryMax = 2
					started := time.Now()
					may := func() bool { return time.Since(started) < when }
					r := upstream.Request{Params: release, Quick: true}
					if who == "circuit" {
						conf.MayRetry = may
					} else {
						r.Proceed = may
					}
					answer := client(t, conf).Deliver(t.Context(), r)
					if answer.Verdict != upstream.Failed || answer.Seqno != "first" || len(*at) != 1 {
						t.Errorf("%+v after %d attempts", answer, len(*at))
					}
					if took := time.Since(started); when == 0 && took != 0 {
						t.Errorf("waited %v for nothing", took)
					}
				})
			})
		}
	}
}

func TestCut(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	fail, _ := answers(no)
	late := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"code":"1001"}`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, c := range map[string]struct {
		handler  http.HandlerFunc
		after    time.Duration
		attempts int
	}{
		"before the first attempt":  {hang, 0, 0},
		"while no answer came":      {hang, time.Second, 1},
		"while the body was read":   {late, time.Second, 1},
		"while it waited to retry":  {fail, 50 * time.Millisecond, 1},
		"by a deadline of a caller": {hang, -time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conf := virtual(t, c.handler)
				conf.RetryMax = 2
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.after < 0 {
					ctx, cancel = context.WithTimeout(ctx, -c.after)
					defer cancel()
				} else if c.after == 0 {
					cancel()
				}
				time.AfterFunc(max(c.after, 0), func() {
					if c.after >= 0 {
						cancel()
					}
				})
				deliverer := client(t, conf)
				started := time.Now()
				answer := deliverer.Deliver(ctx, upstream.Request{Params: release, Quick: true})
				if answer.Verdict != upstream.Cut || answer.Attempts != c.attempts || time.Since(started) > time.Second {
					t.Errorf("%+v", answer)
				}
				if failure, ok := errors.AsType[*upstream.Error](answer.Err); !ok || failure.Verdict != upstream.Cut {
					t.Errorf("error %v", answer.Err)
				}
			})
		})
	}
}

// If the platform's answer came before the caller gave up, its verdict counts.
func TestWholeAnswerBeatsTheCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, _ := answers(yes)
		conf := virtual(t, handler)
		ctx, cancel := context.WithCancel(t.Context())
		conf.OnAnswer = func(context.Context, upstream.Attempt) { cancel() }
		if answer := client(t, conf).Deliver(ctx, upstream.Request{Params: release}); answer.Verdict != upstream.Accepted {
			t.Errorf("%+v", answer)
		}
	})
}

// Under steady traffic no connection is ever idle, and hosts change their addresses.
func TestConnectionsAgeAndNamesAreLookedUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, _ := answers(yes)
		conf := virtual(t, handler)
		dials, dial := 0, conf.Dial
		var open atomic.Int32
		conf.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			dials++
			open.Add(1)
			return closing{conn, sync.OnceFunc(func() { open.Add(-1) })}, err
		}
		deliverer := client(t, conf)
		for range 11 * 60 { // never idle for more than a second
			if answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); answer.Verdict != upstream.Accepted {
				t.Fatal(answer)
			}
			time.Sleep(time.Second)
			if open.Load() != 1 {
				t.Fatalf("%d connections are open", open.Load())
			}
		}
		if dials != 3 {
			t.Errorf("%d connections in eleven minutes, want 3", dials)
		}
	})
}

// closing tells when a connection is closed.
type closing struct {
	net.Conn
	closed func()
}

func (c closing) Close() error { c.closed(); return c.Conn.Close() }
