package upstream_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/upstream"
)

// host answers every request on every connection to it, and counts them.
type host struct {
	world
	serve func(*side)
}

func (h *host) dial(t *testing.T) net.Conn {
	row := strange{serve: h.serve}
	conf := row.reach(t, &h.world)
	conn, err := conf.Dial(t.Context(), "tcp", "platform.test:80")
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// The platform's name gets another address, and the old host still answers. Under steady
// traffic, where no connection is idle, the new address is used after five minutes, and
// no request fails.
func TestChangedAddressIsUsedAfterAWhile(t *testing.T) {
	secured, pool := certificate(t, "platform.test", bubbleBegins.AddDate(1, 0, 0))
	slowly := func(s *side, stream uint32) bool { time.Sleep(50 * time.Millisecond); return s.accept(stream) }
	for name, c := range map[string]struct {
		serve func(*side)
		tls   bool
	}{
		"HTTP/1.1": {answer(whole("200 OK", code1001)), false},
		"HTTP/2":   {over(secured, []string{"h2"}, http2(slowly)), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, after := &host{serve: c.serve}, &host{serve: c.serve}
				t.Cleanup(after.servers.Wait)
				t.Cleanup(before.servers.Wait)
				var moved atomic.Bool
				conf := config("http://platform.test/update")
				if c.tls {
					trust(pool)(&conf, nil)
				}
				conf.Timeout = timeout
				conf.Dial = func(context.Context, string, string) (net.Conn, error) {
					if moved.Load() {
						return after.dial(t), nil
					}
					return before.dial(t), nil
				}
				deliverer := client(t, conf)
				begun, lastOld := time.Now(), time.Time{}
				for time.Since(begun) < 7*time.Minute {
					old := before.requests.Load()
					if a := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); a.Verdict != upstream.Accepted {
						t.Fatal(a.Verdict, a.Err)
					}
					if before.requests.Load() > old {
						lastOld = time.Now()
					}
					time.Sleep(100 * time.Millisecond)
					moved.Store(time.Since(begun) > time.Minute)
				}
				if used := lastOld.Sub(begun); used < time.Minute || used > 5*time.Minute+time.Second || after.requests.Load() == 0 {
					t.Errorf("the old address was used until %v, the new one for %d requests", used, after.requests.Load())
				}
			})
		})
	}
}

// The platform's name gets another address, and the old host is gone: the next connection
// looks the name up.
func TestAddressThatIsGoneIsLeftAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := &host{serve: then(whole("200 OK", code1001), nil)} // and closes
		after := &host{serve: answer(whole("200 OK", code1001))}
		t.Cleanup(after.servers.Wait)
		t.Cleanup(before.servers.Wait)
		conf := config("http://platform.test/update")
		conf.Dial = func(context.Context, string, string) (net.Conn, error) {
			if before.requests.Load() > 0 {
				return after.dial(t), nil
			}
			return before.dial(t), nil
		}
		deliverer := client(t, conf)
		for range 3 {
			if a := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); a.Verdict != upstream.Accepted {
				t.Fatal(a.Verdict, a.Err)
			}
			synctest.Wait() // until the client has seen the close
		}
		if old, fresh := before.requests.Load(), after.requests.Load(); old != 1 || fresh != 2 {
			t.Errorf("%d requests to the old, %d to the new", old, fresh)
		}
	})
}

func TestCloseWithEveryAnswerCostsAConnectionEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{serve: answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 15\r\n\r\n" + code1001)}
		t.Cleanup(h.servers.Wait)
		var open, most atomic.Int32
		conf := config("http://platform.test/update")
		conf.Dial = func(context.Context, string, string) (net.Conn, error) {
			most.Store(max(most.Load(), open.Add(1)))
			return closing{h.dial(t), sync.OnceFunc(func() { open.Add(-1) })}, nil
		}
		deliverer := client(t, conf)
		for range 100 {
			if a := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); a.Verdict != upstream.Accepted {
				t.Fatal(a.Verdict, a.Err)
			}
			synctest.Wait()
		}
		if dials := h.dials.Load(); dials != 100 || most.Load() != 1 || open.Load() != 0 {
			t.Errorf("%d connections for 100 requests, %d at once, %d left open", dials, most.Load(), open.Load())
		}
	})
}

// A replaced firewall forgets all connections at once, silently or with a reset. The idle
// ones must not cost a failure each: with the circuit open there is one request a second.
func TestForgottenConnectionsAreGivenUpTogether(t *testing.T) {
	const idle, latency = 20, 100 * time.Millisecond
	for name, c := range map[string]struct {
		forget func(*hole)
		within time.Duration
	}{
		"in silence":   {func(h *hole) { h.forgotten.Store(true) }, timeout + 5*time.Second + latency},
		"with a reset": {func(h *hole) { h.reset.Store(true) }, 5*time.Second + latency},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{serve: func(s *side) {
					for s.request() {
						time.Sleep(latency)
						s.say(whole("200 OK", code1001))
					}
				}}
				t.Cleanup(h.servers.Wait)
				var holes []*hole
				var mu sync.Mutex
				conf := config("http://platform.test/update")
				conf.Timeout = timeout
				conf.Dial = func(context.Context, string, string) (net.Conn, error) {
					mu.Lock()
					defer mu.Unlock()
					holes = append(holes, newHole(h.dial(t)))
					return holes[len(holes)-1], nil
				}
				deliverer := client(t, conf)
				if counts := deliverAll(t, deliverer, idle, idle); counts[upstream.Accepted] != idle {
					t.Fatal(counts)
				}
				mu.Lock()
				for _, h := range holes {
					c.forget(h)
				}
				made := len(holes)
				mu.Unlock()

				var all sync.WaitGroup
				var first atomic.Int64 // when a delivery was accepted again
				begun := time.Now()
				for range int(c.within/time.Second) + 1 {
					all.Go(func() {
						if deliverer.Deliver(t.Context(), upstream.Request{Params: release}).Verdict == upstream.Accepted {
							first.CompareAndSwap(0, int64(time.Since(begun)))
						}
					})
					time.Sleep(time.Second)
				}
				all.Wait()
				if took := time.Duration(first.Load()); took == 0 || took > c.within {
					t.Errorf("accepted again after %v, with %d new connections", took, len(holes)-made)
				}
			})
		})
	}
}
