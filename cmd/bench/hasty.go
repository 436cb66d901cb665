package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// hastyCommand is what reads and posts soonest: a client of Kafka that fetches all
// partitions at once, and as many goroutines as requests may be in flight, without
// order, commits or telemetry. What it takes is Kafka's and the machine's.
type hastyCommand struct {
	URL, Brokers, Topic string
	Open                int
}

func (c hastyCommand) Run() error {
	consumer, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers), kgo.ConsumeTopics(c.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return err
	}
	defer consumer.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: c.Open, MaxIdleConnsPerHost: c.Open}}
	values := make(chan []byte, c.Open)
	var failed atomic.Pointer[error]
	for range c.Open {
		go func() {
			for value := range values {
				form, err := plainForm(value)
				if err == nil {
					err = post(client, c.URL, form)
				}
				if err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		}()
	}
	if err := json.NewEncoder(os.Stdout).Encode(told{}); err != nil { // it reads from now on
		return err
	}
	for failed.Load() == nil {
		fetches := consumer.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { values <- r.Value })
	}
	return fmt.Errorf("a request failed: %w", *failed.Load())
}
