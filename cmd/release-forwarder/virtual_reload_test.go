package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry"
)

// Files that are taken up without a restart: how a fault of theirs is counted, and
// that the platform's authorities are among them.

func reloadFailures(file string) string {
	return `release_forwarder_reload_failures_total{file="` + file + `"}`
}

func TestASecretThatCannotBeParsedIsCountedWhileItStays(t *testing.T) {
	for setting, c := range map[string]struct{ good, bad, better string }{
		"UPSTREAM_APP_SECRET_FILE":  {secret, "one\ntwo\nthree\n", secret + "\nanother-secret\n"},
		"UPSTREAM_CREDENTIALS_FILE": {`{"*":{"app_secret":"` + secret + `"}}`, `{"*":{"app_secret":`, `{"*":{"app_secret":"` + secret + `","app_id":"op"}}`},
	} {
		t.Run(setting, func(t *testing.T) {
			file := mount(t, c.good)
			inVirtualTime(t, 1, func(w *world) {
				r := w.start("UPSTREAM_APP_SECRET", "", setting, file.name())
				count := func() string { return r.sample(reloadFailures(setting)) }
				time.Sleep(time.Minute)
				if n := count(); n != "0" {
					t.Errorf("%s failures of a good file", n)
				}
				file.swap(c.bad)
				time.Sleep(5 * time.Second)
				early := count()
				w.produce(0, event(1, 0)) // the last good one signs it
				w.until("the commit", w.allCommitted(1, 1))
				if later := count(); early == "0" || later == early {
					t.Errorf("%s failures after 5 s, then %s", early, later)
				}
				file.swap(c.better)
				time.Sleep(5 * time.Second)
				mended := count()
				time.Sleep(time.Minute)
				if n := count(); n != mended || r.sample(`release_forwarder_reloads_total{file="`+setting+`"}`) != "1" {
					t.Errorf("%s failures when it was mended, then %s", mended, n)
				}
				w.end(r)
			})
		})
	}
}

// Each file that is taken up again counts under the setting that names it.
func TestAFileCountsUnderItsSetting(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.start()
		s := &settings.Settings{}
		s.Kafka.TLS.CAFile, s.Kafka.TLS.CertFile, s.Kafka.TLS.KeyFile = "KAFKA_TLS_CA_FILE", "KAFKA_TLS_CERT_FILE", "KAFKA_TLS_KEY_FILE"
		s.Kafka.SASL.PasswordFile, s.Upstream.TLSCAFile = "KAFKA_SASL_PASSWORD_FILE", "UPSTREAM_TLS_CA_FILE"
		s.Credential.AppSecretFile, s.Credential.CredentialsFile = "UPSTREAM_APP_SECRET_FILE", "UPSTREAM_CREDENTIALS_FILE"
		v := &service{settings: s, telemetry: r.telemetry}
		for _, name := range telemetry.ReloadedFiles {
			v.reloadFailed(name)
			v.reloaded(name)
		}
		for _, name := range telemetry.ReloadedFiles {
			if n := r.sample(reloadFailures(name)); n != "1" {
				t.Errorf("%s failures of %s", n, name)
			}
			if n := r.sample(`release_forwarder_reloads_total{file="` + name + `"}`); n != "1" {
				t.Errorf("%s reloads of %s", n, name)
			}
		}
		w.end(r)
	})
}

func TestThePlatformsAuthoritiesInASwappedFolderAreTakenUp(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate alone
	defer certified.Close()
	right := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw}))
	file := mount(t, stranger(t))
	inVirtualTime(t, 1, func(w *world) {
		l, err := w.net.Listen("tcp", "127.0.0.1:443")
		if err != nil {
			t.Fatal(err)
		}
		// Handshakes that fail are no news here.
		server := &http.Server{Handler: w.platform, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go server.Serve(tls.NewListener(l, &tls.Config{Certificates: certified.TLS.Certificates}))
		defer server.Close()
		r := w.start("UPSTREAM_URL", "https://127.0.0.1:443/gate", "UPSTREAM_TLS_CA_FILE", file.name())
		w.produce(0, event(1, 0))
		time.Sleep(time.Minute)
		file.swap("half wri")
		time.Sleep(time.Minute)
		if n := w.platform.Stats().Accepted; n != 0 {
			t.Errorf("%d accepted of a platform that is not trusted", n)
		}
		if n := r.sample(reloadFailures("UPSTREAM_TLS_CA_FILE")); n == "0" {
			t.Error("the broken file is not counted")
		}
		file.swap(right)
		// 5 s, and the backoff of the record that waits.
		w.until("the acceptance", func() bool { return w.platform.Stats().Accepted == 1 }, 35*time.Second)
		w.end(r)
	})
}

// stranger is an authority that signed nothing.
func stranger(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().AddDate(50, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}
