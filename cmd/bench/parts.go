package main

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

const secret = "bench-secret"

// kafkaCommand is an in-memory Kafka of one broker.
type kafkaCommand struct{}

func (kafkaCommand) Run() error {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Println(c.ListenAddrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent ends
	return err
}

// apiCommand is an API that answers after a delay and counts. It checks no
// signature: it is to cost as little as may be.
type apiCommand struct {
	Delay time.Duration
	Down  bool
}

func (c apiCommand) Run() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var count, first, last, open, most atomic.Int64
	answer := []byte(`{"code":"1001","message":"OK","seqno":"abc6c253b93cc940"}`)
	http.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		defer open.Add(-1)
		_, _ = io.Copy(io.Discard, r.Body)
		if c.Down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		now := time.Now().UnixNano()
		first.CompareAndSwap(0, now)
		if c.Delay > 0 {
			time.Sleep(c.Delay)
		}
		count.Add(1)
		last.Store(time.Now().UnixNano())
		_, _ = w.Write(answer)
	})
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, count.Load(), first.Load(), last.Load(), most.Load())
	})
	fmt.Println(l.Addr())
	return http.Serve(l, nil)
}

// bareCommand sends the requests of n events the plain way: a map, url.Values and
// net/http, with as many idle connections as requests.
type bareCommand struct {
	URL  string
	N    int
	Open int
}

func (c bareCommand) Run() error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: c.Open, MaxIdleConnsPerHost: c.Open}}
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	for range c.Open {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(c.N); i = next.Add(1) - 1 {
				form := signed(map[string]string{
					"park_uuid": fmt.Sprintf("PARK-%d", i%50), "flow_no": fmt.Sprintf("FLOW-%d", i), "parking_serial": fmt.Sprintf("SERIAL-%d", i),
					"plate": "粤B12345", "plate_color": "1", "car_type": "1", "operator": "张三", "reason": "设备异常",
					"enter_time": "2026-01-02T03:04:05Z", "leave_time": "2026-01-02T05:04:05Z",
				})
				resp, err := client.Post(c.URL, "application/x-www-form-urlencoded; charset=UTF-8", strings.NewReader(form))
				if err != nil {
					failed.Add(1)
					continue
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if !bytes.Contains(body, []byte(`"1001"`)) {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d of %d requests failed", n, c.N)
	}
	return nil
}

func signed(params map[string]string) string {
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	slices.Sort(names)
	values, parts := url.Values{}, make([]string, 0, len(names))
	for _, name := range names {
		parts = append(parts, name+"="+params[name])
		values.Set(name, params[name])
	}
	sum := md5.Sum([]byte(strings.Join(parts, "&") + "&app_secret=" + secret))
	values.Set("sign", strings.ToUpper(hex.EncodeToString(sum[:])))
	return values.Encode()
}

// event is the i-th event, about 300 bytes or filled up to size with a field that
// the API does not know. It maps to the bare loop's request.
func event(i, size int) []byte {
	e := fmt.Appendf(nil, `{"park_uuid":"PARK-%d","flow_no":"FLOW-%d","parking_serial":"SERIAL-%d","plate":"粤B12345","plate_color":1,"car_type":"temporary",`+
		`"operator":"张三","reason":"设备异常","enter_time":"2026-01-02 11:04:05","leave_time":"2026-01-02T05:04:05Z"`, i%50, i, i)
	if fill := size - len(e) - len(`,"more":""}`); fill > 0 {
		e = append(e, `,"more":"`...)
		noise := make([]byte, (fill+1)/2) // compresses to a half at best
		for j := range noise {
			noise[j] = byte(i*31 + j*j*7 + j>>3)
		}
		e = append(hex.AppendEncode(e, noise), '"')
	}
	return append(e, '}')
}
