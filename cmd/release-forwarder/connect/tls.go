package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"release-forwarder/cmd/release-forwarder/settings"
)

// tlsClient makes TLS connections to brokers with what the files hold at the handshake.
type tlsClient struct {
	serverName string // empty: the host of the dialed address
	verify     settings.Verify
	ca         *Watched[*x509.CertPool]   // nil: the system's
	pair       *Watched[*tls.Certificate] // nil: no client certificate
}

func newTLSClient(cfg settings.TLS, failed, taken func(string), logger *slog.Logger) (*tlsClient, error) {
	switch cfg.Verify {
	case settings.VerifyFull:
	case settings.VerifyChain:
		if cfg.CAFile == "" {
			return nil, errors.New("KAFKA_TLS_VERIFY: chain needs KAFKA_TLS_CA_FILE") // the settings refuse it too
		}
	default:
		return nil, fmt.Errorf("KAFKA_TLS_VERIFY: %q is not known here", cfg.Verify)
	}
	c := &tlsClient{serverName: cfg.ServerName, verify: cfg.Verify}
	var err error
	if cfg.CAFile != "" {
		c.ca, err = Watch(WatchConfig[*x509.CertPool]{
			Files: []string{cfg.CAFile}, Settings: []string{"KAFKA_TLS_CA_FILE"},
			Parse:  func(b [][]byte) (*x509.CertPool, error) { return settings.ParseCA(nil, b[0]) },
			Failed: failed, Taken: taken,
			Logger: logger,
		})
		if err != nil {
			return nil, fmt.Errorf("KAFKA_TLS_CA_FILE: %w", err)
		}
	}
	if cfg.CertFile != "" {
		c.pair, err = Watch(WatchConfig[*tls.Certificate]{
			Files: []string{cfg.CertFile, cfg.KeyFile}, Settings: []string{"KAFKA_TLS_CERT_FILE", "KAFKA_TLS_KEY_FILE"},
			Parse:  func(b [][]byte) (*tls.Certificate, error) { return settings.ParseKeyPair(b[0], b[1]) },
			Failed: failed, Taken: taken,
			Logger: logger,
		})
		if err != nil {
			return nil, fmt.Errorf("KAFKA_TLS_CERT_FILE: %w", err)
		}
	}
	return c, nil
}

// handshake turns conn into a TLS connection. It closes conn when it fails; the error is a *handshakeError.
func (c *tlsClient) handshake(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	secured := tls.Client(conn, c.config(address))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, &handshakeError{err}
	}
	return secured, nil
}

// config returns a new configuration for each connection, so that none changes under another.
func (c *tlsClient) config(address string) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.serverName}
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(address)
	}
	if c.ca != nil {
		cfg.RootCAs = c.ca.Fresh()
	}
	if c.pair != nil {
		pair := c.pair.Fresh()
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	if c.verify == settings.VerifyChain {
		roots := cfg.RootCAs
		cfg.InsecureSkipVerify = true // turns off only crypto/tls's own check, which cannot check a chain without a name
		cfg.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, roots) }
	}
	return cfg
}

// verifyChain is crypto/tls's check of a server's certificate without the name.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err
}

// run watches the files, so that their faults are visible between connections.
func (c *tlsClient) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if c.ca != nil {
		wg.Go(func() { c.ca.Run(ctx) })
	}
	if c.pair != nil {
		wg.Go(func() { c.pair.Run(ctx) })
	}
}

// handshakeError marks a failure between TCP and Kafka.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }
