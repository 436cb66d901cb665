package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/release-forwarder/settings"
)

// trusting turns TLS on with the authority in the CA file.
func trusting(t *testing.T, a *authority) func(*settings.Kafka) {
	path := write(t, a.pem)
	return func(k *settings.Kafka) {
		k.TLS.Enabled = true
		k.TLS.CAFile = path
	}
}

// holding adds a client certificate of the authority.
func holding(t *testing.T, a *authority) func(*settings.Kafka) {
	cert, key := a.issue("client", time.Now().Add(time.Hour))
	certFile, keyFile := write(t, cert), write(t, key)
	return func(k *settings.Kafka) { k.TLS.CertFile, k.TLS.KeyFile = certFile, keyFile }
}

func named(name string) func(*settings.Kafka) {
	return func(k *settings.Kafka) { k.TLS.ServerName = name }
}

func chainOnly(k *settings.Kafka) { k.TLS.Verify = settings.VerifyChain }

func together(changes ...func(*settings.Kafka)) func(*settings.Kafka) {
	return func(k *settings.Kafka) {
		for _, c := range changes {
			c(k)
		}
	}
}

// metadataOf asks over the wire, as the service does.
func metadataOf(ctx context.Context, k *Kafka) error {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	m, err := k.Wire.MetadataOf(ctx, []string{"events"})
	if err == nil && len(m.Topics["events"].Partitions) == 0 {
		err = errors.New("the topic is not there")
	}
	return err
}

func TestTLS(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	expired := ours.server("127.0.0.1")
	pair, err := tls.X509KeyPair(ours.issue("127.0.0.1", time.Now().Add(-time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	expired.Certificates = []tls.Certificate{pair}

	for _, c := range []struct {
		name   string
		server *tls.Config
		client func(*settings.Kafka)
		fault  Fault // empty: the connection is good
	}{
		{"name and chain fit", ours.server("127.0.0.1"), trusting(t, ours), ""},
		{"another authority", other.server("127.0.0.1"), trusting(t, ours), BadTLS},
		{"another name", ours.server("kafka.internal"), trusting(t, ours), BadTLS},
		{"another name that is expected", ours.server("kafka.internal"), together(trusting(t, ours), named("kafka.internal")), ""},
		{"the expected name is not there", ours.server("127.0.0.1"), together(trusting(t, ours), named("kafka.internal")), BadTLS},
		{"expired", expired, trusting(t, ours), BadTLS},
		{"chain alone: another name", ours.server("kafka.internal"), together(trusting(t, ours), chainOnly), ""},
		{"chain alone: another authority", other.server("127.0.0.1"), together(trusting(t, ours), chainOnly), BadTLS},
		{"chain alone: expired", expired, together(trusting(t, ours), chainOnly), BadTLS},
		{"mutual", ours.mutual(ours.server("127.0.0.1")), together(trusting(t, ours), holding(t, ours)), ""},
		{"mutual without a client certificate", ours.mutual(ours.server("127.0.0.1")), trusting(t, ours), BadTLS},
		{"mutual with another authority's", ours.mutual(ours.server("127.0.0.1")), together(trusting(t, ours), holding(t, other)), BadTLS},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := broker(t, kfake.TLS(c.server))
			var open sockets
			k := connected(t, Config{Kafka: kafkaSettings(c.client, address), Dial: open.dial})
			err := k.Reach(t.Context())
			fault, is := errors.AsType[*ReachError](err)
			switch {
			case c.fault == "" && err != nil:
				t.Fatalf("reach: %v", err)
			case c.fault != "" && (!is || fault.Fault != c.fault):
				t.Fatalf("reach: %v, want a fault of kind %s", err, c.fault)
			case c.fault != "" && !open.allClosed():
				t.Error("the socket of a refused connection is left open")
			}
			if c.fault == "" {
				if err := metadataOf(t.Context(), k); err != nil {
					t.Errorf("over the transport: %v", err)
				}
			}
		})
	}
}

func TestACAInASwappedFolderCountsFromTheNextConnection(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	address := broker(t, kfake.TLS(after.server("127.0.0.1")))
	m := mount(t, map[string][]byte{"ca.crt": before.pem})
	k := connected(t, Config{Kafka: kafkaSettings(func(k *settings.Kafka) {
		k.TLS.Enabled, k.TLS.CAFile = true, m.path("ca.crt")
	}, address)})
	if err := k.Reach(t.Context()); err == nil {
		t.Fatal("the authority is not trusted yet")
	}
	m.swap(map[string][]byte{"ca.crt": []byte("half wri")})
	if err := k.Reach(t.Context()); err == nil {
		t.Fatal("a broken file must not open the door")
	}
	m.swap(map[string][]byte{"ca.crt": after.pem})
	if err := k.Reach(t.Context()); err != nil {
		t.Errorf("after the swap: %v", err)
	}
}

func TestAClientCertificateInASwappedFolderCountsFromTheNextConnection(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	address := broker(t, kfake.TLS(ours.mutual(ours.server("127.0.0.1"))))
	files := func(a *authority) map[string][]byte {
		cert, key := a.issue("client", time.Now().Add(time.Hour))
		return map[string][]byte{"tls.crt": cert, "tls.key": key}
	}
	m := mount(t, files(other))
	k := connected(t, Config{Kafka: kafkaSettings(together(trusting(t, ours), func(k *settings.Kafka) {
		k.TLS.CertFile, k.TLS.KeyFile = m.path("tls.crt"), m.path("tls.key")
	}), address)})
	if err := k.Reach(t.Context()); err == nil {
		t.Fatal("the client's authority is another")
	}
	m.swap(files(ours))
	if err := k.Reach(t.Context()); err != nil {
		t.Errorf("after the swap: %v", err)
	}
}

func TestFilesAreNeededAtTheStart(t *testing.T) {
	bad := write(t, []byte("no PEM"))
	for name, change := range map[string]func(*settings.Kafka){
		"CA":                 func(k *settings.Kafka) { k.TLS.Enabled, k.TLS.CAFile = true, bad },
		"client certificate": func(k *settings.Kafka) { k.TLS.Enabled, k.TLS.CertFile, k.TLS.KeyFile = true, bad, bad },
		"password": func(k *settings.Kafka) {
			k.SASL = settings.SASL{Mechanism: settings.Plain, PasswordFile: "/does/not/exist"}
		},
		"CA of a chain whose name is not checked": func(k *settings.Kafka) { k.TLS.Enabled, k.TLS.Verify = true, settings.VerifyChain },
	} {
		if _, err := New(t.Context(), Config{Kafka: kafkaSettings(change, "broker:9092")}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAnUnknownChoiceIsRefusedAtTheStart(t *testing.T) {
	for name, change := range map[string]func(*settings.Kafka){
		"KAFKA_SASL_MECHANISM": user("GSSAPI", "lane", "s3cret"),
		"KAFKA_TLS_VERIFY":     func(k *settings.Kafka) { k.TLS.Enabled, k.TLS.Verify = true, "none" },
	} {
		_, err := New(t.Context(), Config{Kafka: kafkaSettings(change, "broker:9092")})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sockets opens real connections and remembers them.
type sockets struct {
	mu   sync.Mutex
	open []*closing
}

func (s *sockets) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, &closing{Conn: conn})
	return s.open[len(s.open)-1], nil
}

func (s *sockets) allClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) > 0 && !slices.ContainsFunc(s.open, func(c *closing) bool { return !c.closed.Load() })
}
