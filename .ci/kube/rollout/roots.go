package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// What the forwarder says of a broker's certificate, where its chain leads to an
// authority that it trusts, and where not. It looks at the chain before it looks
// whether the broker has the certificate's key, which nobody but its owner has.
const (
	chainHolds = "invalid signature by the server certificate"
	chainFails = "signed by unknown authority"
)

// roots has the image look at two brokers, in pods that mount no certificates: one
// shows a certificate of Mozilla's list, the other one that somebody made.
func (w *world) roots(ctx context.Context) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	known, err := authority()
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	for name, c := range map[string]struct {
		certificate []byte
		says        string
	}{"known-authority": {known, chainHolds}, "unknown-authority": {made, chainFails}} {
		said, err := w.look(ctx, name, tls.Certificate{Certificate: [][]byte{c.certificate}, PrivateKey: key})
		if err != nil {
			return err
		}
		if !strings.Contains(said, c.says) {
			return fmt.Errorf("%s: probe does not say %q: %s", name, c.says, said)
		}
	}
	fmt.Println("rollout: an image without files of certificates verifies a chain against its own authorities, and refuses another")
	return nil
}

// authority is a certificate that every such list has.
func authority() ([]byte, error) {
	for root := range bundle.Roots() {
		c, err := x509.ParseCertificate(root.Certificate)
		if err == nil && c.PublicKeyAlgorithm == x509.RSA && root.Constraint == nil && time.Now().Before(c.NotAfter) {
			return root.Certificate, nil
		}
	}
	return nil, errors.New("no authority with an RSA key")
}

// look runs `probe` in a pod against a broker that shows this certificate, and
// gives what it printed.
func (w *world) look(ctx context.Context, name string, certificate tls.Certificate) (string, error) {
	listener, err := tls.Listen("tcp", net.JoinHostPort(w.address, "0"), &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	w.side.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).HandshakeContext(ctx) // the client ends it
			_ = conn.Close()
		}
	})
	if _, err := w.kc(ctx, fmt.Sprintf(looker, name, namespace, w.image, listener.Addr()), "apply", "-f", "-"); err != nil {
		return "", err
	}
	if _, err := w.kc(ctx, "", "wait", "pod/"+name, "--for=jsonpath={.status.phase}=Failed", "--timeout=60s"); err != nil {
		return "", err
	}
	said, err := w.kc(ctx, "", "get", "pod/"+name, "-o", "jsonpath={.status.containerStatuses[0].state.terminated.message}")
	if err != nil {
		return "", err
	}
	_, err = w.kc(ctx, "", "delete", "pod/"+name)
	return said, err
}

// looker is a pod whose last words stay in its status. It ends with 1: at such a
// broker something is wrong either way.
const looker = `apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {runAsNonRoot: true, runAsUser: 4321, runAsGroup: 4321, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: probe
      image: %s
      args: [probe, --timeout=10s]
      terminationMessagePolicy: FallbackToLogsOnError
      env:
        - {name: KAFKA_BROKERS, value: "%s"}
        - {name: KAFKA_TOPIC, value: abnormal-release}
        - {name: KAFKA_GROUP_ID, value: looker}
        - {name: KAFKA_TLS_ENABLED, value: "true"}
        - {name: KAFKA_TLS_VERIFY, value: chain} # the brokers have no name
        - {name: UPSTREAM_APP_SECRET, value: secret}
      resources: {limits: {memory: 128Mi}}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
`
