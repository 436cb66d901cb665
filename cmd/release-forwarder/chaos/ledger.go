package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

// acceptance is an answer 1001 to a request of a forwarder.
type acceptance struct {
	at time.Time // before the answer is written
	by int       // the forwarder's number
	// seqno is what the answer holds.
	seqno string
}

// visits are the requests that brought one flow number to the platform.
type visits struct {
	arrivals []time.Time  // in order
	accepts  []acceptance // in order
}

// ledger is what the platform saw.
type ledger struct {
	mu    sync.Mutex
	flows map[string]*visits // guarded by mu
}

func (l *ledger) of(flow string) *visits {
	v := l.flows[flow]
	if v == nil {
		v = &visits{}
		l.flows[flow] = v
	}
	return v
}

// known is how many flow numbers have arrived.
func (l *ledger) known() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.flows)
}

// senderParameter names the parameter of the URL's query that tells which
// forwarder a request comes from.
const senderParameter = "forwarder="

// sender is the number of the forwarder that sent the request, 0 if it does not
// say.
func sender(r *platform.Request) int {
	n, err := strconv.Atoi(strings.TrimPrefix(r.Query, senderParameter))
	if err != nil {
		return 0
	}
	return n
}

// refusedFor is how long the platform fails an event that it does not like yet:
// so that records are held, and stand in the commits' metadata, while faults
// happen.
const refusedFor = 6 * time.Second

// newPlatform makes the double whose requests the ledger holds. One event of 300
// fails for a while.
func newPlatform(l *ledger) *platform.Double {
	d := platform.New(platform.Config{AppID: appID, Secret: appSecret, KeepRequests: -1, KeepFlows: 1000, OnAnswer: func(r platform.Request) {
		if r.Code != platform.CodeAccepted {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		v := l.of(r.Params["flow_no"])
		v.accepts = append(v.accepts, acceptance{time.Now(), sender(&r), r.Seqno})
	}})
	d.Script(func(r *platform.Request) *platform.Reply {
		flow := r.Params["flow_no"]
		l.mu.Lock()
		defer l.mu.Unlock()
		v := l.of(flow)
		now := time.Now()
		v.arrivals = append(v.arrivals, now)
		var n int
		if _, err := fmt.Sscanf(flow, "F-%d", &n); err == nil && n%300 == 299 && now.Sub(v.arrivals[0]) < refusedFor {
			return &platform.Reply{Status: 500, Body: `{"code":"500","message":"not yet"}`, Delay: 10 * time.Millisecond}
		}
		return &platform.Reply{Delay: time.Duration(5+n%10) * time.Millisecond}
	})
	return d
}
