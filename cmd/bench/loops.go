package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// loop sends the requests of n events with as many goroutines as requests may be
// in flight, or those of a steady rate.
type loop struct {
	URL  string
	N    int
	Open int
	Rate float64       `help:"Requests a second; as fast as can be if 0."`
	Warm time.Duration `help:"For how long the requests of a rate are not timed."`
}

// bareCommand sends them the plain way: a map, url.Values and net/http, with as
// many idle connections as requests.
type bareCommand struct{ loop }

func (c bareCommand) Run() error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: c.Open, MaxIdleConnsPerHost: c.Open}}
	return c.run(func(i int64, flow string) error {
		form := signed(map[string]string{
			"park_uuid": fmt.Sprintf("PARK-%d", i%lots), "flow_no": flow, "parking_serial": fmt.Sprintf("SERIAL-%d", i),
			"plate": "粤B12345", "plate_color": "1", "car_type": "1", "operator": "张三", "reason": "设备异常",
			"enter_time": "2026-01-02T03:04:05Z", "leave_time": "2026-01-02T05:04:05Z",
		})
		return post(client, c.URL, form)
	})
}

func post(client *http.Client, url, form string) error {
	resp, err := client.Post(url, "application/x-www-form-urlencoded; charset=UTF-8", strings.NewReader(form))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && !strings.Contains(string(body), `"1001"`) {
		err = errors.New("not accepted")
	}
	return err
}

// floorCommand sends the same by the forwarder's own client: what is left to its
// engine and Kafka is the difference.
type floorCommand struct{ loop }

func (c floorCommand) Run() error {
	client, err := upstream.New(upstream.Config{
		URL: c.URL, MaxInFlight: c.Open,
		Credential: func() credential.Credential { return credential.Credential{Secret: credential.NewSecret(secret)} },
	})
	if err != nil {
		return err
	}
	defer client.Close()
	return c.run(func(i int64, flow string) error {
		lot := fmt.Sprintf("PARK-%d", i%lots)
		answer := client.Deliver(context.Background(), upstream.Request{Lot: lot, Quick: true, Params: []upstream.Param{
			{Name: "car_type", Value: "1"}, {Name: "enter_time", Value: "2026-01-02T03:04:05Z"}, {Name: "flow_no", Value: flow},
			{Name: "leave_time", Value: "2026-01-02T05:04:05Z"}, {Name: "operator", Value: "张三"}, {Name: "park_uuid", Value: lot},
			{Name: "parking_serial", Value: fmt.Sprintf("SERIAL-%d", i)}, {Name: "plate", Value: "粤B12345"},
			{Name: "plate_color", Value: "1"}, {Name: "reason", Value: "设备异常"},
		}})
		if answer.Verdict != upstream.Accepted {
			return answer.Err
		}
		return nil
	})
}

// run sends all requests and says at its end what they took.
func (l loop) run(send func(i int64, flow string) error) error {
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	t := newTally()
	for range l.Open {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(l.N); i = next.Add(1) - 1 {
				if send(i, l.flow(begun, i)) != nil {
					failed.Add(1)
				}
				t.sent()
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d of %d requests failed", n, l.N)
	}
	return t.tell(0)
}

// flow waits until the i-th request is due, and gives its flow_no.
func (l loop) flow(begun time.Time, i int64) string {
	if l.Rate == 0 {
		return fmt.Sprintf("FLOW-%d", i)
	}
	return paceOf{begun, l.Rate, l.Warm}.flow(i)
}

// paceOf is a steady rate.
type paceOf struct {
	begun time.Time
	rate  float64
	warm  time.Duration
}

// flow waits until the i-th event is due and gives its flow_no, which carries
// that time unless it belongs to the warming up.
func (p paceOf) flow(i int64) string {
	after := time.Duration(float64(i) / p.rate * float64(time.Second))
	due := p.begun.Add(after)
	time.Sleep(time.Until(due))
	if after < p.warm {
		return fmt.Sprintf("FLOW-%d", i)
	}
	return fmt.Sprintf("%s%d-%d", timed, due.UnixNano(), i)
}

// tally counts what a loop allocates and commits, from its first request that was
// answered to its last: what is made once does not count.
type tally struct {
	once    sync.Once
	begun   time.Time
	mallocs uint64
	count   atomic.Int64
}

func newTally() *tally { return &tally{} }

func (t *tally) sent() {
	t.once.Do(func() { t.begun, t.mallocs = time.Now(), mallocs() })
	t.count.Add(1)
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// told is what a loop says at its end.
type told struct {
	Mallocs float64 // for each record
	Commits float64 // requests a second
}

// tell prints the account, and keeps the process for whoever measures it until
// the standard input ends.
func (t *tally) tell(commits int) error {
	each := float64(mallocs()-t.mallocs) / max(1, float64(t.count.Load()-1))
	a := told{each, float64(commits) / max(time.Since(t.begun).Seconds(), 1e-3)}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
