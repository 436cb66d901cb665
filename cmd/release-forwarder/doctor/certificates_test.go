package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"
)

func TestWhenACertificateIsNoLongerTrusted(t *testing.T) {
	now := time.Now()
	in := func(days int) *x509.Certificate {
		return &x509.Certificate{NotAfter: now.Add(time.Duration(days) * day)}
	}
	type chain = []*x509.Certificate
	for name, c := range map[string]struct {
		sent   chain
		chains []chain
		want   int
	}{
		"the server's ends first":            {chain{in(10), in(90)}, []chain{{in(10), in(90)}}, 10},
		"the authority's ends first":         {chain{in(90)}, []chain{{in(90), in(10)}}, 10},
		"another chain lasts longer":         {chain{in(90), in(10)}, []chain{{in(90), in(10)}, {in(90), in(80)}}, 80},
		"an old certificate is sent for all": {chain{in(90), in(-10)}, []chain{{in(90), in(400)}}, 90},
		"no chain is known":                  {chain{in(90), in(10)}, nil, 10},
	} {
		state := &tls.ConnectionState{PeerCertificates: c.sent, VerifiedChains: c.chains}
		if got, want := lasts(state), now.Add(time.Duration(c.want)*day); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestTheClientsOwnCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		length time.Duration
		want   Verdict
	}{
		"a year left": {400 * day, OK},
		"a week left": {7 * day, Warning},
		"over":        {-time.Minute, Wrong},
	} {
		pair, file := certified(t, time.Now(), c.length)
		key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		keyFile := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
			t.Fatal(err)
		}
		p := &doctor{settings: &settings.Settings{Kafka: settings.Kafka{TLS: settings.TLS{CertFile: file, KeyFile: keyFile}}}}
		if r := p.clientCertificate(); len(r) != 1 || r[0].Verdict != c.want {
			t.Errorf("%s: want %s\n%s", name, c.want, text(t, r))
		}
	}
}
