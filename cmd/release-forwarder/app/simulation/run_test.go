package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/consumer/membership"
	"release-forwarder/mapping"
)

const (
	deadLetterPartitions = 2
	sessionTime          = 6 * time.Second // the least the embedded Kafka takes
	rebalanceTime        = 8 * time.Second
	drainTime            = 4 * time.Second
	mostMembers          = 4
)

// simulation is one run of a schedule.
type simulation struct {
	plan       *schedule
	base       settings.Settings
	mistake    *mistake // deliberate; nil: the service as it is
	log        io.Writer
	net        *memnet.Net
	cluster    atomic.Pointer[kfake.Cluster]
	brokers    []string // by node
	options    []kfake.Opt
	folder     string // of the brokers' logs, where they are kept
	epochs     *apptest.LeaderEpochs
	heights    heights
	platform   *platform.Double
	kafka      atomic.Pointer[kgo.Client]
	writing    chan struct{} // holds a token while events are written, or a log is changed
	observer   *observer
	secretFile string
	keyFile    string // of the receipts

	stopping sync.WaitGroup // of members

	mu            sync.Mutex
	members       []*member
	scripts       map[*fault]answer
	secret        string
	secretChanged *fault
	healed        bool
	closing       bool // nobody joins any more
	refusals      map[*refusal]struct{}
	down          bool // the brokers are
}

// member is one replica.
type member struct {
	*host
	link    *memnet.Link
	service *app.Service
	stop    context.CancelFunc
	done    chan error
	gone    bool // killed or told to stop
	dead    bool // killed

	effects []effect // on its link
}

// effect is a fault's condition on some of a member's connections.
type effect struct {
	fault *fault
	match func(address string) bool
	what  memnet.Condition
}

// outcome is what a run showed.
type outcome struct {
	seed                       uint64
	broken, story              []string
	hits                       map[string]int
	twoAtOnce                  bool
	virtual                    time.Duration
	events, requests, repeated int
	goroutines                 int // in the process, at most
}

// simulate runs a schedule in a bubble of virtual time. Broken promises are in
// the outcome: they fail no test by themselves.
func simulate(t *testing.T, base settings.Settings, plan *schedule, m *mistake, logs io.Writer) (out outcome) {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if plan.mapped {
		text := mappingFile
		if m == nil { // mistakes are about what is mapped
			text = strings.Replace(text, "{from: park_uuid}", "{from: park_uuid, lookup: lots.csv}", 1)
		}
		if base.Event.File, err = mapping.Parse([]byte(text)); err != nil {
			t.Fatal(err)
		}
		base.Event.Mapping = filepath.Join(dir, "mapping.yaml")
		base.Event.Lookups = map[string]mapping.Lookup{}
		for _, name := range base.Event.File.Lookups {
			base.Event.Lookups[name] = nil // the service reads it when it begins
			if err := os.WriteFile(base.Event.LookupFile(name), lots(plan.unlisted()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{plan: plan, base: base, mistake: m, log: logs, net: &memnet.Net{}, scripts: map[*fault]answer{}, secret: apptest.Secret,
			epochs: apptest.NewLeaderEpochs(apptest.EventTopic, apptest.MoreEventsTopic), writing: make(chan struct{}, 1), refusals: map[*refusal]struct{}{}}
		s.secretFile, s.keyFile = filepath.Join(dir, "secret"), filepath.Join(dir, "key")
		if err := os.WriteFile(s.keyFile, []byte(apptest.ReceiptsKey), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.secretFile, []byte(apptest.Secret), 0o600); err != nil {
			t.Fatal(err)
		}
		s.options = []kfake.Opt{kfake.Ports(9001, 9002, 9003), kfake.ListenFn(s.net.Listen),
			kfake.SeedTopics(plan.partitions, apptest.EventTopic), kfake.SeedTopics(deadLetterPartitions, apptest.DeadLetterTopic), kfake.SeedTopics(3, apptest.ReceiptsTopic),
			kfake.BrokerConfigs(map[string]string{ // of the consumer protocol
				"group.consumer.session.timeout.ms":    fmt.Sprint(sessionTime.Milliseconds()),
				"group.consumer.heartbeat.interval.ms": "1500",
			})}
		if plan.more > 0 {
			s.base.Kafka.Topics = []string{apptest.EventTopic, apptest.MoreEventsTopic}
			s.options = append(s.options, kfake.SeedTopics(plan.more, apptest.MoreEventsTopic))
		}
		if slices.ContainsFunc(plan.faults, func(f *fault) bool { return f.kind.name == truncation }) {
			s.folder = filepath.Join(dir, "logs")
			s.options = append(s.options, kfake.DataDir(s.folder))
		}
		s.observer = newObserver(&s.cluster, plan)
		s.epochs.ReportDivergence = plan.seed%2 == 0
		if err := s.openBrokers(); err != nil {
			t.Fatal(err)
		}
		defer func() { s.cluster.Load().Close() }()
		s.brokers = s.cluster.Load().ListenAddrs()
		s.platform = platform.New(platform.Config{Secret: apptest.Secret, KeepRequests: -1, OnAnswer: s.decided})
		s.platform.Script(s.script)
		l, err := s.net.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: labelled(s.platform, s.observer), ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, c)
		}}
		go server.Serve(l)
		defer server.Close()
		if err := s.connect(); err != nil {
			t.Fatal(err)
		}
		defer func() { s.kafka.Load().Close() }()
		keeping, stop := context.WithCancel(context.Background())
		var keeper sync.WaitGroup
		if plan.protocol == membership.ProtocolClassic {
			keeper.Go(func() { s.keep(keeping) })
		}
		for name := range base.Event.Lookups {
			s.observer.refuses(plan.unlisted())
			time.AfterFunc(plan.length/2, func() {
				next := filepath.Join(dir, "next") // a member that begins now reads all of it, or of the old one
				if err := errors.Join(os.WriteFile(next, lots(-1), 0o600), os.Rename(next, base.Event.LookupFile(name))); err != nil {
					s.observer.fail("the lookup file: %v", err)
				}
			})
		}
		s.run()
		stop()
		keeper.Wait()
		out = s.outcome()
	})
	return out
}

