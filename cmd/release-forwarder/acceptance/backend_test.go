package acceptance

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// backend is a kind of Kafka that the suite runs on.
type backend interface {
	// name stands in the table and names the file of the results.
	name() string
	// brokers is how many there are.
	brokers() int
	// shared says that all scenarios use one cluster.
	shared() bool
	// patience bounds the wait for what should happen soon.
	patience() time.Duration
	// open gives a scenario a cluster that meets its needs.
	open(t testing.TB, n need) *cluster
	// another gives a scenario a cluster beside its own, with another ID.
	another(t testing.TB) *cluster
	close()
}

// need is what a scenario asks of its cluster. The zero value is a cluster
// reached without TLS and SASL.
type need struct {
	// listener is PLAINTEXT (also ""), SASL_PLAINTEXT, SSL, MTLS or SASL_SSL.
	listener string
	// mechanism is SASL's, for the SASL listeners.
	mechanism string
	// durable: the cluster can lose a broker and get it back, see bounce.
	durable bool
}

// cluster is a Kafka as a scenario sees it.
type cluster struct {
	// settings tell the forwarder how to reach it.
	settings map[string]string
	// client tells the observers the same.
	client []kgo.Opt
	// bounce kills a broker, the one that leads partition 0 of the topic, and
	// brings it back; only of a durable cluster.
	bounce func(topic string)
	// roll restarts every broker, one after the other; nil where there is
	// nobody to take over.
	roll func()
	// compact makes the brokers compact what they can; the real ones do so by
	// themselves, about once a second.
	compact func()
	// checkRetention makes the brokers look for what they may delete; the real
	// ones do so by themselves, about once a second.
	checkRetention func()
	// tool runs one of Kafka's command-line tools, given as a person types it
	// (kafka-topics.sh …), and gives what it prints; nil where there is none.
	tool func(command []string) (string, error)
}

// openBackend starts what the environment asks for.
func openBackend(dir string) (backend, error) {
	switch kind := or(os.Getenv("ACCEPTANCE_KAFKA"), "kfake"); kind {
	case "kfake":
		return &kfakeBackend{dir: dir}, nil
	case "real":
		return startReal(dir)
	default:
		return nil, fmt.Errorf("ACCEPTANCE_KAFKA is %q; give kfake or real", kind)
	}
}

// The users of every cluster with SASL.
const (
	plainUser, plainPassword = "app", "app-secret"
	scramUser, scramPassword = "scram", "scram-secret"
)

// newCluster makes the settings and the client's options for brokers that are
// reached as the need says.
func newCluster(brokers []string, n need, certs certificates) (*cluster, error) {
	c := &cluster{
		settings: map[string]string{"KAFKA_BROKERS": strings.Join(brokers, ",")},
		client:   []kgo.Opt{kgo.SeedBrokers(brokers...)},
	}
	if n.listener == "SSL" || n.listener == "MTLS" || n.listener == "SASL_SSL" {
		config := &tls.Config{RootCAs: x509.NewCertPool()}
		pem, err := os.ReadFile(certs.ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs.AppendCertsFromPEM(pem)
		maps.Copy(c.settings, map[string]string{"KAFKA_TLS_ENABLED": "true", "KAFKA_TLS_CA_FILE": certs.ca})
		if n.listener == "MTLS" {
			pair, err := tls.LoadX509KeyPair(certs.clientCert, certs.clientKey)
			if err != nil {
				return nil, err
			}
			config.Certificates = []tls.Certificate{pair}
			maps.Copy(c.settings, map[string]string{"KAFKA_TLS_CERT_FILE": certs.clientCert, "KAFKA_TLS_KEY_FILE": certs.clientKey})
		}
		c.client = append(c.client, kgo.DialTLSConfig(config))
	}
	if n.mechanism == "" {
		return c, nil
	}
	user, password := scramUser, scramPassword
	login := scram.Auth{User: scramUser, Pass: scramPassword}
	switch n.mechanism {
	case "PLAIN":
		user, password = plainUser, plainPassword
		c.client = append(c.client, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
		if n.listener == "SASL_PLAINTEXT" {
			c.settings["KAFKA_SASL_ALLOW_PLAINTEXT"] = "true"
		}
	case "SCRAM-SHA-256":
		c.client = append(c.client, kgo.SASL(login.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		c.client = append(c.client, kgo.SASL(login.AsSha512Mechanism()))
	default:
		return nil, fmt.Errorf("no such mechanism: %s", n.mechanism)
	}
	maps.Copy(c.settings, map[string]string{
		"KAFKA_SASL_MECHANISM": n.mechanism, "KAFKA_SASL_USERNAME": user, "KAFKA_SASL_PASSWORD": password,
	})
	return c, nil
}
