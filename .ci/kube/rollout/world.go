package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

const (
	topic       = "abnormal-release"
	deadLetters = "abnormal-release.dlq"
	group       = "release-forwarder"
	partitions  = 6
	// shippedUser is whom the manifests let containers run as.
	shippedUser = 65532
	// endings is how many containers the steps end at the least: two updates, an undo and
	// an eviction of three each, and five by scaling.
	endings = 17
	// leaveTime is the local time that every event has, leaveInstant what must come
	// of it: the image has the zone's data, in the binary.
	leaveTime, leaveInstant = "2026-03-01 09:30:00", "2026-03-01T01:30:00Z"
	// eventBytes is what an event has about.
	eventBytes = 1 << 10
	// lagBack bounds how long after a step everything produced before is done.
	lagBack = 30 * time.Second
)

// laneLog is a field that the API does not know, as lanes send them.
var laneLog = strings.Repeat("gate opened by hand; ", (eventBytes-150)/21)

// world is everything around the pods.
type world struct {
	config
	client   *kgo.Client
	kafka    *kadm.Client
	double   *platform.Double
	server   *http.Server
	scratch  string
	port     int
	now, was deployed           // was: what `rollout undo` brings back
	replicas int                // asked for last
	stop     context.CancelFunc // ends the load
	unwatch  context.CancelFunc // nil before the watch began
	side     sync.WaitGroup
	made     atomic.Int64 // events made so far
	produced atomic.Int64 // acknowledged by Kafka
	badTimes atomic.Int64 // requests with another leave_time than is right
	failed   atomic.Pointer[error]
	ends     ends
}

// deployed is what of the pods the steps change.
type deployed struct {
	release
	user int // whom the containers run as
}

func newWorld(ctx context.Context, c config) (*world, error) {
	w := &world{config: c, now: deployed{c.previous, shippedUser}, double: platform.New(platform.Config{Secret: "sandbox-secret", KeepRequests: -1})}
	// An answer takes what a near platform takes: requests are open at every moment.
	w.double.Script(func(r *platform.Request) *platform.Reply {
		if r.Params["leave_time"] != leaveInstant {
			w.badTimes.Add(1)
		}
		return &platform.Reply{Delay: 20 * time.Millisecond}
	})
	var err error
	if w.client, err = kgo.NewClient(kgo.SeedBrokers(c.brokers), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		return nil, err
	}
	w.kafka = kadm.NewClient(w.client)
	for name, n := range map[string]int32{topic: partitions, deadLetters: 1} {
		if r, err := w.kafka.CreateTopic(ctx, n, 1, nil, name); err != nil || r.Err != nil {
			return nil, errors.Join(err, r.Err)
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(c.address, "0"))
	if err != nil {
		return nil, err
	}
	w.port = listener.Addr().(*net.TCPAddr).Port
	w.server = &http.Server{Handler: w.double, ReadHeaderTimeout: 10 * time.Second}
	w.side.Go(func() { _ = w.server.Serve(listener) })
	if w.scratch, err = os.MkdirTemp("", "rollout"); err != nil {
		return nil, err
	}
	ctx, w.stop = context.WithCancel(ctx)
	w.side.Go(func() { w.produce(ctx) })
	return w, nil
}

func (w *world) close() {
	w.stop()
	if w.unwatch != nil {
		w.unwatch()
	}
	_ = w.server.Close()
	w.side.Wait()
	w.client.Close()
	_ = os.RemoveAll(w.scratch)
}

// produce writes events at the rate, a tick's worth at a time: every fourth
// belongs to the parking of the one before it.
func (w *world) produce(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var records []*kgo.Record
		for range max(1, w.rate/20) {
			records = append(records, w.next())
		}
		results := w.client.ProduceSync(context.WithoutCancel(ctx), records...)
		if err := results.FirstErr(); err != nil {
			w.failed.Store(&err)
			return
		}
		w.produced.Add(int64(len(records)))
	}
}

func (w *world) next() *kgo.Record {
	n := int(w.made.Add(1)) - 1
	return &kgo.Record{Topic: topic, Partition: int32(n / 4 % partitions), Value: event(n)}
}

// event is the n-th: four in a row are of one parking.
func event(n int) []byte {
	orderKey := n / 4
	value, _ := json.Marshal(map[string]any{
		"park_uuid": "lot-" + strconv.Itoa(orderKey%50), "flow_no": "flow-" + strconv.Itoa(n), "parking_serial": "parking-" + strconv.Itoa(orderKey),
		"plate": "TEST" + strconv.Itoa(orderKey), "leave_time": leaveTime, "lane_log": laneLog,
	})
	return value
}

// caughtUp waits until all that was produced by now is committed, and says how
// long that took.
func (w *world) caughtUp(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, lagBack)
	defer cancel()
	ends, err := w.kafka.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	for {
		if err := w.failed.Load(); err != nil {
			return 0, fmt.Errorf("producing: %w", *err)
		}
		behind, err := w.until(ctx, ends)
		if err == nil && behind == 0 {
			return time.Since(begun), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%d records are behind %v after the step (%w)", behind, lagBack, errors.Join(err, ctx.Err()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// behind is how many records are not committed now.
func (w *world) behind(ctx context.Context) (int64, error) {
	ends, err := w.kafka.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	return w.until(ctx, ends)
}

// until is how many records below these ends are not committed.
func (w *world) until(ctx context.Context, ends kadm.ListedOffsets) (int64, error) {
	commits, err := w.kafka.FetchOffsets(ctx, group)
	behind := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		at, _ := commits.Lookup(topic, end.Partition)
		behind += max(0, end.Offset-max(0, at.At))
	})
	return behind, err
}

// settle ends the load and accounts for every event.
func (w *world) settle(ctx context.Context) error {
	w.stop()
	time.Sleep(time.Second) // the tick under way
	if _, err := w.caughtUp(ctx); err != nil {
		return err
	}
	s, produced := w.double.Stats(), int(w.produced.Load())
	written, err := w.kafka.ListEndOffsets(ctx, deadLetters)
	if err != nil {
		return err
	}
	deadLetter, _ := written.Lookup(deadLetters, 0)
	fmt.Printf("rollout: produced %d, accepted %d, lost %d, repeated %d, dead letters %d, unanswered %d, refused %v\n",
		produced, s.Accepted, produced-s.Accepted, s.Repeated, deadLetter.Offset, s.Unanswered, s.Refused)
	codes := w.ends.all()
	fmt.Printf("rollout: %d containers ended with 0; others: %v\n", codes[0], others(codes))
	if produced != s.Accepted || s.Repeated != 0 || deadLetter.Offset != 0 {
		return errors.New("events were lost or repeated")
	}
	if n := w.badTimes.Load(); n > 0 {
		return fmt.Errorf("%d requests had another leave_time than %s, which is %s in Shanghai", n, leaveInstant, leaveTime)
	}
	if len(others(codes)) > 0 {
		return errors.New("a container did not end as asked")
	}
	if codes[0] < endings {
		return fmt.Errorf("%d containers were seen to end, %d at least have ended", codes[0], endings)
	}
	return nil
}

// others are the exit codes but 0, with how many ended so.
func others(codes map[int]int) map[int]int {
	bad := maps.Clone(codes)
	delete(bad, 0)
	return bad
}
