package main

import (
	"net/http"
	"testing"
	"time"

	"release-forwarder/cmd/sandbox/platform"
)

func TestOneRecordThatIsThrottledWithoutAWaitIsNotSentAgainAtOnce(t *testing.T) {
	for _, after := range []string{"0", "Fri, 31 Dec 1999 00:00:00 GMT"} {
		t.Run("Retry-After "+after, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.platform.Script(func(*platform.Request) *platform.Reply {
					return &platform.Reply{Status: 429, Header: http.Header{"Retry-After": {after}}, Delay: 5 * time.Millisecond}
				})
				w.produce(0, event(1, 0))
				r := w.start()
				time.Sleep(time.Minute)
				if n := w.platform.Stats().Received; n > 70 {
					t.Errorf("%d requests in a minute to a platform that asks to be left alone", n)
				}
				w.end(r)
			})
		})
	}
}
