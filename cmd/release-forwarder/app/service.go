package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/events"
	"release-forwarder/cmd/release-forwarder/forward"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/upstream"
	"release-forwarder/upstream/gate"
)

// Service is the parts and how they are wired:
//
//	Kafka ─▶ engine ─▶ forwarder ─▶ mapper, platform ─▶ the platform's API
//	           │  ▲        └──────▶ dead letters, receipts ─▶ Kafka
//	         gate └─ outcome
type Service struct {
	settings  *settings.Settings
	dial      connect.DialFunc
	telemetry *telemetry.Telemetry
	lines     *telemetry.Queue // before standard error
	Log       *slog.Logger

	kafka       *connect.Kafka
	hangUp      context.CancelFunc // ends the connections to Kafka
	platform    *upstream.Client
	gate        *gate.Gate
	credentials *credentials
	deadLetters *dlq.Publisher
	receipts    receipts

	forwarder *forward.Forwarder
	engine    *consumer.Engine
	admin     *admin.Server
	watched   []func(context.Context) // files that are reloaded when they change
	build     telemetry.Build
	doubles   []Double

	facts     *facts
	retention *retention
	unread    *unread
	owners    *owners
	started   time.Time
	// stopping ends when the service is asked to stop; guarded by mu.
	stopping context.Context
	mu       sync.Mutex
	// Guarded by mu.
	counted          int       // partitions of the event topics, as known last; 0: not yet
	deadLettersFound bool      // the dead-letter topic was there once
	stopped          time.Time // when the service was asked to stop; zero before
}

// Config is what [New] needs.
type Config struct {
	Settings *settings.Settings // as [settings.Load] returns them without an error
	// Dial opens every connection to Kafka and to the platform; nil is the network. It is the seam by which the
	// whole service runs in virtual time.
	Dial   connect.DialFunc
	Stderr io.Writer // log lines; a slow reader does not hold up the service
	Build  telemetry.Build
	// Doubles are deliberate mistakes that tests put in; nil otherwise.
	Doubles []Double
}

// Double changes the engine's configuration before the engine is made. Tests put deliberate mistakes in by it.
type Double func(*Parts, *consumer.Config)

// Parts are the parts of the service that a [Double] may use.
type Parts struct {
	Settings    *settings.Settings
	Gate        *gate.Gate
	Platform    *upstream.Client
	DeadLetters *dlq.Publisher
	Forwarder   *forward.Forwarder
	Wire        topic.Wire // to the brokers
	// Stopping ends when the service is asked to stop.
	Stopping func() context.Context
}

// New wires the parts. It contacts nothing. An error means that a file that a setting names, or telemetry, cannot be
// used.
func New(cfg Config) (*Service, error) {
	s := cfg.Settings
	lines := telemetry.NewQueue(cfg.Stderr, s.Log.Format)
	t, err := telemetry.Start(context.Background(), telemetry.Config{
		Writer: lines, LogLevel: s.Log.Level, LogFormat: s.Log.Format,
		Build: cfg.Build, SettingsHash: s.Hash(), Group: s.Kafka.GroupID, ClientID: s.Kafka.ClientID,
		Ignoring: s.Event.Ignoring(),
	})
	if err != nil {
		return nil, err
	}
	v := &Service{
		settings: s, dial: cfg.Dial, telemetry: t, lines: lines, Log: t.Logger, build: cfg.Build, started: time.Now(), stopping: context.Background(),
		facts: newFacts(), doubles: cfg.Doubles,
	}
	for _, wire := range []func() error{v.wireKafka, v.wirePlatform, v.wireEngine} {
		if err := wire(); err != nil {
			return nil, err
		}
	}
	t.Instruments.Observe(v.gauges)
	v.admin = admin.New(admin.Config{
		Addr: adminAddr(s), Hosts: s.Admin.Hosts, Logger: v.Log,
		Sources: admin.Sources{Live: v.Live, Ready: v.Ready, Metrics: v.Metrics(), Status: v.Status},
	})
	return v, nil
}

func adminAddr(s *settings.Settings) string {
	if s.Admin.Addr == "" {
		return admin.None
	}
	return s.Admin.Addr
}