type connectionKey struct{}

// labelled writes into each request's path which connection brought it and when
// it was sent: the platform's double remembers the path.
func labelled(h http.Handler, o *observer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(connectionKey{}).(net.Conn)
		sent := memnet.AskedAt(c)
		r.URL.Path = fmt.Sprintf("/%s/%d", r.RemoteAddr, sent.UnixNano())
		h.ServeHTTP(w, r)
		if r.Context().Err() != nil {
			from, _, _ := net.SplitHostPort(r.RemoteAddr)
			o.left(from, sent)
		}
	})
}

// decided is told of each answer of the platform.
func (s *simulation) decided(r platform.Request) {
	s.observer.answered(r)
	if r.Code == platform.CodeUnsigned && !r.Scripted {
		s.mu.Lock()
		f := s.secretChanged
		s.mu.Unlock()
		if f != nil {
			f.hit(1)
		}
	}
}

// act is something to do at a time.
type act struct {
	at time.Duration
	do func()
}

// run plays the schedule, then waits until all is accounted for.
func (s *simulation) run() {
	var acts []act
	for _, f := range s.plan.faults {
		acts = append(acts, act{f.from, func() {
			s.observer.tell("begins: %s", f)
			end := f.kind.begin(s, f)
			if end == nil {
				return
			}
			s.stopping.Go(func() {
				time.Sleep(f.lasts)
				end()
				s.observer.mu.Lock()
				defer s.observer.mu.Unlock()
				s.observer.say("ends:   %s, %d hit", f, f.seen().n)
			})
		}})
	}
	for range s.plan.replicas {
		s.join()
	}
	producing := make(chan struct{})
	go func() {
		defer close(producing)
		s.produceAll()
	}()
	slices.SortStableFunc(acts, func(a, b act) int { return int(a.at - b.at) })
	for _, a := range acts {
		if s.until(a.at) {
			a.do()
		}
	}
	if s.until(s.plan.end()) {
		<-producing
		s.stopping.Wait()
	}
	s.mu.Lock()
	s.healed = true
	s.mu.Unlock()
	if s.alive() == 0 {
		s.join()
	}
	if !s.enough() {
		s.observer.tell("the last fault is over")
		s.settleDown()
	}
	s.mu.Lock()
	s.closing = true // one that comes back late would never be told to stop
	members := slices.Clone(s.members)
	s.mu.Unlock()
	for _, m := range members {
		if !m.gone {
			s.halt(m)
		}
	}
	<-producing
	s.stopping.Wait()
	for _, m := range s.members {
		<-m.done
	}
	if !s.enough() {
		s.observer.account()
		s.accountReceipts()
	}
	// What the library still does for those that have gone comes to its end: it
	// reads on where nothing will come, and leaves the group once more.
	for _, m := range s.members {
		m.link.Set(func(string) memnet.Condition { return memnet.Condition{Refuse: true} })
		m.link.Cut(nil)
	}
	time.Sleep(30 * time.Second)
}

// until waits for a time of the schedule; false means that the run need not go
// on.
func (s *simulation) until(at time.Duration) bool {
	for left := at - time.Since(s.observer.began); left > 0; left = at - time.Since(s.observer.began) {
		if s.enough() {
			return false
		}
		time.Sleep(min(left, time.Second))
	}
	return !s.enough()
}

// enough says that a deliberate mistake has been found.
func (s *simulation) enough() bool {
	if s.mistake == nil {
		return false
	}
	s.observer.mu.Lock()
	defer s.observer.mu.Unlock()
	return len(s.observer.broken) > 0
}

// produceAll produces the events at their times. There is one producer, whose
// requests no fault touches, so that each event's offset is known before.
func (s *simulation) produceAll() {
	for _, b := range s.plan.events {
		if s.until(b.at) {
			s.produce(b)
		}
	}
}

func (s *simulation) produce(b burst) {
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	s.write(b)
}

// write is produce for who holds the token.
func (s *simulation) write(b burst) {
	var records []*kgo.Record
	topic, number := placeOf(b.partition)
	for _, v := range s.observer.expect(b) {
		records = append(records, &kgo.Record{Topic: topic, Partition: number, Value: []byte(v)})
	}
	base := s.observer.lastOf(b.partition) + 1 - int64(len(records))
	for try := 0; ; try++ {
		// Without an end: a record keeps the context that it was tried with first.
		err := s.kafka.Load().ProduceSync(context.Background(), records...).FirstErr()
		if err == nil {
			break
		}
		// The producer may not have heard yet of a partition that was added; what
		// has reached the log is never sent again.
		if info := s.cluster.Load().PartitionInfo(topic, number); try == 60 || info == nil || info.HighWatermark != base {
			s.observer.fail("producing: %v", err)
			return
		}
		s.kafka.Load().ForceMetadataRefresh()
		time.Sleep(time.Second)
	}
	if last := records[len(records)-1].Offset; last != s.observer.lastOf(b.partition) {
		s.observer.fail("the last event of partition %d has offset %d, expected %d", b.partition, last, s.observer.lastOf(b.partition))
	}
}

// settleDown waits until everything is finished and committed. Liveness: that
// must come within a bound of virtual time after the last fault.
func (s *simulation) settleDown() {
	begun := time.Now()
	for !s.observer.complete() && !s.enough() {
		if time.Since(begun) > recovery {
			s.observer.stuck(recovery)
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	s.observer.tell("all is finished and committed")
}

// recovery bounds how long after the last fault all must be accounted for: a
// dead member's session, a join, requests under way that are given up after
// their time, and backoffs that have grown.
const recovery = 90 * time.Second

func (s *simulation) outcome() outcome {
	o := s.observer
	o.mu.Lock()
	defer o.mu.Unlock()
	out := outcome{
		seed: s.plan.seed, broken: o.broken, story: o.story, hits: map[string]int{},
		virtual: time.Since(o.began), events: len(o.flows), requests: o.requests, repeated: o.repeats, goroutines: o.goroutines,
	}
	for i, f := range s.plan.faults {
		h := f.seen()
		out.hits[f.kind.name] += h.n
		for _, g := range s.plan.faults[:i] {
			if h.overlaps(g.seen()) {
				out.twoAtOnce = true
			}
		}
	}
	return out
}
