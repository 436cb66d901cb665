package connect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/release-forwarder/settings"
)

// authority is a CA made for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.cert, a.pem = a.sign(&x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}, a.key, nil)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign issues a certificate for key; without a parent it signs itself.
func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey, parent *x509.Certificate) (*x509.Certificate, []byte) {
	a.t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	template.NotBefore = template.NotAfter.Add(-24 * time.Hour)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// issue returns the PEM certificate and key of a broker or client. A host that is an address is written as an
// address.
func (a *authority) issue(host string, notAfter time.Time) (cert, key []byte) {
	a.t.Helper()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: host},
		NotAfter:    notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	k := newKey(a.t)
	_, cert = a.sign(template, k, a.cert)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// server returns a broker's TLS configuration with a certificate for host.
func (a *authority) server(host string) *tls.Config {
	a.t.Helper()
	pair, err := tls.X509KeyPair(a.issue(host, time.Now().Add(time.Hour)))
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// mutual makes config demand client certificates of a.
func (a *authority) mutual(config *tls.Config) *tls.Config {
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AddCert(a.cert)
	return config
}

func write(t *testing.T, contents []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	overwrite(t, path, contents)
	return path
}

func overwrite(t *testing.T, path string, contents []byte) {
	t.Helper()
	if err := os.WriteFile(path, contents, 0o600); err != nil {
		t.Fatal(err)
	}
}

// mounted is a folder as Kubernetes mounts a Secret: each name links to ..data/name, and ..data links to a
// folder that is swapped as a whole.
type mounted struct {
	t       *testing.T
	dir     string
	version int
}

func mount(t *testing.T, files map[string][]byte) *mounted {
	t.Helper()
	m := &mounted{t: t, dir: t.TempDir()}
	m.swap(files)
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), m.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

// swap replaces all files in one step.
func (m *mounted) swap(files map[string][]byte) {
	m.t.Helper()
	m.version++
	folder := "..version" + string(rune('0'+m.version))
	if err := os.Mkdir(m.path(folder), 0o700); err != nil {
		m.t.Fatal(err)
	}
	for name, contents := range files {
		overwrite(m.t, filepath.Join(m.dir, folder, name), contents)
	}
	if err := os.Symlink(folder, m.path("..new")); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(m.path("..new"), m.path("..data")); err != nil {
		m.t.Fatal(err)
	}
}

// broker starts an in-process Kafka and returns its address.
func broker(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, "events")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}

// kafkaSettings returns the settings for brokers, changed by change.
func kafkaSettings(change func(*settings.Kafka), brokers ...string) settings.Kafka {
	k := settings.Kafka{
		Brokers:          brokers,
		Topics:           []string{"events"},
		ClientID:         "test",
		RebalanceTimeout: time.Minute,
		TLS:              settings.TLS{Verify: settings.VerifyFull},
		SASL:             settings.SASL{Mechanism: settings.NoSASL},
	}
	if change != nil {
		change(&k)
	}
	return k
}

// connected builds the way to Kafka for a test.
func connected(t *testing.T, cfg Config) *Kafka {
	t.Helper()
	cfg.Topics = []string{"events"}
	k, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Wire.Close)
	return k
}
