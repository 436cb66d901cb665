package acceptance

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// kfakeBackend gives each scenario a kfake cluster of its own, in the test's
// process and listening on the loopback interface.
type kfakeBackend struct {
	dir   string
	once  sync.Once
	certs certificates // set by once
}

func (*kfakeBackend) name() string            { return "kfake" }
func (*kfakeBackend) brokers() int            { return 1 }
func (*kfakeBackend) shared() bool            { return false }
func (*kfakeBackend) patience() time.Duration { return time.Minute }
func (*kfakeBackend) close()                  {}

func (b *kfakeBackend) open(t testing.TB, n need) *cluster {
	t.Helper()
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second)}
	if n.listener == "SSL" || n.listener == "MTLS" || n.listener == "SASL_SSL" {
		opts = append(opts, kfake.TLS(b.serverTLS(t, n.listener == "MTLS")))
	}
	if n.mechanism != "" {
		user, password := scramUser, scramPassword
		if n.mechanism == "PLAIN" {
			user, password = plainUser, plainPassword
		}
		opts = append(opts, kfake.EnableSASL(), kfake.Superuser(n.mechanism, user, password))
	}
	if n.durable {
		opts = append(opts, kfake.DataDir(t.TempDir()))
	}
	fake, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fake.Close() }) // the one there is by then
	c, err := newCluster(fake.ListenAddrs(), n, b.certificates(t))
	if err != nil {
		t.Fatal(err)
	}
	c.checkRetention, c.compact = func() { fake.ApplyRetention() }, func() { fake.Compact() }
	if n.durable {
		_, port, _ := net.SplitHostPort(fake.ListenAddrs()[0])
		number, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		c.bounce = func(string) {
			fake.Close()
			again, err := kfake.NewCluster(append(opts, kfake.Ports(number))...)
			if err != nil {
				t.Fatal(err)
			}
			fake = again
		}
	}
	return c
}

func (b *kfakeBackend) another(t testing.TB) *cluster {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second), kfake.ClusterID("another"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c, err := newCluster(fake.ListenAddrs(), need{}, b.certificates(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// certificates makes them once, for all scenarios, which run together.
func (b *kfakeBackend) certificates(t testing.TB) certificates {
	t.Helper()
	b.once.Do(func() {
		dir := filepath.Join(b.dir, "tls")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		b.certs = makeCertificates(t, dir)
	})
	return b.certs
}

func (b *kfakeBackend) serverTLS(t testing.TB, clientRequired bool) *tls.Config {
	t.Helper()
	certs := b.certificates(t)
	pair, err := tls.LoadX509KeyPair(certs.serverCert, certs.serverKey)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if clientRequired {
		pem, err := os.ReadFile(certs.ca)
		if err != nil {
			t.Fatal(err)
		}
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}
