package connect

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer/wire"
)

// DialFunc opens a connection, as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Times of a connection. None is a setting: they are far above what a healthy cluster needs, and below the
// session and rebalance time-outs.
const (
	dialTimeout      = 5 * time.Second  // TCP, to one address
	handshakeTimeout = 5 * time.Second  // TLS
	openTimeout      = 15 * time.Second // the whole opening of a Dialer's connection, SASL too
	// RequestTimeout is the time that callers give a request, beside any time that it waits on purpose.
	RequestTimeout = 10 * time.Second
)

// network opens the connections. A host that dies silently is noticed within 30s, KAFKA_SESSION_TIMEOUT's
// default: the answer to a new member's JoinGroup may take as long as a rebalance, and nothing is sent
// meanwhile.
var network = net.Dialer{
	Timeout:         dialTimeout,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4},
}

// Config is what New needs.
type Config struct {
	Kafka settings.Kafka
	// Topics are those whose metadata is kept: the events' and the dead letters'.
	Topics []string
	// Dial opens the TCP connections; nil: a net.Dialer. The simulation sets it.
	Dial DialFunc
	// ReloadFailed is called with the name of a file's setting each time the file could not be reloaded; nil:
	// no call.
	ReloadFailed func(setting string)
	// Reloaded is called with the name of a file's setting each time the file was reloaded; nil: no call.
	Reloaded func(setting string)
	// Logger logs changes and faults of files; nil: no log.
	Logger *slog.Logger
}

// Kafka is the way to one cluster.
type Kafka struct {
	// Dialer is for looking at single brokers.
	Dialer *kafka.Dialer
	// Wire is for all other requests.
	Wire *wire.Client
	// Brokers is KAFKA_BROKERS in random order.
	Brokers []string

	tls     *tlsClient // nil: TLS is off
	watched []watcher  // what the log-in reads from files
}

// watcher is a [Watched] of any type.
type watcher interface{ Run(ctx context.Context) }

// New builds the way to the cluster. It contacts nothing; an error is that of a file. ctx ends the wire's
// goroutine and connections: it must live until the last request, the last commit and the leaving of the group
// included.
func New(ctx context.Context, cfg Config) (*Kafka, error) {
	k := &Kafka{Brokers: slices.Clone(cfg.Kafka.Brokers)}
	rand.Shuffle(len(k.Brokers), func(i, j int) { k.Brokers[i], k.Brokers[j] = k.Brokers[j], k.Brokers[i] })
	var err error
	if cfg.Kafka.TLS.Enabled {
		if k.tls, err = newTLSClient(cfg.Kafka.TLS, cfg.ReloadFailed, cfg.Reloaded, cfg.Logger); err != nil {
			return nil, err
		}
	}
	dial := cfg.Dial
	if dial == nil {
		dial = network.DialContext
	}
	mechanism, err := k.mechanism(ctx, cfg, dial)
	if err != nil {
		return nil, err
	}
	k.Wire = wire.New(ctx, wire.Config{
		Brokers: k.Brokers, ClientID: cfg.Kafka.ClientID, Topics: cfg.Topics,
		Dial: wire.DialFunc(k.dialer(dial, 0)), SASL: mechanism, Logger: cfg.Logger,
	})
	k.Dialer = &kafka.Dialer{
		ClientID: cfg.Kafka.ClientID, DialFunc: k.dialer(dial, RequestTimeout),
		Timeout: openTimeout, SASLMechanism: mechanism,
	}
	return k, nil
}

// mechanism returns the log-in of all connections, nil if there is none.
func (k *Kafka) mechanism(ctx context.Context, cfg Config, dial DialFunc) (sasl.Mechanism, error) {
	s := cfg.Kafka.SASL
	switch s.Mechanism {
	case settings.NoSASL, "":
		return nil, nil //nolint:nilnil // none is a kind of log-in
	case settings.Plain, settings.ScramSHA256, settings.ScramSHA512:
		password, err := k.password(cfg)
		if err != nil {
			return nil, err
		}
		return &login{mechanism: s.Mechanism, username: s.Username, password: password}, nil
	case settings.OAuthBearer:
		tokens, err := k.tokens(ctx, cfg, dial)
		if err != nil {
			return nil, err
		}
		return &bearer{tokens: tokens, extensions: s.OAuth.Extensions}, nil
	default:
		return nil, unknownMechanism(s.Mechanism)
	}
}

// password returns what reads the password, or the client ID's secret.
func (k *Kafka) password(cfg Config) (func() settings.Secret, error) {
	s := cfg.Kafka.SASL
	if s.PasswordFile == "" {
		return func() settings.Secret { return s.Password }, nil
	}
	file, err := watch(k, cfg, "KAFKA_SASL_PASSWORD_FILE", s.PasswordFile, settings.ParseSecret)
	if err != nil {
		return nil, err
	}
	return file.Fresh, nil
}

// tokens returns where the tokens of OAUTHBEARER come from.
func (k *Kafka) tokens(ctx context.Context, cfg Config, dial DialFunc) (tokenSource, error) {
	oauth := cfg.Kafka.SASL.OAuth
	if oauth.TokenURL == nil {
		file, err := watch(k, cfg, "KAFKA_SASL_OAUTH_TOKEN_FILE", oauth.TokenFile, settings.ParseToken)
		if err != nil {
			return nil, err
		}
		return fileToken{file}, nil
	}
	secret, err := k.password(cfg)
	if err != nil {
		return nil, err
	}
	var roots *Watched[*x509.CertPool]
	if oauth.CAFile != "" {
		system, _ := x509.SystemCertPool() // nil: none
		roots, err = watch(k, cfg, "KAFKA_SASL_OAUTH_CA_FILE", oauth.CAFile, func(b []byte) (*x509.CertPool, error) { return settings.ParseCA(system, b) })
		if err != nil {
			return nil, err
		}
	}
	p := &provider{ctx: ctx, ask: newEndpoint(cfg.Kafka.SASL, secret, roots, dial).ask, log: cfg.Logger}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	return p, nil
}

// watch reads a file of the log-in for the first time, and has Run watch it.
func watch[T any](k *Kafka, cfg Config, setting, file string, parse func([]byte) (T, error)) (*Watched[T], error) {
	w, err := Watch(WatchConfig[T]{
		Files: []string{file}, Settings: []string{setting},
		Parse:  func(b [][]byte) (T, error) { return parse(b[0]) },
		Failed: cfg.ReloadFailed, Taken: cfg.Reloaded,
		Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	k.watched = append(k.watched, w)
	return w, nil
}

// dialer returns the dial function with all that a connection needs below the Kafka protocol. A limit (0:
// none) of each read and write lies below TLS, so that it bounds the handshake too.
func (k *Kafka) dialer(dial DialFunc, limit time.Duration) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, &unreachableError{err}
		}
		if limit > 0 {
			conn = &capped{Conn: conn, limit: limit}
		}
		if k.tls != nil {
			ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
			defer cancel()
			if conn, err = k.tls.handshake(ctx, conn, address); err != nil {
				return nil, err
			}
		}
		return newFramed(conn), nil
	}
}

// Run watches the files until ctx ends. Connections read them anyway; with Run a broken file is noticed before
// a connection needs it.
func (k *Kafka) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if k.tls != nil {
		wg.Go(func() { k.tls.run(ctx) })
	}
	for _, w := range k.watched {
		wg.Go(func() { w.Run(ctx) })
	}
}

// unreachableError marks a failure before TLS.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }
