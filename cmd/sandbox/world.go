package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/sandbox/account"
	"release-forwarder/cmd/sandbox/faults"
	"release-forwarder/cmd/sandbox/lanes"
	"release-forwarder/cmd/sandbox/screen"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/cmd/testkit/process"
)

// world is a run's parts.
type world struct {
	out       *screen.Screen
	cluster   *kfake.Cluster
	kafka     *account.Kafka
	client    *kgo.Client // of the lanes and of kafka.Admin
	platform  *platformServer
	secret    string
	player    *faults.Player
	book      *account.Book
	keyFile   string // of the receipts
	forwarder *forwarder

	// opened is when the lanes began to send: second 0 of the run.
	opened time.Time
	// shut stops the lanes and the faults; lanesEnd has how the lanes ended.
	shut     context.CancelFunc
	lanesEnd chan error
	acts     sync.WaitGroup

	retried atomic.Int64
	// last is the progress of the latest look that Kafka answered.
	last account.Progress
	// exampled: a receipt was shown as an example.
	exampled bool
	rates    rates
}

// newWorld returns a world without any part; close is due on it from now on.
func newWorld(out *screen.Screen, player *faults.Player) *world {
	return &world{
		out: out, player: player, secret: rand.Text(), book: &account.Book{}, shut: func() {}, lanesEnd: make(chan error, 1),
	}
}

// openEnds starts Kafka and the platform, and makes the key of the receipts.
func (w *world) openEnds(dir string, partitions int, latency time.Duration) (err error) {
	if w.cluster, err = startKafka(0, partitions, eventTopic, eventTopic+deadLetters, eventTopic+receipts); err != nil {
		return err
	}
	w.keyFile = filepath.Join(dir, "receipts-key")
	if err := os.WriteFile(w.keyFile, []byte(rand.Text()+rand.Text()+"\n"), 0o600); err != nil {
		return err
	}
	if w.client, err = lanes.Dial(w.cluster.ListenAddrs()); err != nil {
		return err
	}
	w.kafka = &account.Kafka{
		Brokers: w.cluster.ListenAddrs(), Topic: eventTopic, DeadLetters: eventTopic + deadLetters, Group: group,
		Admin: kadm.NewClient(w.client),
	}
	// The book keeps what is needed of the requests.
	cfg := platform.Config{Secret: w.secret, KeepRequests: -1, OnAnswer: w.answered}
	w.platform, err = startPlatform(0, cfg, latency, w.player)
	return err
}

// openForwarder starts the binary given, or builds one first.
func (w *world) openForwarder(ctx context.Context, dir, given string, set map[string]string, started *processes) error {
	binary := given
	if given == "" {
		w.out.Say("sandbox    forwarder  go build " + process.Forwarder + " …")
		binary = filepath.Join(dir, "release-forwarder")
		defer os.Remove(binary) // a process keeps what it needs of it
		if err := process.Build(ctx, binary); err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
	}
	settings := w.settings(set)
	w.kafka.Receipts = settings["RECEIPTS_TOPIC"]
	var err error
	if w.forwarder, err = startForwarder(binary, dir, settings); err != nil {
		return err
	}
	started.add(w.forwarder.Process)
	return nil
}

func (w *world) answered(r platform.Request) {
	if r.Attempt > 1 {
		w.retried.Add(1)
	}
	w.book.Answered(r)
}

// settings are those of the forwarder: a quicker pace, where the parts are, and
// above all what the user set.
func (w *world) settings(set map[string]string) map[string]string {
	all := maps.Clone(pace)
	maps.Copy(all, map[string]string{
		"KAFKA_BROKERS":       strings.Join(w.kafka.Brokers, ","),
		"KAFKA_TOPIC":         w.kafka.Topic,
		"KAFKA_GROUP_ID":      w.kafka.Group,
		"RECEIPTS_TOPIC":      w.kafka.Topic + receipts,
		"RECEIPTS_KEY_FILE":   w.keyFile,
		"UPSTREAM_URL":        w.platform.URL,
		"UPSTREAM_APP_SECRET": w.secret,
	})
	maps.Copy(all, set)
	return all
}

// openLanes begins second 0: events flow and faults come.
func (w *world) openLanes(street *lanes.Street, rate float64) {
	ctx, cancel := context.WithCancel(context.Background())
	w.shut = cancel
	sender := &lanes.Sender{Street: street, Topic: eventTopic, Rate: rate, OnSend: w.book.Sending, OnAck: w.book.Acked}
	w.opened = time.Now()
	w.acts.Go(func() { w.lanesEnd <- sender.Run(ctx, w.client, flushLimit) })
	w.acts.Go(func() { w.player.Run(ctx) })
}

// close ends whatever is still there.
func (w *world) close() {
	w.shut()
	w.acts.Wait()
	if w.forwarder != nil {
		w.forwarder.Kill()
	}
	if w.platform != nil {
		w.platform.Close()
	}
	if w.client != nil {
		w.client.Close()
	}
	if w.cluster != nil {
		w.cluster.Close()
	}
	_ = os.Remove(w.keyFile) // without its topic it opens nothing
}

// patience is how long a look waits for an answer: less than the time between
// two of them.
const patience = 900 * time.Millisecond

// show asks everybody how things stand, and shows it. It is not cut short by
// the end of a run: what happens while it ends is worth seeing.
func (w *world) show(phase string) {
	s := status{
		Elapsed: time.Since(w.opened), Phase: phase, Stats: w.platform.Stats(), Retried: w.retried.Load(), Faults: w.player.On(),
	}
	var asked sync.WaitGroup
	asked.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.inside = scrape(ctx, w.forwarder.Admin)
	})
	progress, err := w.progress()
	asked.Wait()
	if err == nil {
		w.last = progress
	} else {
		s.Faults = append(s.Faults, err.Error())
	}
	s.Progress = w.last
	if s.Receipts > 0 && !w.exampled {
		w.exampled = w.example()
	}
	s.ProducedRate, s.AcceptedRate = w.rates.add(look{s.Elapsed, s.Produced, int64(s.Accepted)})
	w.out.Show(s.block(), s.line())
}

func (w *world) progress() (account.Progress, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.kafka.Progress(ctx)
}