func (v *Service) wireKafka() (err error) {
	var connected context.Context
	connected, v.hangUp = context.WithCancel(context.Background())
	v.kafka, err = connect.New(connected, connect.Config{
		Kafka: v.settings.Kafka, Topics: v.topics(),
		Dial: v.dial, Logger: v.Log, ReloadFailed: v.telemetry.Instruments.ReloadFailure, Reloaded: v.telemetry.Instruments.Reloaded,
	})
	if err != nil {
		return err
	}
	v.watched = append(v.watched, v.kafka.Run)
	v.retention = newRetention(v.kafka, v.settings.Kafka.ClientID, v.Log)
	v.unread = newUnread(v.kafka, v.settings.Kafka.ClientID, v.Log)
	v.owners = newOwners(v.kafka, v.settings.Kafka.GroupID, v.settings.Topics(), v.Log)
	v.deadLetters = dlq.NewPublisher(dlq.Config{
		Wire: v.kafka.Wire, Timeout: connect.RequestTimeout,
		Topic: v.settings.DeadLetters.Topic, Group: v.settings.Kafka.GroupID,
	})
	return v.wireReceipts()
}

// topics are those of which the service needs to know the leaders: what it reads and what it writes.
func (v *Service) topics() []string {
	topics := append(v.settings.Topics(), v.settings.DeadLetters.Topic)
	if receipts := v.settings.Receipts.Topic; receipts != "" {
		topics = append(topics, receipts)
	}
	return topics
}

func (v *Service) wirePlatform() error {
	s := v.settings
	v.gate = gate.New(gate.Config{
		MaxInFlight: s.Upstream.MaxInFlight, Adaptive: true, OnOpen: v.circuitOpened, OnClose: v.circuitClosed,
	})
	if err := v.credential(); err != nil {
		return err
	}
	roots, err := v.roots()
	if err != nil {
		return err
	}
	v.platform, err = upstream.New(upstream.Config{
		URL: s.Upstream.URL.String(), Credentials: v.credentials.For, Encoding: s.Upstream.Encoding,
		Timeout: s.Upstream.Timeout, MaxInFlight: s.Upstream.MaxInFlight,
		SuccessCodes: s.Upstream.SuccessCodes, PermanentCodes: s.Upstream.PermanentCodes, Fields: s.Event.Endpoint().Names(),
		RetryMax: s.Upstream.RetryMax, RetryWaitMin: s.Upstream.RetryWaitMin, RetryWaitMax: s.Upstream.RetryWaitMax,
		RetryAfterMax: s.Retry.BackoffMax, MayRetry: func() bool { return !v.gate.Open() },
		RootCAs: roots, Proxy: s.Upstream.Proxy.For, Dial: v.dial, Wrap: v.telemetry.Tracer.HTTPTransport,
		OnAttempt: v.attempted, OnAnswer: v.answered,
		OnSecret: v.secretSwitched, Gate: v.gate,
	})
	return err
}

// roots gives the certificates the platform is trusted by: the system's and those
// of UPSTREAM_TLS_CA_FILE; nil for the system's alone.
func (v *Service) roots() (func() *x509.CertPool, error) {
	name := v.settings.Upstream.TLSCAFile
	if name == "" {
		return nil, nil
	}
	file, err := connect.Watch(connect.WatchConfig[*x509.CertPool]{
		Files: []string{name}, Settings: []string{"UPSTREAM_TLS_CA_FILE"},
		Parse: func(contents [][]byte) (*x509.CertPool, error) {
			pool, _ := x509.SystemCertPool() // nil where there is none
			return settings.ParseCA(pool, contents[0])
		},
		Failed: v.telemetry.Instruments.ReloadFailure, Taken: v.telemetry.Instruments.Reloaded, Logger: v.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("UPSTREAM_TLS_CA_FILE: %w", err)
	}
	v.watched = append(v.watched, file.Run)
	return file.Get, nil
}

func (v *Service) wireEngine() error {
	s, count := v.settings, v.telemetry.Instruments
	mapper, err := s.Event.Mapper()
	if err != nil {
		return err
	}
	v.forwarder = forward.New(forward.Config{
		Mapper: mapper, Platform: v.platform, Gate: v.gate, DeadLetters: v.deadLetters, Receipts: v.receipts.forForwarder(s.Receipts.Required),
		Budget: s.Retry.Budget, BackoffMin: s.Retry.BackoffMin, BackoffMax: s.Retry.BackoffMax,
		LotHoldMax: s.Retry.LotHoldMax, HeldBefore: s.DeadLetters.HeldBefore, StormLimit: s.DeadLetters.StormLimit,
		Hasten: func() { v.engine.Hasten() },
		Tracer: v.telemetry.Tracer, Metrics: count, Written: v.deadLetterWritten, Log: v.Log,
	})
	cfg := consumer.Config{
		Topics: s.Kafka.Topics, Optional: s.Topics()[len(s.Kafka.Topics):], GroupID: s.Kafka.GroupID, GroupProtocol: s.Kafka.GroupProtocol, ClientID: s.Kafka.ClientID,
		Rack: s.Kafka.ClientRack, Wire: v.kafka.Wire,
		SessionTimeout: s.Kafka.SessionTimeout, HeartbeatInterval: s.Kafka.HeartbeatInterval, RebalanceTimeout: s.Kafka.RebalanceTimeout,
		OffsetReset: s.Kafka.OffsetReset,
		MaxPending:  s.Consumer.MaxPending, MaxPendingBytes: s.Consumer.MaxPendingBytes, MaxRecordBytes: int(s.Kafka.MaxRecordBytes),
		Workers: s.Upstream.MaxInFlight, CommitInterval: s.Consumer.CommitInterval, DrainTimeout: s.Drain(),
		DeliveryLimit: v.deliveryLimit(), Slot: v.gate.Slot,
		OrderKey: func(r *consumer.Record) string { return forward.OrderKey(mapper, r) }, Gate: v.gate,
		Handler: v.forwarder,
		Hooks: consumer.Hooks{
			Assigned: func(topic string, partition int32) {
				count.AssignPartition(topic, int(partition))
				v.retention.assigned()
			},
			Dropped:         v.dropped,
			Committing:      v.committing,
			Committed:       count.Commit,
			Drained:         func(took time.Duration) { count.Drained(took.Seconds()) },
			Rebalanced:      count.Rebalance,
			Owns:            v.shareRate,
			MetadataIgnored: count.MetadataIgnored,
		},
		Log: v.Log,
	}
	for _, double := range v.doubles {
		double(&Parts{Settings: s, Gate: v.gate, Platform: v.platform, DeadLetters: v.deadLetters, Forwarder: v.forwarder, Wire: v.kafka.Wire, Stopping: v.untilStop}, &cfg)
	}
	v.engine = consumer.New(cfg)
	return v.watchLookups()
}

// deliveryLimit is how long a delivery may take by configuration: each attempt, one more
// for a credential's other secret, the waits between (for a retry, and for the rate), and
// its dead letter.
func (v *Service) deliveryLimit() time.Duration {
	u := v.settings.Upstream
	return time.Duration(u.RetryMax+2)*u.Timeout + time.Duration(2*u.RetryMax+1)*u.RetryWaitMax + v.deadLetters.Limit()
}

// Limits of the end, after the drain: all of it takes CONSUMER_DRAIN_TIMEOUT + 10s at
// most, whatever hangs.
const (
	// endLimit covers all but the last log lines: cutting open deliveries, leaving the
	// group, ending the admin server, flushing telemetry.
	endLimit = 8 * time.Second
	// flushTimeout bounds the flush of telemetry; flushEnd is when it must be over.
	flushTimeout = 5 * time.Second
	flushEnd     = 7500 * time.Millisecond
	// LinesLimit is how long the process waits for the last log lines to be written: the
	// service's, and what execute prints after them.
	LinesLimit = time.Second
)

var errLate = errors.New("the end has taken too long: something hangs, and is left behind")

// Run forwards until stop ends, then drains: CONSUMER_DRAIN_TIMEOUT + 10s at most, whatever hangs. It returns nil if it
// stopped as asked. An error means that ADMIN_ADDR cannot be used, the engine ended by itself, or the end took too long.
// Call it once.
func (v *Service) Run(stop context.Context) error {
	defer v.lines.Flush(LinesLimit)
	late, ended := make(chan struct{}), make(chan error, 1)
	defer context.AfterFunc(stop, func() {
		v.mu.Lock()
		v.stopped = time.Now()
		v.mu.Unlock()
		time.AfterFunc(v.settings.Drain()+endLimit, func() { close(late) })
	})()
	go func() { ended <- v.work(stop) }()
	select {
	case err := <-ended:
		return err
	case <-late:
		return errLate
	}
}

func (v *Service) work(stop context.Context) error {
	v.mu.Lock()
	v.stopping = stop
	v.mu.Unlock()
	if err := v.admin.Listen(stop); err != nil {
		return err
	}
	events.Started.Log(v.Log, slog.String("version", v.build.Version), slog.String("topic", strings.Join(v.settings.Kafka.Topics, ",")),
		slog.String("group", v.settings.Kafka.GroupID),
		slog.String("platform", v.platform.Endpoint()), slog.String("admin", v.admin.Addr()))
	serving, close := context.WithCancel(context.Background())
	var side sync.WaitGroup
	side.Go(func() {
		if err := v.admin.Run(serving); err != nil {
			events.AdminEnded.Log(v.Log, slog.String("error", err.Error()))
		}
	})
	for _, watch := range v.watched {
		side.Go(func() { watch(serving) })
	}
	side.Go(func() { v.findDeadLetters(serving) })
	side.Go(func() { v.explainConnection(serving) })
	side.Go(func() { v.warnAtStart(serving) })
	side.Go(func() { v.retention.run(serving, v.engine.Status) })
	side.Go(func() { v.owners.run(serving) })
	side.Go(func() { v.unread.run(serving, v.engine.Status, v.engine.Reaches) })

	err := v.engine.Run(stop)

	v.deadLetters.Close()
	v.receipts.close()
	close()
	side.Wait() // before the connections end: none of them opens another
	v.hangUp()
	v.kafka.Wire.Close()
	v.platform.Close()
	events.Stopped.Log(v.Log)
	flush, cancel := context.WithDeadline(context.Background(), v.flushUntil())
	defer cancel()
	if err := v.telemetry.Shutdown(flush); err != nil {
		spans, logs := v.telemetry.Dropped()
		events.TelemetryDropped.Log(v.Log,
			slog.String("limit", flushTimeout.String()), slog.Int64("spans_dropped", spans),
			slog.Int64("logs_dropped", logs), slog.String("error", err.Error()))
	}
	return err
}

// untilStop ends when the service is asked to stop.
func (v *Service) untilStop() context.Context {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.stopping
}

// Metrics returns the handler of /metrics.
func (v *Service) Metrics() http.Handler { return v.telemetry.MetricsHandler() }

// flushUntil is when a flush of telemetry that begins now must be over.
func (v *Service) flushUntil() time.Time {
	until := time.Now().Add(flushTimeout)
	v.mu.Lock()
	defer v.mu.Unlock()
	if end := v.stopped.Add(v.settings.Drain() + flushEnd); !v.stopped.IsZero() && end.Before(until) {
		return end
	}
	return until
}

// findDeadLetters waits until the dead-letter topic exists, for the readiness
// probe.
func (v *Service) findDeadLetters(ctx context.Context) {
	for {
		err := v.deadLetters.Exists(ctx)
		if err == nil {
			v.mu.Lock()
			v.deadLettersFound = true
			v.mu.Unlock()
			return
		}
		if ctx.Err() != nil {
			return
		}
		if _, answered := errors.AsType[kafka.Error](err); answered {
			events.DeadLetterTopicMissing.Log(v.Log, slog.String("topic", v.settings.DeadLetters.Topic), slog.String("error", err.Error()))
		}
		select {
		case <-time.After(lookInterval):
		case <-ctx.Done():
			return
		}
	}
}

// explainConnection logs once why Kafka cannot be reached, if it cannot: the
// transport's own errors do not distinguish a wrong password from a closed
// connection.
func (v *Service) explainConnection(ctx context.Context) {
	err := v.kafka.Reach(ctx)
	if err != nil && ctx.Err() == nil {
		events.KafkaUnreachable.LogContext(ctx, v.Log, slog.String("error", err.Error()))
	}
}

// lookInterval is the time between two looks for a missing topic.
const lookInterval = 2 * time.Second
