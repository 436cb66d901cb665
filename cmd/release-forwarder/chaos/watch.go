package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/sandbox/platform"
)

// visits are the requests that brought one flow number to the platform.
type visits struct {
	arrivals []time.Time // in order
	accepts  []time.Time // answered 1001, in order
}

// ledger is what the platform saw. The time of an acceptance is before its
// answer is written.
type ledger struct {
	mu    sync.Mutex
	flows map[string]*visits // guarded by mu
}

func (l *ledger) at(flow string) *visits {
	v := l.flows[flow]
	if v == nil {
		v = &visits{}
		l.flows[flow] = v
	}
	return v
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
		v := l.at(r.Params["flow_no"])
		v.accepts = append(v.accepts, time.Now())
	}})
	d.Script(func(r *platform.Request) *platform.Reply {
		flow := r.Params["flow_no"]
		l.mu.Lock()
		defer l.mu.Unlock()
		v := l.at(flow)
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

// sighting is a commit of a partition, from the time on at which Kafka told it.
type sighting struct {
	at       time.Time // the answer was there
	offset   int64
	metadata string
}

// commitWatch asks for the group's commits twenty times a second.
type commitWatch struct {
	admin *kadm.Client
	mu    sync.Mutex
	seen  map[int32][]sighting // guarded by mu: one entry for each change
	polls int                  // guarded by mu: answered
}

const pollInterval = 50 * time.Millisecond

func (w *commitWatch) run(ctx context.Context) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		commits, err := w.ask(ctx)
		if err != nil {
			continue // its coordinator is away: asked again
		}
		w.note(commits, time.Now())
	}
}

func (w *commitWatch) ask(ctx context.Context) (map[int32]kadm.Offset, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answer, err := w.admin.FetchOffsets(ctx, groupID)
	if err != nil {
		return nil, err
	}
	all := map[int32]kadm.Offset{}
	for partition, r := range answer[eventTopic] {
		if r.Err == nil && r.At >= 0 {
			all[partition] = r.Offset
		}
	}
	return all, nil
}

func (w *commitWatch) note(commits map[int32]kadm.Offset, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.polls++
	for partition, c := range commits {
		before := w.seen[partition]
		if n := len(before); n == 0 || before[n-1].offset != c.At || before[n-1].metadata != c.Metadata {
			w.seen[partition] = append(before, sighting{at, c.At, c.Metadata})
		}
	}
}

// entry is a record of the event topic.
type entry struct {
	partition int32
	offset    int64
	produced  time.Time
	flow      string
	session   string
}

// readLog reads the whole event topic, in offset order within each partition.
func readLog(ctx context.Context, seeds []string, admin *kadm.Client) ([]entry, error) {
	var log []entry
	records, err := readTopic(ctx, seeds, admin, eventTopic)
	for _, r := range records {
		var e struct {
			Lot     string `json:"park_uuid"`
			Flow    string `json:"flow_no"`
			Session string `json:"parking_serial"`
		}
		if err := json.Unmarshal(r.Value, &e); err != nil {
			return nil, fmt.Errorf("partition %d offset %d: %w", r.Partition, r.Offset, err)
		}
		log = append(log, entry{r.Partition, r.Offset, r.Timestamp, e.Flow, e.Lot + "/" + e.Session})
	}
	return log, err
}

func readTopic(ctx context.Context, seeds []string, admin *kadm.Client, topic string) ([]*kgo.Record, error) {
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, err
	}
	left := map[int32]int64{}
	for partition, end := range ends[topic] {
		if end.Offset > 0 {
			left[partition] = end.Offset
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var all []*kgo.Record
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("topic %s is not read to its end: %w", topic, ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all = append(all, r)
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return all, nil
}
