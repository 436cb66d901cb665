package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// apiCommand is an API that answers after a delay and keeps an account. It checks
// no signature: it is to cost as little as may be.
type apiCommand struct {
	Delay time.Duration
	Down  bool
	Mark  int64 // the acceptance whose time is noted
}

func (c apiCommand) Run() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d := newDouble(c.Delay, c.Down)
	d.mark = c.Mark
	fmt.Println(l.Addr())
	return http.Serve(l, d.handler())
}

// double answers releases and keeps the account of them.
type double struct {
	delay time.Duration
	begun time.Time
	mark  int64
	down  atomic.Bool

	count, refused    atomic.Int64
	first, last       atomic.Int64 // unix nanoseconds
	marked            atomic.Int64 // unix nanoseconds of the acceptance that is noted
	open, most        atomic.Int64
	busy              atomic.Int64       // nanoseconds from arrival to answer, of all accepted
	tenths            [6000]atomic.Int64 // accepted in each tenth of a second since begun
	mu                sync.Mutex
	arrivals          []arrival // guarded by mu: of releases that carry when they were due
	buffers           sync.Pool
	accepted, refusal []byte
}

func newDouble(delay time.Duration, down bool) *double {
	d := &double{
		delay: delay, begun: time.Now(),
		accepted: []byte(`{"code":"1001","message":"OK","seqno":"abc6c253b93cc940"}`),
		refusal:  []byte(`{"code":"500","message":"no","seqno":"abc6c253b93cc940"}`),
		buffers:  sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	d.down.Store(down)
	return d
}

func (d *double) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", d.release)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, d.count.Load(), d.first.Load(), d.last.Load(), d.most.Load())
	})
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(d.account()) })
	mux.HandleFunc("PUT /down", func(http.ResponseWriter, *http.Request) { d.down.Store(true) })
	mux.HandleFunc("PUT /up", func(http.ResponseWriter, *http.Request) { d.down.Store(false) })
	return mux
}

// What a flow_no begins with that tells the API something.
const (
	timed   = "T"    // then the nanosecond at which the event was due, to its end or a "-"
	refused = "HELD" // the platform always answers it with 500
)

var (
	nameFlow   = []byte("flow_no=")
	refusedTag = []byte(refused)
)

func (d *double) release(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	n := d.open.Add(1)
	for m := d.most.Load(); n > m && !d.most.CompareAndSwap(m, n); m = d.most.Load() {
	}
	defer d.open.Add(-1)
	body := d.buffers.Get().(*bytes.Buffer)
	body.Reset()
	_, _ = body.ReadFrom(r.Body)
	_, flow, _ := bytes.Cut(body.Bytes(), nameFlow)
	held, due := bytes.HasPrefix(flow, refusedTag), dueOf(flow)
	d.buffers.Put(body)
	if d.down.Load() {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if held {
		d.refused.Add(1)
		_, _ = w.Write(d.refusal)
		return
	}
	d.first.CompareAndSwap(0, now.UnixNano())
	if due > 0 {
		d.mu.Lock()
		d.arrivals = append(d.arrivals, arrival{due, now.UnixNano()})
		d.mu.Unlock()
	}
	if d.delay > 0 {
		time.Sleep(d.delay)
	}
	end := time.Now()
	d.busy.Add(int64(end.Sub(now)))
	if d.count.Add(1) == d.mark {
		d.marked.Store(end.UnixNano())
	}
	d.last.Store(end.UnixNano())
	if i := int(end.Sub(d.begun) / (100 * time.Millisecond)); i < len(d.tenths) {
		d.tenths[i].Add(1)
	}
	_, _ = w.Write(d.accepted)
}

// dueOf is the nanosecond in a flow_no that carries one, else 0.
func dueOf(flow []byte) (due int64) {
	if !bytes.HasPrefix(flow, []byte(timed)) {
		return 0
	}
	for _, c := range flow[len(timed):] {
		if c < '0' || c > '9' {
			break
		}
		due = due*10 + int64(c-'0')
	}
	return due
}

// account is what the API tells of a run.
type account struct {
	Now, Begun  int64 // unix nanoseconds: of the account, and of tenth 0
	Count       int64 // accepted
	Refused     int64
	First, Last int64 // unix nanoseconds: first arrival, last acceptance
	Marked      int64 // unix nanoseconds of the acceptance that was to be noted
	Most        int64 // open at once
	// Busy is the time that the accepted ones took to answer, in nanoseconds added
	// up: timers make the delay longer than it was asked for.
	Busy int64
	// Tenths holds the acceptances of each tenth of a second.
	Tenths   []int64
	Arrivals []arrival // of releases that carry when they were due
}

// arrival is when a release was due, and when it came, in unix nanoseconds.
type arrival struct{ Due, At int64 }

func (d *double) account() account {
	a := account{
		Now: time.Now().UnixNano(), Begun: d.begun.UnixNano(), Count: d.count.Load(), Refused: d.refused.Load(),
		First: d.first.Load(), Last: d.last.Load(), Marked: d.marked.Load(), Most: d.most.Load(), Busy: d.busy.Load(),
	}
	end := min(int(time.Since(d.begun)/(100*time.Millisecond)), len(d.tenths))
	for i := range end {
		a.Tenths = append(a.Tenths, d.tenths[i].Load())
	}
	d.mu.Lock()
	a.Arrivals = append(a.Arrivals, d.arrivals...)
	d.mu.Unlock()
	return a
}

// accountOf asks an API for its account.
func accountOf(api string) (a account, err error) {
	resp, err := http.Get("http://" + api + "/account")
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	return a, json.NewDecoder(resp.Body).Decode(&a)
}

// turn switches an API down or up.
func turn(api, to string) error {
	req, err := http.NewRequest(http.MethodPut, "http://"+api+"/"+to, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.Body.Close()
}
